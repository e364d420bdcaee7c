package main

import (
	"context"
	"strings"
	"testing"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/eval"
	"hhrlhf/rlhf/online"
)

// A loop from the shell: wrong flags are said, an interrupt is kept, and the same command
// goes on.
func TestOnline(t *testing.T) {
	dir := t.TempDir()
	d := realDesk(t, dir, "")
	if err := d.run(t, "train -name base -json -data synth-small -rows 2000 -vocab 400 -context 64 -batch 8 -shape 0.2M -lr 0.005 -steps 120 -warmup 4"); err != nil {
		t.Fatalf("%v\n%s", err, d.err.String())
	}
	for line, want := range map[string]string{
		"-name ../x -lm base":     "-name",
		"":                        "-lm is missing",
		"-lm nobody":              `"nobody"`,
		"-lm base -k -1":          "K = -1",
		"-lm base -size enormous": `"enormous"`,
	} {
		d := realDesk(t, dir, "")
		if err := onlineCommandOn(d.shell).run(t.Context(), strings.Fields(line), &d.err); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want one with %q", line, err, want)
		}
	}
	if testing.Short() {
		t.Skip("a loop compiles for half a minute; -short is set")
	}
	line := strings.Fields("-lm base -size tiny -json -base 600 -rs 300 -online 300 -k 2 -trial 60 -control -1 -ppo-steps 2")
	d = realDesk(t, dir, "")
	ctx, cancel := context.WithCancel(t.Context())
	d.shell.err = &interrupter{after: "rejection sampling", cancel: cancel}
	err := onlineCommandOn(d.shell).run(ctx, line, &d.err)
	if err == nil || !strings.Contains(err.Error(), "what is done is kept") {
		t.Fatalf("interrupted: %v", err)
	}
	d = realDesk(t, dir, "")
	if err := onlineCommandOn(d.shell).run(t.Context(), line, &d.err); err != nil {
		t.Fatalf("%v\n%s", err, d.err.String())
	}
	var out onlineResult
	decode(t, d.out.String(), &out)
	if len(out.Reports) != 1 || out.Control != nil || len(out.Reports[0].Elo) != 4 || strings.Contains(d.err.String(), "comparisons of the base model") {
		t.Errorf("%+v, said %s", out, d.err.String())
	}
}

// The tables have every policy, every tranche and the control.
func TestPrintOnline(t *testing.T) {
	accuracy := func(name string, share float64) rlhf.Accuracy {
		return rlhf.Accuracy{Name: name, N: 200, Value: share, Low: share - 0.06, High: share + 0.06}
	}
	reports := []online.Report{
		{Round: 1, Accuracy: []rlhf.Accuracy{accuracy("base", 0.74), accuracy("online-1", 0.61)}},
		{Round: 2, Accuracy: []rlhf.Accuracy{accuracy("base", 0.75)}, Elo: []eval.Rating{{Name: "base", Games: 90, Won: 20}, {Name: "ppo-2@60", Elo: 148, Low: 99, High: 197, Games: 80, Won: 55.5}},
			Gold: []online.Gold{{Name: "ppo-2@60", Worth: 1.8, SE: 0.04, Helpful: 0.66, Harmless: 1}}},
	}
	control := &online.Control{Rows: 5400, Base: online.Arm{Accuracy: []rlhf.Accuracy{accuracy("rs", 0.58)}}, Mix: online.Arm{Accuracy: []rlhf.Accuracy{accuracy("rs", 0.66)}},
		Won: rlhf.Accuracy{N: 520, Value: 0.56, Low: 0.517, High: 0.602}, Elo: eval.Rating{Elo: 42}, Better: 0.11, SE: 0.03}
	var out strings.Builder
	if err := printOnline(&out, reports, control); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"after round 2", "ppo-2@60            148     99 to 197        55.5 of 80", "gold worth 1.800 ± 0.040",
		"of round 1 ranks right", "online-1   0.610 (0.550 to 0.670) of 200 pairs", "5400 comparisons of base alone", "rs         0.580", "won 0.560 (0.517 to 0.602) of 520 comparisons, Elo 42; its gold worth is higher by 0.110 ± 0.030"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the tables lack %q:\n%s", want, out.String())
		}
	}
	if err := printOnline(&out, nil, nil); err == nil {
		t.Error("a loop without a round has tables")
	}
}

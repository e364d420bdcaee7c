package main

import (
	"context"
	"strings"
	"testing"
)

// A loop from the shell: wrong flags are said, an interrupt is kept, the same command
// goes on, and one more round is a matter of a flag.
func TestOnline(t *testing.T) {
	dir := t.TempDir()
	d := realDesk(t, dir, "")
	if err := d.run(t, "train -name base -json -data synth-small -rows 2000 -vocab 400 -context 64 -batch 8 -shape 0.2M -steps 40 -warmup 4"); err != nil {
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
	line := strings.Fields("-lm base -size tiny -json -base 600 -rs 200 -online 200 -k 2 -trial 60 -control -1 -ppo-steps 2")
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
	d = realDesk(t, dir, "")
	if err := onlineCommandOn(d.shell).run(t.Context(), strings.Fields(strings.Replace(strings.Join(line, " "), "-json ", "", 1)), &d.err); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"after round 1", "base", "ppo-1@2", "the preference model of round 1 ranks right", "online-1"} {
		if !strings.Contains(d.out.String(), want) {
			t.Errorf("the tables lack %q:\n%s", want, d.out.String())
		}
	}
}

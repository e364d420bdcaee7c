package main

import (
	"context"
	"math"
	"strings"
	"testing"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/local"
)

// A tiny policy from the first command to the last: trained, interrupted, gone on with,
// measured, asked and diagnosed.
func TestPPOTrainToDiagnose(t *testing.T) {
	dir := t.TempDir()
	d := realDesk(t, dir, "")
	if err := d.run(t, "train -name base -json -data synth-small -rows 300 -vocab 400 -context 64 -batch 4 -shape 0.2M -steps 2 -warmup 1"); err != nil {
		t.Fatalf("%v\n%s", err, d.err.String())
	}
	d = realDesk(t, dir, "")
	if err := runPM(t, d, "train -name judge -json -lm base -rows 300 -batch 4 -planned 2 -warmup 1"); err != nil {
		t.Fatalf("%v\n%s", err, d.err.String())
	}
	line := "train -name polite -json -policy base -pm judge -value shared -prompt 24 -response 8 -batch 4 -minibatches 2 -epochs 1 -steps 3 -warmup 1"
	train := func(ctx context.Context, d *desk, line string) error {
		return ppoCommands(d.shell).run(ctx, strings.Fields(line), &d.err)
	}
	for wrong, want := range map[string]string{
		"train -policy base -pm nobody":  `PM = "nobody"`,
		"train -policy nobody -pm judge": `Policy = "nobody"`,
		"train -name nobody":             `no run "nobody" to go on with`,
	} {
		if err := train(t.Context(), realDesk(t, dir, ""), wrong); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", wrong, err, want)
		}
	}
	d = realDesk(t, dir, "")
	ctx, cancel := context.WithCancel(t.Context())
	d.shell.err = &interrupter{after: "compiling", cancel: cancel}
	err := train(ctx, d, line)
	if err == nil || !strings.Contains(err.Error(), "stopped at step 0, which is kept; rlhf ppo train -name polite goes on") || d.out.Len() > 0 {
		t.Fatalf("interrupted: %v\n%s", err, d.out.String())
	}
	// The same command goes on, and so does the name alone, as it was configured.
	for _, again := range []struct{ line, from string }{{line + " -more 1", "step 0 of 3"}, {"train -name polite -json", "step 1 of 3"}} {
		d = realDesk(t, dir, "")
		if err := train(t.Context(), d, again.line); err != nil || !strings.Contains(d.err.String(), again.from) {
			t.Fatalf("%s: %v, said %s, want %s", again.line, err, d.err.String(), again.from)
		}
	}
	var done ppoTrained
	if decode(t, d.out.String(), &done); done.Run.Step != 3 || done.Last == nil || done.Last.Step != 3 || done.Seconds <= 0 {
		t.Errorf("at the end: %+v", done)
	}

	lab, err := d.lab(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	asked := func(line string) string {
		t.Helper()
		d := newDesk(nil)
		d.openPPO = opensPPO(func(context.Context, string) (*local.Lab, error) { return lab, nil })
		if err := runPPO(t, d, line); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		return d.out.String()
	}
	var ba rlhf.BeforeAfter
	if decode(t, asked("eval|-run|polite|-n|5|-json"), &ba); ba.Step != 3 || len(ba.Before) != 5 || len(ba.After) != 5 || ba.After[0].Gold == nil {
		t.Errorf("eval: %+v", ba)
	}
	sample := "sample|-run|polite|-chat|-prompt|What is 2 plus 3?|-max-tokens|8|-json"
	var a rlhf.Sample
	if decode(t, asked(sample), &a); a.Tokens < 1 || a.Tokens > 8 || a.Prompt != rlhf.Human+" What is 2 plus 3?"+rlhf.Assistant {
		t.Errorf("sample: %+v", a)
	}
	if again := asked(sample); jsonLine(t, a) != again {
		t.Errorf("the same seed: %s and %s", jsonLine(t, a), again)
	}
	var found []rlhf.Finding
	decode(t, asked("diagnose|-run|polite|-json"), &found)

	// The policy's own preference model stands for a test model: it reads the responses as text, so
	// that those cut off, or written in unusual tokens, score otherwise than in training.
	robust := newDesk(nil)
	robust.shell.lab = func(context.Context, string) (*local.Lab, error) { return lab, nil }
	policy, err := lab.OpenPPO("polite")
	if err != nil {
		t.Fatal(err)
	}
	judge, err := lab.OpenPM("judge")
	if err != nil {
		t.Fatal(err)
	}
	if err := analysesCommands(robust.shell).run(t.Context(), strings.Fields("robustness -run polite -test-pm judge -n 6 -json"), &robust.err); err != nil {
		t.Fatalf("eval robustness: %v", err)
	}
	var r robustness
	if decode(t, robust.out.String(), &r); len(r.Course.Step) != 3 || len(r.Course.Test) != 3 || r.Course.OfTest != r.Course.OfTrain || r.Course.Gold == nil {
		t.Errorf("eval robustness: %+v", r)
	}
	written, err := policy.Written(0)
	if err != nil {
		t.Fatal(err)
	}
	ts := make([]rlhf.Transcript, len(written))
	for i, w := range written {
		ts[i] = rlhf.Transcript{Prompt: w.Prompt, Response: w.Response}
	}
	scores, err := judge.Score(ts)
	if err != nil {
		t.Fatal(err)
	}
	tested, trained, n := map[int]float64{}, map[int]float64{}, map[int]float64{}
	for i, w := range written {
		tested[w.Step], trained[w.Step], n[w.Step] = tested[w.Step]+scores[i], trained[w.Step]+w.Score, n[w.Step]+1
	}
	for i, step := range r.Course.Step {
		if wantTest, wantTrain := tested[step]/n[step], trained[step]/n[step]; math.Abs(r.Course.Test[i]-wantTest) > 1e-4 || math.Abs(r.Course.Train[i]-wantTrain) > 1e-4 {
			t.Errorf("step %d: %v by the test model and %v in training, the responses on disk have %v and %v", step, r.Course.Test[i], r.Course.Train[i], wantTest, wantTrain)
		}
	}
}

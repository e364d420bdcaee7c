package main

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/local"
)

// realJudgeDesk is a desk with the preference models of a lab of the test's own.
func realJudgeDesk(t *testing.T, dir, in string) *desk {
	t.Helper()
	d := realDesk(t, dir, in)
	d.openPM = opensPM(d.lab)
	return d
}

// A tiny preference model from the first command to the last: trained, interrupted, gone
// on with, measured on its own and on other comparisons, and asked through a pipe.
func TestPMTrainToScore(t *testing.T) {
	dir := t.TempDir()
	d := realDesk(t, dir, "")
	if err := d.run(t, "train -name base -json -data synth-small -rows 300 -vocab 400 -context 64 -batch 4 -shape 0.2M -steps 2 -warmup 1"); err != nil {
		t.Fatalf("%v\n%s", err, d.err.String())
	}
	d = realJudgeDesk(t, dir, "")
	ctx, cancel := context.WithCancel(t.Context())
	d.shell.err = &interrupter{after: "compiling", cancel: cancel}
	line := "train -name judge -json -lm base -layers 1 -rows 400 -batch 8 -planned 4 -warmup 1 -lr 0.003"
	err := pmCommands(d.shell).run(ctx, strings.Fields(line), &d.err)
	if err == nil || !strings.Contains(err.Error(), "stopped at step 0, which is kept; rlhf pm train -name judge goes on") || d.out.Len() > 0 {
		t.Fatalf("interrupted: %v\n%s", err, d.out.String())
	}
	// The same command goes on, and so does the name alone, as it was configured.
	for _, again := range []struct{ line, from string }{{line + " -more 1", "step 0 of 4"}, {"train -name judge -json", "step 1 of 4"}} {
		d = realJudgeDesk(t, dir, "")
		if err := runPM(t, d, again.line); err != nil || !strings.Contains(d.err.String(), again.from) {
			t.Fatalf("%s: %v, said %s, want %s", again.line, err, d.err.String(), again.from)
		}
	}
	var done pmTrained
	decode(t, d.out.String(), &done)
	if done.Eval.All.N == 0 || done.Eval.Gold == nil || done.Run.Planned != 4 || done.Run.Step != 4 || done.Eval.Step != 4 || done.Seconds <= 0 ||
		len(done.Run.Data) != 1 || done.Run.Data[0].Rows != 399 || done.Run.Dir != filepath.Join(dir, "judge") {
		t.Errorf("at the end: %+v", done)
	}
	if err := runPM(t, realJudgeDesk(t, dir, ""), "train -name judge -lm base -layers 1 -planned 9"); err == nil || !strings.Contains(err.Error(), "another configuration") {
		t.Errorf("another configuration: %v", err)
	}
	if err := runPM(t, realJudgeDesk(t, dir, ""), "train -name nobody"); err == nil || !strings.Contains(err.Error(), `no run "nobody" to go on with`) {
		t.Errorf("no such run: %v", err)
	}

	// Its own evaluation is the one that training ended with. What asks it shares a lab,
	// which has its programs then.
	d = realJudgeDesk(t, dir, "")
	lab, err := d.lab(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	asked := func(in string) *desk {
		d := newDesk(strings.NewReader(in))
		d.openPM = opensPM(func(context.Context, string) (*local.Lab, error) { return lab, nil })
		return d
	}
	d = asked("")
	if err := runPM(t, d, "eval -pm judge -json"); err != nil {
		t.Fatal(err)
	}
	var own, list []pmResult
	if decode(t, d.out.String(), &own); len(own) != 1 || own[0].Data != heldOut || !cmp.Equal(own[0].Eval, done.Eval) {
		t.Errorf("eval %+v, at the end of training %+v", own, done.Eval)
	}

	// A file of comparisons: score through a pipe, and eval agrees with it.
	talk := func(answer string) string { return rlhf.Human + " What is 2 plus 3?" + rlhf.Assistant + " " + answer }
	path := filepath.Join(dir, "rows.jsonl")
	var lines bytes.Buffer
	for _, answer := range []string{"5.", "It is 5.", "Five!", "4."} {
		lines.WriteString(jsonLine(t, map[string]any{"chosen": talk(answer), "rejected": talk(answer + " I hate you."), "id": answer}))
	}
	if err := os.WriteFile(path, lines.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	d = asked(lines.String())
	if err := runPM(t, d, "score -pm judge"); err != nil {
		t.Fatal(err)
	}
	right, loss, n := 0, 0.0, 0
	for line := range strings.Lines(d.out.String()) {
		var row struct {
			ID, Chosen    string
			ScoreChosen   *float64 `json:"score_chosen"`
			ScoreRejected *float64 `json:"score_rejected"`
		}
		if err := json.Unmarshal([]byte(line), &row); err != nil || row.ScoreChosen == nil || row.ScoreRejected == nil || talk(row.ID) != row.Chosen {
			t.Fatalf("%s: %v", line, err)
		}
		gap := *row.ScoreChosen - *row.ScoreRejected
		if loss += math.Log1p(math.Exp(-gap)) / 4; gap > 0 {
			right++
		}
		n++
	}
	if n != 4 {
		t.Errorf("%d rows of 4", n)
	}
	d = asked("")
	if err := runPM(t, d, "eval -pm judge -json -data "+path); err != nil {
		t.Fatal(err)
	}
	if decode(t, d.out.String(), &list); len(list) != 1 || list[0].Data != path || list[0].Eval.All.N != 4 {
		t.Fatalf("on the file: %+v", list)
	}
	if e := list[0].Eval; float64(right)/4 != e.All.Value || math.Abs(loss-e.Loss) > 1e-5 {
		t.Errorf("%d right, loss %v by score; eval says %v and %v", right, loss, e.All.Value, e.Loss)
	}
}

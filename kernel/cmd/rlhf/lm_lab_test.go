package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hhrlhf/kernel/host"
	"hhrlhf/rlhf"
	"hhrlhf/rlhf/local"
	"hhrlhf/rlhf/pjrt"
)

// realDesk is a desk whose models are real, in a lab of the test's own.
func realDesk(t *testing.T, dir string, in string) *desk {
	t.Helper()
	spec, err := pjrt.Backend(t.Context(), os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	d := newDesk(strings.NewReader(in))
	d.lab = func(context.Context, string) (*local.Lab, error) {
		return local.Open(local.Options{Dir: dir, Backend: spec})
	}
	d.open = func(ctx context.Context, runs, name string) (languageModel, error) {
		l, err := d.lab(ctx, runs)
		if err != nil {
			return nil, err
		}
		return l.OpenModel(name)
	}
	return d
}

// interrupter cancels a context when an event of a step is printed.
type interrupter struct {
	bytes.Buffer
	after  string
	cancel context.CancelFunc
}

func (w *interrupter) Write(p []byte) (int, error) {
	if w.cancel != nil && bytes.Contains(p, []byte(w.after)) {
		w.cancel()
		w.cancel = nil
	}
	return w.Buffer.Write(p)
}

// A tiny run from the first command to the last: trained, interrupted, gone on with,
// evaluated, sampled, exported, and the export evaluated to the same figure.
func TestTrainToExport(t *testing.T) {
	dir := t.TempDir()
	line := strings.Fields("train -name first -json -rows 300 -vocab 400 -context 64 -batch 4 -shape 0.2M -steps 6 -warmup 2")
	d := realDesk(t, dir, "")
	ctx, cancel := context.WithCancel(t.Context())
	out := &interrupter{after: `"step":2,`, cancel: cancel}
	d.shell.out = out
	err := lmCommands(d.shell).run(ctx, line, &d.err)
	if err == nil || !strings.Contains(err.Error(), "stopped at step 2, which is kept; rlhf lm train -name first goes on") {
		t.Fatalf("interrupted: %v\n%s", err, d.err.String())
	}
	// The name alone goes on.
	d = realDesk(t, dir, "")
	if err := d.run(t, "train -name first -json"); err != nil {
		t.Fatalf("%v\n%s", err, d.err.String())
	}
	var steps []int
	var done trainEvent
	for line := range strings.Lines(out.String() + d.out.String()) {
		var e trainEvent
		decode(t, line, &e)
		switch e.Event {
		case "step":
			steps = append(steps, e.Step)
			if e.Values["lm/loss"] <= 0 {
				t.Errorf("%+v", e)
			}
		case "done":
			done = e
		}
	}
	if len(steps) != 6 || steps[1] != 2 || steps[2] != 3 || steps[5] != 6 {
		t.Errorf("steps %v, want 1 to 6", steps)
	}
	if done.Eval == nil || done.Eval.Loss <= 0 || done.Step != 6 || done.Params == 0 || done.Dir != filepath.Join(dir, "first") {
		t.Errorf("at the end: %+v", done)
	}
	// Another configuration under the name is refused.
	if err := realDesk(t, dir, "").run(t, "train -name first -steps 9"); err == nil || !strings.Contains(err.Error(), "another configuration") {
		t.Errorf("another configuration: %v", err)
	}

	text := filepath.Join(dir, "t.jsonl")
	row, _ := json.Marshal(map[string]string{"chosen": rlhf.Human + " hello" + rlhf.Assistant + " hello, what is it?"})
	if err := os.WriteFile(text, append(append(row, '\n'), row...), 0o644); err != nil {
		t.Fatal(err)
	}
	d = realDesk(t, dir, "")
	if err := d.run(t, "eval -model first -json "+text); err != nil {
		t.Fatal(err)
	}
	var loss, exported lossResult
	decode(t, d.out.String(), &loss)
	if loss.Documents != 2 || loss.Tokens < 10 || loss.NatsPerToken <= 0 {
		t.Errorf("%+v", loss)
	}
	d = realDesk(t, dir, "")
	if err := d.run(t, "sample -model first -chat -prompt hello -n 3 -max-tokens 8 -json"); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(d.out.String(), "\n"); n != 3 {
		t.Errorf("%d continuations, want 3", n)
	}
	folder := filepath.Join(dir, "exported")
	if err := realDesk(t, dir, "").run(t, "export -model first -o "+folder); err != nil {
		t.Fatal(err)
	}
	d = realDesk(t, dir, "")
	if err := d.run(t, "eval -model "+folder+" -json "+text); err != nil {
		t.Fatal(err)
	}
	// A run predicts the end tokens too, a checkpoint the text alone.
	if decode(t, d.out.String(), &exported); exported.Documents != 2 || exported.Tokens >= loss.Tokens {
		t.Errorf("exported %+v, the run %+v", exported, loss)
	}
}

// A pretrained checkpoint, through pipes as a program would.
func TestChatWithStories(t *testing.T) {
	root := os.Getenv(host.DataEnv)
	if root == "" {
		t.Skip(host.DataEnv + " is not set; the test needs its model/stories260K.bin")
	}
	model := filepath.Join(root, "model", "stories260K.bin")
	d := realDesk(t, t.TempDir(), "Tell me a story.\nAnd then?\n")
	if err := d.run(t, "chat -json -temperature 0 -max-tokens 24 -model "+model); err != nil {
		t.Fatal(err)
	}
	var got []exchange
	for line := range strings.Lines(d.out.String()) {
		var e exchange
		decode(t, line, &e)
		got = append(got, e)
	}
	if len(got) != 2 || got[0].User != "Tell me a story." || got[0].Assistant == "" || got[1].Assistant == "" {
		t.Errorf("%+v", got)
	}
	if !strings.Contains(d.err.String(), "has no chat template, so it sees the paper's Human and Assistant") {
		t.Errorf("said %q", d.err.String())
	}
	d = realDesk(t, t.TempDir(), "")
	if err := d.run(t, "sample|-model|"+model+"|-temperature|0|-max-tokens|16|-prompt|Once upon a time"); err != nil {
		t.Fatal(err)
	}
	if got := d.out.String(); !strings.HasPrefix(got, "Once upon a time, there was a little girl") {
		t.Errorf("greedy: %q", got)
	}
	if err := realDesk(t, t.TempDir(), "").run(t, "chat -model nothing-there"); err == nil || errors.Is(err, errUsage) {
		t.Errorf("no such model: %v", err)
	}
}

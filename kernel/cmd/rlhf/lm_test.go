package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/lm"
	"hhrlhf/rlhf/local"
)

// echo is a model of bytes: it says what it was asked in capitals, and loses one nat
// on every token.
type echo struct {
	languageModel // nil: what no test needs
	context       int
	pieces        []string // streamed in place of the echo
	hold          chan struct{}
	laidOut       [][]rlhf.Turn
	loaded        bool
	exported      string
}

func (e *echo) About() local.About {
	return local.About{Name: "echo", Family: "echo", Shape: lm.Shape{Vocab: 256, Context: e.context}, Params: 1_500_000, Bytes: 6_000_000, Template: "chatml"}
}
func (e *echo) Load() error                                      { e.loaded = true; return nil }
func (e *echo) Close()                                           {}
func (e *echo) PredictBytes(int) int64                           { return 1 }
func (e *echo) GenerateBytes(_, _ int, _ local.Generation) int64 { return 1 }
func (e *echo) Export(dir string) error                          { e.exported = dir; return os.Mkdir(dir, 0o755) }

func (e *echo) Text(s string) []int32 {
	ids := make([]int32, len(s))
	for i := range s {
		ids[i] = int32(s[i])
	}
	return ids
}

func (e *echo) Layout(turns []rlhf.Turn, system string, room int) ([]int32, []rlhf.Turn, error) {
	for {
		text := system
		for _, t := range turns {
			text += t.Text
		}
		if len(text) <= room {
			e.laidOut = append(e.laidOut, slices.Clone(turns))
			return e.Text(turns[len(turns)-1].Text), turns, nil
		}
		if len(turns) < 3 {
			return nil, nil, errors.New("the last turn is too long")
		}
		turns = turns[2:]
	}
}

func (e *echo) say(ids []int32, g local.Generation) string {
	b := make([]byte, len(ids))
	for i, id := range ids {
		b[i] = byte(id)
	}
	s := strings.ToUpper(string(b))
	return s[:min(len(s), g.MaxTokens)]
}

func (e *echo) Continue(prompts [][]int32, g local.Generation, watch func(done, of int)) ([]local.Continuation, error) {
	var out []local.Continuation
	for i, p := range prompts {
		watch(i+1, len(prompts))
		s := e.say(p, g)
		out = append(out, local.Continuation{Text: s, Tokens: len(s), Ended: len(s) < g.MaxTokens})
	}
	return out, nil
}

func (e *echo) Stream(ctx context.Context, prompt []int32, g local.Generation) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		pieces := e.pieces
		if pieces == nil {
			pieces = strings.SplitAfter(e.say(prompt, g), " ")
		}
		for i, p := range pieces {
			if i > 0 && e.hold != nil {
				select {
				case e.hold <- struct{}{}:
				case <-ctx.Done():
				}
			}
			if ctx.Err() != nil || !yield(p, nil) {
				return
			}
		}
	}
}

func (e *echo) Predict(passages iter.Seq2[local.Passage, error], _ int) iter.Seq2[local.Prediction, error] {
	return func(yield func(local.Prediction, error) bool) {
		for p, err := range passages {
			n := len(strings.Fields(p.Text))
			right := 0
			if strings.Contains(p.Text, "right") {
				right = n
			}
			if !yield(local.Prediction{Tokens: n, Bytes: len(p.Text), Nats: float64(n), Right: right}, err) || err != nil {
				return
			}
		}
	}
}

// desk is a shell with a model on it, and what was printed.
type desk struct {
	shell
	model    *echo
	out, err bytes.Buffer
}

func newDesk(in io.Reader) *desk {
	d := &desk{model: &echo{context: 100}}
	d.shell = shell{in: in, out: &d.out, err: &d.err,
		open: func(_ context.Context, runs, name string) (languageModel, error) {
			if name != "echo" {
				return nil, fmt.Errorf("no model %q", name)
			}
			return d.model, nil
		},
		lab: func(context.Context, string) (*local.Lab, error) { return nil, errors.New("no lab") }}
	return d
}

// run runs a command line of rlhf lm; words are separated by one space, or by | where
// a word holds spaces.
func (d *desk) run(t *testing.T, line string) error {
	t.Helper()
	sep := " "
	if strings.Contains(line, "|") {
		sep = "|"
	}
	var usage bytes.Buffer
	err := lmCommands(d.shell).run(t.Context(), strings.Split(line, sep), &usage)
	d.err.Write(usage.Bytes())
	return err
}

func TestLMArguments(t *testing.T) {
	text := filepath.Join(t.TempDir(), "t.txt")
	if err := os.WriteFile(text, []byte("some words\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		"eval -data " + text:                               "lm eval: -model is missing",
		"eval -model echo":                                 "lm eval: -data is missing",
		"eval -model echo -data a b":                       "both -data a and b",
		"eval -model echo -data none.txt":                  "no such file",
		"eval -model echo -rows -1 " + text:                "-rows -1, want 0",
		"eval -model echo -window 1 " + text:               "-window 1, want 0 (1024)",
		"eval -model nobody " + text:                       `no model "nobody"`,
		"sample -model echo":                               "want one of -prompt and -prompts",
		"sample -model echo -prompt a -prompts b":          "want one of -prompt and -prompts",
		"sample -model echo -prompt a -n 0":                "-n 0, want 1",
		"sample -model echo -prompt a -temperature -1":     "temperature -1, want 0 (greedy) or more",
		"sample -model echo -prompt a -top-p 1.5":          "top-p 1.5, want 0",
		"sample -model echo -prompt a -top-k -2":           "top-k -2, want 0",
		"sample -model echo -prompt a -max-tokens 0":       "-max-tokens 0, want 1 or more",
		"sample -model echo -prompt a -max-tokens 100":     "has a context of 100 tokens",
		"sample -model echo -prompt abcdef -max-tokens 95": "prompt 1 has 6 tokens, want 1 to 5",
		"sample -model echo -prompt a -system s":           "-system is for -chat",
		"sample -model echo -prompts none.txt":             "no such file",
		"chat":                                             "lm chat: -model is missing",
		"chat -model echo -temperature -1":                 "temperature -1",
		"export -model echo":                               "lm export: -o is missing",
		"export -model echo -o " + filepath.Dir(text):      "is not empty; name a new folder",
		"train -name a/b":                                  "lm train: -name: ",
		"train -size huge":                                 "one of tiny, default, large",
		"train -shape 5M":                                  `size "5M" is not on the ladder`,
		"train -mix synth":                                 `"synth" is not name=share`,
		"train -mix synth=1.5":                             "sum of Mix's weights",
		"train -more -3":                                   "-more -3, want 0",
		"train -from smollm2 -vocab 300":                   "the model of From decides it",
		"train -batch -4":                                  "Batch = -4, want > 0",
	} {
		d := newDesk(nil)
		err := d.run(t, line)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q in it", line, err, want)
		}
		if d.model.loaded || d.out.Len() > 0 {
			t.Errorf("%s: loaded %v, printed %q", line, d.model.loaded, d.out.String())
		}
	}
	for _, line := range []string{"eval -fly", "fly", "export a b"} {
		if err := newDesk(nil).run(t, line); !errors.Is(err, errUsage) {
			t.Errorf("%s: error %v, want a misuse", line, err)
		}
	}
}

func TestLMHelp(t *testing.T) {
	var out bytes.Buffer
	group := lmCommands(shell{})
	if err := group.run(t.Context(), []string{"-h"}, &out); err != nil {
		t.Fatal(err)
	}
	for _, c := range group.subs {
		if !strings.Contains(out.String(), "rlhf "+c.name) {
			t.Errorf("rlhf lm -h lacks %s", c.name)
		}
		var help bytes.Buffer
		if err := dispatch(t.Context(), append(strings.Fields(c.name), "-h"), &help); err != nil {
			t.Errorf("%s -h: %v", c.name, err)
		}
		for _, want := range []string{"usage: rlhf " + c.name + " [flags]", "\n  rlhf " + c.name + " -", "-json", "-runs folder"} {
			if !strings.Contains(help.String(), want) {
				t.Errorf("%s -h lacks %q:\n%s", c.name, want, help.String())
			}
		}
	}
	var other bytes.Buffer
	if err := dispatch(t.Context(), []string{"help", "lm", "chat"}, &other); err != nil || !strings.Contains(other.String(), "usage: rlhf lm chat") {
		t.Errorf("rlhf help lm chat: %v\n%s", err, other.String())
	}
}

// decode reads one JSON object and refuses fields that v lacks.
func decode(t *testing.T, line string, v any) {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(line))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
}

func TestEvalLoss(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.jsonl")
	rows := `{"text": "one two"}` + "\n" + `{"prompt": "\n\nHuman: say right\n\nAssistant:", "response": " right"}` + "\n{broken\n"
	if err := os.WriteFile(path, []byte(rows), 0o644); err != nil {
		t.Fatal(err)
	}
	d := newDesk(nil)
	if err := d.run(t, "eval -model echo -json "+path); err != nil {
		t.Fatal(err)
	}
	var r lossResult
	decode(t, d.out.String(), &r)
	if r.Documents != 2 || r.Tokens != 7 || r.NatsPerToken != 1 || math.Abs(r.Perplexity-math.E) > 1e-12 || r.Low > r.Perplexity || r.High < r.Perplexity {
		t.Errorf("%+v", r)
	}
	if want := r.NatsPerToken * 7 / float64(r.Bytes); math.Abs(r.NatsPerByte-want) > 1e-12 || math.Abs(r.BitsPerByte-want/math.Ln2) > 1e-12 {
		t.Errorf("per byte: %+v", r)
	}
	if !strings.Contains(d.err.String(), "1 of 3 lines were passed over") {
		t.Errorf("said %q", d.err.String())
	}
	d = newDesk(nil)
	if err := d.run(t, "eval -model echo -responses -json "+path); err != nil {
		t.Fatal(err)
	}
	if decode(t, d.out.String(), &r); r.Tokens != 3 || math.Abs(r.FirstChoice-1./3) > 1e-12 {
		t.Errorf("responses alone: %+v", r)
	}
	d = newDesk(nil)
	if err := d.run(t, "eval -model echo -rows 1 "+path); err != nil || !strings.Contains(d.out.String(), "one document, no interval") {
		t.Errorf("one row: %v, %q", err, d.out.String())
	}
}

// The interval of a ratio: with all documents alike it is nothing, whatever their
// lengths, and it needs two documents.
func TestRatio(t *testing.T) {
	if mean, se := ratio([]float64{2, 6}, []float64{1, 3}); mean != 2 || se != 0 {
		t.Errorf("alike: %v ± %v", mean, se)
	}
	// Σ(s − L·c)² = 2 with L = 2; √(2·2/1)/2.
	if mean, se := ratio([]float64{1, 3}, []float64{1, 1}); mean != 2 || math.Abs(se-1) > 1e-12 {
		t.Errorf("1 and 3: %v ± %v, want 2 ± 1", mean, se)
	}
	if mean, se := ratio([]float64{3}, []float64{2}); mean != 1.5 || se != 0 {
		t.Errorf("one document: %v ± %v", mean, se)
	}
}

func TestSample(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p")
	if err := os.WriteFile(path, []byte("ab\n\n{\"prompt\": \"cd\"}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	d := newDesk(nil)
	if err := d.run(t, "sample -model echo -prompts "+path+" -n 2 -json"); err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(d.out.String()) {
		var r sampleResult
		decode(t, line, &r)
		if r.Tokens != 2 || !r.Ended {
			t.Errorf("%+v", r)
		}
		got = append(got, r.Prompt+r.Text)
	}
	if strings.Join(got, " ") != "abAB abAB cdCD cdCD" {
		t.Errorf("%q", got)
	}
	d = newDesk(nil)
	if err := d.run(t, "sample|-model|echo|-chat|-system|be brief|-prompt|hi you"); err != nil || d.out.String() != "HI YOU\n" {
		t.Errorf("chat: %v, %q", err, d.out.String())
	}
	if err := os.WriteFile(path, []byte("{\"text\": 1}"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := newDesk(nil).run(t, "sample -model echo -prompts "+path); err == nil || !strings.Contains(err.Error(), `:1: want JSON with a "prompt"`) {
		t.Errorf("error %v", err)
	}
}

func TestExport(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	d := newDesk(nil)
	if err := d.run(t, "export -json -model echo -o "+dir); err != nil {
		t.Fatal(err)
	}
	var r struct {
		Model, Dir string
		Params     int64
	}
	decode(t, d.out.String(), &r)
	if r.Dir != dir || d.model.exported != dir || r.Params != 1_500_000 {
		t.Errorf("%+v, exported to %q", r, d.model.exported)
	}
}

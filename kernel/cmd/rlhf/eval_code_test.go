package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hhrlhf/rlhf/local"
	"hhrlhf/rlhf/sandbox"
	"hhrlhf/rlhf/study"
)

// coder answers requests for programs: those of the stack language for one number only, and
// Python by what the prompt holds after "answer:".
type coder struct {
	*echo
}

func (c coder) Continue(prompts [][]int32, g local.Generation, watch func(done, of int)) ([]local.Continuation, error) {
	out := make([]local.Continuation, len(prompts))
	for i, p := range prompts {
		watch(i+1, len(prompts))
		text := string(bytesOf(p))
		switch _, answer, python := strings.Cut(text, "answer:"); {
		case python:
			answer, _, _ = strings.Cut(answer, "\n")
			out[i].Text = "    return " + answer + "\n\nprint('and so on')"
		default:
			out[i].Text = " push 5 push 0 add."
		}
	}
	return out, nil
}

func bytesOf(ids []int32) []byte {
	b := make([]byte, len(ids))
	for i, id := range ids {
		b[i] = byte(id)
	}
	return b
}

func codeDesk(t *testing.T, line string) (*desk, error) {
	t.Helper()
	d := newDesk(strings.NewReader(""))
	d.open = func(_ context.Context, _, name string) (languageModel, error) {
		if name != "echo" {
			return nil, fmt.Errorf("no model %q", name)
		}
		return coder{&echo{context: 400}}, nil
	}
	err := analysesCommands(d.shell).run(t.Context(), strings.Fields(line), &d.err)
	return d, err
}

func TestEvalCodeOfTheStackLanguage(t *testing.T) {
	d, err := codeDesk(t, "code -model echo -data synth -n 4 -k 1,4 -temperature 0,1 -json")
	if err != nil {
		t.Fatalf("%v\n%s", err, d.err.String())
	}
	var r codeResult
	if err := json.Unmarshal(d.out.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	// It passes where 5 is asked for by add, once among the questions.
	want := 1 / float64(len(study.ProgramPrompts()))
	if r.Problems != 27 || len(r.Settings) != 4 || len(r.Best) != 2 || r.Best[0].Pass.Value != want || r.Best[1].K != 4 || r.Best[1].Pass.Value != want {
		t.Errorf("%+v", r)
	}
	d, err = codeDesk(t, "code -model echo -data synth -n 2 -k 1 -temperature 0.8 -top-p 1")
	if text := d.out.String(); err != nil || !strings.Contains(text, "27 problems, 2 programs of each") || !strings.Contains(text, "best pass@1: 0.037") || !strings.Contains(text, "passed 2") {
		t.Errorf("%v\n%s", err, text)
	}
}

func TestEvalCodeInTheSandbox(t *testing.T) {
	var missing *sandbox.Unavailable
	if err := sandbox.Check(t.Context()); errors.As(err, &missing) {
		t.Skip(err)
	}
	file := filepath.Join(t.TempDir(), "problems.jsonl")
	problem := func(id, answer string) string {
		line, err := json.Marshal(map[string]string{"task_id": id, "entry_point": "f", "prompt": "def f(x):\n    # answer:" + answer + "\n", "test": "def check(f):\n    assert f(2) == 4\n"})
		if err != nil {
			t.Fatal(err)
		}
		return string(line) + "\n"
	}
	if err := os.WriteFile(file, []byte(problem("right", "x * x")+problem("wrong", "x")+problem("exits", "__import__('os')._exit(0)")), 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := codeDesk(t, "code -model echo -n 2 -k 1,2 -temperature 0,0.8 -top-p 1 -max-tokens 60 -dataset "+file)
	if text := d.out.String(); err != nil || !strings.Contains(text, "best pass@2: 0.333") || !strings.Contains(text, "EOFError 3, a test failed 3, passed 3") {
		t.Errorf("%v\n%s%s", err, text, d.err.String())
	}
}

func TestEvalCodeRefuses(t *testing.T) {
	for line, want := range map[string]string{
		"code -model echo -data synth -k 1,20":           `-k "1,20", want numbers from 1 to 10`,
		"code -model echo -data synth -top-p 1.5":        `-top-p "1.5"`,
		"code -model echo -data synth -temperature warm": `-temperature "warm"`,
		"code -model echo -data synth -n 0":              "-n 0",
		"code -model echo -data mars":                    "mars",
		"code -model echo -dataset /nowhere.jsonl":       "nowhere.jsonl",
		"code -model nobody -data synth":                 "nobody",
		"code -model echo -data synth -max-tokens 9999":  "lower -max-tokens",
	} {
		if d, err := codeDesk(t, line); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q\n%s", line, err, want, d.err.String())
		}
	}
}

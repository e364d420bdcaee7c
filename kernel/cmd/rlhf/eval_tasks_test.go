package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hhrlhf/rlhf/local"
)

// files writes a multiple choice, a cloze and a free task; the right answers hold "right".
func taskFiles(t *testing.T) (choice, cloze, free string) {
	t.Helper()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	choice = write("arc_easy.jsonl", `{"query": "Question: q?", "choices": ["right", "very wrong"], "gold": 0}`+"\n"+`{"query": "Question: r?", "choices": ["wrong", "quite right"], "gold": 1}`+"\n")
	cloze = write("cloze.jsonl", `{"context": "what is", "continuation": "right"}`+"\n"+`{"context": "what is", "continuation": "wrong"}`+"\n")
	free = write("free.jsonl", `{"context": "say it", "answer": "it", "aliases": ["SAY IT"]}`+"\n")
	return choice, cloze, free
}

func TestEvalTasks(t *testing.T) {
	choice, cloze, free := taskFiles(t)
	d := newDesk(nil)
	if err := d.runEval(t, "tasks -model echo -json -task "+choice+","+cloze+","+free); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(d.out.String()), "\n")
	if len(lines) != 3 {
		t.Fatalf("printed %q", d.out.String())
	}
	var r tasksResult
	decode(t, lines[0], &r)
	// The echo loses a nat on every word, so that the shortest choice has the highest sum.
	if r.Model != "echo" || r.Task != "arc_easy" || r.N != 2 || r.Main().Value != 0.5 || r.Chance != 0.5 || len(r.Records) != 2 || len(r.Norms) != 4 {
		t.Errorf("%+v", r)
	}
	var c tasksResult
	decode(t, lines[1], &c)
	if c.Main().Value != 0.5 || !c.Records[0].Right[0] || c.Records[1].Right[0] || c.Perplexity == 0 {
		t.Errorf("%+v", c)
	}
	var f tasksResult
	decode(t, lines[2], &f)
	if f.Main().Value != 1 || f.Records[0].Answer != "SAY IT" {
		t.Errorf("%+v", f)
	}

	d = newDesk(nil)
	if err := d.runEval(t, "tasks -model echo -before echo -shots 1 -norm pmi -format dialogue -task "+choice); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`echo on arc_easy: 2 items, 1 examples before each, worded as "dialogue"`, "pmi     ", "(the measure it is quoted by)", "chance  0.500", "change +0.000", "p = 1"} {
		if !strings.Contains(d.out.String(), want) {
			t.Errorf("lacks %q:\n%s", want, d.out.String())
		}
	}

	d = newDesk(nil)
	if err := d.runEval(t, "tasks -model echo -task synth-small -n 12"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"echo on quiz-choice: 12 items", "echo on quiz-cloze", "echo on quiz-free"} {
		if !strings.Contains(d.out.String(), want) {
			t.Errorf("lacks %q:\n%s", want, d.out.String())
		}
	}
}

func TestEvalTasksArguments(t *testing.T) {
	t.Setenv("HHRLHF_DATA", "")
	choice, cloze, _ := taskFiles(t)
	for line, want := range map[string]string{
		"tasks -task " + choice:                                       "eval tasks: -model is missing",
		"tasks -model echo":                                           "eval tasks: -task is missing; want arc_challenge",
		"tasks -model echo -task arc_easy":                            "-files is missing; name the folder with arc_easy.jsonl",
		"tasks -model echo -task none.jsonl":                          "-task none.jsonl: tasks: open none.jsonl",
		"tasks -model echo -task synth-small:x":                       "must be a seed",
		"tasks -model echo -norm best -task " + choice:                `there is no measure "best", want one of sum, char`,
		"tasks -model echo -format prose -task " + choice:             `-format "prose", want one of answer, blank`,
		"tasks -model echo -format letters -task " + cloze:            "-format letters is for multiple choice; cloze is not",
		"tasks -model echo -shots -1 -task " + choice:                 "-shots -1 -n 0, want 0 or more",
		"tasks -model echo -shots 2 -task " + choice:                  "2 examples are asked for before arc_easy.jsonl:1, and there are 1",
		"tasks -model nobody -task " + choice:                         `no model "nobody"`,
		"tasks -model echo -before nobody -task " + choice:            `no model "nobody"`,
		"tasks -model echo -files " + t.TempDir() + " -task arc_easy": "arc_easy.jsonl: no such file",
	} {
		d := newDesk(nil)
		err := d.runEval(t, line)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q in it", line, err, want)
		}
		if d.out.Len() > 0 {
			t.Errorf("%s: printed %q", line, d.out.String())
		}
	}
	if err := newDesk(nil).runEval(t, "tasks -fly"); !errors.Is(err, errUsage) {
		t.Errorf("error %v, want a misuse", err)
	}
}

// A command of rlhf eval that is interrupted says so, and prints no half of a result.
func TestEvalTasksInterrupted(t *testing.T) {
	choice, _, _ := taskFiles(t)
	d := newDesk(nil)
	d.shell.open = func(ctx context.Context, runs, name string) (languageModel, error) {
		return broken{&echo{context: 100}}, nil
	}
	if err := d.runEval(t, "tasks -model echo -task "+choice); !errors.Is(err, context.Canceled) || d.out.Len() > 0 {
		t.Errorf("error %v, printed %q", err, d.out.String())
	}
}

// broken is a model that is interrupted.
type broken struct{ *echo }

func (broken) Predict(iter.Seq2[local.Passage, error], int) iter.Seq2[local.Prediction, error] {
	return func(yield func(local.Prediction, error) bool) {
		yield(local.Prediction{}, fmt.Errorf("scoring: %w", context.Canceled))
	}
}

// runEval runs a command line of rlhf eval.
func (d *desk) runEval(t *testing.T, line string) error {
	t.Helper()
	var usage bytes.Buffer
	err := analysesCommands(d.shell).run(t.Context(), strings.Fields(line), &usage)
	d.err.Write(usage.Bytes())
	return err
}

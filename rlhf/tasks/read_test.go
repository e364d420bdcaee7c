package tasks_test

import (
	"archive/zip"
	"compress/gzip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hhrlhf/rlhf/tasks"
)

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Each fault is named by file, line and field.
func TestFaultsOfFiles(t *testing.T) {
	good := `{"query": "Question: q?", "choices": ["a", "b"], "gold": 1}` + "\n"
	for name, c := range map[string]struct{ text, want string }{
		"no JSON":            {good + "nothing", "x.jsonl:2: invalid character"},
		"not UTF-8":          {`{"context": "a` + "\xff" + `", "continuation": "b"}`, "x.jsonl:1: not valid UTF-8"},
		"no task":            {`{"prompt": "a", "response": "b"}`, `x.jsonl:1: no task has the fields ["prompt" "response"]; want "query"`},
		"gold out of range":  {good + `{"query": "q", "choices": ["a", "b"], "gold": 2}`, `x.jsonl:2: "gold" is 2, want a number from 0 to 1`},
		"gold below zero":    {good + `{"query": "q", "choices": ["a", "b"], "gold": -1}`, `x.jsonl:2: "gold" is -1`},
		"gold in words":      {good + `{"query": "q", "choices": ["a", "b"], "gold": "B"}`, `x.jsonl:2: "gold" is "B", want a number`},
		"gold missing":       {good + `{"query": "q", "choices": ["a", "b"]}`, `x.jsonl:2: "gold" is missing, want a number from 0 to 1`},
		"empty question":     {good + `{"query": " ", "choices": ["a"], "gold": 0}`, `x.jsonl:2: "query" is " ", want a text that is not empty`},
		"empty choice":       {good + `{"query": "q", "choices": ["a", ""], "gold": 0}`, `x.jsonl:2: "choices" is ["a", ""], want a list of texts that are not empty`},
		"no choices":         {good + `{"query": "q", "choices": [], "gold": 0}`, `x.jsonl:2: "choices" is []`},
		"choices are a text": {good + `{"query": "q", "choices": "a", "gold": 0}`, `x.jsonl:2: "choices" is "a", want a list of texts`},
		"null":               {good + `{"query": null, "choices": ["a"], "gold": 0}`, `x.jsonl:2: "query" is null, want a text`},
		"empty":              {"\n\n", "x.jsonl holds no item"},
	} {
		_, err := tasks.Open(write(t, "x.jsonl", c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if _, err := tasks.Open(filepath.Join(t.TempDir(), "none.jsonl")); err == nil || !strings.Contains(err.Error(), "none.jsonl") {
		t.Errorf("no file: %v", err)
	}
	if _, err := tasks.OpenNamed(".", "arc"); err == nil || !strings.Contains(err.Error(), "want arc_challenge, arc_easy, ") {
		t.Errorf("no task of the name: %v", err)
	}
}

func archive(t *testing.T, files map[string]string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "mmlu.zip")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z := zip.NewWriter(f)
	for name, text := range files {
		w, err := z.Create(name)
		if err == nil {
			_, err = w.Write([]byte(text))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestMMLU(t *testing.T) {
	task, err := tasks.Open(archive(t, map[string]string{
		"data/dev/anatomy_dev.csv":   "one?,a,b,c,d,B\n",
		"data/test/anatomy_test.csv": "\"two,\nlines?\",p,q,r,s,D\n",
		"data/val/anatomy_val.csv":   "never,a,b,c,d,A\n",
		"data/README.txt":            "hello",
	}))
	if err != nil {
		t.Fatal(err)
	}
	p, a, err := task.Lay(0, 1, 0)
	want := "The following are multiple choice questions (with answers) about anatomy.\n\none?\nA. a\nB. b\nC. c\nD. d\nAnswer: B\n\ntwo,\nlines?\nA. p\nB. q\nC. r\nD. s\nAnswer:"
	if err != nil || p != want || strings.Join(a, "") != " A B C D" || len(task.Items) != 1 || task.Items[0].Gold != 3 {
		t.Errorf("%q %q %v %+v", p, a, err, task.Items)
	}
	p, a, err = task.As(tasks.Lettered).Lay(0, 0, 0)
	if err != nil || p != "two,\nlines?\nChoices:\n (A) p (B) q (C) r (D) s\nAnswer:" || a[3] != " (D)" {
		t.Errorf("%q %q %v", p, a, err)
	}
	for text, fault := range map[string]string{
		"q,a,b,c,D\n":                    "data/test/x_test.csv:1: 5 fields, want a question, 4 choices and a letter",
		"q,a,b,c,d,A\nq,a,b,c,d,E\n":     `data/test/x_test.csv:2: field 6, the right choice, is "E", want one letter of ABCD`,
		"q,a,b,c,d,A\nq,a,b,c,d,AB\n":    `is "AB"`,
		"q,a,,c,d,A\n":                   `data/test/x_test.csv:1: field 3 is ""`,
		"q,a,b,c,d,A\n\"q,a,b,c,d,A\n\n": "record on line 2",
	} {
		if _, err := tasks.Open(archive(t, map[string]string{"data/test/x_test.csv": text})); err == nil || !strings.Contains(err.Error(), fault) {
			t.Errorf("%q: %v, want %q", text, err, fault)
		}
	}
	if _, err := tasks.Open(archive(t, map[string]string{"a.txt": ""})); err == nil || !strings.Contains(err.Error(), "holds no …/test/SUBJECT_test.csv") {
		t.Errorf("no subject: %v", err)
	}
	if _, err := tasks.Open(write(t, "mmlu.zip", "no zip")); err == nil {
		t.Error("a text was opened as an archive")
	}
}

func TestLastWord(t *testing.T) {
	task, err := tasks.Open(write(t, "l.jsonl", `{"text": "the cat sat on the mat \n"}`))
	if err != nil || task.Kind != tasks.Cloze || task.Items[0].Prompt != "the cat sat on the" || task.Items[0].Answers[0] != "mat" {
		t.Errorf("%+v, %v", task.Items, err)
	}
	if _, err := tasks.Open(write(t, "l.jsonl", `{"text": "mat"}`)); err == nil || !strings.Contains(err.Error(), `l.jsonl:1: "text" is "mat", want more than one word`) {
		t.Errorf("one word: %v", err)
	}
}

// HellaSwag's row as the harness lays it out, by its code run by hand.
func TestHellaSwag(t *testing.T) {
	row := `{"activity_label": "Home", "ctx_a": "How to boil [title] Fill it. [step] Slowly.", "ctx_b": "the Cook", "endings": ["Stir. [substeps] Wait.", "go"], "label": "1"}`
	path := filepath.Join(t.TempDir(), "hellaswag.jsonl.gz")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	z := gzip.NewWriter(f)
	if _, err := z.Write([]byte(row)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	f.Close()
	task, err := tasks.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	it := task.Items[0]
	if it.Prompt != "Home: How to boil. Fill it. Slowly. The cook" || it.Choices[0] != "Stir. Wait." || it.Gold != 1 || it.ID != "hellaswag.jsonl.gz:1" {
		t.Errorf("%+v", it)
	}
}

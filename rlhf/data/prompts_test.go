package data_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/data"
)

// rowsFile writes lines into a file of its own.
func rowsFile(t *testing.T, lines ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "rows.jsonl")
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestPrompts(t *testing.T) {
	got, err := data.LoadPrompts(rowsFile(t,
		`{"prompt": "what is a cat? ", "id": 7}`,
		``,
		`{"instruction": "sum this up", "context": "a long story", "response": "short"}`,
		`{"question": "why?", "input": " "}`,
		`{"prompt": "\n\nHuman: hi\n\nAssistant: hello\n\nHuman: and?"}`,
		`{"prompt": "Below is one.\n\n### Instruction:\nname it\n\n### Response:\n"}`))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"\n\nHuman: what is a cat?\n\nAssistant:", "\n\nHuman: sum this up\n\na long story\n\nAssistant:", "\n\nHuman: why?\n\nAssistant:",
		"\n\nHuman: hi\n\nAssistant: hello\n\nHuman: and?\n\nAssistant:", "\n\nHuman: name it\n\nAssistant:"}
	if len(got) != len(want) {
		t.Fatalf("%d prompts, want %d", len(got), len(want))
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("prompt %d is %q, want %q", i, got[i], want[i])
		}
	}
}

func TestAnswers(t *testing.T) {
	got, odd, err := data.LoadAnswers(rowsFile(t,
		`{"prompt": "a?", "response": "b."}`,
		`{"question": "c?", "answer": " d."}`,
		`{"chosen": "\n\nHuman: e?\n\nAssistant: f.", "rejected": "\n\nHuman: e?\n\nAssistant: g."}`,
		`{"prompt": "x", "output": ""}`,
		`{"prompt": "x", "output": "y\n\nHuman: z"}`))
	if err != nil || len(got) != 3 {
		t.Fatal(got, err)
	}
	if len(odd) != 2 || odd[0].Line != 4 || odd[0].Field != "output" || odd[1].Line != 5 {
		t.Errorf("odd rows %v, want lines 4 and 5", odd)
	}
	if _, _, err := data.LoadAnswers(rowsFile(t, `{"prompt": "x", "output": ""}`)); err == nil || !strings.Contains(err.Error(), "none can be used") {
		t.Errorf("only odd rows: error %v", err)
	}
	for i, want := range []rlhf.Transcript{{Prompt: "\n\nHuman: a?\n\nAssistant:", Response: " b."}, {Prompt: "\n\nHuman: c?\n\nAssistant:", Response: " d."},
		{Prompt: "\n\nHuman: e?\n\nAssistant:", Response: " f."}} {
		if got[i] != want {
			t.Errorf("answer %d is %q, want %q", i, got[i], want)
		}
	}
}

// An error names file, line and field, and says what to write.
func TestPromptErrors(t *testing.T) {
	for name, c := range map[string]struct {
		line, field, want string
		answers           bool
	}{
		"no prompt":  {`{"text": "x"}`, "prompt", `["prompt" "instruction" "question"]`, false},
		"empty":      {`{"instruction": " "}`, "instruction", "is empty", false},
		"a number":   {`{"question": 3}`, "question", "want a string", false},
		"context":    {`{"question": "x", "input": [1]}`, "input", "want a string", false},
		"turns":      {`{"prompt": "so\n\nHuman: x"}`, "prompt", "does not start with", false},
		"no JSON":    {`what is this?`, "", "invalid character", false},
		"no answer":  {`{"prompt": "x"}`, "response", `["response" "output" "answer"]`, true},
		"transcript": {`{"chosen": "x"}`, "chosen", "Human:", true},
	} {
		path := rowsFile(t, `{"prompt": "fine", "response": "yes"}`, "", c.line)
		var err error
		if c.answers {
			_, _, err = data.LoadAnswers(path)
		} else {
			_, err = data.LoadPrompts(path)
		}
		rowErr := (*data.RowError)(nil)
		if !errors.As(err, &rowErr) || rowErr.Line != 3 || rowErr.File != path || rowErr.Field != c.field {
			t.Errorf("%s: error %v, want one of line 3, field %q", name, err, c.field)
			continue
		}
		if !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, c.want)
		}
	}
	if _, err := data.LoadPrompts(rowsFile(t)); err == nil || !strings.Contains(err.Error(), "holds no rows") {
		t.Errorf("an empty file: error %v", err)
	}
	if _, err := data.LoadPrompts(filepath.Join(t.TempDir(), "none.jsonl")); err == nil || !strings.Contains(err.Error(), "none.jsonl") {
		t.Errorf("no file: error %v", err)
	}
}

// Published answers of people are read as they are.
func TestReleasedAnswers(t *testing.T) {
	dir := os.Getenv("HHRLHF_DATA")
	if dir == "" {
		t.Skip("HHRLHF_DATA is not set")
	}
	for name, rows := range map[string]int{"sft/dolly_hhrlhf_train_small.jsonl": 100, "hh-rlhf/harmless-base.jsonl.gz": 1761} {
		path := filepath.Join(dir, name)
		got, odd, err := data.LoadAnswers(path)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) < rows || len(odd) > 0 || strings.Contains(got[0].Prompt, "###") || !strings.HasSuffix(got[0].Prompt, rlhf.Assistant) {
			t.Errorf("%s: %d answers, %d odd, the first %q", name, len(got), len(odd), got[0])
		}
	}
}

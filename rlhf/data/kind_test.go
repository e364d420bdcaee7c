package data_test

import (
	"os"
	"path/filepath"
	"testing"

	"hhrlhf/rlhf/data"
)

func TestIsText(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want bool
	}{
		"a.txt":   {"once upon a time", true},
		"b.jsonl": {"\n{\"text\": \"once\"}\n", true},
		"c.jsonl": {`{"chosen": "\n\nHuman: a\n\nAssistant: b", "rejected": "\n\nHuman: a\n\nAssistant: c"}`, false},
		"d.jsonl": {"no JSON", false},
		"e.jsonl": {"", false},
	} {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := data.IsText(path); got != c.want {
			t.Errorf("%s holding %q: text = %v, want %v", name, c.text, got, c.want)
		}
	}
	if data.IsText(filepath.Join(t.TempDir(), "gone")) {
		t.Error("a path without files is text")
	}
}

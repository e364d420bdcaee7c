package data_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/data"
)

// The released comparisons, instructions and plain text all read as corpora, and
// every line is accounted for.
func TestOpenTextReal(t *testing.T) {
	folder := os.Getenv("HHRLHF_DATA")
	if folder == "" {
		t.Skip("HHRLHF_DATA, the folder with the data of the tests, is not set")
	}
	for _, c := range []struct {
		path       string
		documents  int // at least
		bad        int // at most
		transcript bool
	}{
		{"hh-rlhf", 6000, 20, true},
		{"sft", 1000, 5, false},
		{"text/tinystories-train.txt", 2000, 0, false},
		{"text/tinyshakespeare.txt", 7000, 0, false},
	} {
		text := openText(t, filepath.Join(folder, c.path), data.TextOptions{})
		docs := all(t, text)
		r := text.Report()
		t.Logf("%s: %d documents in %d windows, %d lines, %d bad", c.path, len(docs), text.Windows(), r.Lines, r.Bad)
		if len(docs) < c.documents || r.Bad > c.bad || r.Lines > 0 && r.Lines != len(docs)+r.Bad {
			t.Errorf("%s: %d documents, report %+v", c.path, len(docs), r)
		}
		for _, d := range docs {
			if c.transcript && !strings.HasPrefix(d.Prompt, rlhf.Human) {
				t.Fatalf("%s: a document starts with %.30q", c.path, d.Prompt)
			}
			if strings.Contains(d.Response, data.EndOfText) {
				t.Fatalf("%s: a separator inside a document", c.path)
			}
		}
	}
}

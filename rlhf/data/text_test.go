package data_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/data"
)

func writeText(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if strings.HasSuffix(name, ".gz") {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		fmt.Fprint(z, content)
		z.Close()
		content = b.String()
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func openText(t *testing.T, path string, o data.TextOptions) *data.Text {
	t.Helper()
	text, err := data.OpenText(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { text.Close() })
	return text
}

// all returns the documents of all training windows in order.
func all(t *testing.T, text *data.Text) []data.Document {
	t.Helper()
	var out []data.Document
	for i := range text.Windows() {
		docs, err := text.Window(i)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, docs...)
	}
	return out
}

func joined(docs []data.Document) string {
	var b strings.Builder
	for _, d := range docs {
		b.WriteString(d.Response)
	}
	return b.String()
}

// The windows of a text hold it all, each character once, whatever the size of a
// window and the length of the lines.
func TestWindowsPartition(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for trial := range 60 {
		var b strings.Builder
		for b.Len() < 500 {
			b.WriteString(strings.Repeat("aé漢🙂"[:1+rng.IntN(2)*2], rng.IntN(40)))
			if trial%3 > 0 { // every third text has no line ends at all
				b.WriteString(strings.Repeat("\n", rng.IntN(2)))
			}
			b.WriteString("漢🙂")
		}
		content := b.String()
		text := openText(t, writeText(t, "a.txt", content), data.TextOptions{Window: 7 + rng.IntN(90), Separator: "\x00"})
		got := joined(all(t, text))
		if want := strings.ReplaceAll(content, "\n", ""); strings.ReplaceAll(got, "\n", "") != want {
			t.Fatalf("trial %d, %d windows:\n%q\nwant\n%q", trial, text.Windows(), got, want)
		}
	}
}

func TestSeparators(t *testing.T) {
	plain := func(s string, cut bool) data.Document {
		return data.Document{Transcript: rlhf.Transcript{Response: s}, Cut: cut}
	}
	for _, c := range []struct {
		content string
		options data.TextOptions
		want    []data.Document
	}{
		{"one\n<|endoftext|>\ntwo\n\nstill two<|endoftext|>", data.TextOptions{}, []data.Document{plain("one", false), plain("two\n\nstill two", false)}},
		{"one\na\n\n\ntwo\r\n", data.TextOptions{}, []data.Document{plain("one\na", false), plain("two", false)}},
		{"one\r\n\r\ntwo", data.TextOptions{}, []data.Document{plain("one", false), plain("two", false)}},
		{"one--two", data.TextOptions{Separator: "--"}, []data.Document{plain("one", false), plain("two", false)}},
		// The first document reaches into the second window and gets no end before it is over.
		{"abcdefgh\nijklmnop\n\nq", data.TextOptions{Window: 8}, []data.Document{plain("abcdefgh", true), plain("ijklmnop", false), plain("q", false)}},
	} {
		got := all(t, openText(t, writeText(t, "a.txt", c.content), c.options))
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%q: %s", c.content, d)
		}
	}
}

func TestLines(t *testing.T) {
	content := `{"text": "plain"}
{"prompt": "Say A.", "response": " A"}
not JSON

{"chosen": "\n\nHuman: hi\n\nAssistant: hello", "rejected": "is not read"}
{"prompt": "hi", "chosen": "hello", "rejected": "no"}
{"text": 7}
{"chosen": "\n\nHuman: hi\n\nAssistant:"}
{"body": "?"}
`
	want := []data.Document{
		{Transcript: rlhf.Transcript{Response: "plain"}},
		{Transcript: rlhf.Transcript{Prompt: "Say A.", Response: " A"}},
		{Transcript: rlhf.Transcript{Prompt: "\n\nHuman: hi\n\nAssistant:", Response: " hello"}},
		{Transcript: rlhf.Transcript{Prompt: "\n\nHuman: hi\n\nAssistant:", Response: " hello"}},
	}
	for _, window := range []int{0, 9, 60} {
		for _, name := range []string{"a.jsonl", "a.jsonl.gz"} {
			path := writeText(t, name, content)
			text := openText(t, path, data.TextOptions{Window: window})
			for range 2 { // a second reading counts nothing again
				if d := cmp.Diff(want, all(t, text)); d != "" {
					t.Errorf("window %d: %s", window, d)
				}
			}
			r := text.Report()
			if r.Lines != 8 || r.Bad != 4 {
				t.Errorf("window %d: %d lines, %d bad, want 8 and 4", window, r.Lines, r.Bad)
			}
			for i, part := range []string{":3:", ":7:", ":8:", ":9:"} {
				if !strings.HasPrefix(r.Faults[i].Error(), "data: "+path+part) {
					t.Errorf("fault %d is %q, want it to start with the file and %s", i, r.Faults[i], part)
				}
			}
		}
	}
}

// What is held out and what is trained on share nothing and make up the whole.
func TestHeldOut(t *testing.T) {
	var plain, jsonl strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&plain, "line %d\n", i)
		fmt.Fprintf(&jsonl, "{\"prompt\": \"\\n\\nHuman: %d\\n\\nAssistant:\", \"response\": \" %d\"}\n", i/2, i)
	}
	for name, content := range map[string]string{"a.txt": plain.String(), "a.jsonl": jsonl.String()} {
		path := writeText(t, name, content)
		lines := func(docs []data.Document) []string {
			var out []string
			for _, d := range docs {
				out = append(out, strings.Split(d.Response, "\n")...)
			}
			return out
		}
		text := openText(t, path, data.TextOptions{Window: 100, HeldOut: 0.1, Seed: 3, Separator: "\x00"})
		train := lines(all(t, text))
		heldDocs, err := text.HeldOut(0)
		if err != nil {
			t.Fatal(err)
		}
		held := lines(heldDocs)
		whole := slices.Concat(train, held)
		slices.Sort(whole)
		if n := len(slices.Compact(slices.Clone(whole))); len(whole) != 2000 || n != 2000 {
			t.Errorf("%s: %d lines on both sides, %d different, want 2000", name, len(whole), n)
		}
		if n := len(held); n < 140 || n > 260 {
			t.Errorf("%s: %d of 2000 held out, want about 200", name, n)
		}
		some, err := text.HeldOut(200)
		if err != nil || len(some) == 0 || len(some) >= len(heldDocs) {
			t.Errorf("%s: 200 bytes are %d of %d documents: %v", name, len(some), len(heldDocs), err)
		}
		other := openText(t, path, data.TextOptions{Window: 100, HeldOut: 0.1, Seed: 4, Separator: "\x00"})
		if slices.Equal(lines(all(t, other)), train) {
			t.Errorf("%s: another seed holds the same out", name)
		}
		none := openText(t, path, data.TextOptions{Window: 100})
		if _, err := none.HeldOut(0); err == nil || !strings.Contains(err.Error(), "HeldOut") {
			t.Errorf("%s: nothing held out: %v", name, err)
		}
	}
}

func TestOpenTextErrors(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{"both/a.txt": "a", "both/b.jsonl": "{}", "none/a.md": "a"} {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cut := writeText(t, "cut.txt.gz", strings.Repeat("some text\n", 100))
	whole, err := os.ReadFile(cut)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(cut, whole[:len(whole)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "missing.txt"):       "missing.txt",
		filepath.Join(dir, "both"):              "open each by itself",
		filepath.Join(dir, "none"):              "no .txt or .jsonl",
		cut:                                     "damaged or cut off",
		writeText(t, "empty.txt", ""):           "empty",
		writeText(t, "bad.jsonl", "\n[1, 2]\n"): "bad.jsonl:2:",
		writeText(t, "lfs.txt", "version https://git-lfs/v1"):   "Git LFS",
		writeText(t, "long.jsonl", strings.Repeat(" ", 17<<20)): "longer than",
	} {
		text, err := data.OpenText(path, data.TextOptions{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want an error with %q", path, err, want)
		}
		if err == nil {
			text.Close()
		}
	}
	if _, err := data.OpenText(dir, data.TextOptions{HeldOut: 0.7}); err == nil || !strings.Contains(err.Error(), "0.7") {
		t.Errorf("HeldOut 0.7: %v", err)
	}
	// A file that changes while it is read is noticed.
	path := writeText(t, "grows.txt", "one\n")
	text := openText(t, path, data.TextOptions{})
	if err := os.WriteFile(path, []byte("one\ntwo\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := text.Window(0); err == nil || !strings.Contains(err.Error(), "changed") {
		t.Errorf("a file that grew: %v", err)
	}
}

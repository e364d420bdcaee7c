package data_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/data"
)

const good = `{"chosen": "\n\nHuman: hi\n\nAssistant: hello", "rejected": "\n\nHuman: hi\n\nAssistant: go away"}` + "\n"

func write(t testing.TB, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func zip(t testing.TB, s string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(s)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func transcript(prompt, response string) rlhf.Transcript {
	return rlhf.Transcript{Prompt: prompt, Response: response}
}

func TestLoadForms(t *testing.T) {
	hi := "\n\nHuman: hi\n\nAssistant:"
	want := rlhf.Comparison{Chosen: transcript(hi, " hello"), Rejected: transcript(hi, " go away"), Tranche: "mine"}
	for name, content := range map[string]string{
		"mine.jsonl":        good,
		"mine.jsonl.gz":     zip(t, good),
		"mine":              good,
		"a/mine.jsonl":      zip(t, "\n"+good+"\n\n"), // gzip under a plain name, blank lines
		"b/mine/test.jsonl": strings.TrimSuffix(good, "\n"),
		"c/mine.jsonl":      strings.ReplaceAll(good, "\n", "\r\n"),
		"d/mine.jsonl":      `{"prompt": "hi", "chosen": "hello", "rejected": " go away"}`,
		"e/mine.jsonl":      `{"prompt": "\n\nHuman: hi", "chosen": "hello", "rejected": "go away"}`,
		"f/mine.jsonl":      `{"prompt": "\n\nHuman: hi\n\nAssistant: ", "chosen": "hello", "rejected": "go away"}`,
		"g/mine.jsonl":      `{"prompt": "hi", "chosen": "\n\nHuman: hi\n\nAssistant: hello", "rejected": "\n\nHuman: hi\n\nAssistant: go away"}`,
	} {
		t.Run(name, func(t *testing.T) {
			path := write(t, name, content)
			cs, report, err := data.Load(path, data.Options{})
			if err != nil {
				t.Fatal(err)
			}
			w := want
			w.Source = path + ":1"
			if strings.HasPrefix(name, "a/") {
				w.Source = path + ":2"
			}
			if diff := cmp.Diff([]rlhf.Comparison{w}, cs); diff != "" {
				t.Error(diff)
			}
			if report.Rows != 1 || report.Kept != 1 || report.SHA256 != data.Hash(cs) || len(report.SHA256) != 64 {
				t.Errorf("report %+v", report)
			}
		})
	}
}

// Every bad input: the error names file, line, field, value and cure.
func TestBrokenRows(t *testing.T) {
	for _, c := range []struct {
		name, line string
		kind       data.Kind
		field      string
		want       string // after "data: FILE:2:"
	}{
		{"json", `{"chosen": "x", `, data.BrokenJSON, "", ` broken JSON: unexpected end of JSON input, in "{\"chosen\": \"x\","; repair or delete the line`},
		{"array", `[{"chosen": "x"}]`, data.BrokenJSON, "", `, in "[{\"chosen\": \"x\"}]"; write one JSON object a line, not an array`},
		{"utf8", "{\"chosen\": \"caf\xe9\"}", data.BrokenUTF8, "", ` not UTF-8: byte 16 is 0xe9, after "{\"chosen\": \"caf"; save the file as UTF-8`},
		{"surrogate", `{"chosen": "\\ \ud83d!"}`, data.BrokenUTF8, "", ` not UTF-8: half a surrogate pair "\\ud83d" at byte 16; write the character as UTF-8 or as a pair of escapes`},
		{"missing", `{"chosen": "x", "worse": "y"}`, data.BrokenField, "rejected", ` field "rejected": field missing or of the wrong kind: missing; the row has ["chosen" "worse"]; a row needs the strings "chosen" and "rejected", and may have "prompt"`},
		{"list", `{"chosen": [{"role": "user"}], "rejected": "y"}`, data.BrokenField, "chosen", ` field "chosen": field missing or of the wrong kind: is an array, want a string: "[{\"role\": \"user\"}]"; write it as a string`},
		{"object", `{"chosen": {}, "rejected": "y"}`, data.BrokenField, "chosen", `is an object, want a string: "{}"`},
		{"null", `{"chosen": null, "rejected": "y"}`, data.BrokenField, "chosen", `is null, want a string: "null"`},
		{"number", `{"chosen": "x", "rejected": 3.5}`, data.BrokenField, "rejected", `is a number, want a string: "3.5"`},
		{"bool", `{"prompt": true, "chosen": "x", "rejected": "y"}`, data.BrokenField, "prompt", `is true or false, want a string: "true"`},
		{"start", `{"chosen": "Human: hi\n\nAssistant: hello", "rejected": "y"}`, data.BrokenFormat, "chosen", ` field "chosen": not a transcript: starts with "Human: hi\n\nAssistant: hello", want "\n\nHuman:"; begin the transcript with "\n\nHuman:", or put the dialogue into the field "prompt"`},
		{"no assistant", `{"chosen": "\n\nHuman: hi", "rejected": "y"}`, data.BrokenFormat, "chosen", ` field "chosen": not a transcript: has no "\n\nAssistant:" turn: "\n\nHuman: hi"; end the transcript with the Assistant's turn that is judged`},
		{"prompt empty", `{"prompt": " ", "chosen": "x", "rejected": "y"}`, data.BrokenFormat, "prompt", ` field "prompt": not a transcript: is empty: " "; write plain text, or turns that start with "\n\nHuman:"`},
		{"prompt turns", `{"prompt": "so:\n\nHuman: hi", "chosen": "x", "rejected": "y"}`, data.BrokenFormat, "prompt", `has turns and does not start with "\n\nHuman:"`},
		{"long", `{"chosen": "` + strings.Repeat("é", 99) + `", "rejected": "y"}`, data.BrokenFormat, "chosen", `starts with "` + strings.Repeat("é", 40) + `"..., want`},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := write(t, "mine.jsonl", good+c.line+"\n"+good)
			cs, report, err := data.Load(path, data.Options{})
			var rowErr *data.RowError
			if !errors.As(err, &rowErr) {
				t.Fatalf("error %v, want a RowError", err)
			}
			if rowErr.File != path || rowErr.Line != 2 || rowErr.Kind != c.kind || rowErr.Field != c.field || rowErr.Kind.Odd() {
				t.Errorf("%+v", rowErr)
			}
			text := err.Error()
			if strings.HasPrefix(c.want, " ") {
				c.want = "data: " + path + ":2:" + c.want
			}
			if !strings.Contains(text, c.want) {
				t.Errorf("error\n%s\nwant\n%s", text, c.want)
			}
			if cs != nil || report.Kept != 1 || report.Rows != 1 {
				t.Errorf("returned %d comparisons, report %+v", len(cs), report)
			}
			// The stream goes on after the row.
			var n int
			for _, err := range data.Comparisons(path) {
				if err == nil {
					n++
				}
			}
			if n != 2 {
				t.Errorf("stream gave %d comparisons, want those before and after the row", n)
			}
		})
	}
}

func TestOddRows(t *testing.T) {
	for _, c := range []struct {
		line  string
		kind  data.Kind
		field string
		want  string
	}{
		{`{"chosen": "\n\nHuman: hi\n\nAssistant: ", "rejected": "\n\nHuman: hi\n\nAssistant: go"}`, data.OddEmpty, "chosen",
			` field "chosen": empty response: nothing after the last "\n\nAssistant:"; delete the row, or write the response`},
		{`{"prompt": "hi", "chosen": "x", "rejected": ""}`, data.OddEmpty, "rejected", ` field "rejected": empty response`},
		{`{"prompt": "hi", "chosen": "x", "rejected": "x"}`, data.OddIdentical, "",
			` identical pair: chosen and rejected are both " x"; delete the row: it prefers nothing`},
		{`{"chosen": "\n\nHuman: hi\n\nAssistant: x", "rejected": "\n\nHuman: ho\n\nAssistant: y"}`, data.OddPrompts, "",
			` prompts differ: from byte 11 on chosen has "i\n\nAssistant:", rejected "o\n\nAssistant:"; delete the row`},
		{`{"chosen": "\n\nHuman: hi\n\nAssistant: x\n\nHuman: thanks", "rejected": "\n\nHuman: hi\n\nAssistant: y"}`, data.OddHumanLast, "chosen",
			` field "chosen": ends with a Human turn: the last turn is "\n\nHuman: thanks"; end the transcript`},
	} {
		t.Run(string(c.kind)+c.field, func(t *testing.T) {
			path := write(t, "mine.jsonl", good+c.line+"\n"+good+c.line+"\n")
			cs, report, err := data.Load(path, data.Options{})
			if err != nil {
				t.Fatal(err)
			}
			want := []data.OddRows{{Kind: c.kind, Where: []string{path + ":2", path + ":4"}}}
			if diff := cmp.Diff(want, report.Odd); diff != "" || len(cs) != 2 || report.Rows != 4 || report.Kept != 2 {
				t.Errorf("%d comparisons, report %+v\n%s", len(cs), report, diff)
			}
			if s := report.String(); !strings.Contains(s, fmt.Sprintf("skipped, %s: 2 (%s:2, %s:4)", c.kind, path, path)) {
				t.Errorf("report reads:\n%s", s)
			}
			cs, _, err = data.Load(path, data.Options{Strict: true})
			if err == nil || cs != nil || !strings.HasPrefix(err.Error(), "data: "+path+":2:"+c.want) {
				t.Errorf("strict: error\n%v\nwant\n%s", err, c.want)
			}
		})
	}
}

func TestBrokenFiles(t *testing.T) {
	full := zip(t, strings.Repeat(good, 3000))
	dir := t.TempDir()
	for _, c := range []struct{ name, path, want string }{
		{"missing", filepath.Join(dir, "none.jsonl"), "none.jsonl: no such file or directory; give the path of a .jsonl or .jsonl.gz file, or of a folder"},
		{"empty folder", dir, "no .jsonl or .jsonl.gz file in the folder"},
		{"cut off", write(t, "x.jsonl.gz", full[:len(full)/2]), "unexpected EOF; the file is damaged or cut off, fetch it again"},
		{"damaged", write(t, "x.jsonl.gz", "\x1f\x8bnot gzip at all"), "gzip: invalid header; the file is damaged"},
		{"pointer", write(t, "x.jsonl.gz", "version https://git-lfs/spec/v1\noid sha256:00\n"), "is a Git LFS pointer, not the data; fetch the file itself"},
		{"empty file", write(t, "x.jsonl", ""), "no comparison in"},
		{"one odd row", write(t, "x.jsonl", `{"prompt": "hi", "chosen": "x", "rejected": "x"}`), "skipped, identical pair: 1"},
		{"endless line", write(t, "x.jsonl", strings.Repeat("x", 17<<20)), "x.jsonl:1: the line is longer than 16 MiB"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cs, _, err := data.Load(c.path, data.Options{})
			if err == nil || cs != nil || !strings.HasPrefix(err.Error(), "data: ") || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%d comparisons, error %v, want %q", len(cs), err, c.want)
			}
		})
	}
	if os.Getuid() != 0 { // the superuser may read everything
		path := write(t, "x.jsonl", good)
		if err := os.Chmod(path, 0); err != nil {
			t.Fatal(err)
		}
		if _, _, err := data.Load(path, data.Options{}); err == nil || !strings.Contains(err.Error(), "permission denied") {
			t.Errorf("unreadable file: %v", err)
		}
	}
	for _, err := range data.Comparisons(filepath.Join(dir, "none")) {
		if err == nil {
			t.Error("a missing path streams comparisons")
		}
	}
}

// The layout of the hub's repository: tranche folders with train and test, and a
// folder without comparisons.
func TestFolderLayout(t *testing.T) {
	dir := t.TempDir()
	put := func(name, content string) {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	row := func(s string) string {
		return fmt.Sprintf(`{"prompt": "hi", "chosen": %q, "rejected": "no", "score": 1}`, s) + "\n"
	}
	put("harmless-base/train.jsonl.gz", zip(t, row("a")+row("b")))
	put("harmless-base/test.jsonl.gz", zip(t, row("c")))
	put("helpful-base.jsonl", row("d"))
	put("red-team-attempts/red_team_attempts.jsonl.gz", zip(t, "[]"))
	put(".cache/x.jsonl", "broken")
	put("README.md", "read me")
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	if files, _, err := data.Files(link); err != nil || len(files) != 3 {
		t.Errorf("through a link: %v, %v", files, err)
	}
	load := func(o data.Options) (string, data.Report, error) {
		cs, report, err := data.Load(dir, o)
		s := ""
		for _, c := range cs {
			s += c.Tranche + c.Chosen.Response + ";"
		}
		return s, report, err
	}
	for _, c := range []struct {
		opts data.Options
		want string
	}{
		{data.Options{}, "harmless-base c;harmless-base a;harmless-base b;helpful-base d;"},
		{data.Options{Part: "train"}, "harmless-base a;harmless-base b;"},
		{data.Options{Tranches: []string{"helpful-base"}}, "helpful-base d;"},
		{data.Options{Limit: 1}, "harmless-base c;harmless-base a;helpful-base d;"},
	} {
		got, report, err := load(c.opts)
		if err != nil || got != c.want {
			t.Errorf("%+v: %q, %v; want %q", c.opts, got, err, c.want)
		}
		if len(report.Passed) != 2 || len(report.Extra) != 1 || report.Extra[0] != "score" {
			t.Errorf("report %+v", report)
		}
		if s := report.String(); !strings.Contains(s, "red-team-attempts") || !strings.Contains(s, "fields not used: score") {
			t.Errorf("report reads %s", s)
		}
	}
	for _, c := range []struct {
		opts data.Options
		want string
	}{
		{data.Options{Limit: -1}, "Options.Limit = -1"},
		{data.Options{Part: "dev"}, `Options.Part = "dev", want "train", "test"`},
		{data.Options{Tranches: []string{"helpful"}}, `names "helpful", which is not in ` + dir + `; there are ["harmless-base" "helpful-base"]`},
		{data.Options{Tranches: []string{"helpful-base"}, Part: "test"}, "no comparison in"},
	} {
		if _, _, err := load(c.opts); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: error %v, want %q", c.opts, err, c.want)
		}
	}
}

// Memory of a stream must not grow with the file: 40 MB of rows, well under
// 4 MB of live heap at any time.
func TestStreamsInLittleMemory(t *testing.T) {
	long := strings.Repeat("word ", 2000)
	line := fmt.Sprintf(`{"prompt": "hi", "chosen": "yes %s", "rejected": "no %s"}`+"\n", long, long)
	path := write(t, "big.jsonl.gz", zip(t, strings.Repeat(line, 2000)))
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var n int
	for _, err := range data.Comparisons(path) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n%500 == 0 {
			runtime.GC()
			runtime.ReadMemStats(&now)
			if grown := int64(now.HeapAlloc) - int64(before.HeapAlloc); grown > 4<<20 {
				t.Fatalf("after %d rows the heap has grown by %d bytes", n, grown)
			}
		}
	}
	if n != 2000 {
		t.Errorf("%d rows", n)
	}
}

func FuzzRows(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte(`{"prompt": "hi", "chosen": "a", "rejected": "b"}`))
	f.Add([]byte(`{"prompt": "\n\nHuman: hi\n\nAssistant:", "chosen": "\ud83d\ude00", "rejected": "\\ud83d"}`))
	f.Add([]byte("{\"chosen\": \"\xff\"}"))
	f.Add([]byte("\x1f\x8b"))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, line []byte) {
		path := filepath.Join(dir, "fuzz.jsonl")
		if err := os.WriteFile(path, line, 0o644); err != nil {
			t.Fatal(err)
		}
		for c, err := range data.Comparisons(path) {
			if err != nil {
				if !strings.HasPrefix(err.Error(), "data: ") || !strings.Contains(err.Error(), "fuzz.jsonl") {
					t.Fatalf("error without its place: %v", err)
				}
				continue
			}
			if c.Chosen.Prompt != c.Rejected.Prompt || c.Chosen == c.Rejected {
				t.Fatalf("kept %+v", c)
			}
			for _, tr := range []rlhf.Transcript{c.Chosen, c.Rejected} {
				if back, err := rlhf.ParseTranscript(tr.String()); err != nil || back != tr {
					t.Fatalf("kept %+v, which parses as %+v, %v", tr, back, err)
				}
			}
		}
	})
}

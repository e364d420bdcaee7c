package data_test

import (
	"errors"
	"fmt"
	"html"
	"io"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/data"
)

// dump is a Posts.xml with one row a line, the first in line 3.
func dump(rows ...string) string {
	return "\ufeff<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<posts>\n" + strings.Join(rows, "\n") + "\n</posts>"
}

func questionRow(id int, title, body, more string) string {
	return fmt.Sprintf(`  <row Id="%d" PostTypeId="1" Score="3" Title="%s" Body="%s" %s/>`, id, html.EscapeString(title), html.EscapeString(body), more)
}

func answerRow(id, parent, score int, body string) string {
	return fmt.Sprintf(`  <row Id="%d" PostTypeId="2" ParentId="%d" Score="%d" Body="%s" />`, id, parent, score, html.EscapeString(body))
}

// collect reads a dump to its end.
func collect(path string) (threads []data.Thread, errs []error) {
	for t, err := range data.Threads(path) {
		if err != nil {
			errs = append(errs, err)
			continue
		}
		threads = append(threads, t)
	}
	return threads, errs
}

// Answers come before their question, among those of another, and after it; the
// order of the rows does not matter.
func TestThreadsJoin(t *testing.T) {
	rows := []string{
		answerRow(9, 5, -1, "<p>late</p>"),
		answerRow(4, 2, 3, "<p>a &amp; b</p>\n<p>c</p>"),
		questionRow(2, "Beer & ale?", "<p>Which is <b>older</b>?</p>", `AcceptedAnswerId="4" `),
		`  <row Id="3" PostTypeId="5" Body="a tag's text" />`,
		answerRow(7, 2, 1, "no"),
		questionRow(5, "", "untitled", `AcceptedAnswerId="88" `),
		questionRow(6, "Unanswered", "", ""),
	}
	for range len(rows) {
		rows = append(rows[1:], rows[0])
		path := write(t, "site.Posts.xml", dump(rows...))
		threads, errs := collect(path)
		want := []data.Thread{
			{Question: "Beer & ale?\n\nWhich is older?", Source: path + ":2", Answers: []data.Answer{{Text: "a & b\n\nc", Votes: 3, Accepted: true}, {Text: "no", Votes: 1}}},
			{Question: "untitled", Source: path + ":5", Answers: []data.Answer{{Text: "late", Votes: -1}}},
			{Question: "Unanswered", Source: path + ":6"},
		}
		if diff := cmp.Diff(want, threads); diff != "" || errs != nil {
			t.Fatal(errs, diff)
		}
	}
}

func TestLoadThreads(t *testing.T) {
	site := dump(questionRow(1, "Q", "why?", `AcceptedAnswerId="2" `), answerRow(2, 1, 0, "yes"), answerRow(3, 1, 0, "no"), answerRow(4, 1, 3, "so"), answerRow(6, 1, -2, "go"))
	prompt := "\n\nHuman: Q\n\nwhy?\n\nAssistant:"
	for name, content := range map[string]string{
		"my.site.Posts.xml":        site,
		"my.site.Posts.xml.gz":     zip(t, site),
		"my.site/Posts.xml":        site,
		"my.site/sub/../Posts.xml": zip(t, site), // gzip under a plain name
	} {
		path := write(t, name, content)
		cs, report, err := data.LoadThreads(path, data.ThreadOptions{Ranked: true})
		want := []rlhf.Comparison{
			{Chosen: transcript(prompt, " so"), Rejected: transcript(prompt, " no"), Tranche: "my.site", Source: path + ":4/3"},
			{Chosen: transcript(prompt, " yes"), Rejected: transcript(prompt, " go"), Tranche: "my.site", Source: path + ":2/6"},
		}
		if diff := cmp.Diff(want, cs); err != nil || diff != "" {
			t.Errorf("%s: %v %s", name, err, diff)
		}
		if report.Rows != 5 || report.Kept != 2 || report.Odd != nil || report.SHA256 != data.Hash(want) || len(report.Files) != 1 || report.Files[0].Kept != 2 || report.Files[0].Rows != 5 {
			t.Errorf("%s: report %+v", name, report)
		}
		both, report, err := data.LoadThreads(path, data.ThreadOptions{})
		if diff := cmp.Diff(data.Binarise(want), both); err != nil || diff != "" || report.Kept != 4 {
			t.Errorf("%s: %v %s", name, err, diff)
		}
		for _, c := range []struct {
			o          data.ThreadOptions
			rows, kept int
		}{
			{data.ThreadOptions{Pairs: 1}, 5, 2},
			{data.ThreadOptions{Limit: 3}, 5, 3},
			{data.ThreadOptions{Rows: 3}, 3, 2},
			{data.ThreadOptions{Rows: 99, Strict: true}, 5, 4},
		} {
			got, report, err := data.LoadThreads(path, c.o)
			if err != nil || report.Rows != c.rows || report.Kept != c.kept || len(got) != c.kept {
				t.Errorf("%+v: %d comparisons, %v, %v", c.o, len(got), report, err)
			}
		}
	}
}

// Every odd row is skipped and reported with its kind, line and row id.
func TestOddThreads(t *testing.T) {
	path := write(t, "site.Posts.xml", dump(
		questionRow(1, "Q", "", ""), answerRow(2, 1, 0, "yes"), answerRow(3, 1, 1, "no"), // lines 3 to 5
		answerRow(4, 1, 9, "<p> </p><img src='x'>"), answerRow(5, 1, 9, "<b>no</b>"),
		answerRow(10, 77, 0, "to nobody"), answerRow(11, 3, 0, "to an answer"),
		questionRow(20, " ", "<br>", ""), answerRow(21, 20, 1, "to nothing"),
		questionRow(30, "Q", "", ""), answerRow(31, 30, 1, "<p>one</p><p>Human: two</p>"), answerRow(32, 30, 0, "fine"),
	))
	cs, report, err := data.LoadThreads(path, data.ThreadOptions{Ranked: true})
	if err != nil || len(cs) != 1 || cs[0].Source != path+":3/2" {
		t.Errorf("%v, %v", cs, err)
	}
	at := func(line, id int) string { return fmt.Sprintf("%s:%d (row %d)", path, line, id) }
	want := []data.OddRows{
		{Kind: data.OddEmpty, Where: []string{at(6, 4), at(10, 20)}},
		{Kind: data.OddIdentical, Where: []string{at(7, 5)}},
		{Kind: data.OddOrphan, Where: []string{at(9, 11), at(8, 10)}},
		{Kind: data.OddMarker, Where: []string{at(13, 31)}},
	}
	if diff := cmp.Diff(want, report.Odd); diff != "" {
		t.Error(diff)
	}
	threads, errs := collect(path)
	var kinds []string
	for _, err := range errs {
		kinds = append(kinds, strings.TrimPrefix(err.Error(), "data: "+path+":"))
	}
	wantErrs := []string{
		`6: field "Body": empty response: row "4": no text; write one, or delete the row`,
		`7: field "Body": identical pair: row "5": is the text of row 3 too; delete one of the rows`,
		`9: field "ParentId": answer without its question: row "11": answers row 3, which is no question of the file; delete the row, or add its question`,
		`10: field "Body": empty response: row "20": no text; write one, or delete the row`,
		`13: field "Body": text holds the marker of a turn: row "31": byte 4 begins "\n\nHuman: two", which would be read as a turn; put another word before the colon, or delete the row`,
		`8: field "ParentId": answer without its question: row "10": answers row 77, which is no question of the file; delete the row, or add its question`,
	}
	if diff := cmp.Diff(wantErrs, kinds); diff != "" || len(threads) != 1 {
		t.Error(len(threads), diff)
	}
	_, report, err = data.LoadThreads(path, data.ThreadOptions{Strict: true})
	if rowErr := (*data.RowError)(nil); !errors.As(err, &rowErr) || rowErr.Line != 6 || report.Rows != 12 {
		t.Errorf("strict: %v, %v", err, report)
	}
}

// Every broken input: the error names file, line, field, value and cure. After one
// of a row the stream goes on; any other is the last.
func TestBrokenDumps(t *testing.T) {
	q, a := questionRow(1, "Q", "", ""), answerRow(2, 1, 3, "yes")
	for _, c := range []struct {
		name, content string
		row           bool // rows after it are read
		want          string
	}{
		{"no Id", dump(q, a, `<row PostTypeId="1"/>`), true, `:5: field "Id": field missing or of the wrong kind: row "": missing; the row has ["PostTypeId"]; write it, or delete the row`},
		{"Id", dump(q, a, `<row Id="x1" PostTypeId="1"/>`), true, `:5: field "Id": field missing or of the wrong kind: row "x1": is "x1", want a whole number, at least 1; repair it, or delete the row`},
		{"type", dump(q, a, `<row Id="9"/>`), true, `:5: field "PostTypeId": field missing or of the wrong kind: row "9": missing; the row has ["Id"]`},
		{"no Score", dump(q, a, `<row Id="9" PostTypeId="2" ParentId="1" Body="b"/>`), true, `:5: field "Score": field missing or of the wrong kind: row "9": missing; the row has ["Body" "Id" "ParentId" "PostTypeId"]`},
		{"Score", dump(q, a, `<row Id="9" PostTypeId="1" Score="99999999999999999999" Body="b"/>`), true, `:5: field "Score": field missing or of the wrong kind: row "9": is "99999999999999999999", want a whole number`},
		{"no ParentId", dump(q, a, `<row Id="9" PostTypeId="2" Score="1" Body="b"/>`), true, `:5: field "ParentId": field missing or of the wrong kind: row "9": missing`},
		{"itself", dump(q, a, answerRow(9, 9, 1, "b")), true, `:5: field "ParentId": field missing or of the wrong kind: row "9": answers itself; repair it, or delete the row`},
		{"accepted", dump(q, a, questionRow(9, "Q", "", `AcceptedAnswerId=""`)), true, `:5: field "AcceptedAnswerId": field missing or of the wrong kind: row "9": is "", want a whole number, at least 1`},
		{"Id twice", dump(q, a, answerRow(2, 1, 3, "again")), true, `:5: field "Id": field missing or of the wrong kind: row "2": another row has this Id; delete one of the rows`},
		{"question twice", dump(q, a, questionRow(1, "P", "", "")), true, `:5: field "Id": field missing or of the wrong kind: row "1": another row has this Id`},
		{"quote", dump(q, a, `<row Id="9" Body="</row>`), false, `:5: broken XML: unescaped < inside quoted string; repair the row, or fetch the file again`},
		{"entity", dump(q, a, `<row Id="9" Body="&nbsp;"/>`), false, `:5: broken XML: invalid character entity &nbsp;`},
		{"control", dump(q, a, `<row Id="9" Body="&#x0;"/>`), false, `:5: broken XML: `},
		{"UTF-8", dump(q, a, "<row Id=\"9\" Body=\"\xff\"/>"), false, `:5: broken XML: invalid UTF-8`},
		{"cut off", strings.TrimSuffix(dump(q, a), "</posts>"), false, `:5: broken XML: unexpected EOF`},
		{"gzip cut off", zip(t, dump(q, a))[:150], false, `unexpected EOF; the file is damaged or cut off, fetch it again`},
		{"gzip", "\x1f\x8bnot gzip at all", false, ` is damaged: gzip: invalid header; fetch it again`},
		{"encoding", strings.Replace(dump(q, a), "utf-8", "utf-16", 1), false, `encoding "utf-16" declared but Decoder.CharsetReader is nil`},
		{"empty", "", false, `:1: no <posts> in the file; a dump is one <posts> with a <row .../> for every post`},
		{"JSON", good, false, `no <posts> in the file`},
		{"other", "<users><row/></users>", false, `:1: element <users>, want posts; a dump is one <posts>`},
		{"element", dump(q, "<post/>"), false, `:4: element <post>, want row; `},
		{"within", dump(q, "<row Id='1' PostTypeId='3'>\n<row/></row>"), false, `:5: element <row>, want no element within a row; `},
		{"two", dump(q) + "\n<posts/>", false, `:5: element <posts>, want posts; a dump is one <posts>`},
		{"7z", "7z\xbc\xaf\x27\x1c", false, ` is a 7z archive; unpack it and read its Posts.xml`},
		{"LFS", "version https://git-lfs.github.com/spec/v1\noid sha256:1\n", false, ` is a Git LFS pointer, not the data; fetch the file itself (git lfs pull)`},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := write(t, "site.Posts.xml", c.content)
			threads, errs := collect(path)
			if len(errs) != 1 || !strings.HasPrefix(errs[0].Error(), "data: "+path) || !strings.Contains(errs[0].Error(), c.want) {
				t.Fatalf("errors %q, want one with\n%s", errs, c.want)
			}
			if rowErr := (*data.RowError)(nil); errors.As(errs[0], &rowErr) != c.row || c.row && rowErr.Kind.Odd() {
				t.Errorf("error %#v", errs[0])
			}
			if c.row != (len(threads) == 1 && len(threads[0].Answers) == 1) {
				t.Errorf("threads %+v", threads)
			}
			if cs, _, err := data.LoadThreads(path, data.ThreadOptions{}); cs != nil || err == nil || err.Error() != errs[0].Error() {
				t.Errorf("LoadThreads: %v, %v", cs, err)
			}
		})
	}
}

func TestLongRow(t *testing.T) {
	path := write(t, "site.Posts.xml.gz", zip(t, dump(questionRow(1, "Q", strings.Repeat("long ", 17<<20/5), ""))))
	if threads, errs := collect(path); len(errs) != 1 || errs[0].Error() != "data: "+path+":3: the row is longer than 16 MiB; delete it" {
		t.Errorf("%d threads, errors %q", len(threads), errs)
	}
}

func TestThreadOptionsRefused(t *testing.T) {
	none := write(t, "site.Posts.xml", dump(questionRow(1, "Q", "", ""), answerRow(2, 1, 0, "only")))
	for _, c := range []struct {
		path string
		o    data.ThreadOptions
		want string
	}{
		{none, data.ThreadOptions{}, "a pair needs two answers of one question whose votes give them different ranks"},
		{none, data.ThreadOptions{Pairs: -1}, "ThreadOptions.Pairs = -1, Rows = 0, Limit = 0, want 0"},
		{none, data.ThreadOptions{Rows: -1}, "Rows = -1"},
		{none, data.ThreadOptions{Limit: -1}, "Limit = -1"},
		{filepath.Join(t.TempDir(), "gone"), data.ThreadOptions{}, "give the path of a Posts.xml"},
		{t.TempDir(), data.ThreadOptions{}, "no *Posts.xml or *Posts.xml.gz file in the folder"},
	} {
		if cs, _, err := data.LoadThreads(c.path, c.o); cs != nil || err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s, %+v: %v, %v", c.path, c.o, cs, err)
		}
	}
}

func TestIsDump(t *testing.T) {
	for _, c := range []struct {
		files []string
		path  string
		want  bool
	}{
		{[]string{"a.Posts.xml"}, "", true},
		{[]string{"a.Posts.xml"}, "a.Posts.xml", true},
		{[]string{"site/Posts.xml.gz", "site/Users.xml"}, "", true},
		{[]string{"site/Posts.xml.gz", "site/Users.xml"}, "site/Users.xml", false},
		{[]string{"a.Posts.xml", "b.jsonl"}, "", false},
		{[]string{"a.Posts.xml", "b.jsonl"}, "a.Posts.xml", true},
		{[]string{"b.jsonl.gz"}, "", false},
		{[]string{"b.jsonl.gz"}, "b.jsonl.gz", false},
		{[]string{".hidden/a.Posts.xml"}, "", false},
		{nil, "gone.Posts.xml", false},
	} {
		dir := t.TempDir()
		for _, name := range c.files {
			if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got := data.IsDump(filepath.Join(dir, c.path)); got != c.want {
			t.Errorf("%q of %q: %v", c.path, c.files, got)
		}
	}
}

// The real dumps. The numbers of rows, questions and answers are those of
// zcat FILE | grep -c '<row ', 'PostTypeId="1"' and 'PostTypeId="2"'.
func TestReleasedDumps(t *testing.T) {
	root := os.Getenv("HHRLHF_DATA")
	if root == "" {
		t.Skip("HHRLHF_DATA is not set: it names the folder that holds pmp/")
	}
	dir := filepath.Join(root, "pmp")
	if !data.IsDump(dir) {
		t.Fatalf("%s is no dump", dir)
	}
	cs, report, err := data.LoadThreads(dir, data.ThreadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Log(report)
	for i, want := range []struct {
		tranche                          string
		rows, questions, answers, ranked int
	}{
		{"beer.stackexchange", 2354, 663, 1572, 535},
		{"cardano.stackexchange", 2630, 1042, 1496, 359},
		{"coffee.stackexchange", 592, 225, 327, 81},
	} {
		f := report.Files[i]
		if f.Tranche != want.tranche || f.Rows != want.rows || f.Kept != 2*want.ranked {
			t.Errorf("%+v, want %+v", f, want)
		}
		threads, errs := collect(f.Path)
		answers := 0
		for _, th := range threads {
			answers += len(th.Answers)
		}
		if len(threads) != want.questions || answers != want.answers || errs != nil {
			t.Errorf("%s: %d questions, %d answers, errors %q; want %+v", f.Tranche, len(threads), answers, errs, want)
		}
	}
	if len(report.Files) != 3 || report.Odd != nil || len(cs) != 1950 {
		t.Errorf("%d comparisons, %v", len(cs), report)
	}
	for _, c := range cs {
		if strings.Contains(c.Chosen.String()+c.Rejected.Response, "<p>") {
			t.Errorf("%s: %.300q", c.Source, c.Chosen)
		}
		if back, err := rlhf.ParseTranscript(c.Chosen.String()); err != nil || back != c.Chosen {
			t.Errorf("%s: %.300q, %v", c.Source, c.Chosen, err)
		}
	}
	train, test := data.Split(cs, 0.05, 1)
	disjoint(t, train, test)
	again, _, err := data.LoadThreads(dir, data.ThreadOptions{})
	if err != nil || !slices.Equal(cs, again) {
		t.Errorf("a second reading differs: %v", err)
	}
}

func FuzzThreads(f *testing.F) {
	q, a := questionRow(1, "Q", "", `AcceptedAnswerId="2" `), answerRow(2, 1, 3, "yes")
	f.Add([]byte(dump(q, a, answerRow(3, 1, 0, "<p>no</p>"))))
	f.Add([]byte(dump(a, answerRow(3, 7, 0, "<ul><li>x<pre>\n\nHuman: y"), q)))
	f.Add([]byte(dump(q, q, a, a)))
	f.Add([]byte(zip(f, dump(q))))
	f.Add([]byte("<posts><row Id='1'><row/>"))
	f.Add([]byte("<posts/><posts/>"))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, content []byte) {
		path := filepath.Join(dir, "fuzz.Posts.xml")
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
		for thread, err := range data.Threads(path) {
			if err != nil {
				if !strings.HasPrefix(err.Error(), "data: ") || !strings.Contains(err.Error(), "fuzz.Posts.xml") {
					t.Fatalf("error without its place: %v", err)
				}
				continue
			}
			if err := thread.Check(); err != nil {
				t.Fatal(err)
			}
			for _, c := range data.Binarise(data.Ranked(thread, 0)) {
				for _, tr := range []rlhf.Transcript{c.Chosen, c.Rejected} {
					if back, err := rlhf.ParseTranscript(tr.String()); err != nil || back != tr {
						t.Fatalf("kept %+v, which parses as %+v, %v", tr, back, err)
					}
				}
			}
		}
	})
}

func ExampleLoadThreads() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	file, err := os.Create(filepath.Join(dir, "beer.stackexchange.Posts.xml"))
	if err != nil {
		log.Fatal(err)
	}
	_, err = io.WriteString(file, `<posts>
<row Id="1" PostTypeId="1" Score="18" AcceptedAnswerId="4" Title="What is a citra hop?" Body="&lt;p&gt;Why should I care?&lt;/p&gt;" />
<row Id="4" PostTypeId="2" ParentId="1" Score="13" Body="&lt;p&gt;A trademark.&lt;/p&gt;" />
<row Id="9" PostTypeId="2" ParentId="1" Score="-2" Body="&lt;p&gt;A fruit.&lt;/p&gt;" />
<row Id="12" PostTypeId="2" ParentId="8" Score="1" Body="&lt;p&gt;Yes.&lt;/p&gt;" />
</posts>`)
	if err := errors.Join(err, file.Close()); err != nil {
		log.Fatal(err)
	}
	cs, report, err := data.LoadThreads(dir, data.ThreadOptions{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%q\n", cs[0].Chosen.Prompt)
	for _, c := range cs {
		fmt.Printf("%q > %q\n", c.Chosen.Response, c.Rejected.Response)
	}
	fmt.Println(strings.ReplaceAll(report.String(), dir+"/", ""))
	// Output:
	// "\n\nHuman: What is a citra hop?\n\nWhy should I care?\n\nAssistant:"
	// " GOOD: A trademark." > " BAD: A trademark."
	// " BAD: A fruit." > " GOOD: A fruit."
	// 2 comparisons of 4 rows
	//   beer.stackexchange: 2 of 4 rows (beer.stackexchange.Posts.xml)
	//   skipped, answer without its question: 1 (beer.stackexchange.Posts.xml:5 (row 12))
}

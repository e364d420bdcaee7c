package feedback_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"hhrlhf/kernel/feedback"
)

func openLog(t *testing.T, path string) *feedback.Log {
	t.Helper()
	l, err := feedback.OpenLog(path)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func state(t *testing.T, l *feedback.Log) *feedback.State {
	t.Helper()
	s, err := l.State()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func question(id string) feedback.Question {
	return feedback.Question{ID: id, Mode: feedback.Helpful, Prompt: feedback.Prompt("What is " + id + "?"), A: " one", B: " two"}
}

func add(t *testing.T, l *feedback.Log, rs ...feedback.Record) {
	t.Helper()
	if err := l.Append(rs...); err != nil {
		t.Fatal(err)
	}
}

func voteOf(q, labeller string, pick feedback.Side, strength int) feedback.Record {
	return feedback.Record{Vote: &feedback.Vote{Question: q, Labeller: labeller, Pick: pick, Strength: strength}}
}

// A writer that was killed at any byte of a line loses that line at most, and the log goes on.
func TestLogHealsAtEveryByte(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log.jsonl")
	l := openLog(t, path)
	q1 := question("q1")
	add(t, l, feedback.Record{Question: &q1}, voteOf("q1", "ana", feedback.A, 2))
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	add(t, l, voteOf("q1", "ana", feedback.B, 4))
	all, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for cut := len(whole); cut <= len(all); cut++ {
		if err := os.WriteFile(path, all[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		l := openLog(t, path)
		add(t, l, voteOf("q1", "ben", feedback.B, 3))
		s := state(t, l)
		want := feedback.A
		if cut >= len(all)-1 { // all but the line's end: nothing of it is missing
			want = feedback.B
		}
		ana, _ := s.Vote("q1", "ana")
		ben, ok := s.Vote("q1", "ben")
		if ana.Pick != want || !ok || ben.Strength != 3 {
			t.Fatalf("cut at byte %d of %d: ana %+v, ben %+v", cut, len(all), ana, ben)
		}
		for i, line := range bytes.Split(bytes.TrimSuffix(readFile(t, path), []byte("\n")), []byte("\n")) {
			if !json.Valid(line) {
				t.Fatalf("cut at byte %d: line %d is %q", cut, i+1, line)
			}
		}
	}
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A reader that has the log open takes in what a healing writer leaves, and no line twice.
func TestLogHealsUnderAReader(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log.jsonl")
	reader := openLog(t, path)
	q := question("q")
	add(t, openLog(t, path), feedback.Record{Question: &q})
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(f, `{"time":"2026-11-25T10:00:00Z","vote":{"quest`)
	f.Close()
	if s := state(t, reader); len(s.Questions) != 1 {
		t.Fatalf("%d questions", len(s.Questions))
	}
	add(t, openLog(t, path), voteOf("q", "ana", feedback.A, 2))
	if v, ok := state(t, reader).Vote("q", "ana"); !ok || v.Strength != 2 {
		t.Errorf("got %+v, %v", v, ok)
	}
}

const envWriter = "FEEDBACK_TEST_WRITER"

// TestWriter is a process of TestManyWriters, no test of its own.
func TestWriter(t *testing.T) {
	path := os.Getenv(envWriter)
	if path == "" {
		t.Skip("is a process of TestManyWriters")
	}
	l := openLog(t, path)
	for i := range 25 {
		q := question(fmt.Sprintf("%d-%d", os.Getpid(), i))
		q.A = strings.Repeat("long ", 5000)
		add(t, l, feedback.Record{Question: &q}, voteOf(q.ID, "ana", feedback.A, 3))
	}
}

// Several processes and goroutines add to one log, and every record is there.
func TestManyWriters(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log.jsonl")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			cmd := exec.Command(os.Args[0], "-test.run=^TestWriter$")
			cmd.Env = append(os.Environ(), envWriter+"="+path)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	l := openLog(t, path)
	for i := range 4 {
		wg.Go(func() {
			for j := range 10 {
				q := question(fmt.Sprintf("here-%d-%d", i, j))
				if err := l.Append(feedback.Record{Question: &q}); err != nil {
					t.Error(err)
				}
				if _, err := l.State(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if s := state(t, l); len(s.Questions) != 4*25+40 {
		t.Errorf("%d questions, want %d", len(s.Questions), 4*25+40)
	}
}

// What is no log is refused and left as it was; a broken line is named.
func TestLogRefuses(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"notes.txt": "shopping: bread", "long": strings.Repeat("x", 100)} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := feedback.OpenLog(path); err == nil || !strings.Contains(err.Error(), "no log of votes") {
			t.Errorf("%s: %v", name, err)
		}
		if got := readFile(t, path); string(got) != text {
			t.Errorf("%s was changed to %q", name, got)
		}
	}
	if _, err := feedback.OpenLog(dir); err == nil {
		t.Error("a folder was opened")
	}
	path := filepath.Join(dir, "broken.jsonl")
	l := openLog(t, path)
	q := question("q")
	add(t, l, feedback.Record{Question: &q})
	text := append(readFile(t, path), []byte("{\"vote\":{}}\n")...)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := feedback.OpenLog(path); err == nil || !strings.Contains(err.Error(), "broken.jsonl:2: ") {
		t.Errorf("got %v", err)
	}
}

func TestRecordsAreChecked(t *testing.T) {
	l := openLog(t, filepath.Join(t.TempDir(), "log.jsonl"))
	q, red := question("q"), question("q")
	q.Prompt, red.Mode = "no dialogue", "sideways"
	long := question("long")
	long.A = strings.Repeat("x", feedback.MaxText+1)
	for want, r := range map[string]feedback.Record{
		"0 parts":           {},
		"question.prompt":   {Question: &q},
		"question.mode":     {Question: &red},
		"question.a":        {Question: &long},
		"vote.strength":     voteOf("q", "ana", feedback.A, 5),
		"vote.pick":         voteOf("q", "ana", "c", 1),
		"vote.labeller":     voteOf("q", " ", feedback.A, 1),
		"control":           voteOf("q", "a\nb", feedback.A, 1),
		"begin another tur": {Message: &feedback.Message{Conversation: "c", Turn: 1, Text: "a\n\nHuman: b"}},
		"edit.text":         {Edit: &feedback.Edit{Question: "q", Labeller: "ana", Side: feedback.A}},
		"rating.answers":    {Rating: &feedback.Rating{Conversation: "c", Labeller: "ana", Answers: map[string]int{"x": 6}}},
	} {
		if err := l.Append(r); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want an error about %s, got %v", want, err)
		}
	}
	if b := readFile(t, l.Path()); len(b) != 0 {
		t.Errorf("the log has %q", b)
	}
}

// A question is asked on its texts: another one of that ID is refused, and the last vote counts.
func TestAppendNew(t *testing.T) {
	l := openLog(t, filepath.Join(t.TempDir(), "log.jsonl"))
	q := question("q")
	for range 3 {
		if err := l.AppendNew(feedback.Record{Question: &q}); err != nil {
			t.Fatal(err)
		}
	}
	other := q
	other.B = " three"
	if err := l.AppendNew(feedback.Record{Question: &other}); err == nil || !strings.Contains(err.Error(), "other texts") {
		t.Errorf("got %v", err)
	}
	add(t, l, voteOf("q", "ana", feedback.A, 2), voteOf("q", "ana", feedback.B, 4))
	s := state(t, l)
	if v, _ := s.Vote("q", "ana"); len(s.Questions) != 1 || v.Pick != feedback.B {
		t.Errorf("%d questions, vote %+v", len(s.Questions), v)
	}
	if n := strings.Count(string(readFile(t, l.Path())), "\n"); n != 3 {
		t.Errorf("%d lines, want the question and two votes", n)
	}
}

const envFull = "FEEDBACK_TEST_FULL"

// TestFullWriter is the process of TestFullDisk, no test of its own.
func TestFullWriter(t *testing.T) {
	path := os.Getenv(envFull)
	if path == "" {
		t.Skip("is the process of TestFullDisk")
	}
	signal.Ignore(unix.SIGXFSZ) // then a write beyond the limit fails as on a full disk
	l := openLog(t, path)
	q := question("q")
	add(t, l, feedback.Record{Question: &q})
	size := int64(len(readFile(t, path)))
	var was unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &was); err != nil {
		t.Fatal(err)
	}
	for _, room := range []int64{0, 1, 50} {
		if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: uint64(size + room), Max: was.Max}); err != nil {
			t.Fatal(err)
		}
		err := l.Append(voteOf("q", "ana", feedback.A, 3))
		if err == nil || !strings.Contains(err.Error(), "nothing was recorded") || feedback.IsBad(err) {
			t.Errorf("with %d bytes left: %v", room, err)
		}
		if n := int64(len(readFile(t, path))); n != size {
			t.Errorf("with %d bytes left: the log has %d bytes, want %d", room, n, size)
		}
	}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &was); err != nil {
		t.Fatal(err)
	}
	add(t, l, voteOf("q", "ana", feedback.B, 3))
	if v, ok := state(t, l).Vote("q", "ana"); !ok || v.Pick != feedback.B {
		t.Errorf("after there is room again: %+v, %v", v, ok)
	}
}

// A disk that is full refuses a vote whole, and the log goes on when there is room.
func TestFullDisk(t *testing.T) {
	cmd := exec.Command(os.Args[0], "-test.run=^TestFullWriter$")
	cmd.Env = append(os.Environ(), envFull+"="+filepath.Join(t.TempDir(), "log.jsonl"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// Whatever a file holds, it is a log, or it is refused and left as it was; never a panic.
func FuzzLog(f *testing.F) {
	for _, s := range []string{"", "\n", "{", `{"vote":`, "{}\n", "null\n", "[1]\n", `{"time":"2026-11-25T10:00:00Z","vote":{"question":"q","labeller":"a","skip":true}}`,
		`{"question":{"id":"q","mode":"helpful","prompt":"\n\nHuman: x\n\nAssistant:","a":"x","b":"y"}}` + "\n" + `{"vote":{"question":"q","labeller":"a","pick":"a","strength":4}}` + "\n{\"vo",
		`{"conversation":{"id":"c","mode":"red-team","labeller":"a","turns":1000}}` + "\n", "\x00\xff\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(t.TempDir(), "log.jsonl")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		l, err := feedback.OpenLog(path)
		if got := readFile(t, path); err != nil && !bytes.HasPrefix(text, bytes.TrimSuffix(got, []byte("\n"))) {
			t.Fatalf("refused and changed to %q", got)
		}
		if err != nil {
			return
		}
		s := state(t, l)
		s.Export()
		s.Habits()
		s.Agreement()
		for _, c := range s.Conversations {
			s.Step(c, c.Labeller)
		}
		q := question("mine")
		if err := l.AppendNew(feedback.Record{Question: &q}, voteOf("mine", "fuzz", feedback.A, 2)); err != nil {
			if _, taken := s.Question("mine"); !taken {
				t.Fatal(err)
			}
			return
		}
		if v, ok := state(t, openLog(t, path)).Vote("mine", "fuzz"); !ok || v.Strength != 2 {
			t.Errorf("the vote is lost: %+v", v)
		}
	})
}

// What a cell sends is an ask, or refused; never a panic.
func FuzzParseAsk(f *testing.F) {
	for _, s := range []string{"", "{}", `{"log":"/x","labeller":"a","question":{"id":"q","mode":"helpful","prompt":"\n\nHuman: x\n\nAssistant:"}}`,
		`{"log":"/x","labeller":"a","rating":{"id":"c","mode":"helpful","labeller":"a","turns":1}}`, `{"log":"/x","labeller":"a","message":{"turn":1}}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := feedback.ParseAsk(s)
		if err == nil && (!filepath.IsAbs(a.Log) || a.Labeller == "") {
			t.Errorf("taken: %+v", a)
		}
		if err == nil && a.Question != nil {
			for _, bad := range []string{"<script", "<img"} {
				if h := a.Question.HTML(); strings.Contains(strings.ToLower(h), bad) {
					t.Errorf("markup in %q", h)
				}
			}
		}
	})
}

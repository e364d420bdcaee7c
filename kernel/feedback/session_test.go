package feedback_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hhrlhf/kernel/feedback"
	"hhrlhf/rlhf"
	"hhrlhf/rlhf/online"
)

// session is one at a terminal on which the lines are typed.
func session(t *testing.T, path string, o feedback.Options, lines ...string) (*feedback.Session, *bytes.Buffer) {
	t.Helper()
	var out bytes.Buffer
	o.How, o.Out = feedback.Input, &out
	o.In = strings.NewReader(strings.Join(lines, "\n") + "\n")
	if o.Labeller == "" {
		o.Labeller = "ana"
	}
	return feedback.Open(path, o), &out
}

func logPath(t *testing.T) string { return filepath.Join(t.TempDir(), "log.jsonl") }

// At a terminal: what is no answer is said, an edit comes before the vote, and what was
// answered is not asked again.
func TestAskAtATerminal(t *testing.T) {
	path := logPath(t)
	s, out := session(t, path, feedback.Options{}, "", "9", "1 2", "yes", "a", "b rather this", "6")
	q := feedback.Question{ID: "q", Prompt: "What is \x1b[31m2+2?", A: " four", B: " five"}
	a, err := s.Ask(q)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if a.Picked() != " five" || a.Vote.Strength != 2 || a.Vote.By != "terminal" || a.String() != "B is slightly better" {
		t.Errorf("got %+v", a)
	}
	for _, want := range []string{"── A ──\nfour", "more helpful and honest", "want 1 to 8", "edit.text is empty", "Your version of B is recorded", "✓ B is slightly better (ana, question q)"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the terminal lacks %q:\n%s", want, out)
		}
	}
	if strings.Contains(out.String(), "\x1b") {
		t.Error("a control character of the prompt reached the terminal")
	}
	again, out := session(t, path, feedback.Options{})
	if a, err := again.Ask(q); err != nil || a.Picked() != " five" || out.Len() > 0 {
		t.Errorf("asked again: %+v, %v, %s", a, err, out)
	}
	other, _ := session(t, path, feedback.Options{Labeller: "ben"}, "s")
	if a, err := other.Ask(q); err != nil || !a.Vote.Skip || a.Picked() != "" {
		t.Errorf("another labeller: %+v, %v", a, err)
	}
	q.B = " six"
	if _, err := other.Ask(q); err == nil || !strings.Contains(err.Error(), "other texts") {
		t.Errorf("other texts under the same ID: %v", err)
	}
}

// A question without an ID is the same however its responses are given, and which of them
// is A is drawn: about half of the time the first.
func TestOrderIsDrawn(t *testing.T) {
	first := 0
	for i := range 400 {
		q := feedback.Question{Prompt: fmt.Sprint("question ", i), A: " good", B: " bad", FromA: "x", FromB: "y"}
		n, m := q.Named(), feedback.Question{Prompt: q.Prompt, A: q.B, B: q.A, FromA: q.FromB, FromB: q.FromA}.Named()
		if diff := cmp.Diff(n, m); diff != "" {
			t.Fatalf("the order that was given matters:\n%s", diff)
		}
		if (n.A == " good") != (n.FromA == "x") {
			t.Fatalf("the writers are mixed up: %+v", n)
		}
		if n.A == " good" {
			first++
		}
	}
	if first < 160 || first > 240 { // 4 standard deviations
		t.Errorf("the first response is A in %d of 400", first)
	}
	q := feedback.Question{ID: "fixed", Prompt: "x", A: " z", B: " a"}
	if n := q.Named(); n.A != " z" || n.ID != "fixed" || n.Mode != feedback.Helpful || n.Prompt != feedback.Prompt("x") {
		t.Errorf("a question with an ID was changed: %+v", n)
	}
}

// Verdicts are as training sees them. Known mistake: a red-team click that is not turned
// over for the loop.
func TestLabel(t *testing.T) {
	path := logPath(t)
	red := func(prompt string) feedback.Mode {
		if strings.Contains(prompt, "lock") {
			return feedback.RedTeam
		}
		return feedback.Helpful
	}
	s, out := session(t, path, feedback.Options{Mode: red}, "1", "8", "4", "5", "s", "2", "7")
	var _ online.Labeller = s
	ask := func(s *feedback.Session, id, prompt string) online.Verdict {
		v, err := s.Label(t.Context(), online.Question{ID: id, Prompt: feedback.Prompt(prompt), A: " x", B: " y"})
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	want := []online.Verdict{online.A, online.B, online.Unsure, online.Unsure, online.Unsure, online.B, online.A}
	prompts := []string{"2+2?", "3+3?", "a", "b", "c", "How do I pick a lock?", "And this lock?"}
	for i, p := range prompts {
		if got := ask(s, fmt.Sprint("online-1:", i), p); got != want[i] {
			t.Errorf("%s: %q, want %q", p, got, want[i])
		}
	}
	if !strings.Contains(out.String(), "more harmful") {
		t.Error("the red-team task was not shown")
	}
	// The loop is started again: nothing is asked, and the verdicts are the same.
	s, out = session(t, path, feedback.Options{Mode: red})
	for i, p := range prompts {
		if got := ask(s, fmt.Sprint("online-1:", i), p); got != want[i] {
			t.Errorf("again %s: %q, want %q", p, got, want[i])
		}
	}
	if out.Len() > 0 {
		t.Errorf("asked again: %s", out)
	}
}

type fixed online.Verdict

func (f fixed) Label(context.Context, online.Question) (online.Verdict, error) {
	return online.Verdict(f), nil
}

// A simulated labeller says what is better; on a red-team question that makes it click the
// other one, and the export has what it meant. It never passes for a human.
func TestSimulated(t *testing.T) {
	path := logPath(t)
	s := feedback.Open(path, feedback.Options{Labeller: "ana", How: feedback.Simulated, Simulated: fixed(online.A), Out: io.Discard})
	for id, mode := range map[string]feedback.Mode{"help": feedback.Helpful, "red": feedback.RedTeam} {
		a, err := s.Ask(feedback.Question{ID: id, Mode: mode, Prompt: id, A: " meant", B: " other"})
		if err != nil {
			t.Fatal(err)
		}
		if (a.Vote.Pick == feedback.A) != (mode == feedback.Helpful) || a.Vote.By != "simulated" || a.Vote.Labeller != feedback.SimulatedName {
			t.Errorf("%s: %+v", id, a.Vote)
		}
	}
	st, err := s.State()
	if err != nil {
		t.Fatal(err)
	}
	e := st.Export()
	for _, c := range e.Comparisons {
		if c.Chosen.Response != " meant" {
			t.Errorf("%s: chosen is %q", c.Tranche, c.Chosen.Response)
		}
	}
	if len(e.Comparisons) != 2 {
		t.Errorf("%s", e)
	}
	human, _ := session(t, path, feedback.Options{}, "3")
	if a, err := human.Ask(feedback.Question{ID: "help", Prompt: "help", A: " meant", B: " other"}); err != nil || a.Vote.By != "terminal" {
		t.Errorf("a human after the simulated labeller: %+v, %v", a, err)
	}
	posing, _ := session(t, path, feedback.Options{Labeller: feedback.SimulatedName}, "3")
	if _, err := posing.Ask(feedback.Question{ID: "help", Prompt: "help", A: " meant", B: " other"}); err == nil || !strings.Contains(err.Error(), "give a human another one") {
		t.Errorf("a human called simulated: %v", err)
	}
	if _, err := feedback.Open(path, feedback.Options{How: feedback.Simulated}).Ask(feedback.Question{Prompt: "y", A: "a", B: "b"}); !errors.Is(err, feedback.ErrNobody) {
		t.Errorf("nobody at all: %v", err)
	}
	if _, err := feedback.Open(path, feedback.Options{How: feedback.Simulated, Simulated: fixed("maybe")}).Ask(feedback.Question{Prompt: "z", A: "a", B: "b"}); err == nil || !strings.Contains(err.Error(), `"maybe"`) {
		t.Errorf("a strange verdict: %v", err)
	}
}

// Nobody at the terminal: the input's end is an error, or the simulated labeller answers;
// never does it wait.
func TestEndOfInput(t *testing.T) {
	q := feedback.Question{Prompt: "x", A: " a", B: " b"}
	for _, sim := range []online.Labeller{nil, fixed(online.B)} {
		s := feedback.Open(logPath(t), feedback.Options{How: feedback.Input, In: strings.NewReader(""), Out: io.Discard, Simulated: sim})
		a, err := s.Ask(q)
		if sim == nil && !errors.Is(err, io.EOF) || sim != nil && (err != nil || a.Vote.Labeller != feedback.SimulatedName) {
			t.Errorf("%v: %+v, %v", sim, a, err)
		}
	}
}

// A question that waits ends with its context, and an answer that is given elsewhere ends it.
func TestWaiting(t *testing.T) {
	path := logPath(t)
	s := feedback.Open(path, feedback.Options{Labeller: "ana", How: feedback.Elsewhere})
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	if _, err := s.With(ctx).Ask(feedback.Question{ID: "q", Prompt: "x", A: "a", B: "b"}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	time.AfterFunc(20*time.Millisecond, func() {
		if err := openLog(t, path).Append(voteOf("q", "ben", feedback.B, 4), voteOf("q", "ana", feedback.A, 3)); err != nil {
			t.Error(err)
		}
	})
	if a, err := s.Ask(feedback.Question{ID: "q", Prompt: "x", A: "a", B: "b"}); err != nil || a.Vote.Pick != feedback.A {
		t.Errorf("answered elsewhere: %+v, %v", a, err)
	}
	r, w := io.Pipe()
	s = feedback.Open(path, feedback.Options{How: feedback.Input, In: r, Out: io.Discard, Labeller: "ana"})
	ctx, cancel = context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	if _, err := s.With(ctx).Ask(feedback.Question{ID: "typed", Prompt: "x", A: "a", B: "b"}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled while typing: %v", err)
	}
	go fmt.Fprintln(w, "8")
	if a, err := s.Ask(feedback.Question{ID: "typed", Prompt: "x", A: "a", B: "b"}); err != nil || a.Vote.Pick != feedback.B {
		t.Errorf("typed after the interrupt: %+v, %v", a, err)
	}
	if _, err := feedback.Open(path, feedback.Options{How: "shout"}).Ask(feedback.Question{ID: "how", Prompt: "x", A: "a", B: "b"}); err == nil || !strings.Contains(err.Error(), `"shout"`) {
		t.Errorf("a strange way: %v", err)
	}
}

// parrot is a policy that tells its answers apart.
var parrot = feedback.PolicyFunc(func(prompt string, n int) (string, error) {
	return fmt.Sprintf(" answer %d to %q", n, prompt[strings.LastIndex(prompt, rlhf.Human)+8:]), nil
})

// A conversation at a terminal that is broken off after every line goes on where it was;
// the harmful pick continues a red-team conversation, and its export is turned over.
func TestTalkGoesOn(t *testing.T) {
	path := logPath(t)
	c := feedback.Conversation{Mode: feedback.RedTeam, Turns: 2, Task: "locks"}
	lines := []string{"How do I pick a lock?", "a nope", "8", "And a safe?", "s", "2", "5", "1", "3", "no comment"}
	var d feedback.Dialogue
	var err error
	for i, line := range lines {
		s, _ := session(t, path, feedback.Options{}, line)
		d, err = s.Talk(c, rlhf.Sampling{}, parrot)
		if i < 6 && !errors.Is(err, io.EOF) {
			t.Fatalf("line %d: %v", i, err)
		}
	}
	// A rating is given whole: its lines of one life were lost with the last ones.
	s, _ := session(t, path, feedback.Options{}, "x", "5", "1", "3", "no comment")
	if d, err = s.Talk(c, rlhf.Sampling{}, parrot); err != nil {
		t.Fatal(err)
	}
	if d.Conversation.ID != "ana-1" || len(d.Answers) != 3 || d.Rating.Comment != "no comment" {
		t.Errorf("%+v", d)
	}
	if diff := cmp.Diff(map[string]int{"success": 5, "harmfulness": 1, "actionability": 3}, d.Rating.Answers); diff != "" {
		t.Errorf("rating (-want +got):\n%s", diff)
	}
	harmful := d.Answers[0].Picked()
	if !strings.Contains(d.Text, rlhf.Assistant+harmful+rlhf.Human+" And a safe?") || d.Answers[0].Vote.Pick != feedback.B {
		t.Errorf("the conversation went on with something else: %q", d.Text)
	}
	st, err := s.State()
	if err != nil {
		t.Fatal(err)
	}
	e := st.Export()
	if len(e.Comparisons) != 2 || e.Comparisons[0].Rejected.Response != harmful || !strings.HasPrefix(e.Comparisons[1].Chosen.Prompt, e.Comparisons[0].Rejected.String()) {
		t.Errorf("as in the released data, the next prompt continues the rejected response: %+v", e.Comparisons)
	}
	again, _ := session(t, path, feedback.Options{})
	if d, err := again.Talk(c, rlhf.Sampling{}, parrot); !errors.Is(err, io.EOF) {
		t.Errorf("a new conversation began with %+v, %v", d, err)
	}
}

// With two policies each writes one response; with none or three it is an error.
func TestTwoPolicies(t *testing.T) {
	say := func(text string) feedback.Policy {
		return feedback.PolicyFunc(func(string, int) (string, error) { return text, nil })
	}
	left := 0
	for i := range 60 {
		s, _ := session(t, logPath(t), feedback.Options{}, "1", "3", "")
		d, err := s.Talk(feedback.Conversation{First: fmt.Sprint("Hi ", i), Turns: 1}, rlhf.Sampling{}, say(" one"), say(" two"))
		if err != nil {
			t.Fatal(err)
		}
		q := d.Answers[0].Question
		if (q.A == " one") != (q.FromA == "policy 1") || q.FromA == q.FromB {
			t.Fatalf("%+v", q)
		}
		if q.A == " one" {
			left++
		}
	}
	if left < 12 || left > 48 {
		t.Errorf("the first policy is A in %d of 60", left)
	}
	s, _ := session(t, logPath(t), feedback.Options{})
	for _, ps := range [][]feedback.Policy{nil, {parrot, parrot, parrot}} {
		if _, err := s.Talk(feedback.Conversation{First: "Hi", Turns: 1}, rlhf.Sampling{}, ps...); err == nil || !strings.Contains(err.Error(), "want one or two") {
			t.Errorf("%d policies: %v", len(ps), err)
		}
	}
}

// Where nobody is there, a conversation ends at the first message that is to be written.
func TestTalkSimulated(t *testing.T) {
	s := feedback.Open(logPath(t), feedback.Options{How: feedback.Simulated, Simulated: fixed(online.A), Out: io.Discard})
	d, err := s.Talk(feedback.Conversation{First: "Hi", Turns: 3}, rlhf.Sampling{}, parrot)
	if err != nil || len(d.Answers) != 1 || d.Answers[0].Vote.Labeller != feedback.SimulatedName || len(d.Rating.Answers) != 0 {
		t.Errorf("%+v, %v", d, err)
	}
	if _, err := s.Talk(feedback.Conversation{Turns: 3}, rlhf.Sampling{}, parrot); !errors.Is(err, feedback.ErrNobody) {
		t.Errorf("without a first message: %v", err)
	}
}

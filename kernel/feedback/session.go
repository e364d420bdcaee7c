package feedback

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"hhrlhf/kernel/display"
)

// A Session asks one labeller, and keeps the answers in a log. It is safe for use by
// several goroutines; questions are asked one after the other.
type Session struct {
	path string
	o    Options
	ctx  context.Context
	*common
}

// common is what a session and those of its With share.
type common struct {
	asking sync.Mutex // held while somebody is asked
	mu     sync.Mutex
	log    *Log
	nobody bool // somebody found out that nobody is there
	text   bool // that the front-end shows no widgets
	in     *bufio.Reader
	typed  chan typed // the line that is being read, nil if none is
}

// Open returns a session on the log at path, which is made if there is none. It only notes
// its arguments, because GoNB runs declarations anew in every cell: the first call finds
// out whether the log can be opened.
func Open(path string, o Options) *Session {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	for _, name := range []string{os.Getenv(LabellerEnv), os.Getenv("USER"), "me"} {
		if o.Labeller == "" {
			o.Labeller = name
		}
	}
	if o.How == Auto {
		o.How = How(os.Getenv(HowEnv))
	}
	c := &common{}
	if o.In != nil {
		c.in = bufio.NewReader(o.In)
	}
	return &Session{path: path, o: o, ctx: context.Background(), common: c}
}

// With returns the same session whose questions end when ctx does.
func (s *Session) With(ctx context.Context) *Session {
	c := *s
	c.ctx = ctx
	return &c
}

// Labeller is whose answers the session keeps.
func (s *Session) Labeller() string { return s.o.Labeller }

// Log is the session's log.
func (s *Session) Log() (*Log, error) {
	if s.o.Labeller == SimulatedName {
		return nil, fmt.Errorf("feedback: Labeller = %q is the name of simulated votes; give a human another one", SimulatedName)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.log == nil {
		l, err := OpenLog(s.path)
		if err != nil {
			return nil, err
		}
		s.log = l
	}
	return s.log, nil
}

// State is what the session's log says now.
func (s *Session) State() (*State, error) {
	l, err := s.Log()
	if err != nil {
		return nil, err
	}
	return l.State()
}

// Ask asks the labeller which of two responses is better (in red-team mode: more harmful),
// waits for the vote, which is in the log by then, and returns it. A question that the
// labeller has answered is not asked again: that is how an interrupted one goes on.
//
// A question without an ID gets one that its texts decide, and the order of its responses
// is drawn from that; one with an ID is asked as it stands. Without a Mode it is Helpful.
// The prompt may be a message alone.
func (s *Session) Ask(q Question) (Answer, error) {
	q, err := s.note(q)
	if err != nil {
		return Answer{}, err
	}
	var a Answer
	err = s.wait(Ask{Question: &q}, func(st *State, labeller string) bool {
		v, ok := st.Vote(q.ID, labeller)
		a = Answer{q, v}
		return ok
	})
	return a, err
}

// An Answer is a question with the labeller's vote.
type Answer struct {
	Question Question
	Vote     Vote
}

// String says the vote in words.
func (a Answer) String() string { return a.Vote.Words(a.Question.Mode) }

// Picked is the response that was clicked, "" where the question was skipped.
func (a Answer) Picked() string {
	if a.Vote.Skip {
		return ""
	}
	return a.Question.Response(a.Vote.Pick)
}

// note puts a question into the log, if it is not there.
func (s *Session) note(q Question) (Question, error) {
	q = q.Named()
	l, err := s.Log()
	if err != nil {
		return q, err
	}
	return q, l.AppendNew(Record{Question: &q})
}

// maxShow is how many questions a notebook shows at once.
const maxShow = 100

// Show puts questions on the screen of a notebook and returns at once. Votes come into the
// log when they are given, also after the cell has ended and after the page was loaded
// again. Questions that the labeller has answered are shown as answered.
func (s *Session) Show(qs ...Question) error {
	if len(qs) > maxShow {
		return fmt.Errorf("feedback: Show of %d questions, want at most %d; Ask asks one after the other, and rlhf feedback has a page for many", len(qs), maxShow)
	}
	for _, q := range qs {
		q, err := s.note(q)
		if err != nil {
			return err
		}
		st, err := s.State()
		if err != nil {
			return err
		}
		if v, ok := st.Vote(q.ID, s.o.Labeller); ok {
			s.display(ResultHTML(q, v), ResultText(q, v)+"\n")
			continue
		}
		a := Ask{Question: &q}
		switch how, err := s.show(&a); {
		case err != nil:
			return err
		case how != AsWidget:
			if _, err := s.Ask(q); err != nil { // in text, one after the other
				return err
			}
		}
	}
	display.Flush()
	return nil
}

// wait asks and returns when the log says that it is answered, by the session's labeller or
// by the simulated one.
func (s *Session) wait(a Ask, answered func(st *State, labeller string) bool) error {
	l, err := s.Log()
	if err != nil {
		return err
	}
	s.asking.Lock()
	defer s.asking.Unlock()
	done := func(labeller string) (bool, error) {
		st, err := l.State()
		return err == nil && answered(st, labeller), err
	}
	if ok, err := done(s.o.Labeller); ok || err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "rlhf-ask-")
	if err != nil {
		return fmt.Errorf("feedback: %w", err)
	}
	defer os.RemoveAll(dir)
	a.Reply = filepath.Join(dir, "reply")
	how, err := s.show(&a)
	if err != nil {
		return err
	}
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for how == AsWidget || how == "" {
		select {
		case <-s.ctx.Done():
			return fmt.Errorf("feedback: interrupted before an answer; what was answered is kept: %w", context.Cause(s.ctx))
		case <-tick.C:
		}
		if ok, err := done(s.o.Labeller); ok || err != nil {
			return err
		}
		how = a.answered()
	}
	labeller, ask := s.o.Labeller, s.input
	if how == Nobody {
		labeller, ask = SimulatedName, s.simulate
	}
	for {
		if ok, err := done(labeller); ok || err != nil {
			return err
		}
		err := ask(a)
		if errors.Is(err, io.EOF) && s.o.Simulated != nil { // nobody is at the terminal
			labeller, ask = SimulatedName, s.simulate
			continue
		}
		if err != nil {
			return err
		}
	}
}

// pollEvery is how often a waiting session looks at its log.
const pollEvery = 50 * time.Millisecond

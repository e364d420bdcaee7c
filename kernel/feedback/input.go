package feedback

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/janpfeifer/gonb/gonbui"
)

// stdin is the one reader of standard input, whichever session asks.
var stdin = sync.OnceValue(func() *bufio.Reader { return bufio.NewReader(os.Stdin) })

// boxes says whether lines are asked for in the notebook's input boxes.
func (s *Session) boxes() bool { return gonbui.IsNotebook && s.o.In == nil }

// print writes to the labeller.
func (s *Session) print(format string, args ...any) {
	w := s.o.Out
	if w == nil {
		w = os.Stdout
	}
	fmt.Fprintf(w, format, args...)
}

// scale explains the line that is asked for.
const scale = "1 2 3 4 A is much, clearly, slightly, hardly %[3]s; 5 6 7 8 B is hardly, slightly, clearly, much %[3]s\ns skip; a or b, then a text: your own version of that response\n"

// input asks in text and records the answer.
func (s *Session) input(a Ask) error {
	l, err := s.Log()
	if err != nil {
		return err
	}
	by := "terminal"
	if s.boxes() {
		by = "input"
	}
	switch {
	case a.Question != nil:
		q := *a.Question
		s.print("%s%s\n"+scale, q.Text(), q.Mode.Task(), q.Mode.Adjective())
		for {
			line, err := s.line("1-8, s, a TEXT, b TEXT: ")
			if err != nil {
				return err
			}
			v, e, err := parseVote(line, q, s.o.Labeller)
			switch {
			case err != nil:
				s.print("%v\n", err)
			case e != nil:
				if err := l.Append(Record{Edit: e}); err != nil {
					s.print("%v\n", err)
					continue
				}
				s.print("Your version of %s is recorded. Now choose between A and B.\n", strings.ToUpper(string(e.Side)))
			default:
				v.By = by
				if err := l.Append(Record{Vote: v}); err != nil {
					return err
				}
				s.display(ResultHTML(q, *v), ResultText(q, *v)+"\n")
				return nil
			}
		}
	case a.Message != nil:
		m := Message{Conversation: a.Message.Conversation.ID, Turn: a.Message.Turn}
		for {
			line, err := s.line(fmt.Sprintf("Turn %d of %d. You say: ", m.Turn, a.Message.Conversation.Turns))
			if err != nil {
				return err
			}
			m.Text = line
			if err := l.Append(Record{Message: &m}); err != nil {
				s.print("%v\n", err)
				continue
			}
			return nil
		}
	}
	r := Rating{Conversation: a.Rating.ID, Labeller: s.o.Labeller, Answers: map[string]int{}}
	for _, q := range a.Rating.Mode.Likert() {
		for r.Answers[q.Name] == 0 {
			line, err := s.line(fmt.Sprintf("%s 1 (%s) to 5 (%s): ", q.Text, q.Low, q.High))
			if err != nil {
				return err
			}
			if n, err := strconv.Atoi(line); err == nil && n >= 1 && n <= 5 {
				r.Answers[q.Name] = n
			}
		}
	}
	var lineErr error
	if r.Comment, lineErr = s.line("Anything to add? "); lineErr != nil {
		return lineErr
	}
	return l.Append(Record{Rating: &r})
}

// parseVote reads a line of an answer: a vote or an edit.
func parseVote(line string, q Question, labeller string) (*Vote, *Edit, error) {
	word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
	switch word = strings.ToLower(word); {
	case word == "s" || word == "skip":
		return &Vote{Question: q.ID, Labeller: labeller, Skip: true}, nil, nil
	case word == "a" || word == "b":
		if q.Mode == RedTeam {
			return nil, nil, errors.New("responses are edited in helpful mode only")
		}
		e := &Edit{Question: q.ID, Labeller: labeller, Side: Side(word), Text: strings.TrimSpace(rest)}
		return nil, e, Record{Edit: e}.check()
	}
	n, err := strconv.Atoi(word)
	if err != nil || n < 1 || n > Buttons || rest != "" {
		return nil, nil, fmt.Errorf("%.40q: want 1 to %d, s, or a or b and a text", line, Buttons)
	}
	side, strength := Button(n)
	return &Vote{Question: q.ID, Labeller: labeller, Pick: side, Strength: strength}, nil, nil
}

// A typed is a line of the labeller.
type typed struct {
	line string
	err  error
}

// line asks for a line. It does not wait any longer than the session's context lives; a
// line that comes later is the answer to what is asked then.
func (s *Session) line(prompt string) (string, error) {
	if s.boxes() {
		gonbui.RequestInput(prompt, false)
	} else {
		s.print("%s", prompt)
	}
	s.mu.Lock()
	in := s.in
	if in == nil {
		in = stdin()
	}
	if s.typed == nil {
		s.typed = make(chan typed, 1)
		go func(got chan<- typed) {
			line, err := in.ReadString('\n')
			if err == io.EOF && line != "" {
				err = nil
			}
			got <- typed{strings.TrimSpace(line), err}
		}(s.typed)
	}
	got := s.typed
	s.mu.Unlock()
	select {
	case t := <-got:
		s.mu.Lock()
		s.typed = nil
		s.mu.Unlock()
		if t.err != nil {
			return "", fmt.Errorf("feedback: the input ended before an answer; what was answered is kept: %w", t.err)
		}
		return t.line, nil
	case <-s.ctx.Done():
		return "", fmt.Errorf("feedback: interrupted before an answer; what was answered is kept: %w", context.Cause(s.ctx))
	}
}

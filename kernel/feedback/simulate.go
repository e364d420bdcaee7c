package feedback

import (
	"fmt"

	"hhrlhf/rlhf/online"
)

// pick is the vote of a labeller who says which response is better as training sees it:
// what [Vote.Better] undoes.
func pick(verdict online.Verdict, m Mode) (Vote, error) {
	v := Vote{Strength: 3, By: "simulated"}
	switch verdict {
	case online.A:
		v.Pick = A
	case online.B:
		v.Pick = B
	case online.Unsure:
		return Vote{Skip: true, By: "simulated"}, nil
	default:
		return v, fmt.Errorf("feedback: the simulated labeller said %q, want %q, %q or %q", verdict, online.A, online.B, online.Unsure)
	}
	if m == RedTeam {
		v.Pick = v.Pick.Other()
	}
	return v, nil
}

// simulate has the simulated labeller answer.
func (s *Session) simulate(a Ask) error {
	if s.o.Simulated == nil {
		return ErrNobody
	}
	l, err := s.Log()
	if err != nil {
		return err
	}
	q := a.Question
	if q == nil {
		return fmt.Errorf("feedback: a simulated labeller compares, and does not write: %w", ErrNobody)
	}
	verdict, err := s.o.Simulated.Label(s.ctx, online.Question{ID: q.ID, Prompt: q.Prompt, A: q.A, B: q.B})
	if err != nil {
		return err
	}
	v, err := pick(verdict, q.Mode)
	if err != nil {
		return err
	}
	v.Question, v.Labeller = q.ID, SimulatedName
	if err := l.Append(Record{Vote: &v}); err != nil {
		return err
	}
	s.display(ResultHTML(*q, v), ResultText(*q, v)+"\n")
	return nil
}

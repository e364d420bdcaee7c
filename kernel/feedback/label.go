package feedback

import (
	"context"

	"hhrlhf/rlhf/online"
)

// Better is the response that training should prefer: in red-team mode, where the more
// harmful one is clicked, the other one. This is the one place where a label is turned
// over. ok is false for a skipped question and for the weakest votes, which the paper does
// not keep (section 2.2).
func (v Vote) Better(m Mode) (side Side, ok bool) {
	if v.Skip || v.Strength < 2 {
		return "", false
	}
	if m == RedTeam {
		return v.Pick.Other(), true
	}
	return v.Pick, true
}

var _ online.Labeller = (*Session)(nil)

// Label implements online.Labeller: the questions of a loop are asked like any other, and
// one that was answered in an earlier life of the loop is not asked again. A vote of
// strength 1 and a skipped question are Unsure. On a red-team question, where the more
// harmful response is clicked, the verdict is the other one, as training sees it.
func (s *Session) Label(ctx context.Context, q online.Question) (online.Verdict, error) {
	mode := Helpful
	if s.o.Mode != nil {
		mode = s.o.Mode(q.Prompt)
	}
	a, err := s.With(ctx).Ask(Question{ID: q.ID, Mode: mode, Prompt: q.Prompt, A: q.A, B: q.B})
	if err != nil {
		return "", err
	}
	better, ok := a.Vote.Better(mode)
	switch {
	case !ok:
		return online.Unsure, nil
	case better == A:
		return online.A, nil
	}
	return online.B, nil
}

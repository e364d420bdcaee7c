package online

import (
	"context"
	"fmt"
	"strings"

	"hhrlhf/rlhf/run"
	"hhrlhf/rlhf/synth"
)

// A Question is what a labeller sees: two responses to a prompt, in an order that says
// nothing, and not who wrote them.
type Question struct {
	ID     string `json:"id"` // "online-1:37"
	Prompt string `json:"prompt"`
	A      string `json:"a"`
	B      string `json:"b"`
}

// A Verdict says which response is the better one as training sees it: on a red-team
// prompt, where a worker looks for the more harmful response, the other one.
type Verdict string

// The verdicts. Comparisons with an unsure one are thrown away, as in the paper
// (section 2.2).
const (
	A      Verdict = "a"
	B      Verdict = "b"
	Unsure Verdict = "unsure"
)

// A Labeller compares. A verdict is kept as soon as it is given: a human who is
// interrupted goes on with the next question. A labeller that draws at random must draw
// for each question alike, whichever came before, or the loop cannot repeat itself.
type Labeller interface {
	Label(ctx context.Context, q Question) (Verdict, error)
}

// A Crowd labels as the workers of a synthetic world choose, one worker a question.
type Crowd struct {
	World   *synth.World
	Workers synth.Crowd
	Seed    uint64
}

// Label implements Labeller.
func (c Crowd) Label(_ context.Context, q Question) (Verdict, error) {
	choice, ok := c.World.Choose(q.Prompt, q.A, q.B, c.Workers, run.Seed(c.Seed).Stream("online/crowd/"+q.ID, 0))
	switch {
	case !ok:
		return Unsure, nil
	case choice.PicksA() != choice.RedTeam:
		return A, nil
	}
	return B, nil
}

// A match is a question with its answer and who stood behind the responses.
type match struct {
	Question
	FromA, FromB string
	Verdict      Verdict
}

// won returns the winner and the loser; ok is false where nobody is.
func (m match) won() (winner, loser string, ok bool) {
	switch m.Verdict {
	case A:
		return m.FromA, m.FromB, true
	case B:
		return m.FromB, m.FromA, true
	}
	return "", "", false
}

// verdict is one line of a log of verdicts.
type verdict struct {
	ID     string  `json:"id"`
	Better Verdict `json:"better"`
}

// labelPart is how many verdicts of a crowd are written at once.
const labelPart = 64

// label has the matches of a tranche judged, and returns them with their verdicts.
func (w *walk) label(tranche string, ms []match) ([]match, error) {
	path, part := w.path("verdicts", tranche+".jsonl"), labelPart
	if w.o.Labeller != nil {
		part = 1 // a human's work is not asked for twice
	}
	log, err := readLog[verdict](path, part, len(ms))
	if err != nil {
		return nil, err
	}
	t := w.clock(len(ms) - len(log))
	for len(log) < len(ms) {
		if err := w.say(fmt.Sprintf("comparing %s: %d of %d", tranche, len(log), len(ms)), t.left(len(ms)-len(log))); err != nil {
			return nil, err
		}
		var rows []verdict
		for _, m := range ms[len(log):min(len(log)+part, len(ms))] {
			v := Unsure // of two equal responses nobody needs to be asked
			if strings.TrimSpace(m.A) != strings.TrimSpace(m.B) {
				if v, err = w.labeller().Label(w.ctx, m.Question); err != nil {
					return nil, fmt.Errorf("online: question %s: %w", m.ID, err)
				}
			}
			if v != A && v != B && v != Unsure {
				return nil, fmt.Errorf("online: question %s: the labeller said %q, want %q, %q or %q", m.ID, v, A, B, Unsure)
			}
			rows = append(rows, verdict{m.ID, v})
		}
		if err := appendLog(path, rows); err != nil {
			return nil, err
		}
		log = append(log, rows...)
	}
	out := make([]match, len(ms))
	for i, m := range ms {
		if out[i] = m; log[i].ID != m.ID {
			return nil, fmt.Errorf("online: %s:%d is of question %q, want %q; remove the file, and the loop asks again", path, i+1, log[i].ID, m.ID)
		}
		out[i].Verdict = log[i].Better
	}
	return out, nil
}

// labeller is who compares.
func (l *Loop) labeller() Labeller {
	if l.o.Labeller != nil {
		return l.o.Labeller
	}
	return Crowd{World: l.world, Workers: l.crowd(), Seed: l.cfg.Seed}
}

// crowd are the workers of the world.
func (l *Loop) crowd() synth.Crowd {
	if l.o.Crowd != (synth.Crowd{}) {
		return l.o.Crowd
	}
	return synth.DefaultCrowd()
}

package feedback

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/eval"
	"hhrlhf/rlhf/run"
)

// The tranches of an export, which name its files.
const (
	TrancheHelpful  = "feedback-helpful"
	TrancheHarmless = "feedback-harmless"
)

// An Export is what a log has to say to training.
type Export struct {
	Comparisons []rlhf.Comparison
	Edits       int // of them: an edit over its original
	// What was left out: skipped questions, votes of strength 1, responses that the format
	// cannot hold (empty ones, those with another turn in them), and rows that are there
	// word for word already.
	Skipped, Weak, Broken, Again int
	By                           map[string]int // comparisons by labeller
}

// String counts it.
func (e Export) String() string {
	var by []string
	for _, l := range slices.Sorted(maps.Keys(e.By)) {
		by = append(by, fmt.Sprintf("%s %d", clean(l), e.By[l]))
	}
	s := fmt.Sprintf("%d comparisons", len(e.Comparisons))
	if len(by) > 0 {
		s += " (" + strings.Join(by, ", ") + ")"
	}
	return fmt.Sprintf("%s, %d of them edits; left out: %d skipped, %d weakest, %d broken, %d repeated", s, e.Edits, e.Skipped, e.Weak, e.Broken, e.Again)
}

// Export makes comparisons of the votes of the labellers named, of all if none is: the
// better response as chosen, with red-team votes turned over once, and an edit over its
// original. Skipped questions and the weakest votes are left out, as in the paper (section
// 2.2); every other vote has equal weight, also where labellers disagree.
func (s *State) Export(labellers ...string) Export {
	e := Export{By: map[string]int{}}
	seen := map[[2]string]bool{}
	if len(labellers) == 0 {
		labellers = s.Labellers()
		for _, q := range s.Questions {
			for k := range s.edits[q.ID] {
				if !slices.Contains(labellers, k.labeller) {
					labellers = append(labellers, k.labeller)
				}
			}
		}
		slices.Sort(labellers)
	}
	for _, q := range s.Questions {
		for _, l := range labellers {
			if v, ok := s.Vote(q.ID, l); ok {
				better, ok := v.Better(q.Mode)
				switch {
				case v.Skip:
					e.Skipped++
				case !ok:
					e.Weak++
				default:
					e.add(seen, q, l, q.Response(better), q.Response(better.Other()))
				}
			}
			for _, side := range []Side{A, B} {
				if text, ok := s.Edit(q.ID, l, side); ok && q.Mode == Helpful && e.add(seen, q, l, text, q.Response(side)) {
					e.Edits++
				}
			}
		}
	}
	return e
}

// add adds a comparison, if it is one.
func (e *Export) add(seen map[[2]string]bool, q Question, labeller, chosen, rejected string) bool {
	c := rlhf.Comparison{Tranche: TrancheHelpful, Source: "feedback:" + q.ID,
		Chosen:   rlhf.Transcript{Prompt: q.Prompt, Response: spaced(chosen)},
		Rejected: rlhf.Transcript{Prompt: q.Prompt, Response: spaced(rejected)}}
	if q.Mode == RedTeam {
		c.Tranche = TrancheHarmless
	}
	key := [2]string{c.Chosen.String(), c.Rejected.String()}
	switch {
	case !holds(c.Chosen) || !holds(c.Rejected) || key[0] == key[1]:
		e.Broken++
		return false
	case seen[key]:
		e.Again++
		return false
	}
	seen[key] = true
	e.Comparisons = append(e.Comparisons, c)
	e.By[labeller]++
	return true
}

// spaced gives a response the space that follows "Assistant:" in the released data.
func spaced(s string) string {
	if strings.HasPrefix(s, " ") || strings.HasPrefix(s, "\n") {
		return s
	}
	return " " + s
}

// holds says whether a transcript is read as it was written.
func holds(t rlhf.Transcript) bool {
	again, err := rlhf.ParseTranscript(t.String())
	return err == nil && again == t
}

// Write writes the comparisons as hh-rlhf has them, {"chosen", "rejected"} a line: to one
// file where path ends in .jsonl, else into a folder, a file for each tranche.
func (e Export) Write(path string) error {
	files := map[string]*bytes.Buffer{}
	for _, c := range e.Comparisons {
		name := path
		if filepath.Ext(path) != ".jsonl" {
			name = filepath.Join(path, c.Tranche+".jsonl")
		}
		if files[name] == nil {
			files[name] = &bytes.Buffer{}
		}
		enc := json.NewEncoder(files[name])
		enc.SetEscapeHTML(false)
		row := struct {
			Chosen   string `json:"chosen"`
			Rejected string `json:"rejected"`
		}{c.Chosen.String(), c.Rejected.String()}
		if err := enc.Encode(row); err != nil {
			return fmt.Errorf("feedback: %w", err)
		}
	}
	if len(files) == 0 {
		return fmt.Errorf("feedback: nothing to export: %s", e)
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			return fmt.Errorf("feedback: %w", err)
		}
		if err := run.WriteFile(name, files[name].Bytes()); err != nil {
			return fmt.Errorf("feedback: %w", err)
		}
	}
	return nil
}

// Export writes the comparisons of the session's log, of all labellers, to path (see
// [Export.Write]) and says what they are.
func (s *Session) Export(path string) (Export, error) {
	st, err := s.State()
	if err != nil {
		return Export{}, err
	}
	e := st.Export()
	return e, e.Write(path)
}

// Agreement is how often every two labellers picked the same response of the questions
// that both decided; skipped ones and the weakest votes count as undecided.
func (s *State) Agreement() ([]eval.Agreed, error) {
	names := s.Labellers()
	if len(names) < 2 {
		return nil, fmt.Errorf("feedback: %d labellers have voted, agreement takes two; have somebody else answer the same questions", len(names))
	}
	choices := make([][]int8, len(names))
	for i, l := range names {
		choices[i] = make([]int8, len(s.Questions))
		for j, q := range s.Questions {
			v, ok := s.Vote(q.ID, l)
			if _, decided := v.Better(q.Mode); !ok || !decided {
				continue
			}
			choices[i][j] = 1
			if v.Pick == B {
				choices[i][j] = -1
			}
		}
	}
	return eval.Agreement(names, choices)
}

// Agreement is that of the session's log, as show.Agreement shows it.
func (s *Session) Agreement() ([]eval.Agreed, error) {
	st, err := s.State()
	if err != nil {
		return nil, err
	}
	return st.Agreement()
}

// Habits is how a labeller answers.
type Habits struct {
	Labeller string  `json:"labeller"`
	Answered int     `json:"answered"` // questions, the skipped ones not counted
	Skipped  int     `json:"skipped"`
	Weakest  int     `json:"weakest"`  // of those answered: votes of strength 1
	PickedA  float64 `json:"picked_a"` // share of those answered; about a half, as the order is random
}

// Habits tells how each labeller answers, in the order of their first votes.
func (s *State) Habits() []Habits {
	var out []Habits
	for _, l := range s.voters {
		h := Habits{Labeller: l}
		for _, q := range s.Questions {
			switch v, ok := s.Vote(q.ID, l); {
			case !ok:
			case v.Skip:
				h.Skipped++
			default:
				h.Answered++
				if v.Strength == 1 {
					h.Weakest++
				}
				if v.Pick == A {
					h.PickedA++
				}
			}
		}
		h.PickedA /= float64(max(1, h.Answered))
		out = append(out, h)
	}
	return out
}

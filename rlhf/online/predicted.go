package online

import (
	"fmt"
	"math"
	"strings"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/eval"
)

// Predicted are four measures of one policy, each an Elo score over the base model's (Bai
// et al. 2022, section 4.5, figure 35): what a preference model predicts, on less and less
// friendly ground, and what the labellers say. In the paper the first lies well above
// the second and third, which agree, and the labellers' choices below them. Shift of the
// prompts makes the first step, other failures of the model (and labellers whose choices
// fit no order) the last.
type Predicted struct {
	Name string `json:"name"`
	// HeldOut is the naive one: by how much the mean score of its answers to the trial's
	// prompts is above that of the base model's, prompt by prompt, times [eval.EloPerNat].
	HeldOut Gap `json:"held_out"`
	// Mean is the same of the responses that the labellers saw and decided on, in this
	// round's deployment and trial. They are of different prompts. 0 where fewer than two
	// of its or of the base model's were.
	Mean Gap `json:"mean"`
	// Ranked is by the order that the model's scores give the pairs the labellers decided,
	// and Crowd by the labellers' own: both as in [eval.Elo].
	Ranked Gap `json:"ranked"`
	Crowd  Gap `json:"crowd"`
}

// A Gap is an Elo score over the base model's and its standard error.
type Gap struct {
	Elo float64 `json:"elo"`
	SE  float64 `json:"se"`
}

// predicted measures all policies of round r's trial, whose answers have the scores given.
func (w *walk) predicted(pm string, r int, trial []Scores) ([]Predicted, error) {
	names := make([]string, len(trial))
	out := make([]Predicted, len(trial))
	for i, s := range trial {
		names[i] = s.Name
		diff := make([]float64, len(s.X)) // of the base model, which is the first
		for j := range diff {
			diff[j] = eval.EloPerNat * (s.X[j] - trial[0].X[j])
		}
		out[i].Name = s.Name
		out[i].HeldOut.Elo, out[i].HeldOut.SE = mean(diff)
	}
	games, scores, err := w.decided(pm, r)
	if err != nil {
		return nil, err
	}
	seen := map[string][]float64{}
	ranked := make([]match, 0, len(games))
	for i, m := range games {
		a, b := scores[2*i], scores[2*i+1]
		seen[m.FromA], seen[m.FromB] = append(seen[m.FromA], a), append(seen[m.FromB], b)
		switch {
		case a > b:
			m.Verdict = A
		case a < b:
			m.Verdict = B
		default:
			m.Verdict = Unsure
		}
		ranked = append(ranked, m)
	}
	base, baseSE := mean(seen["base"])
	for i, name := range names {
		if name == "base" || min(len(seen[name]), len(seen["base"])) < 2 { // no mean with an error
			continue
		}
		m, se := mean(seen[name])
		out[i].Mean = Gap{eval.EloPerNat * (m - base), eval.EloPerNat * math.Hypot(se, baseSE)}
	}
	for _, by := range []struct {
		games []match
		gap   func(p *Predicted) *Gap
	}{{ranked, func(p *Predicted) *Gap { return &p.Ranked }}, {games, func(p *Predicted) *Gap { return &p.Crowd }}} {
		ratings, err := rate(by.games, names)
		if err != nil {
			return nil, err
		}
		for i, r := range ratings {
			*by.gap(&out[i]) = Gap{r.Elo, r.SE}
		}
	}
	return out, nil
}

// decided are the matches of round r's deployment and trial that the labellers decided, and
// the scores of their responses, A before B.
func (w *walk) decided(pm string, r int) (games []match, scores []float64, err error) {
	var ts []rlhf.Transcript
	for _, m := range w.games {
		if _, _, ok := m.won(); !ok || !strings.HasPrefix(m.ID, fmt.Sprintf("online-%d:", r)) && !strings.HasPrefix(m.ID, fmt.Sprintf("trial-%d:", r)) {
			continue
		}
		games = append(games, m)
		ts = append(ts, rlhf.Transcript{Prompt: m.Prompt, Response: m.A}, rlhf.Transcript{Prompt: m.Prompt, Response: m.B})
	}
	p, err := w.lab.OpenPM(pm)
	if err != nil {
		return nil, nil, err
	}
	scores, err = p.Score(ts)
	return games, scores, err
}

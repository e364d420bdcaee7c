package synth

import (
	"fmt"
	"math"
	"math/rand/v2"

	"hhrlhf/rlhf"
)

// The tranches that the world writes.
const (
	TrancheHelpful  = "synth-helpful"
	TrancheHarmless = "synth-harmless"
)

// A Crowd is how simulated workers choose between responses A and B: A with
// probability
//
//	P(A) = σ((u_A - u_B) / Noise)
//
// where u is, on benign prompts, helpful + Honest·honest, and on harmful ones (the
// paper's red-team mode: pick the more harmful), [RedTeamUtility]; Bias is added to
// both for every word of the response.
type Crowd struct {
	// Noise is the scale of the logistic noise in units of utility. 0 is an
	// exact worker; negative is refused. Default 0.4, at which about nine choices
	// in ten follow the truth.
	Noise float64 `json:"noise"`
	// Bias is the utility of each word of length, whatever it says: positive for
	// workers who like long answers. Default 0.
	Bias float64 `json:"bias"`
	// Harmful is the share of red-team prompts, in [0, 1]. Default 0.35; the
	// paper's static data has 44k of 140k comparisons (§2.3), 0.31.
	Harmful float64 `json:"harmful"`
	// Honest is the weight of honesty on benign prompts. 0: 1/4, as in
	// [HelpfulUtility]; negative is refused.
	Honest float64 `json:"honest,omitempty"`
}

// DefaultCrowd returns the documented defaults.
func DefaultCrowd() Crowd { return Crowd{Noise: 0.4, Harmful: 0.35} }

// Validate reports a field that is out of range.
func (c Crowd) Validate() error {
	switch {
	case !(c.Noise >= 0) || math.IsInf(c.Noise, 0):
		return fmt.Errorf("synth: Crowd.Noise = %v, want a finite number of at least 0 (0 is an exact worker)", c.Noise)
	case math.IsNaN(c.Bias) || math.IsInf(c.Bias, 0):
		return fmt.Errorf("synth: Crowd.Bias = %v, want a finite number", c.Bias)
	case !(c.Harmful >= 0 && c.Harmful <= 1):
		return fmt.Errorf("synth: Crowd.Harmful = %v, want a share in [0, 1]", c.Harmful)
	case !(c.Honest >= 0) || math.IsInf(c.Honest, 0):
		return fmt.Errorf("synth: Crowd.Honest = %v, want a finite number of at least 0 (0 is the default weight, %v)", c.Honest, honestWeight)
	}
	return nil
}

// honestWeight is the weight of honesty to a worker of the helpful task.
const honestWeight = 0.25

// HelpfulUtility is what a worker of the helpful task sees in a response:
// helpful + honest/4, in [-1.25, 1.25]. The weight keeps the order of the paper's
// instruction (right, honest about not knowing, wrong, rude) above gibberish.
func HelpfulUtility(g rlhf.Gold) float64 { return g.Helpful + honestWeight*g.Honest }

// RedTeamUtility is what a red-team worker sees in a response: -1.25·harmless,
// in [-1.25, 1.25]. Higher is more harmful.
func RedTeamUtility(g rlhf.Gold) float64 { return -1.25 * g.Harmless }

// Utility is what training is meant to raise, helpful + honest/4 + harmless, in
// [-2.25, 2.25]: a harmful request refused kindly is worth 1.425, complied with
// -0.275.
func Utility(g rlhf.Gold) float64 { return HelpfulUtility(g) + g.Harmless }

// Harmful says whether the last question of the prompt should be refused.
func (w *World) Harmful(prompt string) bool {
	q, _ := w.Question(prompt)
	return q.Harmful
}

// Comparisons draws n comparisons: a prompt, two responses in the shares of the
// corpus, a worker's choice. Ties are drawn again. Of the first k comparisons,
// whatever k, exactly k·c.Harmful, rounded, are red-team prompts; so the tranches of
// a mix have the sizes that were asked for, and a longer draw with the same rng
// begins with the shorter one. It returns none where c is not valid or n is not
// positive; the Source of comparison i is "synth:i".
func (w *World) Comparisons(n int, rng *rand.Rand, c Crowd) []rlhf.Comparison {
	if c.Validate() != nil || n <= 0 {
		return nil
	}
	out := make([]rlhf.Comparison, n)
	for i := range out {
		before, after := math.Round(c.Harmful*float64(i)), math.Round(c.Harmful*float64(i+1))
		out[i] = w.Explain(c, after > before, rng).Comparison()
		out[i].Source = fmt.Sprintf("synth:%d", i)
	}
	return out
}

// SkillComparisons draws n comparisons of one of [Skills] alone, as [World.Comparisons] draws
// those of all. The Source of comparison i is "synth-SKILL:i", the tranche "synth-SKILL". A skill that the
// world does not have, or a crowd that is not valid, is an error.
func (w *World) SkillComparisons(n int, skill string, rng *rand.Rand, c Crowd) ([]rlhf.Comparison, error) {
	at, err := w.skill(skill)
	if err != nil {
		return nil, err
	}
	if err := c.Validate(); err != nil {
		return nil, err
	}
	out := make([]rlhf.Comparison, max(0, n))
	for i := range out {
		q, text := w.drawSkill(rng, at)
		out[i] = w.explain(q, paragraph(text), c, rng).Comparison()
		out[i].Tranche, out[i].Source = "synth-"+skill, fmt.Sprintf("synth-%s:%d", skill, i)
	}
	return out, nil
}

// BayesAccuracy is the accuracy, in expectation over the workers' noise, of a
// preference model that knows their utility: the mean of max(P, 1-P). No model
// can be expected to do better on fresh choices between these responses. It is
// 0 for no comparisons.
func (w *World) BayesAccuracy(cs []rlhf.Comparison, c Crowd) float64 {
	var sum float64
	for _, cmp := range cs {
		sum += logistic(math.Abs(w.Margin(cmp, c)), c.Noise)
	}
	return sum / float64(max(1, len(cs)))
}

// Margin is by how much the utility of the task speaks for the chosen response:
// on red-team prompts, by how much less harmful it is. It is negative where the
// worker's noise won; with the zero Crowd it is free of bias. The sign is the
// order that a preference model should find.
func (w *World) Margin(cmp rlhf.Comparison, c Crowd) float64 {
	choice := w.weigh(cmp.Chosen.Prompt, cmp.Chosen.Response, cmp.Rejected.Response, c)
	d := choice.UtilityA - choice.UtilityB
	if choice.RedTeam {
		return -d
	}
	return d
}

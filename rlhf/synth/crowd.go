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
// where u is [HelpfulUtility] on benign prompts and, on harmful ones (the
// paper's red-team mode: pick the more harmful), [RedTeamUtility]; Bias is added
// to both for every word of the response.
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
	}
	return nil
}

// HelpfulUtility is what a worker of the helpful task sees in a response:
// helpful + honest/4, in [-1.25, 1.25]. The weight keeps the order of the paper's
// instruction (right, honest about not knowing, wrong, rude) above gibberish.
func HelpfulUtility(g rlhf.Gold) float64 { return g.Helpful + g.Honest/4 }

// RedTeamUtility is what a red-team worker sees in a response: -1.25·harmless,
// in [-1.25, 1.25]. Higher is more harmful.
func RedTeamUtility(g rlhf.Gold) float64 { return -1.25 * g.Harmless }

// Utility is what training is meant to raise, helpful + honest/4 + harmless, in
// [-2.25, 2.25]: a harmful request refused kindly is worth 1.425, complied with
// -0.275.
func Utility(g rlhf.Gold) float64 { return HelpfulUtility(g) + g.Harmless }

// tie is the difference of utility below which a worker cannot say which is
// better; such pairs are dropped, as the paper drops the weakest answers (§2.2).
const tie = 0.05

// Compare has one worker choose between two responses to a prompt and returns
// the comparison, or false for a tie or for equal texts. On harmful prompts the
// worker picks the more harmful response and the label is turned over here, once.
// Validate c before.
func (w *World) Compare(prompt, a, b string, c Crowd, rng *rand.Rand) (rlhf.Comparison, bool) {
	A, B := rlhf.Transcript{Prompt: prompt, Response: a}, rlhf.Transcript{Prompt: prompt, Response: b}
	redTeam := w.Harmful(prompt)
	d := w.workerUtility(A, redTeam, c) - w.workerUtility(B, redTeam, c)
	if a == b || math.Abs(d) < tie {
		return rlhf.Comparison{}, false
	}
	picked, other := A, B
	if rng.Float64() >= choice(d, c.Noise) {
		picked, other = B, A
	}
	if redTeam {
		return rlhf.Comparison{Chosen: other, Rejected: picked, Tranche: TrancheHarmless}, true
	}
	return rlhf.Comparison{Chosen: picked, Rejected: other, Tranche: TrancheHelpful}, true
}

// Harmful says whether the last question of the prompt should be refused.
func (w *World) Harmful(prompt string) bool {
	q, _ := w.Question(prompt)
	return q.Harmful
}

func (w *World) workerUtility(t rlhf.Transcript, redTeam bool, c Crowd) float64 {
	u := HelpfulUtility
	if redTeam {
		u = RedTeamUtility
	}
	return u(w.Judge(t)) + c.Bias*float64(len(wordsOf(t.Response)))
}

// choice is P(A) for a difference d = u_A - u_B.
func choice(d, noise float64) float64 {
	if noise == 0 {
		switch {
		case d > 0:
			return 1
		case d < 0:
			return 0
		}
		return 0.5
	}
	return 1 / (1 + math.Exp(-d/noise))
}

// Comparisons draws n comparisons: a prompt, two responses in the shares of the
// corpus, a worker's choice. Ties are drawn again. c.Harmful of them are
// red-team prompts. It returns none where c is not valid or n is not positive;
// the Source of comparison i is "synth:i".
func (w *World) Comparisons(n int, rng *rand.Rand, c Crowd) []rlhf.Comparison {
	if c.Validate() != nil || n <= 0 {
		return nil
	}
	out := make([]rlhf.Comparison, 0, n)
	for len(out) < n {
		q, prompt := w.drawPrompt(rng, rng.Float64() < c.Harmful)
		for {
			a := w.Respond(q, drawQuality(rng, q.Harmful), rng)
			b := w.Respond(q, drawQuality(rng, q.Harmful), rng)
			if cmp, ok := w.Compare(prompt, a, b, c, rng); ok {
				cmp.Source = fmt.Sprintf("synth:%d", len(out))
				out = append(out, cmp)
				break
			}
		}
	}
	return out
}

// BayesAccuracy is the accuracy, in expectation over the workers' noise, of a
// preference model that knows their utility: the mean of max(P, 1-P). No model
// can be expected to do better on fresh choices between these responses. It is
// 0 for no comparisons.
func (w *World) BayesAccuracy(cs []rlhf.Comparison, c Crowd) float64 {
	var sum float64
	for _, cmp := range cs {
		sum += choice(math.Abs(w.Margin(cmp, c)), c.Noise)
	}
	return sum / float64(max(1, len(cs)))
}

// Margin is by how much the utility of the task speaks for the chosen response:
// on red-team prompts, by how much less harmful it is. It is negative where the
// worker's noise won; with the zero Crowd it is free of bias. The sign is the
// order that a preference model should find.
func (w *World) Margin(cmp rlhf.Comparison, c Crowd) float64 {
	redTeam := w.Harmful(cmp.Chosen.Prompt)
	d := w.workerUtility(cmp.Chosen, redTeam, c) - w.workerUtility(cmp.Rejected, redTeam, c)
	if redTeam {
		return -d
	}
	return d
}

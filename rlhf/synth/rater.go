package synth

import (
	"math/rand/v2"

	"hhrlhf/rlhf"
)

// Choices has a worker of the crowd choose anew in each comparison: 1 prefers
// Chosen, -1 prefers Rejected, 0 is a tie. On red-team prompts the worker picks the
// more harmful side and prefers the other, as in [Choice.Comparison].
//
// It is the raw material of agreement tables (Bai et al. 2022, figure 10 right).
// As Chosen always comes first here, give every second choice the other sign
// before you compute a κ.
func (w *World) Choices(cs []rlhf.Comparison, c Crowd, rng *rand.Rand) []int8 {
	out := make([]int8, len(cs))
	for i, cmp := range cs {
		choice, ok := w.Choose(cmp.Chosen.Prompt, cmp.Chosen.Response, cmp.Rejected.Response, c, rng)
		switch {
		case !ok:
		case choice.PicksA() != choice.RedTeam:
			out[i] = 1
		default:
			out[i] = -1
		}
	}
	return out
}

// Researcher returns raters who see more clearly than [DefaultCrowd], weigh honesty
// as much as helpfulness, and take a short answer over a long one: the other eye
// in a table of agreement. They agree with DefaultCrowd's workers on about 85 % of
// comparisons, and on 63 % with [NoisyCrowd]'s, the paper's figure for researchers
// and crowdworkers (§2.1).
func Researcher() Crowd { return Crowd{Noise: 0.25, Bias: -0.15, Harmful: 0.35, Honest: 1} }

// NoisyCrowd returns workers who err as often as the paper's: between choices of
// theirs no preference model can expect more than about 64 % (the paper's largest
// has 68 % on the sample of figure 10). DefaultCrowd is clearer, so that a small
// model learns from few comparisons.
func NoisyCrowd() Crowd { return Crowd{Noise: 2.2, Harmful: 0.35} }

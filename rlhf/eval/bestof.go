package eval

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"hhrlhf/rlhf"
)

// BestOfKL is the divergence of best-of-n sampling from the policy that the n
// responses are drawn from, in nats per response:
//
//	KL(best of n ‖ π) = log n − (n−1)/n
//
// It is exact where no two responses have the same score, and an upper bound where
// some have (Beirami et al. 2024, arXiv:2401.01879); [ExactBestOf] counts ties. It
// needs neither π nor the scores: among n draws the best one has rank u from below with
// density n·u^(n−1) on [0, 1], and the divergence is that of u from the uniform one.
// n < 1: NaN.
//
// Bai et al. 2022 write log k for best-of-k (4.2 nats for k = 64, appendix B.6), and
// log(N/k) for keeping the best k of N: the leading term alone, which for one kept of n is
// too much by (n−1)/n.
func BestOfKL(n int) float64 {
	if n < 1 {
		return math.NaN()
	}
	return math.Log(float64(n)) - float64(n-1)/float64(n)
}

// BestOfMean estimates, from the N samples that a policy wrote to one prompt, what
// best-of-n is worth there: the mean value of the sample with the highest score among
// n, over all subsets of n of the N,
//
//	Σ_{i=n}^{N} C(i−1, n−1)/C(N, n) · v_(i)        v_(i): value of the sample whose score is i-th from below
//
// (Nakano et al. 2021, arXiv:2112.09332, appendix I; the form of pass@k). values are
// the scores themselves, or what the chosen sample is worth to another judge, such as
// the truth. It is unbiased for every n ≤ N and uses all samples. The best of the
// first n is unbiased too, but uses n of them; drawing the n with replacement, which
// weighs rank i by (i/N)ⁿ − ((i−1)/N)ⁿ, is biased downwards. Samples of one score
// share their places, so that the order of the samples does not matter: the result is
// the mean over subsets of the mean over the tied best.
//
// Neither binomial is ever computed, and N may be many thousands.
func BestOfMean(scores, values []float64, n int) (float64, error) {
	total := len(scores)
	switch {
	case len(values) != total:
		return 0, fmt.Errorf("eval: best of %d: %d scores and %d values, want one of each a sample", n, total, len(values))
	case n < 1 || n > total:
		return 0, fmt.Errorf("eval: best of %d from %d samples, want 1 to %d: draw more samples", n, total, total)
	}
	order := make([]int, total)
	for i := range order {
		order[i] = i
		if math.IsNaN(scores[i]) || math.IsNaN(values[i]) {
			return 0, fmt.Errorf("eval: best of %d: sample %d has score %v and value %v, want numbers", n, i, scores[i], values[i])
		}
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(scores[a], scores[b]) })
	// From the highest rank down: C(N−1, n−1)/C(N, n) = n/N, and a rank lower it is
	// (i−n)/(i−1) of that.
	mean, weight := 0.0, float64(n)/float64(total)
	for hi := total; hi >= n; {
		lo, sum, share := hi, 0.0, 0.0
		for ; lo > 0 && scores[order[lo-1]] == scores[order[hi-1]]; lo-- {
			sum += values[order[lo-1]]
			share += weight
			weight *= math.Max(0, float64(lo-n)) / math.Max(1, float64(lo-1))
		}
		mean += share * sum / float64(hi-lo)
		hi = lo
	}
	return mean, nil
}

// An Optimised policy is what a policy that was optimised is worth, and how far that has
// taken it from where it began.
type Optimised struct {
	N         int     // of best-of-N; 0 for a trained policy
	KL        float64 // nats per response: [BestOfKL], or measured on the samples
	Mean      float64 // of the value
	Low, High float64 // 95 % interval of Mean, over prompts
}

// resamples is how many bootstrap resamples an interval is made of.
const resamples = 2000

// BestOf measures best-of-n for several n on the samples of one call of
// rlhf.PMRun.BestOf: the mean over prompts of [BestOfMean]. value says what a sample is
// worth; nil is its score. The interval is the percentile bootstrap over prompts, which
// are what is independent; equal input gives equal intervals. One prompt has no interval:
// Low and High are then the mean.
func BestOf(choices []rlhf.Choice, value func(rlhf.Sample) float64, ns ...int) ([]Optimised, error) {
	if len(choices) == 0 {
		return nil, fmt.Errorf("eval: best of n: no prompts")
	}
	if value == nil {
		value = score
	}
	scores, values := make([][]float64, len(choices)), make([][]float64, len(choices))
	for p, c := range choices {
		for _, s := range c.Samples {
			scores[p], values[p] = append(scores[p], s.Score), append(values[p], value(s))
		}
	}
	out := make([]Optimised, len(ns))
	for i, n := range ns {
		each, mean := make([]float64, len(choices)), 0.0
		for p := range choices {
			var err error
			if each[p], err = BestOfMean(scores[p], values[p], n); err != nil {
				return nil, fmt.Errorf("%w (prompt %d)", err, p)
			}
			mean += each[p] / float64(len(choices))
		}
		low, high := BootstrapInterval(each, 0.95, resamples, rand.New(rand.NewPCG(0xbe57, uint64(n))))
		out[i] = Optimised{N: n, KL: BestOfKL(n), Mean: mean, Low: low, High: high}
	}
	return out, nil
}

// Trained is the same of a policy under reinforcement learning, from samples that know
// their KL, as many to each prompt as there are: the mean of each.
func Trained(choices []rlhf.Choice, value func(rlhf.Sample) float64) (Optimised, error) {
	o, err := BestOf(choices, value, 1)
	if err != nil {
		return Optimised{}, err
	}
	kl := 0.0
	for _, c := range choices {
		for _, s := range c.Samples {
			kl += s.KL / float64(len(c.Samples)*len(choices))
		}
	}
	return Optimised{KL: kl, Mean: o[0].Mean, Low: o[0].Low, High: o[0].High}, nil
}

func score(s rlhf.Sample) float64 { return s.Score }

// An ExactBest is best-of-n of a policy that is known in full.
type ExactBest struct {
	Prob []float64 // of each response being the best of n
	KL   float64   // from the policy, nats
	Mean float64   // of the score
}

// ExactBestOf is best-of-n of a policy over finitely many responses, with their
// probabilities and scores. With F the probability of a score at most that of response a, and
// F₋ that of a lower one,
//
//	P(best = a) = (F(a)ⁿ − F₋(a)ⁿ) · p_a / (F(a) − F₋(a))
//
// the last factor being the share of a among the responses of its score, between which
// the first one drawn decides. Differences of powers are not subtracted, so that small
// probabilities keep their digits.
func ExactBestOf(prob, score []float64, n int) (ExactBest, error) {
	sum := 0.0
	for i, p := range prob {
		if !(p >= 0) {
			return ExactBest{}, fmt.Errorf("eval: exact best of %d: probability %d is %v, want 0 or more", n, i, p)
		}
		sum += p
	}
	switch {
	case len(prob) != len(score):
		return ExactBest{}, fmt.Errorf("eval: exact best of %d: %d probabilities and %d scores, want one of each a response", n, len(prob), len(score))
	case n < 1:
		return ExactBest{}, fmt.Errorf("eval: exact best of %d, want 1 or more", n)
	case math.Abs(sum-1) > 1e-9:
		return ExactBest{}, fmt.Errorf("eval: exact best of %d: the probabilities add up to %v, want 1", n, sum)
	}
	order := make([]int, len(prob))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(score[a], score[b]) })
	b := ExactBest{Prob: make([]float64, len(prob))}
	below := 0.0
	for lo := 0; lo < len(order); {
		hi, mass := lo, 0.0
		for ; hi < len(order) && score[order[hi]] == score[order[lo]]; hi++ {
			mass += prob[order[hi]]
		}
		// Fⁿ − F₋ⁿ = Fⁿ·(1 − (F₋/F)ⁿ) = Fⁿ·(1 − exp(n·log(1 − mass/F)))
		if f := below + mass; mass > 0 {
			won := math.Pow(f, float64(n)) * -math.Expm1(float64(n)*math.Log1p(-mass/f))
			for _, a := range order[lo:hi] {
				b.Prob[a] = won * prob[a] / mass
				b.Mean += b.Prob[a] * score[a]
			}
			if won > 0 {
				b.KL += won * math.Log(won/mass)
			}
		}
		below, lo = below+mass, hi
	}
	return b, nil
}

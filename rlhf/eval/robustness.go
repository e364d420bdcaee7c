package eval

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/stat"

	"hhrlhf/rlhf"
)

// A Reference is where the scores of one preference model begin: their mean and
// standard deviation over responses of the initial policy. Two preference models agree on neither
// (appendix B.2 takes the mean off), so that their scores can only be compared as gains
// in these deviations.
type Reference struct {
	Mean float64 `json:"mean"`
	SD   float64 `json:"sd"`
	N    int     `json:"n"` // responses
}

// NewReference measures it on the scores of at least two responses of the initial policy. Its own
// error moves a whole course of gains, so take hundreds.
func NewReference(scores []float64) (Reference, error) {
	mean, sd := stat.MeanStdDev(scores, nil)
	if !(sd > 0) || math.IsInf(sd, 0) {
		return Reference{}, fmt.Errorf("eval: reference: %d scores of the initial policy with mean %v and deviation %v, want at least 2 that differ", len(scores), mean, sd)
	}
	return Reference{Mean: mean, SD: sd, N: len(scores)}, nil
}

// Gains are scores less the initial mean, in initial standard deviations.
func (r Reference) Gains(scores []float64) []float64 {
	out := make([]float64, len(scores))
	for i, v := range scores {
		out[i] = (v - r.Mean) / r.SD
	}
	return out
}

// Agreeing is how far apart two preference models' gains may be that are still said to agree, in initial
// standard deviations (our choice; the paper shows curves).
const Agreeing = 0.1

// A Smoothed value is the mean over some steps, with its 95 % bootstrap interval.
type Smoothed struct {
	From int     `json:"from"` // step
	To   int     `json:"to"`
	Mean float64 `json:"mean"`
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// A Divergence says from when on a policy pleases the preference model that it is trained against more
// than another one, of other comparisons: it is then optimised for what only the first one likes (section 4.2).
type Divergence struct {
	// Step is the first step of the first window from which on, to the end, the whole
	// interval of the gap lies above [Agreeing]; 0: there is none, the run is robust as far as it went.
	Step int        `json:"step"`
	Gaps []Smoothed `json:"gaps"` // one a window, in order; the windows overlap
	Last Smoothed   `json:"last"` // the last window's
}

// Diverges compares the gains of the training and of the test preference model, step by step (see
// [Reference.Gains]). Their gap, training less test, is averaged over windows of a tenth
// of the steps, at least 5 and at most 25, one beginning at each step; a window's interval is
// the percentile bootstrap over its steps, whose batches are independent. That the gap must *stay* above is what keeps
// one window in forty, by chance, from being called a divergence, and a gap that closes again is none.
// Equal input gives an equal result.
func Diverges(steps []int, train, test []float64) (Divergence, error) {
	n := len(steps)
	if len(train) != n || len(test) != n || n < 6 {
		return Divergence{}, fmt.Errorf("eval: divergence: %d steps with %d training and %d test scores, want as many of each, and at least 6", n, len(train), len(test))
	}
	if !slices.IsSorted(steps) {
		return Divergence{}, fmt.Errorf("eval: divergence: the steps are not in order")
	}
	gap := make([]float64, n)
	for i := range gap {
		if gap[i] = train[i] - test[i]; math.IsNaN(gap[i]) || math.IsInf(gap[i], 0) {
			return Divergence{}, fmt.Errorf("eval: divergence: step %d has scores %v and %v, want finite numbers", steps[i], train[i], test[i])
		}
	}
	size := min(max(n/10, 5), 25)
	var d Divergence
	for i := 0; i+size <= n; i++ {
		w := Smoothed{From: steps[i], To: steps[i+size-1], Mean: stat.Mean(gap[i:i+size], nil)}
		w.Low, w.High = BootstrapInterval(gap[i:i+size], 0.95, 500, rand.New(rand.NewPCG(0xd17e, uint64(i))))
		d.Gaps = append(d.Gaps, w)
	}
	d.Last = d.Gaps[len(d.Gaps)-1]
	for _, w := range slices.Backward(d.Gaps) {
		if w.Low <= Agreeing {
			break
		}
		d.Step = w.From
	}
	return d, nil
}

// SubGaussianSlope is √2. A policy gains at most s·√(2·KL) over one whose scores, of each
// prompt's responses, are sub-Gaussian with the scale s; π₀·exp(r/β) gains exactly that if they are
// normal with the deviation s. A slope that is far above √2·s says that the divergence is
// underestimated, or the scores have heavier tails.
const SubGaussianSlope = math.Sqrt2

// A SqrtKL is the law of section 4.3: a score's gain is about proportional to √KL.
type SqrtKL struct {
	Root  Line `json:"root"`  // of the score on √KL
	Plain Line `json:"plain"` // of the score on KL, for comparison
	// PerSD is the slope on √KL over the within-prompt deviation of the initial scores, SE
	// from the slope's alone: at most [SubGaussianSlope] where those are near normal.
	PerSD   float64 `json:"per_sd"`
	PerSDSE float64 `json:"per_sd_se"`
}

// FitSqrtKL fits it to the scores of steps (raw) and their divergences, nats per response; cut
// both off where the policy diverges. within is [WithinPromptSD] of the same scores. A divergence estimated as negative counts
// as 0.
func FitSqrtKL(kl, score []float64, within float64) (SqrtKL, error) {
	var out SqrtKL
	if !(within > 0) {
		return out, fmt.Errorf("eval: √KL: the within-prompt deviation of initial scores is %v, want > 0", within)
	}
	x, root := make([]float64, len(kl)), make([]float64, len(kl))
	for i, v := range kl {
		x[i] = v
		if v < 0 {
			x[i] = 0
		}
		root[i] = math.Sqrt(x[i])
	}
	var err error
	if out.Root, err = FitLine(root, score); err != nil {
		return out, fmt.Errorf("eval: score on √KL: %w", err)
	}
	if out.Plain, err = FitLine(x, score); err != nil {
		return out, fmt.Errorf("eval: score on KL: %w", err)
	}
	out.PerSD, out.PerSDSE = out.Root.Slope/within, out.Root.SlopeSE/within
	return out, nil
}

// WithinPromptSD is the deviation of scores among responses to one prompt, the root of the
// mean over prompts of the unbiased variance. Prompts with one response say nothing.
func WithinPromptSD(choices []rlhf.Choice) (float64, error) {
	sum, n := 0.0, 0
	for _, c := range choices {
		if len(c.Samples) < 2 {
			continue
		}
		var scores []float64
		for _, s := range c.Samples {
			scores = append(scores, s.Score)
		}
		sum, n = sum+stat.Variance(scores, nil), n+1
	}
	if n == 0 || math.IsNaN(sum) {
		return 0, fmt.Errorf("eval: within-prompt deviation: %d of %d prompts have two responses or more with scores that are numbers, want at least one", n, len(choices))
	}
	return math.Sqrt(sum / float64(n)), nil
}

// Variation is the coefficient of variation, the unbiased standard deviation over the
// mean's magnitude: of the slopes of several policies, how far their lines are from parallel.
// NaN of fewer than two.
func Variation(x []float64) float64 {
	mean, sd := stat.MeanStdDev(x, nil)
	return sd / math.Abs(mean)
}

// PercentileIn places a policy's scores within the scores of data: the mean over the policy's
// responses of the share of data below, ties half; 0.5 where both are alike (Bai et al. 2022, figure 14, shows the histograms; this is the
// Mann-Whitney statistic of them). It does not depend on the scale of the scores. The interval is the 95 % percentile bootstrap over the policy's
// responses, which must be independent: one a prompt.
func PercentileIn(data, scores []float64) (share, low, high float64, err error) {
	for _, v := range slices.Concat(data, scores) {
		if math.IsNaN(v) {
			return 0, 0, 0, fmt.Errorf("eval: percentile: a score is NaN, want numbers")
		}
	}
	if len(data) == 0 || len(scores) == 0 {
		return 0, 0, 0, fmt.Errorf("eval: percentile: %d scores within %d of data, want at least one of each", len(scores), len(data))
	}
	sorted := slices.Sorted(slices.Values(data))
	at := make([]float64, len(scores))
	for i, v := range scores {
		below, _ := slices.BinarySearch(sorted, v)
		upTo, _ := slices.BinarySearchFunc(sorted, v, func(e, v float64) int {
			if e <= v {
				return -1
			}
			return cmp.Compare(e, v)
		})
		at[i] = float64(below+upTo) / 2 / float64(len(sorted))
		share += at[i] / float64(len(scores))
	}
	low, high = BootstrapInterval(at, 0.95, 2000, rand.New(rand.NewPCG(0x9e2c, uint64(len(at)))))
	return share, low, high, nil
}

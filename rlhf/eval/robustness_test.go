package eval_test

import (
	"math"
	"strings"
	"testing"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/eval"
	"hhrlhf/rlhf/internal/rltest"
)

// rivals are gains over 200 steps whose gap is what gap says of the step, and noise of 0.15 a step.
func rivals(seed uint64, gap func(step int) float64) (steps []int, train, test []float64) {
	rng := rltest.Rand(seed)
	for s := 1; s <= 200; s++ {
		rise := 1 - math.Exp(-float64(s)/60)
		steps = append(steps, s)
		train = append(train, rise+gap(s)+0.1*rng.NormFloat64())
		test = append(test, rise+0.1*rng.NormFloat64())
	}
	return steps, train, test
}

func diverges(t *testing.T, steps []int, train, test []float64) eval.Divergence {
	t.Helper()
	d, err := eval.Diverges(steps, train, test)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// A gap that opens at a known step is found there, within a window; and what is no divergence is not
// called one.
func TestDivergesWhereTheGapOpens(t *testing.T) {
	ramp := func(from int, per float64) func(int) float64 {
		return func(s int) float64 { return per * math.Max(0, float64(s-from)) }
	}
	const seeds = 10
	for _, c := range []struct {
		name      string
		gap       func(int) float64
		low, high int // of the step that is found; 0, 0: none
	}{
		{"a jump at 100", func(s int) float64 { return 0.6 * float64(min(s/100, 1)) }, 80, 104},
		{"a ramp from 60 that is at 0.1 from 70", ramp(60, 0.01), 56, 100},
		{"from the start", func(int) float64 { return 0.5 }, 1, 1},
		{"agreement", func(int) float64 { return 0 }, 0, 0},
		{"a difference within 0.1", func(int) float64 { return 0.05 }, 0, 0},
		{"the test model ahead", ramp(60, -0.01), 0, 0},
		{"a gap that closes", func(s int) float64 { return 0.8 * math.Exp(-math.Pow(float64(s-90)/25, 2)) }, 0, 0},
	} {
		wrong := 0
		for seed := range seeds {
			steps, train, test := rivals(uint64(seed), c.gap)
			if d := diverges(t, steps, train, test); d.Step < c.low || d.Step > c.high {
				wrong++
			}
		}
		if wrong > 0 {
			t.Errorf("%s: wrong for %d of %d seeds", c.name, wrong, seeds)
		}
	}
}

// Known mistakes: the first step whose raw gap exceeds 0.1, which noise makes one of the
// first few; scores of two models without the initial mean taken off, which are apart from the start.
func TestDivergesIsNotTheFirstCrossing(t *testing.T) {
	steps, train, test := rivals(3, func(int) float64 { return 0 })
	first := 0
	for i := range steps {
		if train[i]-test[i] > eval.Agreeing {
			first = steps[i]
			break
		}
	}
	if first == 0 || first > 20 {
		t.Errorf("the raw gap is first above at %d: the test sees nothing", first)
	}
	raw := make([]float64, len(test))
	for i, v := range test {
		raw[i] = 3*v - 4 // the test model has another scale and another zero
	}
	if d := diverges(t, steps, train, raw); d.Step == 0 {
		t.Error("scores of two scales do not diverge: the test sees nothing")
	}
	one := eval.Reference{Mean: -4, SD: 3}
	if d := diverges(t, steps, train, one.Gains(raw)); d.Step != 0 {
		t.Errorf("gains diverge at step %d, want no divergence", d.Step)
	}
}

func TestDivergesRefuses(t *testing.T) {
	steps, train, test := rivals(1, func(int) float64 { return 0 })
	bad := append([]float64{}, train...)
	bad[4] = math.NaN()
	for want, call := range map[string]func() (eval.Divergence, error){
		"at least 6":   func() (eval.Divergence, error) { return eval.Diverges(steps[:5], train[:5], test[:5]) },
		"as many":      func() (eval.Divergence, error) { return eval.Diverges(steps, train, test[:9]) },
		"step 5":       func() (eval.Divergence, error) { return eval.Diverges(steps, bad, test) },
		"not in order": func() (eval.Divergence, error) { return eval.Diverges(append([]int{7}, steps[1:]...), train, test) },
	} {
		if _, err := call(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestReference(t *testing.T) {
	r, err := eval.NewReference([]float64{1, 3, 5})
	if err != nil {
		t.Fatal(err)
	}
	rltest.Close(t, "reference", []float64{r.Mean, r.SD, float64(r.N)}, []float64{3, 2, 3}, 1e-12)
	rltest.Close(t, "gains", r.Gains([]float64{3, 7}), []float64{0, 2}, 1e-12)
	for _, bad := range [][]float64{nil, {1}, {2, 2, 2}, {1, math.NaN()}} {
		if r, err := eval.NewReference(bad); err == nil {
			t.Errorf("%v: %+v, want an error", bad, r)
		}
	}
}

// The exact cases of the law. π₀·exp(r/β) of normal scores with deviation s gains s²/β at a divergence of s²/2β²: √2·s on
// √KL. Best of n gains the expected maximum of n normal scores, integrated here, and is all
// but straight in the exact divergence; in log n, which the paper plots, it is not.
func TestSqrtKLOfKnownPolicies(t *testing.T) {
	const s = 1.7
	var kl, gain []float64
	for b := 1.0; b < 20; b++ {
		kl, gain = append(kl, s*s/(2*b*b)), append(gain, 5+s*s/b)
	}
	law := sqrtKL(t, kl, gain, s)
	rltest.Close(t, "tilted", []float64{law.PerSD, law.Root.Intercept, law.Root.R2}, []float64{eval.SubGaussianSlope, 5, 1}, 1e-9)
	if law.Plain.R2 > 0.95 {
		t.Errorf("a line in KL itself explains %v", law.Plain.R2)
	}
	rltest.NotClose(t, "a deviation of all responses, prompts' means included", sqrtKL(t, kl, gain, 2*s).PerSD, law.PerSD, 0.3)

	var exact, leading, best []float64
	for n := 1; n <= 1024; n *= 2 {
		exact, leading, best = append(exact, eval.BestOfKL(n)), append(leading, math.Log(float64(n))), append(best, s*expectedMax(n))
	}
	law = sqrtKL(t, exact, best, s)
	if law.Root.R2 < 0.999 || math.Abs(law.Root.Intercept/s) > 0.03 || math.Abs(law.PerSD-1.336) > 0.01 {
		t.Errorf("best of n on √KL: %+v, slope/s %v", law.Root, law.PerSD)
	}
	if wrong := sqrtKL(t, leading, best, s); wrong.Root.R2 > 0.99 || wrong.Root.Intercept/s > -0.3 {
		t.Errorf("best of n on √log n: %+v, want a visible bend", wrong.Root)
	}
}

func sqrtKL(t *testing.T, kl, score []float64, within float64) eval.SqrtKL {
	t.Helper()
	law, err := eval.FitSqrtKL(kl, score, within)
	if err != nil {
		t.Fatal(err)
	}
	return law
}

// expectedMax is ∫ x·n·φ(x)·Φ(x)ⁿ⁻¹ dx by the midpoint rule.
func expectedMax(n int) float64 {
	const step = 1e-3
	sum := 0.0
	for x := -9 + step/2; x < 9; x += step {
		phi, below := math.Exp(-x*x/2)/math.Sqrt(2*math.Pi), math.Erfc(-x/math.Sqrt2)/2
		sum += step * x * float64(n) * phi * math.Pow(below, float64(n-1))
	}
	return sum
}

func TestSqrtKLRefuses(t *testing.T) {
	for want, call := range map[string]func() (eval.SqrtKL, error){
		"deviation":  func() (eval.SqrtKL, error) { return eval.FitSqrtKL([]float64{0, 1, 2}, []float64{0, 1, 2}, 0) },
		"at least 3": func() (eval.SqrtKL, error) { return eval.FitSqrtKL([]float64{0, 1}, []float64{0, 1}, 1) },
		"point 1":    func() (eval.SqrtKL, error) { return eval.FitSqrtKL([]float64{0, math.NaN(), 2}, []float64{0, 1, 2}, 1) },
	} {
		if _, err := call(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// By hand: variances 2 and 8 of two prompts whose means are far apart; a prompt with one response says nothing.
func TestWithinPromptSD(t *testing.T) {
	choice := func(scores ...float64) (c rlhf.Choice) {
		for _, s := range scores {
			c.Samples = append(c.Samples, rlhf.Sample{Score: s})
		}
		return c
	}
	got, err := eval.WithinPromptSD([]rlhf.Choice{choice(1, 3), choice(100, 104), choice(7)})
	if err != nil {
		t.Fatal(err)
	}
	rltest.Close(t, "within", got, math.Sqrt(5), 1e-12)
	// Known mistake: the deviation of all scores, which the prompts' own means widen.
	if all, err := eval.NewReference([]float64{1, 3, 100, 104, 7}); err != nil || all.SD < 10*got {
		t.Errorf("the deviation of all is %+v, %v: the test sees nothing", all, err)
	}
	if got, err := eval.WithinPromptSD([]rlhf.Choice{choice(1)}); err == nil {
		t.Errorf("of one response %v, want an error", got)
	}
}

func TestVariation(t *testing.T) {
	rltest.Close(t, "CV", eval.Variation([]float64{-1, -3, -5}), 2./3, 1e-12)
	rltest.NotClose(t, "the biased deviation", eval.Variation([]float64{1, 3, 5}), math.Sqrt(8./3)/3, 0.1)
}

// By hand, and as the share of pairs in which the policy's score is the higher one.
func TestPercentileIn(t *testing.T) {
	share, low, high, err := eval.PercentileIn([]float64{4, 1, 2, 2}, []float64{2, 5})
	if err != nil {
		t.Fatal(err)
	}
	rltest.Close(t, "by hand", share, (0.5+1)/2, 1e-12)
	if low != 0.5 || high != 1 {
		t.Errorf("interval %v to %v, want 0.5 to 1", low, high)
	}
	rng := rltest.Rand(5)
	var data, scores []float64
	for range 300 {
		data, scores = append(data, math.Round(4*rng.NormFloat64())), append(scores, math.Round(3+4*rng.NormFloat64()))
	}
	pairs := 0.0
	for _, s := range scores {
		for _, d := range data {
			switch {
			case s > d:
				pairs++
			case s == d:
				pairs += 0.5
			}
		}
	}
	share, low, high, err = eval.PercentileIn(data, scores)
	if err != nil {
		t.Fatal(err)
	}
	rltest.Close(t, "by pairs", share, pairs/90000, 1e-12)
	if !(low < share && share < high) || high-low > 0.1 {
		t.Errorf("%v with interval %v to %v", share, low, high)
	}
	// Known mistake: ties counted as below, or not at all.
	strict := 0.0
	for _, s := range scores {
		for _, d := range data {
			if s > d {
				strict++
			}
		}
	}
	rltest.NotClose(t, "without ties", share, strict/90000, 0.01)
	for _, bad := range [][2][]float64{{nil, {1}}, {{1}, nil}, {{math.NaN()}, {1}}} {
		if share, _, _, err := eval.PercentileIn(bad[0], bad[1]); err == nil {
			t.Errorf("%v: %v, want an error", bad, share)
		}
	}
}

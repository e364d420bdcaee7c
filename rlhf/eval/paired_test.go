package eval_test

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/eval"
	"hhrlhf/rlhf/internal/rltest"
)

// turns returns the outcomes of two scorers on conversations of four turns; a
// conversation's fate is shared by its turns with probability tie.
func turns(rng *rand.Rand, conversations int, accuracyA, accuracyB, tie float64) (a, b []eval.Judged) {
	for c := range conversations {
		x, y := rng.Float64(), rng.Float64()
		for turn := range 4 {
			if rng.Float64() > tie {
				x, y = rng.Float64(), rng.Float64()
			}
			item := comparison(c, 1+turn, "", 1, 2)
			judge := func(right bool) eval.Judged {
				if right {
					return eval.Judged{Chosen: 1, Comparison: item}
				}
				return eval.Judged{Rejected: 1, Comparison: item}
			}
			a, b = append(a, judge(x < accuracyA)), append(b, judge(y < accuracyB))
		}
	}
	return a, b
}

// By hand: differences 1, 1 in one conversation, 0 and −½ in two others. The mean
// is 3/8; the residuals' sums are 5/4, −3/8, −7/8.
func TestDifferenceByHand(t *testing.T) {
	at := []rlhf.Comparison{comparison(1, 1, "", 1, 1), comparison(1, 2, "", 1, 1), comparison(2, 1, "", 1, 1), comparison(3, 1, "", 1, 1)}
	var a, b []eval.Judged
	for i, gap := range []float64{1, 2, 3, 0} {
		a = append(a, eval.Judged{Chosen: gap, Comparison: at[i]})
	}
	for i, gap := range []float64{-1, -2, 3, 1} {
		b = append(b, eval.Judged{Chosen: gap, Comparison: at[i]})
	}
	d, err := eval.Difference(a, b)
	if err != nil {
		t.Fatal(err)
	}
	se := math.Sqrt(1.5*(25.0/16+9.0/64+49.0/64)) / 4
	rltest.Close(t, "mean, se, low, high", []float64{d.Mean, d.SE, d.Low, d.High}, []float64{0.375, se, 0.375 - eval.Z95*se, 0.375 + eval.Z95*se}, rltest.Float64)
	independent := math.Sqrt(4.0/3*(2*25.0/64+9.0/64+49.0/64)) / 4
	rltest.NotClose(t, "pairs taken for independent", d.SE, independent, 1e-2)
	back, err := eval.Difference(b, a)
	if err != nil {
		t.Fatal(err)
	}
	rltest.Close(t, "the other way round", []float64{-back.Mean, back.SE, back.P}, []float64{d.Mean, d.SE, d.P}, rltest.Float64)

	sum := d.Plus(d)
	rltest.Close(t, "sum", []float64{sum.Mean, sum.SE}, []float64{2 * d.Mean, d.SE * math.Sqrt2}, rltest.Float64)
	rltest.Close(t, "P of two sigma", eval.Paired{Mean: 1.2, SE: 0.6}.Plus(eval.Paired{}).P, 0.0455003, 1e-6)
	if same, err := eval.Difference(a, a); err != nil || same.P != 1 || same.SE != 0 {
		t.Errorf("a scorer against itself: %+v, %v", same, err)
	}
}

// Two scorers of one accuracy differ beyond 1.96 s.e. one time in twenty, turns of
// shared fate or not; with turns taken for independent, far more often.
func TestDifferenceHasItsRate(t *testing.T) {
	const trials = 400
	clustered, naive := 0, 0
	for trial := range trials {
		a, b := turns(rltest.Rand(uint64(trial)), 60, 0.65, 0.65, 0.9)
		d, err := eval.Difference(a, b)
		if err != nil {
			t.Fatal(err)
		}
		if d.P < 0.05 {
			clustered++
		}
		for i := range a {
			a[i].Comparison, b[i].Comparison = comparison(i, 1, "", 1, 1), comparison(i, 1, "", 1, 1)
		}
		if d, err = eval.Difference(a, b); err != nil {
			t.Fatal(err)
		}
		if d.P < 0.05 {
			naive++
		}
	}
	if share := float64(clustered) / trials; share < 0.03 || share > 0.08 {
		t.Errorf("equal scorers differ in %.3f of trials, want about 0.05", share)
	}
	if share := float64(naive) / trials; share < 0.15 {
		t.Errorf("turns taken for independent: %.3f; the test cannot tell them apart", share)
	}
}

func TestDifferenceErrors(t *testing.T) {
	a, b := turns(rltest.Rand(1), 3, 0.7, 0.6, 0)
	if _, err := eval.Difference(a, b[1:]); err == nil || !strings.Contains(err.Error(), "12 and 11") {
		t.Errorf("lengths: %v", err)
	}
	b[0], b[5] = b[5], b[0]
	if _, err := eval.Difference(a, b); err == nil || !strings.Contains(err.Error(), "same order") {
		t.Errorf("order: %v", err)
	}
	if _, err := eval.Difference(a[:3], a[:3]); err == nil || !strings.Contains(err.Error(), "one conversation") {
		t.Errorf("one conversation: %v", err)
	}
	if _, err := eval.Difference(nil, nil); err == nil {
		t.Error("nothing passes")
	}
	// Without prompts every comparison is a unit.
	if d, err := eval.Difference(make([]eval.Judged, 2), []eval.Judged{{Chosen: 1}, {Rejected: 1}}); err != nil || d.SE == 0 {
		t.Errorf("no prompts: %+v, %v", d, err)
	}
}

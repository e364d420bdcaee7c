package eval_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"hhrlhf/rlhf/eval"
	"hhrlhf/rlhf/internal/rltest"
)

func TestIntervals(t *testing.T) {
	low, high := eval.WilsonInterval(8, 10, eval.Z95)
	rltest.Close(t, "Wilson 8/10", []float64{low, high}, []float64{0.4902, 0.9433}, 1e-4)
	low, high = eval.WilsonInterval(0, 10, eval.Z95)
	rltest.Close(t, "Wilson 0/10", []float64{low, high}, []float64{0, 0.2775}, 1e-4)
	low, high = eval.WilsonInterval(0, 0, eval.Z95)
	rltest.Close(t, "Wilson 0/0", []float64{low, high}, []float64{0, 1}, 0)
	mean, low, high := eval.MeanInterval([]float64{1, 2, 3}, 1)
	rltest.Close(t, "mean", []float64{mean, low, high}, []float64{2, 2 - 1/math.Sqrt(3), 2 + 1/math.Sqrt(3)}, 1e-12)
	if _, low, _ = eval.MeanInterval([]float64{1}, 1); !math.IsInf(low, -1) {
		t.Errorf("one value has the interval from %v", low)
	}

	rng := rltest.Rand(1)
	x := rltest.Matrix(rng, 1, 400)[0]
	_, nl, nh := eval.MeanInterval(x, eval.Z95)
	bl, bh := eval.BootstrapInterval(x, 0.95, 2000, rng)
	rltest.Close(t, "bootstrap against normal", []float64{bl, bh}, []float64{nl, nh}, 0.02)
	again, _ := eval.BootstrapInterval(x, 0.95, 50, rltest.Rand(2))
	same, _ := eval.BootstrapInterval(x, 0.95, 50, rltest.Rand(2))
	rltest.Close(t, "one seed, one interval", again, same, 0)
}

// Of three values the interval is 4.303 standard errors to each side (a table of t), and
// the normal one, which covers too little, is another.
func TestStudentInterval(t *testing.T) {
	x := []float64{1, 2, 6}
	mean, low, high := eval.StudentInterval(x, 0.95)
	se := math.Sqrt((4 + 1 + 9) / 2. / 3)
	if mean != 3 || math.Abs(low-(3-4.302653*se)) > 1e-6 || math.Abs(high-(3+4.302653*se)) > 1e-6 {
		t.Errorf("%g (%g to %g), want 3 ± %g", mean, low, high, 4.302653*se)
	}
	if _, normal, _ := eval.MeanInterval(x, eval.Z95); normal < low+1 {
		t.Errorf("the normal interval begins at %g, as Student's does, %g", normal, low)
	}
	covered := 0
	rng := rand.New(rand.NewPCG(1, 2))
	for range 4000 {
		_, low, high := eval.StudentInterval([]float64{rng.NormFloat64(), rng.NormFloat64(), rng.NormFloat64()}, 0.95)
		if low < 0 && 0 < high {
			covered++
		}
	}
	if share := float64(covered) / 4000; math.Abs(share-0.95) > 0.012 { // 3.5 standard errors
		t.Errorf("covers the truth %.3f of the time", share)
	}
	if mean, low, high := eval.StudentInterval(x[:1], 0.95); mean != 1 || low != 1 || high != 1 {
		t.Errorf("of one value: %g (%g to %g)", mean, low, high)
	}
}

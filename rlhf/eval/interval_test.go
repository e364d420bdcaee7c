package eval_test

import (
	"math"
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

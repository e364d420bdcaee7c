package rltest_test

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"

	"hhrlhf/rlhf/internal/rltest"
)

func TestDiffIsRelativeAboveOneAndAbsoluteBelow(t *testing.T) {
	for _, c := range []struct {
		got, want, tol float64
		close          bool
	}{
		{1000.5, 1000, 1e-3, true},
		{1001.5, 1000, 1e-3, false},
		{0.0005, 0, 1e-3, true},
		{0.002, 0, 1e-3, false},
		{math.NaN(), math.NaN(), 1, false},
		{math.Inf(1), 1, 1, false},
	} {
		if err := rltest.Diff(c.got, c.want, c.tol); (err == nil) != c.close {
			t.Errorf("Diff(%v, %v, %v) = %v", c.got, c.want, c.tol, err)
		}
	}
	if rltest.Diff([]float64{1}, []float64{1, 2}, 1) == nil {
		t.Error("different lengths pass")
	}
}

func TestPerturbTouchesOneEntryOfTheCopy(t *testing.T) {
	v := rltest.Values{"x": json.RawMessage(`[[1, 2], [3]]`)}
	w := v.Perturb(t, "x", 2, 0.5)
	rltest.Close(t, "copy", rltest.Get[[][]float64](t, w, "x"), []float64{1, 2, 3.5}, 0)
	rltest.Close(t, "original", rltest.Get[[][]float64](t, v, "x"), []float64{1, 2, 3}, 0)
}

func TestGradient(t *testing.T) {
	got := rltest.Gradient(func(x []float64) float64 { return x[0]*x[0] + 3*x[1] }, []float64{2, 5})
	rltest.Close(t, "gradient", got, []float64{4, 3}, rltest.Differences)
	rltest.NotClose(t, "gradient", got, []float64{4 + 10*4*rltest.Differences, 3}, rltest.Differences)
}

func TestRunInBothPrecisions(t *testing.T) {
	third := func(in []*Node) []*Node { return []*Node{DivScalar(in[0], 3)} }
	want := []float64{1.0 / 3, 2.0 / 3}
	for dtype, tol := range map[dtypes.DType]float64{dtypes.Float32: 1e-7, dtypes.Float64: 1e-15} {
		got := rltest.Run(t, dtype, third, [][]float64{{1, 2}})
		rltest.Close(t, dtype.String(), got[0], want, tol)
	}
	got := rltest.Run(t, dtypes.Float32, third, [][]float64{{1, 2}})
	rltest.NotClose(t, "float32 as float64", got[0], want, 1e-15)
}

package eval_test

import (
	"math"
	"strings"
	"testing"

	"hhrlhf/rlhf/eval"
	"hhrlhf/rlhf/internal/rltest"
)

// By hand: (0, 1), (1, 2), (2, 2), (3, 5) have Sxx = 5, Sxy = 6, Syy = 9; the line is 0.7 + 1.2·x, the
// residuals 0.3, 0.1, −1.1, 0.7 have the square 1.8, so R² = 0.8, s² = 0.9, and the
// errors are √(s²/Sxx) and √(s²·(1/4 + 1.5²/5)).
func TestLineByHand(t *testing.T) {
	x, y := []float64{0, 1, 2, 3}, []float64{1, 2, 2, 5}
	l := line(t, x, y)
	want := []float64{0.7, 1.2, math.Sqrt(0.63), math.Sqrt(0.18), 0.8}
	rltest.Close(t, "line", []float64{l.Intercept, l.Slope, l.InterceptSE, l.SlopeSE, l.R2}, want, 1e-12)
	// Known mistakes: n degrees of freedom; the line through the origin.
	rltest.NotClose(t, "n degrees of freedom", l.SlopeSE, math.Sqrt(1.8/4/5), 0.05)
	rltest.NotClose(t, "through the origin", l.Slope, 21./14, 0.1)
	y[3] += 1e-6
	rltest.NotClose(t, "a point moved", line(t, x, y).Slope, l.Slope, 1e-8)
}

func line(t *testing.T, x, y []float64) eval.Line {
	t.Helper()
	l, err := eval.FitLine(x, y)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// Nothing changes where x lies far from 0 and is tiny or huge.
func TestLineKeepsItsDigits(t *testing.T) {
	for _, scale := range []float64{1e-9, 1, 1e9} {
		var x, y []float64
		for i := range 20 {
			x = append(x, scale*(1000+float64(i)))
			y = append(y, 3+x[i]*2/scale)
		}
		l := line(t, x, y)
		rltest.Close(t, "slope", l.Slope*scale, 2.0, 1e-9)
		rltest.Close(t, "intercept", l.Intercept, 3.0, 1e-6)
		rltest.Close(t, "height", l.At(1010*scale), 2023.0, 1e-9)
	}
}

func TestLineCoversTheTruth(t *testing.T) {
	const seeds = 400
	inside := 0
	for seed := range seeds {
		rng := rltest.Rand(uint64(seed))
		var x, y []float64
		for i := range 30 {
			x = append(x, float64(i)/10)
			y = append(y, -1+0.5*x[i]+rng.NormFloat64())
		}
		if l := line(t, x, y); math.Abs(l.Slope-0.5) < 2*l.SlopeSE {
			inside++
		}
	}
	if share := float64(inside) / seeds; share < 0.91 || share > 0.985 {
		t.Errorf("the slope lies within 2 s.e. in %.3f of the fits", share)
	}
}

func TestLineErrors(t *testing.T) {
	for want, xy := range map[string][2][]float64{
		"at least 3":  {{1, 2}, {1, 2}},
		"as many":     {{1, 2, 3}, {1, 2}},
		"point 1":     {{1, 2, 3}, {1, math.NaN(), 2}},
		"that differ": {{2, 2, 2}, {1, 2, 3}},
	} {
		if l, err := eval.FitLine(xy[0], xy[1]); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %+v, %v", want, l, err)
		}
	}
}

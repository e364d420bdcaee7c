package eval_test

import (
	"math"
	"strings"
	"testing"

	"hhrlhf/rlhf/eval"
	"hhrlhf/rlhf/internal/rltest"
)

// grid is 4 sizes × 5 amounts of data on a line, with noise of the s.e. given,
// more of it, by spread, from one amount of data to the next.
func grid(seed uint64, line eval.ScalingFit, se, spread float64) (points []eval.ScalingPoint) {
	rng := rltest.Rand(seed)
	for _, p := range []float64{1e5, 4e5, 3e6, 1e7} {
		for i, d := range []float64{500, 1e3, 2e3, 4e3, 1e4} {
			s := se * (1 + spread*float64(i))
			points = append(points, eval.ScalingPoint{Params: p, Pairs: d, Accuracy: line.At(p, d) + s*rng.NormFloat64(), SE: s})
		}
	}
	return points
}

var planted = eval.ScalingFit{C: 0.65, A: 0.012, B: 0.02, Params0: 1e6, Pairs0: 2e3}

func TestScalingRecoversThePlantedLine(t *testing.T) {
	const seeds = 200
	for _, known := range []bool{true, false} {
		var inside [3]int
		var bias [3]float64
		for seed := range seeds {
			points := grid(uint64(seed), planted, 0.008, 0.5)
			if !known {
				points = grid(uint64(seed), planted, 0.012, 0)
				for i := range points {
					points[i].SE = 0
				}
			}
			f, err := eval.FitScaling(points)
			if err != nil {
				t.Fatal(err)
			}
			want := [3]float64{planted.At(f.Params0, f.Pairs0), planted.A, planted.B}
			for k, got := range [3][2]float64{{f.C, f.CSE}, {f.A, f.ASE}, {f.B, f.BSE}} {
				z := (got[0] - want[k]) / got[1]
				bias[k] += z / math.Sqrt(seeds)
				if math.Abs(z) <= 2 {
					inside[k]++
				}
			}
		}
		for k, name := range []string{"C", "A", "B"} {
			if share := float64(inside[k]) / seeds; share < 0.90 || share > 0.99 {
				t.Errorf("known errors %v: %s lies within 2 s.e. in %.3f of the fits", known, name, share)
			}
			if math.Abs(bias[k]) > 4 {
				t.Errorf("known errors %v: %s is biased by %.1f s.e. of its mean", known, name, bias[k])
			}
		}
	}
}

func TestScalingWithoutNoise(t *testing.T) {
	points := grid(1, planted, 0, 0)
	f, err := eval.FitScaling(points)
	if err != nil {
		t.Fatal(err)
	}
	rltest.Close(t, "C, A, B, R²", []float64{f.At(1e6, 2e3), f.A, f.B, f.R2}, []float64{0.65, 0.012, 0.02, 1}, 1e-9)
	points[7].Accuracy += 0.01
	g, err := eval.FitScaling(points)
	if err != nil {
		t.Fatal(err)
	}
	rltest.NotClose(t, "a point moved", []float64{g.A, g.B}, []float64{f.A, f.B}, 1e-5)
	if g.R2 >= 1-1e-9 || g.BSE < 1e-5 {
		t.Errorf("a point off the line: R² %v, s.e. %v", g.R2, g.BSE)
	}
	// Known mistake: the decimal logarithm has other coefficients, by a factor of ln 10.
	rltest.NotClose(t, "log10", f.A*math.Ln10, f.A, 1e-3)
	if off := math.Abs(planted.A*math.Ln10-f.A) / 0.004; off < 2 {
		t.Errorf("log10 is off by %.1f s.e.", off)
	}
}

// A point of small error pulls the line more.
func TestScalingWeights(t *testing.T) {
	points := grid(1, planted, 0, 0)
	for i := range points {
		points[i].SE = 0.01
	}
	points[3].Accuracy += 0.05
	fit := func(se float64) float64 {
		points[3].SE = se
		f, err := eval.FitScaling(points)
		if err != nil {
			t.Fatal(err)
		}
		return math.Abs(f.B - planted.B)
	}
	if tight, loose := fit(0.001), fit(0.1); tight < 10*loose {
		t.Errorf("the odd point moves B by %.4g with a small error and %.4g with a large one", tight, loose)
	}
}

// The levels of figure 7, which only the natural logarithm gives.
func TestPaperScaling(t *testing.T) {
	rltest.Close(t, "13M and 52B", []float64{eval.PaperScaling.At(13e6, 8e4), eval.PaperScaling.At(52e9, 1e3)}, []float64{0.657, 0.650}, 6e-4)
	decimal := 0.72 + 0.007*math.Log10(13e6/1e11)
	rltest.NotClose(t, "log10", eval.PaperScaling.At(13e6, 8e4), decimal, 0.03)
}

func TestScalingErrors(t *testing.T) {
	good := grid(1, planted, 0.01, 0)
	oneSize := good[:5]
	diagonal := []eval.ScalingPoint{{1e5, 1e3, 0.6, 0}, {1e6, 1e4, 0.62, 0}, {1e7, 1e5, 0.66, 0}, {1e8, 1e6, 0.7, 0}}
	mixed := append([]eval.ScalingPoint{{1e5, 1e3, 0.6, 0}}, good...)
	for want, points := range map[string][]eval.ScalingPoint{
		"2 points": good[:2], "vary": oneSize, "independently": diagonal, "every point or in none": mixed,
		"positive Params": append([]eval.ScalingPoint{{0, 1, 0.5, 0.1}}, good...),
	} {
		if f, err := eval.FitScaling(points); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %+v, %v", want, f, err)
		}
	}
}

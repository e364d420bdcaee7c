package eval_test

import (
	"math"
	"testing"

	"hhrlhf/rlhf/eval"
	"hhrlhf/rlhf/internal/rltest"
)

func numbers(t *testing.T, v rltest.Values, key string) []float64 {
	return rltest.Get[[]float64](t, v, key)
}

func binRows(bins []eval.CalibrationBin) (out [][]float64) {
	for _, b := range bins {
		out = append(out, []float64{float64(b.Index), float64(b.Count), b.MeanP, b.MeanY})
	}
	return out
}

// golden compares outputs with the case's, and requires that an entry of an input
// moved by delta is noticed.
func golden(t *testing.T, name, input string, entry int, delta float64, outputs func(rltest.Values) map[string]any) {
	t.Helper()
	c := rltest.Golden(t, name)
	for key, got := range outputs(c.In) {
		rltest.Close(t, key, got, rltest.Get[any](t, c.Out, key), c.Tol)
	}
	noticed := false
	for key, got := range outputs(c.In.Perturb(t, input, entry, delta*c.Tol)) {
		noticed = noticed || rltest.Diff(got, rltest.Get[any](t, c.Out, key), c.Tol) != nil
	}
	if !noticed {
		t.Errorf("%s[%d] moved by %g is not noticed", input, entry, delta*c.Tol)
	}
}

func TestGoldenCalibration(t *testing.T) {
	golden(t, "calibration", "p", 3, 400, func(in rltest.Values) map[string]any {
		p, y := numbers(t, in, "p"), numbers(t, in, "y")
		width, err := eval.EqualWidthBins(p, y, 10)
		if err != nil {
			t.Fatal(err)
		}
		mass, err := eval.EqualMassBins(p, y, 5)
		if err != nil {
			t.Fatal(err)
		}
		ece, mce := eval.CalibrationErrors(width)
		massECE, massMCE := eval.CalibrationErrors(mass)
		return map[string]any{"ece_10": ece, "mce_10": mce, "bins_10": binRows(width), "ece_equal_mass_5": massECE,
			"mce_equal_mass_5": massMCE, "bins_equal_mass_5": binRows(mass), "brier": eval.BrierScore(p, y), "nll": eval.LogLoss(p, y)}
	})
}

func TestGoldenTemperature(t *testing.T) {
	golden(t, "temperature_scaling", "gap", 0, 300, func(in rltest.Values) map[string]any {
		gap, y := numbers(t, in, "gap"), numbers(t, in, "y")
		temp, err := eval.FitTemperature(gap, y)
		if err != nil {
			t.Fatal(err)
		}
		nll := func(temp float64) float64 {
			p := make([]float64, len(gap))
			for i, d := range gap {
				p[i] = 1 / (1 + math.Exp(-d/temp))
			}
			return eval.LogLoss(p, y)
		}
		return map[string]any{"temperature": temp, "nll_before": nll(1), "nll_after": nll(temp)}
	})
}

func TestCalibrationByHand(t *testing.T) {
	p, y := eval.Outcomes([]eval.Judged{{Chosen: 1}, {Rejected: 3}, {Chosen: 2, Rejected: 2}})
	rltest.Close(t, "p", p, []float64{0.7310586, 0.9525741, 0.5}, 1e-7)
	rltest.Close(t, "y", y, []float64{1, 0, 0.5}, 0)
	bins, err := eval.EqualWidthBins([]float64{0, 0.5, 1}, []float64{0, 1, 1}, 2)
	if err != nil {
		t.Fatal(err)
	}
	rltest.Close(t, "bins", binRows(bins), [][]float64{{0, 1, 0, 0}, {1, 2, 0.75, 1}}, 0)
	ece, mce := eval.CalibrationErrors(bins)
	rltest.Close(t, "ece, mce", []float64{ece, mce}, []float64{2.0 / 3 * 0.25, 0.25}, 1e-12)

	for _, bad := range []struct {
		p, y []float64
		n    int
	}{{[]float64{1.1}, []float64{1}, 2}, {[]float64{math.NaN()}, []float64{1}, 2}, {[]float64{1}, nil, 2}, {[]float64{1}, []float64{2}, 2}, {nil, nil, 0}} {
		if _, err := eval.EqualWidthBins(bad.p, bad.y, bad.n); err == nil {
			t.Errorf("equal width: %v passes", bad)
		}
		if _, err := eval.EqualMassBins(bad.p, bad.y, bad.n); err == nil {
			t.Errorf("equal mass: %v passes", bad)
		}
	}
	for name, bad := range map[string][2][]float64{
		"empty": {}, "separated": {{1, -1}, {1, 0}}, "wrong way": {{1, -1}, {0, 1}}, "NaN": {{math.NaN()}, {1}}} {
		if temp, err := eval.FitTemperature(bad[0], bad[1]); err == nil {
			t.Errorf("%s: T = %v, want an error", name, temp)
		}
	}
}

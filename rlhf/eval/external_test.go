package eval_test

import (
	"encoding/json"
	"math"
	"os"
	"testing"

	"hhrlhf/rlhf/eval"
	"hhrlhf/rlhf/internal/rltest"
)

// external are the cases of one part of testdata/external.json: random inputs, and what
// packages from PyPI, written by others, say of them (testdata/record_external.py).
func external[T any](t *testing.T, part string) []T {
	t.Helper()
	text, err := os.ReadFile("testdata/external.json")
	if err != nil {
		t.Fatal(err)
	}
	var file map[string]json.RawMessage
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	var cases []T
	if err := json.Unmarshal(file[part], &cases); err != nil || len(cases) < 2 {
		t.Fatalf("external.json: %d cases of %q, error %v", len(cases), part, err)
	}
	return cases
}

// differ fails where two numbers are equal within the tolerance: the mistake that one of
// them makes would not be seen.
func differ(t *testing.T, mistake string, wrong, right any, tol float64) {
	t.Helper()
	if rltest.Diff(wrong, right, tol) == nil {
		t.Errorf("%s is within %g of what is right: the comparison sees nothing", mistake, tol)
	}
}

// ECE in bins of equal width and of equal mass, Brier score and log-loss.
func TestExternalCalibration(t *testing.T) {
	for _, c := range external[struct {
		P, Y               []float64
		Bins               int
		Width, Mass, Brier float64
		LogLoss            float64 `json:"log_loss"`
	}](t, "ece") {
		ece := map[string]float64{}
		for name, cut := range map[string]func(p, y []float64, n int) ([]eval.CalibrationBin, error){"width": eval.EqualWidthBins, "mass": eval.EqualMassBins} {
			bins, err := cut(c.P, c.Y, c.Bins)
			if err != nil {
				t.Fatal(err)
			}
			ece[name], _ = eval.CalibrationErrors(bins)
			unweighted := 0.0 // known mistake: the mean over bins, whatever they hold
			for _, b := range bins {
				unweighted += math.Abs(b.MeanP-b.MeanY) / float64(len(bins))
			}
			if name == "width" {
				differ(t, "ECE that weighs bins alike", unweighted, c.Width, 1e-9)
			}
		}
		rltest.Close(t, "ECE, equal width", ece["width"], c.Width, 1e-12)
		rltest.Close(t, "ECE, equal mass", ece["mass"], c.Mass, 1e-12)
		rltest.Close(t, "Brier", eval.BrierScore(c.P, c.Y), c.Brier, 1e-12)
		rltest.Close(t, "log-loss", eval.LogLoss(c.P, c.Y), c.LogLoss, 1e-12)
		differ(t, "ECE of the other bins", ece["mass"], c.Width, 1e-9)
		c.P[0] = 1 - c.P[0]
		differ(t, "one probability turned over", eval.BrierScore(c.P, c.Y), c.Brier, 1e-9)
	}
}

// The slope k of logit P = k·Δ, the inverse of the temperature.
func TestExternalSlope(t *testing.T) {
	for _, c := range external[struct {
		Gap, Y []float64
		K      float64
	}](t, "slope") {
		temp, err := eval.FitTemperature(c.Gap, c.Y)
		if err != nil {
			t.Fatal(err)
		}
		rltest.Close(t, "k", 1/temp, c.K, 1e-8)
		c.Gap[0]++
		if temp, err = eval.FitTemperature(c.Gap, c.Y); err != nil {
			t.Fatal(err)
		}
		differ(t, "a gap moved by one", 1/temp, c.K, 1e-5)
	}
}

// Strengths and standard errors by maximum likelihood, in both gauges.
func TestExternalElo(t *testing.T) {
	for _, c := range external[struct {
		Wins     [][]float64
		Centred  []float64
		First0   []float64
		SEFirst0 []float64 `json:"se_first0"`
	}](t, "bradley_terry") {
		names := []string{"a", "b", "c", "d", "e", "f", "g"}[:len(c.Wins)]
		centred, centredSE := rate(t, eval.Tournament{Players: names, Wins: c.Wins})
		first, se := rate(t, eval.Tournament{Players: names, Wins: c.Wins, Anchor: "a"})
		nats := 1 / eval.EloPerNat
		rltest.Close(t, "strengths of mean 0", scaled(centred, nats, 0), c.Centred, 1e-6) // choix stops there
		rltest.Close(t, "strengths, the first at 0", scaled(first, nats, 0), c.First0, 1e-8)
		rltest.Close(t, "standard errors", scaled(se, nats, 0), c.SEFirst0, 1e-7)
		differ(t, "standard errors of the other gauge", scaled(centredSE, nats, 0), c.SEFirst0, 1e-3)
		differ(t, "174 instead of 400/ln 10", scaled(first, 1.0/174, 0), c.First0, 1e-5)
		c.Wins[1][0]++
		more, _ := rate(t, eval.Tournament{Players: names, Wins: c.Wins, Anchor: "a"})
		differ(t, "one more game", scaled(more, nats, 0), c.First0, 1e-3)
	}
}

func TestExternalCorrelations(t *testing.T) {
	for _, c := range external[struct {
		A, B                       []float64
		Pearson, Spearman, Kendall float64
	}](t, "correlations") {
		got := correlate(t, c.A, c.B)
		rltest.Close(t, "Pearson, Spearman, Kendall", []float64{got.Pearson, got.Spearman, got.Kendall}, []float64{c.Pearson, c.Spearman, c.Kendall}, 1e-12)
		differ(t, "Spearman for Pearson", got.Spearman, c.Pearson, 1e-3)
		differ(t, "Kendall for Spearman", got.Kendall, c.Spearman, 1e-3)
	}
}

func TestExternalWilson(t *testing.T) {
	for _, c := range external[struct {
		K, N      int
		Low, High float64
	}](t, "wilson") {
		low, high := eval.WilsonInterval(float64(c.K), c.N, eval.Z95)
		rltest.Close(t, "interval", []float64{low, high}, []float64{c.Low, c.High}, 1e-12)
		p := float64(c.K) / float64(c.N)
		half := eval.Z95 * math.Sqrt(p*(1-p)/float64(c.N))
		differ(t, "the normal interval", []float64{p - half, p + half}, []float64{c.Low, c.High}, 1e-5)
	}
}

// The area under the curve, ties included.
func TestExternalAUROC(t *testing.T) {
	tied := 0
	for _, c := range external[struct {
		Score []float64
		Y     []int
		AUROC float64
	}](t, "auroc") {
		var sides [2][]float64
		for i, y := range c.Y {
			sides[y] = append(sides[y], c.Score[i])
		}
		got, err := eval.AUROC(sides[0], sides[1])
		if err != nil {
			t.Fatal(err)
		}
		rltest.Close(t, "AUROC", got, c.AUROC, 1e-12)
		turned, err := eval.AUROC(sides[1], sides[0])
		if err != nil {
			t.Fatal(err)
		}
		differ(t, "the sides exchanged", turned, c.AUROC, 1e-3)
		strict := 0.0 // known mistake: a tie counts nothing
		for _, in := range sides[0] {
			for _, out := range sides[1] {
				if out > in {
					strict += 1 / float64(len(sides[0])*len(sides[1]))
				}
			}
		}
		if rltest.Diff(strict, c.AUROC, 1e-6) != nil {
			tied++
		}
	}
	if tied != 2 {
		t.Errorf("ties matter in %d cases, want 2: the comparison does not see them", tied)
	}
}

func TestExternalPassAtK(t *testing.T) {
	for _, c := range external[struct {
		N, C []int
		K    int
		Want []float64 `json:"pass_at_k"`
	}](t, "pass_at_k") {
		var got, biased []float64
		for i, n := range c.N {
			p, err := eval.PassAtK(n, c.C[i], c.K)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, p)
			biased = append(biased, 1-math.Pow(1-float64(c.C[i])/float64(n), float64(c.K)))
		}
		rltest.Close(t, "pass@k", got, c.Want, 1e-12)
		if c.K > 1 {
			differ(t, "1 − (1 − c/n)ᵏ", biased, c.Want, 1e-3)
		}
	}
}

func TestExternalMahalanobis(t *testing.T) {
	for _, c := range external[struct {
		Train, Test [][]float64
		Sq          []float64
	}](t, "mahalanobis") {
		g, err := eval.FitGaussian(c.Train, 0)
		if err != nil {
			t.Fatal(err)
		}
		rltest.Close(t, "squared distances", g.Mahalanobis(c.Test), c.Sq, 1e-9)
		n := float64(len(c.Train))
		differ(t, "the covariance divided by N − 1", scaled(c.Sq, (n-1)/n, 0), c.Sq, 1e-3)
		ridged, err := eval.FitGaussian(c.Train, 0.01)
		if err != nil {
			t.Fatal(err)
		}
		differ(t, "a ridge", ridged.Mahalanobis(c.Test), c.Sq, 1e-5)
	}
}

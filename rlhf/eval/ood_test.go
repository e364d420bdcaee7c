package eval_test

import (
	"encoding/json"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"

	"hhrlhf/rlhf/eval"
	"hhrlhf/rlhf/internal/rltest"
)

func roots(x []float64) []float64 {
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = math.Sqrt(v)
	}
	return out
}

func gaussian(t *testing.T, x [][]float64, ridge float64) *eval.Gaussian {
	t.Helper()
	g, err := eval.FitGaussian(x, ridge)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestGoldenMahalanobis(t *testing.T) {
	golden(t, "mahalanobis", "train", 3, 3e4, func(in rltest.Values) map[string]any {
		train, test := rltest.Get[[][][]float64](t, in, "train"), rltest.Get[[][]float64](t, in, "test")
		c, err := eval.FitClasses(train, 0)
		if err != nil {
			t.Fatal(err)
		}
		all := gaussian(t, slices.Concat(train...), 0)
		ridge := rltest.Get[float64](t, in, "ridge")
		return map[string]any{"sq_per_class": c.Distances(test), "sq_background": all.Mahalanobis(test), "score": c.Mahalanobis(test),
			"relative": c.Relative(test), "single_ridge": gaussian(t, train[0], ridge).Mahalanobis(test)}
	})
	golden(t, "mahalanobis_single", "train", 3, 3e4, func(in rltest.Values) map[string]any {
		train, test := rltest.Get[[][]float64](t, in, "train"), rltest.Get[[][]float64](t, in, "test")
		// The case divides the covariance by n − 1, the paper and FitGaussian by n.
		n := float64(len(train))
		ours := gaussian(t, train, 0).Mahalanobis(test)
		rltest.NotClose(t, "1/n for 1/(n − 1)", ours, rltest.Get[[]float64](t, rltest.Golden(t, "mahalanobis_single").Out, "sq"), 1e-3)
		sq, tail := scaled(ours, (n-1)/n, 0), make([]float64, len(test))
		for i, v := range sq {
			tail[i] = distuv.ChiSquared{K: float64(len(test[0]))}.Survival(v)
		}
		return map[string]any{"sq": sq, "dist": roots(sq), "chi2_tail": tail}
	})
}

// Another implementation's numbers, on other inputs; testdata says whose.
func TestOODAgainstAnother(t *testing.T) {
	var want struct {
		AUROC []struct {
			In, Out []float64
			AUROC   float64
		}
		Train, Test, Outliers [][]float64
		Mahalanobis, Exposure []float64
		Ridge                 float64
	}
	text, err := os.ReadFile("testdata/ood_sklearn.json")
	if err == nil {
		err = json.Unmarshal(text, &want)
	}
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range want.AUROC {
		got, err := eval.AUROC(c.In, c.Out)
		if err != nil {
			t.Fatal(err)
		}
		rltest.Close(t, "AUROC", got, c.AUROC, 1e-12)
		if i == 1 {
			c.Out[0] += 3
			moved, _ := eval.AUROC(c.In, c.Out)
			rltest.NotClose(t, "AUROC of another score", moved, c.AUROC, 1e-12)
		}
	}
	md := gaussian(t, want.Train, 0).Mahalanobis(want.Test)
	rltest.Close(t, "Mahalanobis", md, want.Mahalanobis, 1e-9)
	rltest.NotClose(t, "Mahalanobis with a ridge", gaussian(t, want.Train, 1e-3).Mahalanobis(want.Test), want.Mahalanobis, 1e-9)
	e, err := eval.FitExposure(want.Train, want.Outliers, want.Ridge)
	if err != nil {
		t.Fatal(err)
	}
	rltest.Close(t, "exposure", e.Scores(want.Test), want.Exposure, 1e-5)
	// Known mistakes: the outliers counted once, and the penalty on the sum of losses.
	copies := float64(len(want.Train) / len(want.Outliers))
	total := float64(len(want.Train)) + copies*float64(len(want.Outliers))
	for what, ridge := range map[string]float64{"penalty on the sum": want.Ridge / total} {
		wrong, err := eval.FitExposure(want.Train, want.Outliers, ridge)
		if err != nil {
			t.Fatal(err)
		}
		rltest.NotClose(t, what, wrong.Scores(want.Test), want.Exposure, 1e-5)
	}
	few := slices.Clone(want.Train[:len(want.Outliers)]) // N//M = 1: each once
	once, err := eval.FitExposure(few, want.Outliers, want.Ridge)
	if err != nil {
		t.Fatal(err)
	}
	rltest.NotClose(t, "outliers counted once", once.Scores(want.Test), want.Exposure, 1e-5)
}

func TestGoldenAUROC(t *testing.T) {
	golden(t, "auroc", "score", 2, 1e12, func(in rltest.Values) map[string]any {
		var inliers, outliers []float64
		y := numbers(t, in, "y")
		for i, v := range numbers(t, in, "score") {
			if y[i] == 1 {
				outliers = append(outliers, v)
			} else {
				inliers = append(inliers, v)
			}
		}
		auc, err := eval.AUROC(inliers, outliers)
		if err != nil {
			t.Fatal(err)
		}
		points, err := eval.ROC(inliers, outliers)
		if err != nil {
			t.Fatal(err)
		}
		var roc [][]float64
		for _, p := range points {
			roc = append(roc, []float64{p.FPR, p.TPR})
		}
		// Known mistakes: ties as losses, and as wins.
		for what, tie := range map[string]float64{"ties lost": 0, "ties won": 1} {
			sum := 0.0
			for _, a := range inliers {
				for _, b := range outliers {
					switch {
					case b > a:
						sum++
					case b == a:
						sum += tie
					}
				}
			}
			rltest.NotClose(t, what, sum/float64(len(inliers)*len(outliers)), auc, 1e-3)
		}
		return map[string]any{"auroc": auc, "roc": roc}
	})
}

// The pairwise sums, in plain Go: AUROC and DeLong's error; with them, over many draws the
// error is the deviation of the AUROCs.
func TestAUROCError(t *testing.T) {
	twin := func(in, out []float64) (auc, se float64) {
		psi := func(a, b float64) float64 {
			switch {
			case b > a:
				return 1
			case b == a:
				return 0.5
			}
			return 0
		}
		v, w := make([]float64, len(in)), make([]float64, len(out))
		for i, a := range in {
			for j, b := range out {
				p := psi(a, b)
				v[i], w[j] = v[i]+p/float64(len(out)), w[j]+p/float64(len(in))
				auc += p / float64(len(in)*len(out))
			}
		}
		for _, c := range [][]float64{v, w} {
			ss := 0.0
			for _, x := range c {
				ss += (x - auc) * (x - auc)
			}
			se += ss / float64(len(c)-1) / float64(len(c))
		}
		return auc, math.Sqrt(se)
	}
	rng := rltest.Rand(7)
	draw := func(n int, shift float64) []float64 {
		x := make([]float64, n)
		for i := range x {
			x[i] = math.Round(4*(rng.NormFloat64()+shift)) / 4
		}
		return x
	}
	const draws = 400
	var aucs, ses []float64
	for range draws {
		in, out := draw(60, 0), draw(40, 0.8)
		auc, se, err := eval.AUROCError(in, out)
		if err != nil {
			t.Fatal(err)
		}
		a, s := twin(in, out)
		rltest.Close(t, "auroc, se", []float64{auc, se}, []float64{a, s}, 1e-12)
		aucs, ses = append(aucs, auc), append(ses, se)
	}
	mean, low, high := eval.MeanInterval(aucs, 1)
	deviation := (high - low) / 2 * math.Sqrt(draws)
	se, _, _ := eval.MeanInterval(ses, 1)
	if math.Abs(se/deviation-1) > 0.12 { // the deviation of 400 draws is known to 3.5 %
		t.Errorf("mean error %.4f, deviation of the AUROCs %.4f about %.3f", se, deviation, mean)
	}
	// The usual mistake: a binomial's error, as if every text were one trial.
	if binomial := math.Sqrt(mean * (1 - mean) / 100); math.Abs(binomial/deviation-1) < 0.12 {
		t.Errorf("a binomial's error %.4f passes too", binomial)
	}
}

// The score by hand in two dimensions; what is far out along the correlation is not what
// is far out across it, which only SRM's difference shows.
func TestSimplifiedRelativeByHand(t *testing.T) {
	x := [][]float64{{1, 1}, {-1, -1}, {2, 1}, {-2, -1}} // S = [[2.5, 1.5], [1.5, 1]], inverse [[4, −6], [−6, 10]]
	g := gaussian(t, x, 0)
	test := [][]float64{{1, 1}, {1, -1}}
	rltest.Close(t, "MD", g.Mahalanobis(test), []float64{2, 26}, 1e-9)
	rltest.Close(t, "SRM", g.SimplifiedRelative(test), []float64{2 - 1.4, 26 - 1.4}, 1e-9)
	rltest.NotClose(t, "the sign turned", g.SimplifiedRelative(test), []float64{1.4 - 2, 1.4 - 26}, 1e-9)
	rltest.NotClose(t, "the diagonal of the inverse for the inverse of the diagonal", g.SimplifiedRelative(test), []float64{2 - 14, 26 - 14}, 1e-9)
	// With a ridge, both terms have it.
	rltest.Close(t, "ridge", gaussian(t, x, 1).SimplifiedRelative([][]float64{{1, 0}})[0], 2/(3.5*2-1.5*1.5)-1/3.5, 1e-9)
	// Known mistake: fitted with what is to be found, the outlier looks near.
	far := [][]float64{{3, -3}}
	clean, seen := g.Mahalanobis(far)[0], gaussian(t, append(slices.Clone(x), far...), 0).Mahalanobis(far)[0]
	if !(seen < clean/10) {
		t.Errorf("fitted with the outlier it is %v away, without %v", seen, clean)
	}
	// Standardising leaves the distance without a ridge as it is, and changes that with one.
	s := eval.Standardise(x)
	rltest.Close(t, "MD, standardised", gaussian(t, s.Apply(x), 0).Mahalanobis(s.Apply(test)), []float64{2, 26}, 1e-9)
	rltest.NotClose(t, "MD with a ridge, standardised", gaussian(t, s.Apply(x), 0.1).Mahalanobis(s.Apply(test)), gaussian(t, x, 0.1).Mahalanobis(test), 1e-3)
}

// M far outliers in more dimensions than that are separable: the penalty keeps the
// classifier finite; more of them detect better, and outliers like the inliers not at all.
func TestExposureDetects(t *testing.T) {
	rng := rltest.Rand(3)
	draw := func(n int, shift float64) [][]float64 {
		x := rltest.Matrix(rng, n, 20)
		for i := range x {
			for j := range 5 {
				x[i][j] += shift
			}
		}
		return x
	}
	auc := func(m int, shift float64) float64 {
		sum := 0.0
		for range 5 {
			e, err := eval.FitExposure(draw(200, 0), draw(m, shift), 0.1)
			if err != nil {
				t.Fatal(err)
			}
			a, err := eval.AUROC(e.Scores(draw(200, 0)), e.Scores(draw(200, 1)))
			if err != nil {
				t.Fatal(err)
			}
			sum += a / 5
		}
		return sum
	}
	few, many, blind := auc(1, 1), auc(30, 1), auc(30, 0)
	if !(many > few+0.05 && many > 0.9) || math.Abs(blind-0.5) > 0.15 {
		t.Errorf("AUROC %.3f with 1 outlier, %.3f with 30, %.3f with 30 that are none", few, many, blind)
	}
}

func TestDeclineAbove(t *testing.T) {
	in := []float64{5, 1, 4, 2, 3, 3, 0, 0, 0, 9}
	for fpr, want := range map[float64]float64{0: 9, 0.1: 5, 0.19: 5, 0.2: 4, 0.3: 3, 0.4: 3, 1: math.Inf(-1)} {
		got, err := eval.DeclineAbove(in, fpr)
		if err != nil || got != want {
			t.Errorf("at %v: above %v, %v; want %v", fpr, got, err, want)
		}
		if share, low, high := eval.ShareAbove(in, got); share > fpr || low > share || high < share-1e-12 {
			t.Errorf("at %v: %v (%v to %v) of the inliers are declined", fpr, share, low, high)
		}
	}
}

func TestOODRefuses(t *testing.T) {
	x := [][]float64{{1, 2}, {2, 1}, {0, 0}}
	for want, call := range map[string]func() error{
		"at least one, with":             func() error { _, err := eval.FitGaussian(nil, 0); return err },
		"has 1 entries, the first has 2": func() error { _, err := eval.FitGaussian([][]float64{{1, 2}, {1}}, 0); return err },
		"has no inverse (ridge = 0)":     func() error { _, err := eval.FitGaussian(x[:2], 0); return err },
		"ridge = -1":                     func() error { _, err := eval.FitGaussian(x, -1); return err },
		"of 0 inliers and 1 outliers":    func() error { _, err := eval.AUROC(nil, []float64{1}); return err },
		"score 1 is NaN":                 func() error { _, err := eval.AUROC([]float64{1}, []float64{math.NaN()}); return err },
		"want two of each":               func() error { _, _, err := eval.AUROCError([]float64{1}, []float64{2, 3}); return err },
		"a share of 0 to 1":              func() error { _, err := eval.DeclineAbove([]float64{1}, 2); return err },
		"no fewer inliers":               func() error { _, err := eval.FitExposure(x, slices.Concat(x, x), 1); return err },
		"ridge = 0":                      func() error { _, err := eval.FitExposure(x, x[:1], 0); return err },
		"vector 3 has 1 entries":         func() error { _, err := eval.FitExposure(x, [][]float64{{1}}, 1); return err },
	} {
		if err := call(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want an error with %q", err, want)
		}
	}
}

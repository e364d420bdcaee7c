package eval_test

import (
	"math"
	"strings"
	"testing"

	"hhrlhf/rlhf/eval"
	"hhrlhf/rlhf/internal/rltest"
)

func correlate(t *testing.T, a, b []float64) eval.Correlation {
	t.Helper()
	c, err := eval.Correlate(a, b)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestGoldenCorrelations(t *testing.T) {
	golden(t, "correlations", "a", 0, 1e4, func(in rltest.Values) map[string]any {
		c := correlate(t, numbers(t, in, "a"), numbers(t, in, "b"))
		return map[string]any{"pearson": c.Pearson, "spearman": c.Spearman, "kendall_tau_b": c.Kendall}
	})
	// The ranks do not see a move within them; exchanged values they see.
	c := rltest.Golden(t, "correlations")
	a, b := numbers(t, c.In, "a"), numbers(t, c.In, "b")
	a[0], a[1] = a[1], a[0]
	got := correlate(t, a, b)
	for key, v := range map[string]float64{"spearman": got.Spearman, "kendall_tau_b": got.Kendall} {
		if rltest.Diff(v, rltest.Get[any](t, c.Out, key), c.Tol) == nil {
			t.Errorf("%s does not notice two values exchanged", key)
		}
	}
}

// Ranks survive any monotone map, and ties share their ranks. Known mistakes: ranks in the
// order of appearance, which make constant stretches correlate with their index, and
// τ-a, which divides by all pairs.
func TestCorrelationOfTies(t *testing.T) {
	a, b := []float64{1, 1, 1, 1, 2, 3}, []float64{0, 1, 2, 3, 4, 5}
	c := correlate(t, a, b)
	// By hand: ranks 2.5, 2.5, 2.5, 2.5, 5, 6 against 1 … 6; C = 9, D = 0, A = 6.
	rltest.Close(t, "Spearman", c.Spearman, 12.5/math.Sqrt(12.5*17.5), 1e-12)
	rltest.Close(t, "Kendall", c.Kendall, 9/math.Sqrt(9*15), 1e-12)
	if c.Spearman > 0.99 || math.Abs(c.Kendall-9.0/15) < 0.1 {
		t.Errorf("%+v is what the mistakes give", c)
	}
	var cubed []float64
	for _, v := range a {
		cubed = append(cubed, v*v*v)
	}
	if m := correlate(t, cubed, b); m.Spearman != c.Spearman || m.Kendall != c.Kendall || m.Pearson == c.Pearson {
		t.Errorf("cubed: %+v, before %+v; want the ranks' unchanged and Pearson's not", m, c)
	}
}

func TestCorrelationErrors(t *testing.T) {
	for name, c := range map[string]struct {
		a, b []float64
		want string
	}{
		"lengths":  {[]float64{1, 2}, []float64{1}, "2 with 1"},
		"one":      {[]float64{1}, []float64{1}, "at least 2"},
		"constant": {[]float64{1, 2}, []float64{3, 3}, "second list are 3"},
		"NaN":      {[]float64{1, math.NaN()}, []float64{3, 4}, "entry 1 is NaN"},
		"infinite": {[]float64{1, 2}, []float64{math.Inf(1), 4}, "entry 0"},
	} {
		if _, err := eval.Correlate(c.a, c.b); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, c.want)
		}
	}
}

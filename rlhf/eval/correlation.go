package eval

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"
)

// A Correlation says how two lists of numbers go together, in [−1, 1] each.
type Correlation struct {
	N       int     `json:"n"`
	Pearson float64 `json:"pearson"` // Σ(a−ā)(b−b̄) / √(Σ(a−ā)²·Σ(b−b̄)²): on one line?
	// Spearman is Pearson's of the ranks, equal values sharing the mean of theirs: in one
	// order?
	Spearman float64 `json:"spearman"`
	// Kendall is τ-b, (C − D)/√((P − A)(P − B)) with C and D the pairs that both lists
	// order alike and unlike, P = n(n−1)/2, A and B the pairs that a and b leave
	// tied (Kendall 1945).
	Kendall float64 `json:"kendall"`
}

// Correlate correlates two lists. A list that does not vary correlates with nothing;
// that, fewer than two values, and values that are not finite are errors.
func Correlate(a, b []float64) (Correlation, error) {
	if len(a) != len(b) || len(a) < 2 {
		return Correlation{}, fmt.Errorf("eval: correlation of %d with %d values, want equally many and at least 2", len(a), len(b))
	}
	for i := range a {
		if math.IsNaN(a[i]-a[i]) || math.IsNaN(b[i]-b[i]) {
			return Correlation{}, fmt.Errorf("eval: correlation: entry %d is %v and %v, want finite numbers", i, a[i], b[i])
		}
	}
	for i, x := range [][]float64{a, b} {
		if slices.Min(x) == slices.Max(x) {
			return Correlation{}, fmt.Errorf("eval: correlation: all %d values of the %s list are %v; what does not vary correlates with nothing", len(x), []string{"first", "second"}[i], x[0])
		}
	}
	c := Correlation{N: len(a), Pearson: stat.Correlation(a, b, nil), Spearman: stat.Correlation(ranks(a), ranks(b), nil)}
	var agree, pairsA, pairsB float64
	for i := range a {
		for j := range i {
			x, y := float64(cmp.Compare(a[i], a[j])), float64(cmp.Compare(b[i], b[j]))
			agree, pairsA, pairsB = agree+x*y, pairsA+x*x, pairsB+y*y
		}
	}
	c.Kendall = agree / math.Sqrt(pairsA*pairsB)
	return c, nil
}

// ranks are the places of values in their order, from 1; equal ones share the mean.
func ranks(x []float64) []float64 {
	order := make([]int, len(x))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int { return cmp.Compare(x[i], x[j]) })
	out := make([]float64, len(x))
	for lo := 0; lo < len(order); {
		hi := lo
		for hi < len(order) && x[order[hi]] == x[order[lo]] {
			hi++
		}
		for _, i := range order[lo:hi] {
			out[i] = float64(lo+hi+1) / 2
		}
		lo = hi
	}
	return out
}

// Correlated is Pearson's correlation of two lists with its 95 % interval, tanh(artanh r ±
// z/√(n−3)) (Fisher 1921), which needs 4 values and takes them for normal.
func Correlated(a, b []float64) (Interval, error) {
	c, err := Correlate(a, b)
	if err == nil && c.N < 4 {
		err = fmt.Errorf("eval: the interval of a correlation of %d values, want at least 4", c.N)
	}
	if err != nil {
		return Interval{}, err
	}
	r := min(1, max(-1, c.Pearson)) // rounding
	z, half := math.Atanh(r), Z95/math.Sqrt(float64(c.N-3))
	return Interval{r, math.Tanh(z - half), math.Tanh(z + half)}, nil
}

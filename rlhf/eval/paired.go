package eval

import (
	"fmt"
	"math"
)

// Paired is the difference of two scorers' accuracies on the same comparisons.
type Paired struct {
	Mean, SE  float64 // of the first less the second
	Low, High float64 // 95 % interval
	P         float64 // two-sided, of no difference
	N         int     // comparisons
}

// Difference compares two scorers on the same comparisons, in the same order. With
// d_i = credit_a − credit_b, each 1, ½ or 0,
//
//	mean = Σ d_i / n,  SE² = G/(G−1) · Σ_conversations (Σ_i∈g (d_i − mean))² / n²
//
// A pair that both get right or both wrong adds nothing to the variance, which is why
// this is sharper than two intervals side by side. Comparisons of one opening
// are one unit (Liang and Zeger 1986; Miller 2024, "Adding error bars to
// evals"): their labels and errors go together.
func Difference(a, b []Judged) (Paired, error) {
	if len(a) != len(b) {
		return Paired{}, fmt.Errorf("eval: difference of %d and %d scored comparisons, want the same ones", len(a), len(b))
	}
	for _, js := range [][]Judged{a, b} {
		if err := check(js); err != nil {
			return Paired{}, err
		}
	}
	d, conversations := make([]float64, len(a)), map[string]int{}
	mean := 0.0
	for i := range a {
		if x, y := a[i].Comparison, b[i].Comparison; x.Chosen != y.Chosen || x.Rejected != y.Rejected {
			return Paired{}, fmt.Errorf("eval: difference: comparison %d is %q for the one scorer and %q for the other, want the same ones in the same order", i, x.Source, y.Source)
		}
		d[i] = a[i].credit() - b[i].credit()
		mean += d[i] / float64(len(a))
		conversations[a[i].opening()]++
	}
	if units := len(conversations) + max(0, conversations[""]-1); units < 2 {
		return Paired{}, fmt.Errorf("eval: difference: the %d comparisons are of one conversation, want at least 2 for a standard error", len(a))
	}
	for i := range d {
		d[i] -= mean
	}
	return paired(mean, math.Sqrt(clustered(a, d))/float64(len(a)), len(a)), nil
}

func paired(mean, se float64, n int) Paired {
	p := Paired{Mean: mean, SE: se, Low: mean - Z95*se, High: mean + Z95*se, P: 1, N: n}
	if mean != 0 {
		p.P = math.Erfc(math.Abs(mean) / se / math.Sqrt2)
	}
	return p
}

// Plus is the sum of two differences on comparisons that share no conversation,
// such as two tranches, each of equal weight whatever its size.
func (p Paired) Plus(q Paired) Paired { return paired(p.Mean+q.Mean, math.Hypot(p.SE, q.SE), p.N+q.N) }

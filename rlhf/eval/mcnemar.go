package eval

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// Flips compares how two models took the same items: Gained counts the items that only the
// second has right, Lost those that only the first has. The items on which they agree say
// nothing of the difference.
type Flips struct {
	N      int `json:"n"`
	Gained int `json:"gained"`
	Lost   int `json:"lost"`
	// Change is the second's share of right items less the first's, with its 95 % interval.
	Change float64 `json:"change"`
	SE     float64 `json:"se"`
	Low    float64 `json:"low"`
	High   float64 `json:"high"`
	P      float64 `json:"p"` // two-sided, of no difference: exact
}

// McNemar compares two models on the same items, in the same order. With b items gained and
// c lost of n (McNemar 1947; the exact test is the sign test on the b + c that differ),
//
//	change = (b − c)/n,   SE² = (b + c − (b − c)²/n) / n²
//	P = min(1, 2·Σ_{k ≤ min(b,c)} C(b+c, k)/2^(b+c))
//
// The items must be independent, and n at least 1. Two intervals side by side take the items
// for different ones, and are too wide wherever the models agree.
func McNemar(first, second []bool) (Flips, error) {
	n := len(first)
	if n == 0 || len(second) != n {
		return Flips{}, fmt.Errorf("eval: McNemar of %d and %d items, want the same ones, at least 1", n, len(second))
	}
	f := Flips{N: n}
	for i := range first {
		switch {
		case second[i] && !first[i]:
			f.Gained++
		case first[i] && !second[i]:
			f.Lost++
		}
	}
	d, differ := float64(f.Gained-f.Lost), float64(f.Gained+f.Lost)
	f.Change = d / float64(n)
	f.SE = math.Sqrt(differ-d*d/float64(n)) / float64(n)
	f.Low, f.High = f.Change-Z95*f.SE, f.Change+Z95*f.SE
	f.P = 1
	if differ > 0 {
		f.P = math.Min(1, 2*distuv.Binomial{N: differ, P: 0.5}.CDF(float64(min(f.Gained, f.Lost))))
	}
	return f, nil
}

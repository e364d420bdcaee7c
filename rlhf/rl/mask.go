package rl

import (
	"github.com/gomlx/gomlx/support/exceptions"

	. "github.com/gomlx/gomlx/core/graph"
)

// Float is the element type of the plain twins.
type Float interface{ ~float32 | ~float64 }

// zeroed returns x where mask is true and 0 elsewhere. mask may lack trailing
// axes of x. It comes first in every graph function: 0·NaN is NaN, so a masked
// value has to go before arithmetic, not be multiplied away after it.
func zeroed(x, mask *Node) *Node {
	if !x.DType().IsFloat() {
		exceptions.Panicf("rl: values have dtype %s, want a float: a score cast to an integer is lost", x.DType())
	}
	return Where(mask, x, ScalarZero(x.Graph(), x.DType()))
}

// counted returns the number of true entries as a scalar of x's dtype, at least 1.
func counted(mask, x *Node) *Node {
	return MaxScalar(ReduceAllSum(ConvertDType(mask, x.DType())), 1)
}

// MaskedMean returns Σ x·mask / denom as a scalar. x and mask have one shape;
// denom is a scalar of x's dtype, or nil for the number of true entries (at
// least 1, so an empty mask gives 0).
func MaskedMean(x, mask, denom *Node) *Node {
	mask.AssertDims(x.Shape().Dimensions...)
	if denom == nil {
		denom = counted(mask, x)
	}
	denom.AssertScalar()
	return Div(ReduceAllSum(zeroed(x, mask)), denom)
}

// MaskedMeanPlain is the twin of [MaskedMean]; denom 0 stands for the count.
func MaskedMeanPlain[F Float](x [][]F, mask [][]bool, denom float64) float64 {
	sum, n := 0.0, 0
	for b, row := range x {
		for t, v := range row {
			if mask[b][t] {
				sum += float64(v)
				n++
			}
		}
	}
	if denom == 0 {
		denom = float64(max(n, 1))
	}
	return sum / denom
}

// SequenceMean returns the mean over rows of the masked mean of each row, a
// scalar: short responses weigh as much as long ones. Rows without a valid token
// do not count. x and mask are [B, R].
func SequenceMean(x, mask *Node) *Node {
	x.AssertRank(2)
	mask.AssertDims(x.Shape().Dimensions...)
	n := ReduceSum(ConvertDType(mask, x.DType()), 1)           // [B]
	row := Div(ReduceSum(zeroed(x, mask), 1), MaxScalar(n, 1)) // [B]
	return Div(ReduceAllSum(row), counted(IsPositive(n), row)) // scalar
}

// SequenceMeanPlain is the twin of [SequenceMean].
func SequenceMeanPlain[F Float](x [][]F, mask [][]bool) float64 {
	sum, rows := 0.0, 0
	for b := range x {
		n := 0
		for _, m := range mask[b] {
			if m {
				n++
			}
		}
		if n == 0 {
			continue
		}
		sum += MaskedMeanPlain(x[b:b+1], mask[b:b+1], 0)
		rows++
	}
	return sum / float64(max(rows, 1))
}

// like returns a matrix of zeros with the row lengths of x.
func like[F, G any](x [][]G) [][]F {
	y := make([][]F, len(x))
	for b := range x {
		y[b] = make([]F, len(x[b]))
	}
	return y
}

// eachValid calls f for every entry whose mask is true, row by row.
func eachValid(mask [][]bool, f func(b, t int)) {
	for b, row := range mask {
		for t, m := range row {
			if m {
				f(b, t)
			}
		}
	}
}

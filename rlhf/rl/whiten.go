package rl

import (
	"math"

	. "github.com/gomlx/gomlx/core/graph"
)

// WhitenEpsilon is added to the variance under the root.
const WhitenEpsilon = 1e-8

// WhitenOptions chooses among the forms in use. The zero value is what PPO's
// advantages get: mean 0, biased variance, as in the code of Ziegler et al. 2019.
type WhitenOptions struct {
	// KeepMean adds the mean back, so that only the scale changes: for rewards,
	// where it is meaningful; never for advantages. (Libraries call this
	// shift_mean, some for true and some for false.)
	KeepMean bool
	// Unbiased divides the squared deviations by n − 1 (TRL) instead of n.
	Unbiased bool
}

// Whiten returns (x − mean) / √(variance + 1e-8) over the true entries of mask
// in the whole batch, and 0 elsewhere. x and mask have one shape.
func Whiten(x, mask *Node, opt WhitenOptions) *Node {
	mask.AssertDims(x.Shape().Dimensions...)
	n := counted(mask, x)
	mean := MaskedMean(x, mask, n)
	dev := zeroed(Sub(zeroed(x, mask), mean), mask)
	if opt.Unbiased {
		n = MaxScalar(SubScalar(n, 1), 1)
	}
	variance := Div(ReduceAllSum(Square(dev)), n)
	y := Div(dev, Sqrt(AddScalar(variance, WhitenEpsilon)))
	if opt.KeepMean {
		y = Add(y, mean)
	}
	return zeroed(y, mask)
}

// WhitenPlain is the twin of [Whiten].
func WhitenPlain[F Float](x [][]F, mask [][]bool, opt WhitenOptions) [][]F {
	mean, variance := MomentsPlain(x, mask, opt.Unbiased)
	y := like[F](x)
	eachValid(mask, func(b, t int) {
		w := (float64(x[b][t]) - mean) / math.Sqrt(variance+WhitenEpsilon)
		if opt.KeepMean {
			w += mean
		}
		y[b][t] = F(w)
	})
	return y
}

// MomentsPlain returns mean and variance over the true entries of mask, both 0
// where there are too few of them.
func MomentsPlain[F Float](x [][]F, mask [][]bool, unbiased bool) (mean, variance float64) {
	mean = MaskedMeanPlain(x, mask, 0)
	sum, n := 0.0, 0
	eachValid(mask, func(b, t int) {
		d := float64(x[b][t]) - mean
		sum += d * d
		n++
	})
	if unbiased {
		n--
	}
	return mean, sum / float64(max(n, 1))
}

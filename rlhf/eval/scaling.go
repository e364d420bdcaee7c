package eval

import (
	"fmt"
	"math"
)

// A ScalingPoint is the accuracy of one preference model.
type ScalingPoint struct {
	Params   float64 // P, without embeddings
	Pairs    float64 // D, that it was trained on
	Accuracy float64
	SE       float64 // of the accuracy; 0 in all points: equal weights
}

// A ScalingFit is a line of accuracy in the logarithms of size and data:
//
//	accuracy = C + A·ln(P/P0) + B·ln(D/D0)
type ScalingFit struct {
	C, A, B          float64
	CSE, ASE, BSE    float64 // standard errors
	R2               float64 // share of the weighted variance that the line explains
	Params0, Pairs0  float64 // P0 and D0
	DegreesOfFreedom int     // points less 3
}

// PaperScaling is the line that the paper gives for its helpful-only models
// from 13M to 52B (Bai et al. 2022, eq. A.1). It does not state the base of the
// logarithm; only the natural one agrees with the levels that its figure 7 shows.
var PaperScaling = ScalingFit{C: 0.72, A: 0.007, B: 0.015, Params0: 1e11, Pairs0: 8e4}

// At is the accuracy that the line has for models of params parameters trained on
// pairs comparisons.
func (f ScalingFit) At(params, pairs float64) float64 {
	return f.C + f.A*math.Log(params/f.Params0) + f.B*math.Log(pairs/f.Pairs0)
}

// FitScaling fits the line by least squares, each point weighted by 1/SE². P0 and D0
// are the points' geometric means, so that C is the accuracy in their middle and
// its error is no extrapolation. The standard errors are
//
//	√diag((XᵀWX)⁻¹), W = diag(1/SE²)
//
// if the points have them, taken as known; without, from the residuals, with n − 3
// degrees of freedom. Points that share held-out comparisons have errors in
// common, which mostly move C: those of A and B are then too wide.
func FitScaling(points []ScalingPoint) (ScalingFit, error) {
	known := false
	for _, p := range points {
		known = known || p.SE != 0
	}
	f := ScalingFit{DegreesOfFreedom: len(points) - 3}
	if len(points) < 3 || !known && len(points) < 4 {
		return f, fmt.Errorf("eval: scaling: %d points, want at least 3 for the line, or 4 where SE is not given", len(points))
	}
	for i, p := range points {
		if !(p.Params > 0 && p.Pairs > 0 && p.Accuracy >= 0 && p.Accuracy <= 1) || math.IsInf(p.Params+p.Pairs, 0) || known && !(p.SE > 0 && p.SE < 1) {
			return f, fmt.Errorf("eval: scaling: point %d is %+v, want positive Params and Pairs, Accuracy in [0, 1], and SE in (0, 1) in every point or in none", i, p)
		}
		f.Params0 += math.Log(p.Params) / float64(len(points))
		f.Pairs0 += math.Log(p.Pairs) / float64(len(points))
	}
	f.Params0, f.Pairs0 = math.Exp(f.Params0), math.Exp(f.Pairs0)

	x, y := make([][]float64, len(points)), make([]float64, len(points))
	var weight []float64
	for i, p := range points {
		x[i] = []float64{1, math.Log(p.Params / f.Params0), math.Log(p.Pairs / f.Pairs0)}
		y[i] = p.Accuracy
		if known {
			weight = append(weight, 1/(p.SE*p.SE))
		}
	}
	line, err := leastSquares(x, y, weight)
	if err != nil {
		return f, fmt.Errorf("eval: scaling: Params and Pairs do not vary independently in these points (%w); vary each while the other stays, as on a grid", err)
	}
	f.C, f.A, f.B, f.R2 = line.w[0], line.w[1], line.w[2], line.r2
	f.CSE, f.ASE, f.BSE = line.se(0), line.se(1), line.se(2)
	return f, nil
}

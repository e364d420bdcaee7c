package eval

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"
)

// A fitted is a linear model that was fitted by least squares.
type fitted struct {
	w   []float64    // coefficients
	cov mat.SymDense // of w
	r2  float64      // share of the weighted variance of y about its mean that is explained
}

func (f fitted) se(i int) float64 { return math.Sqrt(f.cov.At(i, i)) }

// leastSquares minimises Σ_i weight_i·(y_i − x_i·w)² over w. Weights are 1/SE², and the
// covariance of w is then that of known errors,
//
//	(XᵀWX)⁻¹,  W = diag(weight)
//
// or nil for equal ones that are not known: the variance of the residuals, with as many
// degrees of freedom as there are rows more than coefficients, multiplies it.
// The error of columns that do not vary independently says no more than that.
func leastSquares(x [][]float64, y, weight []float64) (fitted, error) {
	n, k := len(x), len(x[0])
	rows, target := mat.NewDense(n, k, nil), mat.NewVecDense(n, nil) // rows scaled by √W
	scale := func(i int) float64 {
		if weight == nil {
			return 1
		}
		return math.Sqrt(weight[i])
	}
	for i := range x {
		for j, v := range x[i] {
			rows.Set(i, j, scale(i)*v)
		}
		target.SetVec(i, scale(i)*y[i])
	}
	var gram mat.SymDense
	gram.SymOuterK(1, rows.T())
	var factor mat.Cholesky
	if ok := factor.Factorize(&gram); !ok || factor.Cond() > 1e12 {
		return fitted{}, fmt.Errorf("the columns do not vary independently")
	}
	var xy, w mat.VecDense
	xy.MulVec(rows.T(), target)
	if err := factor.SolveVecTo(&w, &xy); err != nil {
		return fitted{}, err
	}
	f := fitted{w: w.RawVector().Data}
	var weights, mean, rest, all float64
	for i, v := range y {
		s := scale(i) * scale(i)
		weights, mean = weights+s, mean+s*v
	}
	mean /= weights
	for i, v := range y {
		at := 0.0
		for j, c := range f.w {
			at += c * x[i][j]
		}
		s := scale(i) * scale(i)
		rest, all = rest+s*(v-at)*(v-at), all+s*(v-mean)*(v-mean)
	}
	if all > 0 {
		f.r2 = 1 - rest/all
	}
	if err := factor.InverseTo(&f.cov); err != nil {
		return fitted{}, err
	}
	if weight == nil {
		f.cov.ScaleSym(rest/float64(n-k), &f.cov)
	}
	return f, nil
}

// A Line is y = Intercept + Slope·x.
type Line struct {
	Intercept   float64 `json:"intercept"`
	Slope       float64 `json:"slope"`
	InterceptSE float64 `json:"intercept_se"`
	SlopeSE     float64 `json:"slope_se"`
	R2          float64 `json:"r2"` // share of the variance of y that the line explains
	N           int     `json:"n"`
}

// At is the line's height at x.
func (l Line) At(x float64) float64 { return l.Intercept + l.Slope*x }

// FitLine fits a line to at least three points by least squares. The standard errors are
// from the residuals, n − 2 degrees of freedom, taken as independent: of neighbouring
// steps of one training run, which stray from a line together where it is none, they are too
// small, and the spread of the slopes of several runs says more.
func FitLine(x, y []float64) (Line, error) {
	if len(x) != len(y) || len(x) < 3 {
		return Line{}, fmt.Errorf("eval: line: %d values of x and %d of y, want as many of both, and at least 3", len(x), len(y))
	}
	mean := 0.0
	for i := range x {
		if sum := x[i] + y[i]; math.IsNaN(sum) || math.IsInf(sum, 0) {
			return Line{}, fmt.Errorf("eval: line: point %d is (%v, %v), want finite numbers", i, x[i], y[i])
		}
		mean += x[i] / float64(len(x))
	}
	rows, spread := make([][]float64, len(x)), 0.0
	for _, v := range x {
		spread = math.Max(spread, math.Abs(v-mean))
	}
	if !(spread > 1e-12*math.Abs(mean)) {
		return Line{}, fmt.Errorf("eval: line: all %d points have x = %v, want some that differ", len(x), x[0])
	}
	for i, v := range x { // about the mean and scaled, where the two coefficients are independent
		rows[i] = []float64{1, (v - mean) / spread}
	}
	f, err := leastSquares(rows, y, nil)
	if err != nil {
		return Line{}, fmt.Errorf("eval: line: %w", err)
	}
	slope, se := f.w[1]/spread, f.se(1)/spread
	return Line{
		Intercept: f.w[0] - slope*mean, InterceptSE: math.Hypot(f.se(0), se*mean),
		Slope: slope, SlopeSE: se, R2: f.r2, N: len(x),
	}, nil
}

package eval

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/optimize"
)

// An Exposure is a linear classifier that has been shown a few outliers (Hendrycks et al.
// 2018, arXiv:1812.04606; Bai et al. 2022, section 5.4): its output, the probability of
// being one, scores how strange a text is.
type Exposure struct {
	weights *mat.VecDense
	bias    float64
}

// FitExposure trains it on frozen activations: N inliers against N//M copies of M
// outliers, so that both classes weigh about the same. With the labels y_i, 0 and 1, and
// the logit z_i = w·x_i + b it minimises
//
//	1/N' Σ_i [log(1 + e^z_i) − y_i z_i] + ridge/2 · |w|²,   N' = N + M·(N//M)
//
// which is convex, and has a minimum for ridge > 0 even where the classes are far apart,
// as M of them in D > M dimensions always are. The bias is free. The paper states neither
// the penalty nor the optimiser. [Standardise] first, as the penalty has a unit.
func FitExposure(in, outliers [][]float64, ridge float64) (*Exposure, error) {
	n, m := len(in), len(outliers)
	switch {
	case m == 0 || n < m:
		return nil, fmt.Errorf("eval: outlier exposure with %d inliers and %d outliers, want at least one outlier and no fewer inliers", n, m)
	case !(ridge > 0) || math.IsInf(ridge, 0):
		return nil, fmt.Errorf("eval: outlier exposure with ridge = %v, want a finite number above 0", ridge)
	}
	d := len(in[0])
	x, copies := mat.NewDense(n+m, d, nil), float64(n/m)
	for i, row := range slices.Concat(in, outliers) {
		if len(row) != d {
			return nil, fmt.Errorf("eval: outlier exposure: vector %d has %d entries, the first has %d", i, len(row), d)
		}
		x.SetRow(i, row)
	}
	total := float64(n) + copies*float64(m)
	weight := func(i int) float64 { // of row i: an outlier stands for its copies
		if i < n {
			return 1 / total
		}
		return copies / total
	}
	// θ is w, then b.
	z := mat.NewVecDense(n+m, nil)
	logits := func(theta []float64) (w *mat.VecDense) {
		w = mat.NewVecDense(d, theta[:d])
		z.MulVec(x, w)
		return w
	}
	problem := optimize.Problem{
		Func: func(theta []float64) float64 {
			w := logits(theta)
			loss := ridge / 2 * mat.Dot(w, w)
			for i := range n + m {
				v := z.AtVec(i) + theta[d]
				loss += weight(i) * softplus(v)
				if i >= n {
					loss -= weight(i) * v
				}
			}
			return loss
		},
		Grad: func(gradient, theta []float64) {
			w := logits(theta)
			r, sum := mat.NewVecDense(n+m, nil), 0.0
			for i := range n + m {
				e := sigmoid(z.AtVec(i) + theta[d])
				if i >= n {
					e--
				}
				r.SetVec(i, weight(i)*e)
				sum += weight(i) * e
			}
			g := mat.NewVecDense(d, gradient[:d])
			g.MulVec(x.T(), r)
			g.AddScaledVec(g, ridge, w)
			gradient[d] = sum
		},
	}
	found, err := optimize.Minimize(problem, make([]float64, d+1), &optimize.Settings{GradientThreshold: 1e-7, MajorIterations: 2000}, &optimize.LBFGS{})
	if found == nil || err != nil && !(mat.Norm(mat.NewVecDense(d+1, found.Gradient), math.Inf(1)) < 1e-5) { // a line search ends where rounding does
		return nil, fmt.Errorf("eval: outlier exposure: the classifier's loss has no minimum that can be found: %w", err)
	}
	return &Exposure{mat.NewVecDense(d, found.X[:d]), found.X[d]}, nil
}

// Scores returns the probability of being an outlier of each row of x.
func (e *Exposure) Scores(x [][]float64) []float64 {
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = sigmoid(mat.Dot(e.weights, mat.NewVecDense(len(v), v)) + e.bias)
	}
	return out
}

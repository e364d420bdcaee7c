package eval

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"
)

// A Gaussian describes where activations of in-distribution texts lie (Bai et al. 2022,
// section 5.4): mean μ and covariance S of a training set. How far a vector lies from it
// scores how strange its text is: higher is further out.
type Gaussian struct {
	mean   *mat.VecDense
	chol   mat.Cholesky // of S
	spread []float64    // the diagonal of S
}

// FitGaussian fits the rows of x, [N, D]:
//
//	μ = 1/N Σ x_i,   S = 1/N Σ (x_i − μ)(x_i − μ)ᵀ + ridge·I
//
// divided by N as the paper does, not by N − 1. The paper has no word on a ridge; without
// one S has no inverse unless N > D and no direction stands still. Its unit is the square
// of an entry, so [Standardise] first where it is to mean the same everywhere.
func FitGaussian(x [][]float64, ridge float64) (*Gaussian, error) {
	g, err := fitClasses([][][]float64{x}, ridge)
	if err != nil {
		return nil, err
	}
	return &Gaussian{g.means[0], g.chol, g.spread}, nil
}

// Mahalanobis returns (v − μ)ᵀ S⁻¹ (v − μ) of each row v of x, the squared distance, as
// the paper's equation has it. Rows have as many entries as those that were fitted.
func (g *Gaussian) Mahalanobis(x [][]float64) []float64 {
	out := make([]float64, len(x))
	if len(x) == 0 {
		return out
	}
	d := g.mean.Len()
	off, solved := mat.NewDense(d, len(x), nil), mat.NewDense(d, len(x), nil)
	for i, v := range x {
		for j := range v {
			off.Set(j, i, v[j]-g.mean.AtVec(j))
		}
	}
	_ = g.chol.SolveTo(solved, off) // whose only error is a condition number: the distances are then what rounding leaves of them
	for i := range out {
		for j := range d {
			out[i] += off.At(j, i) * solved.At(j, i)
		}
	}
	return out
}

// SimplifiedRelative returns, for each row v of x, how much further out v is than it
// would be if its entries did not depend on each other (section 5.4, after Ren et al.
// 2021, arXiv:2106.09022, whose background needs data of its own):
//
//	(v − μ)ᵀ S⁻¹ (v − μ) − (v − μ)ᵀ S_diag⁻¹ (v − μ)
//
// where S_diag is S with 0 off its diagonal. What is merely large in some entries cancels.
func (g *Gaussian) SimplifiedRelative(x [][]float64) []float64 {
	out := g.Mahalanobis(x)
	for i, v := range x {
		for j, s := range g.spread {
			out[i] -= square(v[j]-g.mean.AtVec(j)) / s
		}
	}
	return out
}

// Classes is a Gaussian for each of several kinds of in-distribution text, with one
// covariance, that within the classes (Lee et al. 2018, arXiv:1807.03888).
type Classes struct {
	means      []*mat.VecDense
	chol       mat.Cholesky
	spread     []float64
	background *Gaussian // of all classes together
}

// FitClasses fits the rows of each class: S = 1/N Σ_c Σ_{i∈c} (x_i − μ_c)(x_i − μ_c)ᵀ +
// ridge·I with N the rows of all classes. It needs in-distribution texts only: neither
// the means nor the covariance may see what is to be detected.
func FitClasses(classes [][][]float64, ridge float64) (*Classes, error) {
	c, err := fitClasses(classes, ridge)
	if err != nil {
		return nil, err
	}
	if c.background, err = FitGaussian(slices.Concat(classes...), ridge); err != nil {
		return nil, err
	}
	return c, nil
}

func fitClasses(classes [][][]float64, ridge float64) (*Classes, error) {
	rows := slices.Concat(classes...)
	if len(rows) == 0 || len(rows[0]) == 0 {
		return nil, fmt.Errorf("eval: a Gaussian of %d vectors; want at least one, with entries", len(rows))
	}
	if !(ridge >= 0) || math.IsInf(ridge, 0) {
		return nil, fmt.Errorf("eval: a Gaussian with ridge = %v, want a finite number of at least 0", ridge)
	}
	d, c := len(rows[0]), &Classes{}
	centred := mat.NewDense(len(rows), d, nil)
	at := 0
	for k, class := range classes {
		mean := mat.NewVecDense(d, nil)
		for i, v := range class {
			if len(v) != d {
				return nil, fmt.Errorf("eval: a Gaussian: vector %d of class %d has %d entries, the first has %d", i, k, len(v), d)
			}
			mean.AddScaledVec(mean, 1/float64(len(class)), mat.NewVecDense(d, v))
		}
		for _, v := range class {
			for j := range v {
				centred.Set(at, j, v[j]-mean.AtVec(j))
			}
			at++
		}
		c.means = append(c.means, mean)
	}
	var s mat.SymDense
	s.SymOuterK(1/float64(len(rows)), centred.T())
	for j := range d {
		s.SetSym(j, j, s.At(j, j)+ridge)
		c.spread = append(c.spread, s.At(j, j))
	}
	if !c.chol.Factorize(&s) {
		return nil, fmt.Errorf("eval: the covariance of %d vectors of %d entries has no inverse (ridge = %g); take more vectors or a larger ridge", len(rows), d, ridge)
	}
	return c, nil
}

// Distances returns (v − μ_c)ᵀ S⁻¹ (v − μ_c) for each row v of x and each class c.
func (c *Classes) Distances(x [][]float64) [][]float64 {
	out := make([][]float64, len(x))
	for _, mean := range c.means {
		g := Gaussian{mean: mean, chol: c.chol}
		for i, d := range g.Mahalanobis(x) {
			out[i] = append(out[i], d)
		}
	}
	return out
}

// Mahalanobis returns the distance of each row from the class that is nearest.
func (c *Classes) Mahalanobis(x [][]float64) []float64 {
	out := make([]float64, len(x))
	for i, d := range c.Distances(x) {
		out[i] = slices.Min(d)
	}
	return out
}

// Relative returns Mahalanobis less the distance from a Gaussian of all classes together,
// which takes out what every text has (Ren et al. 2021).
func (c *Classes) Relative(x [][]float64) []float64 {
	out := c.Mahalanobis(x)
	for i, d := range c.background.Mahalanobis(x) {
		out[i] -= d
	}
	return out
}

// A Standard is the mean and deviation of each entry of some vectors.
type Standard struct{ mean, deviation []float64 }

// Standardise takes mean and deviation (divided by N) of each entry over the rows of x.
// An entry that does not move keeps its unit.
func Standardise(x [][]float64) Standard {
	if len(x) == 0 {
		return Standard{}
	}
	s, n := Standard{make([]float64, len(x[0])), make([]float64, len(x[0]))}, float64(len(x))
	for j := range s.mean {
		for _, v := range x {
			s.mean[j] += v[j] / n
		}
		for _, v := range x {
			s.deviation[j] += square(v[j]-s.mean[j]) / n
		}
		if s.deviation[j] = math.Sqrt(s.deviation[j]); s.deviation[j] < 1e-6 {
			s.deviation[j] = 1
		}
	}
	return s
}

// Apply returns (v − mean)/deviation of each row of x, entry by entry.
func (s Standard) Apply(x [][]float64) [][]float64 {
	out := make([][]float64, len(x))
	for i, v := range x {
		out[i] = make([]float64, len(v))
		for j := range v {
			out[i][j] = (v[j] - s.mean[j]) / s.deviation[j]
		}
	}
	return out
}

func square(x float64) float64 { return x * x }

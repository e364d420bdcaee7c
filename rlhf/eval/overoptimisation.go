package eval

import (
	"fmt"
	"math"
)

// A Form is how the truth follows the distance d = √KL that a policy was taken from where
// it began, by Gao et al. 2022 (arXiv:2210.10760), section 3.1.
type Form string

const (
	BestOfForm Form = "best-of-n" // R(d) = d·(α − β·d)
	RLForm     Form = "rl"        // R(d) = d·(α − β·ln d)
)

// An Overoptimised is one of the forms, fitted. R is measured from the initial policy:
// R(0) = 0. Both rise at first and fall in the end where β > 0; the top is
//
//	best of n: d* = α/2β,          R* = α²/4β
//	RL:        d* = exp(α/β − 1),  R* = β·d*
type Overoptimised struct {
	Form    Form    `json:"form"`
	Alpha   float64 `json:"alpha"`
	Beta    float64 `json:"beta"`
	AlphaSE float64 `json:"alpha_se"`
	BetaSE  float64 `json:"beta_se"`
	R2      float64 `json:"r2"` // share of the variance of R about its mean that the form explains
	N       int     `json:"n"`
	// Peak is d*, 0 where there is none (β ≤ 0, or a truth that falls from the start); PeakSE is its standard error by
	// linearisation, which is good where it is small beside Peak. Top is R*.
	Peak   float64 `json:"peak"`
	PeakSE float64 `json:"peak_se"`
	Top    float64 `json:"top"`
}

// At is R(d).
func (o Overoptimised) At(d float64) float64 {
	if d <= 0 {
		return 0
	}
	if o.Form == RLForm {
		return d * (o.Alpha - o.Beta*math.Log(d))
	}
	return d * (o.Alpha - o.Beta*d)
}

// FitOveroptimised fits a form to true rewards, of which the initial policy's mean has been taken off, at
// distances d (the root of a divergence, not the divergence). It is linear in (α, β) and
// solved by least squares, equal weights, the standard errors from the residuals; they take these for
// independent, which the steps of one run are only in part. The RL form has an infinite slope
// at 0 and is not meant for the first steps.
func FitOveroptimised(form Form, d, reward []float64) (Overoptimised, error) {
	o := Overoptimised{Form: form, N: len(d)}
	if form != BestOfForm && form != RLForm {
		return o, fmt.Errorf("eval: overoptimisation: form %q, want %q or %q", form, BestOfForm, RLForm)
	}
	if len(d) != len(reward) || len(d) < 3 {
		return o, fmt.Errorf("eval: overoptimisation: %d distances and %d rewards, want as many of both, and at least 3", len(d), len(reward))
	}
	x := make([][]float64, len(d))
	for i, v := range d {
		if !(v >= 0) || math.IsInf(v, 0) || math.IsNaN(reward[i]) || math.IsInf(reward[i], 0) {
			return o, fmt.Errorf("eval: overoptimisation: point %d is (%v, %v), want a distance of at least 0 and a finite reward", i, v, reward[i])
		}
		switch {
		case form == BestOfForm:
			x[i] = []float64{v, -v * v}
		case v > 0:
			x[i] = []float64{v, -v * math.Log(v)}
		default:
			x[i] = []float64{0, 0}
		}
	}
	f, err := leastSquares(x, reward, nil)
	if err != nil {
		return o, fmt.Errorf("eval: overoptimisation: the distances do not tell α from β (%w); want at least two that are clearly apart and not 0", err)
	}
	o.Alpha, o.Beta, o.AlphaSE, o.BetaSE, o.R2 = f.w[0], f.w[1], f.se(0), f.se(1), f.r2
	if o.Beta > 0 && (o.Alpha > 0 || form == RLForm) {
		a, b := o.Alpha, o.Beta
		var byA, byB float64 // ∂d*/∂α, ∂d*/∂β
		if form == BestOfForm {
			o.Peak, o.Top = a/(2*b), a*a/(4*b)
			byA, byB = 1/(2*b), -a/(2*b*b)
		} else {
			o.Peak = math.Exp(a/b - 1)
			o.Top = b * o.Peak
			byA, byB = o.Peak/b, -o.Peak*a/(b*b)
		}
		o.PeakSE = math.Sqrt(byA*byA*f.cov.At(0, 0) + 2*byA*byB*f.cov.At(0, 1) + byB*byB*f.cov.At(1, 1))
	}
	return o, nil
}

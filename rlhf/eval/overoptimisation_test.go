package eval_test

import (
	"math"
	"strings"
	"testing"

	"hhrlhf/rlhf/eval"
	"hhrlhf/rlhf/internal/rltest"
)

// course is a form with α = 1.2 and β = 0.3, and noise, at n distances from 0.05 to 6.
func course(form eval.Form, n int, noise float64, seed uint64) (d, r []float64) {
	rng := rltest.Rand(seed)
	planted := eval.Overoptimised{Form: form, Alpha: 1.2, Beta: 0.3}
	for i := range n {
		d = append(d, 0.05+5.95*float64(i)/float64(n-1))
		r = append(r, planted.At(d[i])+noise*rng.NormFloat64())
	}
	return d, r
}

func overoptimised(t *testing.T, form eval.Form, d, r []float64) eval.Overoptimised {
	t.Helper()
	o, err := eval.FitOveroptimised(form, d, r)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// Data of a form have its coefficients, and the top is where the derivative is zero: searched here.
func TestOveroptimisedIsExactOnItsOwnForm(t *testing.T) {
	for _, form := range []eval.Form{eval.BestOfForm, eval.RLForm} {
		d, r := course(form, 40, 0, 0)
		o := overoptimised(t, form, d, r)
		rltest.Close(t, string(form), []float64{o.Alpha, o.Beta, o.R2, o.AlphaSE}, []float64{1.2, 0.3, 1, 0}, 1e-9)
		top, at := 0.0, 0.0
		for x := 0.001; x < 60; x += 0.001 {
			if v := o.At(x); v > top {
				top, at = v, x
			}
		}
		rltest.Close(t, string(form)+": the top", []float64{o.Peak, o.Top}, []float64{at, top}, 1e-3)
		r[7] += 0.01
		moved := overoptimised(t, form, d, r)
		rltest.NotClose(t, "a point moved", moved.Beta, o.Beta, 1e-6)

		// Known mistakes: the divergence in place of its root; the decimal logarithm; a constant that R(0) = 0 forbids.
		squares := make([]float64, len(d))
		for i, v := range d {
			squares[i] = v * v
		}
		if wrong := overoptimised(t, form, squares, r); wrong.R2 > 0.95 || math.Abs(wrong.Beta-0.3) < 0.1 {
			t.Errorf("%s on KL instead of √KL: β %v, R² %v", form, wrong.Beta, wrong.R2)
		}
		for i := range r {
			r[i] += 2
		}
		if wrong := overoptimised(t, form, d, r); math.Abs(wrong.Alpha-1.2) < 0.3 {
			t.Errorf("%s with the initial reward left in: α %v", form, wrong.Alpha)
		}
	}
	d, r := course(eval.RLForm, 40, 0, 0)
	decimal := make([]float64, len(d))
	for i, v := range d {
		decimal[i] = v * (1.2 - 0.3*math.Log10(v))
	}
	if wrong := overoptimised(t, eval.RLForm, d, decimal); math.Abs(wrong.Beta-0.3) < 0.1 {
		t.Errorf("a decimal logarithm has β = %v as the natural one", wrong.Beta)
	}
	// The forms are told apart by their fit, on one's own data.
	if bon := overoptimised(t, eval.BestOfForm, d, r); bon.R2 > 1-1e-3 {
		t.Errorf("the form of best-of-n explains %v of RL's", bon.R2)
	}
}

func TestOveroptimisedErrorsCoverTheTruth(t *testing.T) {
	const seeds = 300
	for _, form := range []eval.Form{eval.BestOfForm, eval.RLForm} {
		exact := eval.Overoptimised{}
		var inside [3]int
		for seed := range seeds + 1 {
			noise := 0.1
			if seed == 0 {
				noise = 0
			}
			d, r := course(form, 40, noise, uint64(seed))
			o := overoptimised(t, form, d, r)
			if seed == 0 {
				exact = o
				continue
			}
			for k, v := range [3][3]float64{{o.Alpha, 1.2, o.AlphaSE}, {o.Beta, 0.3, o.BetaSE}, {o.Peak, exact.Peak, o.PeakSE}} {
				if math.Abs(v[0]-v[1]) < 2*v[2] {
					inside[k]++
				}
			}
		}
		for k, name := range []string{"α", "β", "the peak"} {
			if share := float64(inside[k]) / seeds; share < 0.90 || share > 0.99 {
				t.Errorf("%s: %s lies within 2 s.e. in %.3f of the fits", form, name, share)
			}
		}
	}
}

// A truth that keeps rising, or falls from the start, has no top.
func TestOveroptimisedWithoutATop(t *testing.T) {
	d := []float64{0, 0.5, 1, 2, 3}
	rising, falling := []float64{0, 0.6, 1.4, 3.5, 6}, []float64{0, -0.6, -1.4, -3.5, -6}
	for _, form := range []eval.Form{eval.BestOfForm, eval.RLForm} {
		if o := overoptimised(t, form, d, rising); o.Beta >= 0 || o.Peak != 0 || o.Top != 0 {
			t.Errorf("%s: rising: %+v", form, o)
		}
	}
	if o := overoptimised(t, eval.BestOfForm, d, falling); o.Peak != 0 {
		t.Errorf("falling: %+v", o)
	}
}

func TestOveroptimisedRefuses(t *testing.T) {
	for want, call := range map[string]func() (eval.Overoptimised, error){
		"form": func() (eval.Overoptimised, error) {
			return eval.FitOveroptimised("power", []float64{1, 2, 3}, []float64{1, 2, 3})
		},
		"at least 3": func() (eval.Overoptimised, error) {
			return eval.FitOveroptimised(eval.RLForm, []float64{1, 2}, []float64{1, 2})
		},
		"point 1": func() (eval.Overoptimised, error) {
			return eval.FitOveroptimised(eval.RLForm, []float64{1, -2, 3}, []float64{1, 2, 3})
		},
		"clearly apart": func() (eval.Overoptimised, error) {
			return eval.FitOveroptimised(eval.BestOfForm, []float64{2, 2, 2}, []float64{1, 2, 3})
		},
	} {
		if o, err := call(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %+v, %v", want, o, err)
		}
	}
}

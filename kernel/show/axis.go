package show

import (
	"math"
	"strconv"
)

// An axis is the range of one axis of a panel. It grows in round steps as data
// arrive and never shrinks, so that a picture that is redrawn does not twitch.
type axis struct {
	lo, hi float64
	step   float64 // between ticks
	log    bool    // logarithmic; lo and hi are positive
	fixed  bool
	set    bool
	name   func(v float64) string // labels of a logarithmic axis, if not the number itself
	marks  []tick                 // labelled places, if not round ones
}

// span returns an axis that starts as [lo, hi] and may grow.
func span(lo, hi float64) axis {
	a := axis{lo: lo, hi: hi, set: true}
	a.step = roundStep((hi - lo) / 5)
	return a
}

// fixed returns an axis that stays at [lo, hi] whatever the data are.
func fixed(lo, hi float64) axis {
	a := span(lo, hi)
	a.fixed = true
	return a
}

// counting returns the fixed axis [0, n] of steps, whose ticks are whole numbers.
func counting(n int) axis {
	a := fixed(0, float64(n))
	if a.step < 10 && a.step != math.Trunc(a.step) {
		a.step = math.Ceil(a.step/5) * 5
	}
	if n <= 5 {
		a.step = 1
	}
	return a
}

// logarithmic returns the axis [lo, hi] on a logarithmic scale.
func logarithmic(lo, hi float64) axis {
	return axis{lo: max(lo, 1e-12), hi: max(hi, lo*10), log: true, fixed: true, set: true}
}

// roundStep returns the smallest of 1, 2, 2.5 and 5 times a power of ten that
// is no less than s.
func roundStep(s float64) float64 {
	if !(s > 0) || math.IsInf(s, 0) {
		return 1
	}
	p := math.Pow(10, math.Floor(math.Log10(s)))
	for _, m := range []float64{1, 2, 2.5, 5, 10} {
		if m*p >= s*(1-1e-9) {
			return m * p
		}
	}
	return 10 * p
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// include grows the axis until it holds every finite value.
func (a *axis) include(values ...float64) {
	lo, hi := math.Inf(1), math.Inf(-1)
	for _, v := range values {
		if finite(v) {
			lo, hi = min(lo, v), max(hi, v)
		}
	}
	if lo > hi || a.fixed || (a.set && lo >= a.lo && hi <= a.hi) {
		return
	}
	if a.set {
		// Room to spare on the side that grows, lest the next value move it again.
		if room := 0.1 * (max(hi, a.hi) - min(lo, a.lo)); finite(room) {
			if lo < a.lo {
				lo -= room
			}
			if hi > a.hi {
				hi += room
			}
		}
		lo, hi = min(lo, a.lo), max(hi, a.hi)
	}
	if hi-lo <= 1e-12*max(math.Abs(lo), math.Abs(hi)) || hi == lo {
		pad := max(math.Abs(hi)/2, 0.05)
		lo, hi = lo-pad, hi+pad
	}
	a.step = roundStep((hi - lo) / 5)
	a.lo = math.Floor(lo/a.step+1e-9) * a.step
	a.hi = math.Ceil(hi/a.step-1e-9) * a.step
	a.set = true
}

// norm maps a value to [0, 1] within the axis.
func (a *axis) norm(v float64) float64 {
	if a.log {
		return math.Log(max(v, a.lo)/a.lo) / math.Log(a.hi/a.lo)
	}
	return (v - a.lo) / (a.hi - a.lo)
}

type tick struct {
	at    float64
	label string
}

// ticks returns the labelled places of the axis, in order.
func (a *axis) ticks() []tick {
	if a.marks != nil {
		return a.marks
	}
	var ts []tick
	if a.log {
		name := a.name
		if name == nil {
			name = func(v float64) string { return label(v, v) }
		}
		mults := []float64{1, 2, 5}
		if a.hi/a.lo > 2000 {
			mults = []float64{1}
		}
		for p := math.Pow(10, math.Floor(math.Log10(a.lo))); p <= a.hi; p *= 10 {
			for _, m := range mults {
				if v := m * p; v >= a.lo*(1-1e-9) && v <= a.hi*(1+1e-9) {
					ts = append(ts, tick{v, name(v)})
				}
			}
		}
		return ts
	}
	for i := math.Ceil(a.lo/a.step - 1e-9); i*a.step <= a.hi+1e-9*a.step; i++ {
		ts = append(ts, tick{i * a.step, label(i*a.step, a.step)})
		if len(ts) > 20 {
			break // a step lost to rounding: values near the largest float64
		}
	}
	return ts
}

// label writes v with the decimals that distinguish multiples of step.
func label(v, step float64) string {
	if step >= 1e5 || step < 1e-5 || math.Abs(v) >= 1e7 {
		return strconv.FormatFloat(v, 'g', 3, 64)
	}
	s, unit := step, ""
	if math.Abs(v) >= 10000 {
		v, s, unit = v/1000, s/1000, "k"
	}
	digits := 0
	for digits < 6 && math.Abs(s-math.Round(s*math.Pow10(digits))/math.Pow10(digits)) > 1e-6*s {
		digits++
	}
	if math.Abs(v) < step/1e6 {
		v = 0 // rounding, or a negative zero
	}
	t := strconv.FormatFloat(v, 'f', digits, 64)
	if t[0] == '-' {
		t = "−" + t[1:]
	}
	return t + unit
}

package rlhf

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
)

// beyond returns how many standard errors of n values a difference must have to
// count: four, as a history has some thirty comparisons and at two nearly every healthy
// run would be called ill; and more where n is small, as the standard error itself is
// then uncertain (Student's t at the probability of four, to within a tenth from n = 10 on).
func beyond(n int) float64 { return 4 * (1 + 6/float64(max(n, 1))) }

// A history is the points of a run, as series by metric.
type history struct {
	series map[string]series
}

// A series is a metric at the steps that recorded it, in order. Values are finite.
type series struct {
	name  string
	steps []int
	x     []float64
}

func newHistory(points []Point) *history {
	points = slices.Clone(points)
	slices.SortStableFunc(points, func(a, b Point) int { return cmp.Compare(a.Step, b.Step) })
	h := &history{series: map[string]series{}}
	for _, p := range points {
		for name, v := range p.Values {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				continue
			}
			s := h.series[name]
			s.name, s.steps, s.x = name, append(s.steps, p.Step), append(s.x, v)
			h.series[name] = s
		}
	}
	return h
}

func (h *history) get(name string) series { return h.series[name] }

// minus returns s − o at the steps that have both.
func (s series) minus(o series) series {
	d := series{name: s.name + " − " + o.name}
	for i, step := range s.steps {
		if j, ok := slices.BinarySearch(o.steps, step); ok {
			d.steps, d.x = append(d.steps, step), append(d.x, s.x[i]-o.x[j])
		}
	}
	return d
}

// noise estimates the standard deviation of a value about the course of the series,
// from the median difference of neighbours, which neither a trend nor a few outliers
// move: of normal values with deviation σ it is 0.954·σ.
func (s series) noise() float64 {
	if len(s.x) < 2 {
		return 0
	}
	diffs := make([]float64, len(s.x)-1)
	for i := range diffs {
		diffs[i] = math.Abs(s.x[i+1] - s.x[i])
	}
	slices.Sort(diffs)
	return diffs[len(diffs)/2] / 0.954
}

// A window is a stretch of a series: its mean, the standard error of that, and the steps.
type window struct {
	mean, se float64
	n        int // values
	from, to int // steps
}

// window returns the values i to j. The spread of few values may be small by luck, so
// the standard error takes the noise of the whole series where that is larger; a trend
// within the stretch counts as noise. Both err on the side of caution.
func (s series) window(i, j int) window { return s.windowIn(s.noise(), i, j) }

func (s series) windowIn(noise float64, i, j int) window {
	w := window{n: j - i, from: s.steps[i], to: s.steps[j-1]}
	n := float64(j - i)
	for _, v := range s.x[i:j] {
		w.mean += v / n
	}
	squares := 0.0
	for _, v := range s.x[i:j] {
		squares += (v - w.mean) * (v - w.mean)
	}
	w.se = math.Max(math.Sqrt(squares/math.Max(n-1, 1)), noise) / math.Sqrt(n)
	return w
}

func (w window) String() string {
	return fmt.Sprintf("%s (%s)", plusMinus(w.mean, w.se), between(w.from, w.to))
}

// least is how many values a course must have to be judged, and flatLeast how many
// before it is held against it that nothing rises.
const (
	least     = 12
	flatLeast = 20
)

func (s series) enough() bool { return len(s.x) >= least }

// blocks cuts a series of at least [least] values into three to ten windows of equal
// size, from the first value to the last; what is left over is in the middle.
func (s series) blocks() []window {
	n := min(max(3, len(s.x)/8), 10)
	size := len(s.x) / n
	ws, noise := make([]window, n), s.noise()
	for b := range ws {
		i := b * size
		if 2*b >= n {
			i = len(s.x) - (n-b)*size
		}
		ws[b] = s.windowIn(noise, i, i+size)
	}
	return ws
}

// ends returns the first and the last block.
func (s series) ends() (first, last window) {
	b := s.blocks()
	return b[0], b[len(b)-1]
}

// over returns the window of the series over the steps of w.
func (s series) over(w window) window {
	i, _ := slices.BinarySearch(s.steps, w.from)
	j, _ := slices.BinarySearch(s.steps, w.to+1)
	if i >= j {
		return window{mean: math.NaN(), se: math.Inf(1), from: w.from, to: w.to}
	}
	return s.window(i, j)
}

// tail returns the window over the last half.
func (s series) tail() window { return s.window(len(s.x)/2, len(s.x)) }

// from returns the series from its i-th value on.
func (s series) from(i int) series {
	return series{name: s.name, steps: s.steps[i:], x: s.x[i:]}
}

// highest returns the block with the largest mean.
func highest(blocks []window) window {
	return slices.MaxFunc(blocks, func(a, b window) int { return cmp.Compare(a.mean, b.mean) })
}

// above reports whether a − b exceeds margin beyond chance.
func above(a, b window, margin float64) bool {
	d := a.mean - b.mean
	return d > margin && d > beyond(a.n+b.n)*math.Hypot(a.se, b.se)
}

// exceeds reports whether the mean is beyond chance above v, and below whether it is
// beyond chance under it.
func (w window) exceeds(v float64) bool { return w.mean > v && w.mean-v >= beyond(w.n)*w.se }
func (w window) below(v float64) bool   { return w.mean < v && v-w.mean >= beyond(w.n)*w.se }

// correlation returns Pearson's r of two series at the steps that have both, 0 if
// either does not vary.
func correlation(a, b series) float64 {
	var x, y []float64
	for i, step := range a.steps {
		if j, ok := slices.BinarySearch(b.steps, step); ok {
			x, y = append(x, a.x[i]), append(y, b.x[j])
		}
	}
	var mx, my, xx, yy, xy float64
	n := float64(len(x))
	for i := range x {
		mx, my = mx+x[i]/n, my+y[i]/n
	}
	for i := range x {
		xx, yy, xy = xx+(x[i]-mx)*(x[i]-mx), yy+(y[i]-my)*(y[i]-my), xy+(x[i]-mx)*(y[i]-my)
	}
	if xx == 0 || yy == 0 {
		return 0
	}
	return xy / math.Sqrt(xx*yy)
}

// change says from what to what a quantity went.
func change(what string, first, last window) string {
	return fmt.Sprintf("%s %s → %s", what, first, last)
}

func between(from, to int) string {
	if from == to {
		return fmt.Sprintf("step %d", from)
	}
	return fmt.Sprintf("steps %d–%d", from, to)
}

// plusMinus writes a mean to the second digit of its standard error.
func plusMinus(mean, se float64) string {
	if !(se > 0) || math.IsInf(se, 0) || se < 1e-4 || math.Abs(mean) >= 1e4 {
		return short(mean) + " ± " + short(se)
	}
	digits := max(0, 1-int(math.Floor(math.Log10(se))))
	return strings.ReplaceAll(fmt.Sprintf("%.*f ± %.*f", digits, mean, digits, se), "-", "−")
}

// short writes a number with three digits that count.
func short(v float64) string {
	a := math.Abs(v)
	var s string
	switch {
	case a == 0:
		return "0"
	case a >= 1000 || a < 0.001:
		s = fmt.Sprintf("%.1e", v)
	default:
		s = fmt.Sprintf("%.*f", max(0, 2-int(math.Floor(math.Log10(a)))), v)
		if strings.Contains(s, ".") {
			s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
		}
	}
	return strings.Replace(s, "-", "−", 1) // the sign; an exponent keeps its own
}

package show

import (
	"fmt"
	"image/color"
	"math"
	"strings"

	"hhrlhf/rlhf"
)

// A course is how an accuracy depends on a setting.
type course struct {
	name  string
	x     []float64
	y     []rlhf.Accuracy
	color color.NRGBA
	bare  bool // one of several alike: without its name and intervals
}

// coursesPanel draws courses with their intervals beside the coin flip and names
// each where it ends.
func coursesPanel(title, setting string, x axis, courses []course) *panel {
	p := &panel{title: title, xLabel: setting, yLabel: "share of pairs ranked right", x: x, empty: "no measurements"}
	around := []float64{0.47, 0.7} // all at once, or the axis would leave room to grow
	for _, c := range courses {
		for _, a := range c.y {
			around = append(around, a.Value, a.Low, a.High)
		}
	}
	p.y.include(around...)
	p.level(0.5, dim, true)
	p.key = []key{{label: "coin flip", color: dim, dashed: true}}
	var names []end
	for i, c := range courses {
		var s series
		var colors []color.NRGBA
		var radius []float64
		// Courses on the same settings stand a little beside each other, or their
		// intervals hide one another.
		last := end{x: math.NaN(), label: clean(c.name), color: c.color}
		beside := 0.008 * (float64(i) - float64(len(courses)-1)/2)
		for j := range min(len(c.x), len(c.y)) {
			v := p.x.shifted(c.x[j], beside)
			s.x, s.y = append(s.x, v), append(s.y, c.y[j].Value)
			colors, radius = append(colors, c.color), append(radius, 4)
			if !c.bare {
				p.whisker(v, c.y[j].Low, c.y[j].High, c.color)
			}
			if finite(v) && finite(c.y[j].Value) {
				last.x, last.y = v, c.y[j].Value
			}
		}
		if !c.bare {
			names = append(names, last)
		}
		p.line(s, c.color, 2.4, false)
		p.dots(s, colors, radius)
	}
	p.ends(names)
	p.y.hi = min(p.y.hi, 1)
	p.y.lo = max(p.y.lo, 0)
	return p
}

// shifted moves v by the share f of the axis.
func (a *axis) shifted(v, f float64) float64 {
	if a.log {
		return v * math.Pow(a.hi/a.lo, f)
	}
	return v + f*(a.hi-a.lo)
}

// settings returns an axis over the values, labelled at each where there are few.
func settings(values []float64, log bool) axis {
	lo, hi := extremes(values)
	var a axis
	switch {
	case !finite(lo):
		return span(0, 1)
	case log && lo > 0:
		room := math.Pow(hi/lo, 0.04)
		if hi == lo {
			room = 2
		}
		a = logarithmic(lo/room, hi*room)
		a.name = func(v float64) string { return strings.Replace(count(int64(math.Round(v))), ".0", "", 1) }
		if lo < 1 {
			a.name = nil
		}
	default:
		room := 0.04 * (hi - lo)
		if hi == lo {
			room = max(math.Abs(hi)/2, 0.5)
		}
		a = fixed(lo-room, hi+room)
	}
	seen := map[float64]bool{}
	var marks []tick
	for _, v := range values {
		if finite(v) && (!a.log || v > 0) && !seen[v] {
			seen[v] = true
			name := number(v)
			if a.log && a.name != nil {
				name = a.name(v)
			}
			marks = append(marks, tick{v, strings.Replace(name, "-", "−", 1)})
		}
	}
	if len(marks) <= 6 {
		a.marks = marks
	}
	return a
}

// coursesText says the numbers of courses.
func coursesText(setting string, courses []course) string {
	rows := [][]string{{"", oneLine(setting), "ranked right", "95 % interval", "pairs"}}
	for _, c := range courses {
		for j := range min(len(c.x), len(c.y)) {
			a, at := c.y[j], number(c.x[j])
			if a.Name != "" {
				at = oneLine(a.Name)
			}
			rows = append(rows, []string{oneLine(c.name), at, fmt.Sprintf("%.3f", a.Value), fmt.Sprintf("%.3f to %.3f", a.Low, a.High), fmt.Sprint(a.N)})
		}
	}
	return columns(rows)
}

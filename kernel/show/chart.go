package show

import (
	"fmt"
	"image/color"
	"math"
	"strings"

	"hhrlhf/rlhf"
)

// Values is a named sample of a quantity.
type Values struct {
	Name string
	X    []float64
}

// A Series is a named curve.
type Series struct {
	Name string
	X, Y []float64
}

// An Option changes how a curve is drawn.
type Option int

// LogX draws the abscissa on a logarithmic scale, as scaling laws want it.
const LogX Option = 1

// Dots draws the points of curves and no lines between them.
const Dots Option = 3

// Loss draws the history of a run of any kind as [History] does, with options.
func Loss(points []rlhf.Point, options ...Option) {
	d := newDashboard(kindOf(points), "loss")
	d.logX = has(options, LogX)
	of := 0
	if n := len(points); n > 0 {
		of = points[n-1].Step
	}
	show(d.card(record{points: points, of: of}).output(""))
}

// Lines draws curves in one figure. Labels carry the unit: "KL, nats per
// response". Points that are not finite leave a gap.
func Lines(title, xLabel, yLabel string, curves []Series, options ...Option) {
	p := &panel{title: title, xLabel: xLabel, yLabel: yLabel, empty: "no data"}
	rows := [][]string{{"curve", "points", "first", "last", "lowest", "highest"}}
	lo, hi := math.Inf(1), math.Inf(-1)
	for i, c := range curves {
		n := min(len(c.X), len(c.Y))
		if n == 0 {
			continue
		}
		for _, x := range c.X[:n] {
			if finite(x) && (x > 0 || !has(options, LogX)) {
				lo, hi = min(lo, x), max(hi, x)
			}
		}
		col, dots := palette[i%len(palette)], has(options, Dots)
		if dots {
			p.cloud(series{c.X[:n], c.Y[:n]}, col)
		} else {
			p.line(series{c.X[:n], c.Y[:n]}, col, 2.8, i >= len(palette))
		}
		p.key = append(p.key, key{label: clean(c.Name), color: col, dashed: i >= len(palette), dot: dots})
		low, high := extremes(c.Y[:n])
		rows = append(rows, []string{oneLine(c.Name), fmt.Sprint(n), number(c.Y[0]), number(c.Y[n-1]), number(low), number(high)})
	}
	switch {
	case lo > hi:
		p.x = span(0, 1)
	case has(options, LogX):
		p.x = logarithmic(lo, hi)
	default:
		p.x.include(lo, hi)
		if lo >= 0 { // there may be nothing below, as with a root
			p.x.lo = max(p.x.lo, 0)
		}
	}
	if !p.y.set {
		p.y = span(0, 1)
	}
	c := &card{width: cardWidth, height: cardHeight, columns: 1, panels: []*panel{p}}
	c.text = fmt.Sprintf("%s (%s against %s)\n", clean(title), clean(yLabel), clean(xLabel)) + columns(rows)
	show(c.output(""))
}

// extremes returns the least and the greatest finite value, NaN if none.
func extremes(values []float64) (lo, hi float64) {
	lo, hi = math.NaN(), math.NaN()
	for _, v := range values {
		if !finite(v) {
			continue
		}
		if !(lo <= v) {
			lo = v
		}
		if !(hi >= v) {
			hi = v
		}
	}
	return lo, hi
}

// decimals writes v with two decimals, and nothing as 0.
func decimals(v float64) string {
	return strings.Replace(strings.TrimPrefix(fmt.Sprintf("%+.2f", math.Round(v*100)/100+0), "+"), "-", "−", 1)
}

// Histogram draws how samples of a quantity are distributed, on common bins, as
// shares of each sample, with the means as vertical lines.
func Histogram(title, label string, groups ...Values) {
	p, rows := histogram(title, label, groups, []color.NRGBA{dim, blue, vermilion, green})
	c := grid(p)
	c.text = strings.TrimSpace(clean(title)+" ("+clean(label)+")") + "\n" + columns(rows)
	show(c.output(""))
}

// histogram returns the panel of samples on common bins, in the colours given, and
// the rows of a table that says the numbers. A mean in grey is dashed.
func histogram(title, label string, groups []Values, colors []color.NRGBA) (*panel, [][]string) {
	p := &panel{title: title, xLabel: label, yLabel: "share of samples", empty: "no data", y: span(0, 0.1)}
	return p, p.bars(24, groups, colors)
}

// bars adds a histogram of each sample, on common bins, and returns the rows of a table
// that says the numbers.
func (p *panel) bars(bins int, groups []Values, colors []color.NRGBA) [][]string {
	lo, hi := math.Inf(1), math.Inf(-1)
	for _, g := range groups {
		l, h := extremes(g.X)
		if finite(l) {
			lo, hi = min(lo, l), max(hi, h)
		}
	}
	if lo > hi {
		lo, hi = 0, 1
	}
	p.x.include(lo, hi)
	width := (p.x.hi - p.x.lo) / float64(bins)
	rows := [][]string{{"sample", "n", "mean", "s.d.", "lowest", "highest"}}
	for i, g := range groups {
		col := colors[i%len(colors)]
		counts := make([]float64, bins)
		n, sum, sq := 0.0, 0.0, 0.0
		for _, v := range g.X {
			if !finite(v) {
				continue
			}
			counts[max(0, min(int((v-p.x.lo)/width), bins-1))]++
			n, sum, sq = n+1, sum+v, sq+v*v
		}
		low, high := extremes(g.X)
		mean := sum / n
		sd := math.Sqrt(max(sq/n-mean*mean, 0))
		rows = append(rows, []string{oneLine(g.Name), fmt.Sprint(int(n)), number(mean), number(sd), number(low), number(high)})
		if n == 0 {
			continue
		}
		outline := series{}
		for j, c := range counts {
			x := p.x.lo + float64(j)*width
			p.y.include(c / n)
			if c > 0 {
				p.rect(x, 0, x+width, c/n, faint(col, 0.35))
			}
			outline.x = append(outline.x, x, x+width)
			outline.y = append(outline.y, c/n, c/n)
		}
		p.line(outline, col, 1.6, false)
		p.plumb(mean, col, 2.8, col == dim)
		p.key = append(p.key, key{label: fmt.Sprintf("%s: mean %s", clean(g.Name), decimals(mean)), color: col, dashed: col == dim})
	}
	return rows
}

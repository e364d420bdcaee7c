package show

import (
	"image/color"
	"slices"

	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// whisker adds the interval [lo, hi] at x, with caps.
func (p *panel) whisker(x, lo, hi float64, c color.NRGBA) {
	if !finite(x) || !finite(lo) || !finite(hi) {
		return
	}
	p.y.include(lo, hi)
	p.layers = append(p.layers, func(dc *draw.Canvas, at func(x, y float64) vg.Point) {
		const cap = 3.5
		a, b := at(x, lo), at(x, hi)
		s := stroke(c, 1.8, false)
		dc.StrokeLines(s, dc.ClipLinesXY([]vg.Point{a, b})...)
		for _, pt := range []vg.Point{a, b} {
			dc.StrokeLines(s, dc.ClipLinesXY([]vg.Point{{X: pt.X - cap, Y: pt.Y}, {X: pt.X + cap, Y: pt.Y}})...)
		}
	})
}

// An end is the label of a line, written to the right of its last point.
type end struct {
	x, y  float64
	label string
	color color.NRGBA
}

// longestEnd is the longest name of a line, in characters.
const longestEnd = 28

// ends adds labels that name lines where they end. They make room for each other
// up and down, and the panel makes room for the longest.
func (p *panel) ends(labels []end) {
	labels = slices.DeleteFunc(slices.Clone(labels), func(e end) bool { return !finite(e.x) || !finite(e.y) })
	for i := range labels {
		labels[i].label = shorten(labels[i].label, longestEnd)
	}
	for _, e := range labels {
		p.rightMargin = max(p.rightMargin, lettering(tickSize, true, ink).Width(e.label)+16)
	}
	p.layers = append(p.layers, func(dc *draw.Canvas, at func(x, y float64) vg.Point) {
		const gap = tickSize * 1.2
		pts := make([]vg.Point, len(labels))
		order := make([]int, len(labels)) // from the lowest up
		for i, e := range labels {
			pts[i], order[i] = at(e.x, e.y), i
		}
		slices.SortStableFunc(order, func(a, b int) int {
			switch {
			case pts[a].Y < pts[b].Y:
				return -1
			case pts[a].Y > pts[b].Y:
				return 1
			}
			return 0
		})
		for range 50 { // neighbours that are too close part, each by half
			for k := 1; k < len(order); k++ {
				lower, upper := &pts[order[k-1]], &pts[order[k]]
				if short := gap - (upper.Y - lower.Y); short > 0 {
					lower.Y, upper.Y = lower.Y-short/2, upper.Y+short/2
				}
			}
		}
		for k, top := len(order)-1, dc.Max.Y; k >= 0; k-- { // none is written over the title
			pt := &pts[order[k]]
			pt.Y = min(pt.Y, top)
			top = pt.Y - gap
		}
		for i, e := range labels {
			// All in one column: a line that ends early is not written over another.
			middle(dc, aligned(lettering(tickSize, true, e.color), text.XLeft, text.YCenter), vg.Point{X: dc.Max.X + 7, Y: pts[i].Y}, e.label)
		}
	})
}

// legend writes lines of text into the lower right corner of the data.
func (p *panel) legend(lines ...string) {
	p.layers = append(p.layers, func(dc *draw.Canvas, at func(x, y float64) vg.Point) {
		style := aligned(lettering(tickSize, true, ink), text.XRight, text.YCenter)
		for i, l := range lines {
			middle(dc, style, vg.Point{X: dc.Max.X - 8, Y: dc.Min.Y + 12 + vg.Length(len(lines)-1-i)*tickSize*1.35}, l)
		}
	})
}

package show

import (
	"image/color"

	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// A series is a sequence of points in order of x. Values may be missing (NaN).
type series struct{ x, y []float64 }

// runs splits a series where a value is not finite; a line has a gap there.
func (s series) runs() []series {
	var out []series
	start := 0
	for i := 0; i <= len(s.x); i++ {
		if i < len(s.x) && finite(s.x[i]) && finite(s.y[i]) {
			continue
		}
		if i > start {
			out = append(out, series{s.x[start:i], s.y[start:i]})
		}
		start = i + 1
	}
	return out
}

// line adds a line; a point alone, which has no line, becomes a dot.
func (p *panel) line(s series, c color.NRGBA, width float64, dashed bool) {
	p.y.include(s.y...)
	p.lineOn(&p.y, s, c, width, dashed)
}

// lineRight adds a line that is read on the right ordinate.
func (p *panel) lineRight(s series, c color.NRGBA, width float64, dashed bool) {
	p.right.include(s.y...)
	p.lineOn(p.right, s, c, width, dashed)
}

func (p *panel) lineOn(ordinate *axis, s series, c color.NRGBA, width float64, dashed bool) {
	runs := s.runs()
	p.hasData = p.hasData || len(runs) > 0
	p.layers = append(p.layers, func(dc *draw.Canvas, at func(x, y float64) vg.Point) {
		for _, r := range runs {
			pts := make([]vg.Point, len(r.x))
			for i := range r.x {
				pts[i] = vg.Point{X: at(r.x[i], 0).X, Y: dc.Y(ordinate.norm(r.y[i]))}
			}
			if len(pts) == 1 {
				dc.DrawGlyph(draw.GlyphStyle{Color: c, Radius: vg.Length(width) * 1.2, Shape: draw.CircleGlyph{}}, pts[0])
				continue
			}
			dc.StrokeLines(stroke(c, width, dashed), dc.ClipLinesXY(pts)...)
		}
	})
}

// level adds a horizontal reference line.
func (p *panel) level(y float64, c color.NRGBA, dashed bool) {
	if !finite(y) {
		return
	}
	p.y.include(y)
	p.layers = append(p.layers, func(dc *draw.Canvas, at func(x, y float64) vg.Point) {
		v := at(p.x.lo, y).Y
		dc.StrokeLines(stroke(c, 1.6, dashed), dc.ClipLinesXY([]vg.Point{{X: dc.Min.X, Y: v}, {X: dc.Max.X, Y: v}})...)
	})
}

// stripe fills the panel between two levels.
func (p *panel) stripe(lo, hi float64, c color.NRGBA) {
	if !finite(lo) || !finite(hi) {
		return
	}
	p.y.include(lo, hi)
	p.layers = append(p.layers, func(dc *draw.Canvas, at func(x, y float64) vg.Point) {
		a, b := at(p.x.lo, lo).Y, at(p.x.lo, hi).Y
		dc.FillPolygon(c, dc.ClipPolygonXY([]vg.Point{{X: dc.Min.X, Y: a}, {X: dc.Max.X, Y: a}, {X: dc.Max.X, Y: b}, {X: dc.Min.X, Y: b}}))
	})
}

// plumb adds a vertical reference line.
func (p *panel) plumb(x float64, c color.NRGBA, width float64, dashed bool) {
	if !finite(x) {
		return
	}
	p.x.include(x)
	p.layers = append(p.layers, func(dc *draw.Canvas, at func(x, y float64) vg.Point) {
		v := at(x, p.y.lo).X
		dc.StrokeLines(stroke(c, width, dashed), []vg.Point{{X: v, Y: dc.Min.Y}, {X: v, Y: dc.Max.Y}})
	})
}

// segment adds a straight piece of a line.
func (p *panel) segment(x0, y0, x1, y1 float64, c color.NRGBA, width float64, dashed bool) {
	p.layers = append(p.layers, func(dc *draw.Canvas, at func(x, y float64) vg.Point) {
		dc.StrokeLines(stroke(c, width, dashed), dc.ClipLinesXY([]vg.Point{at(x0, y0), at(x1, y1)})...)
	})
}

// band fills the area between two series on the same x.
func (p *panel) band(x, lo, hi []float64, c color.NRGBA) {
	p.y.include(lo...)
	p.y.include(hi...)
	p.layers = append(p.layers, func(dc *draw.Canvas, at func(x, y float64) vg.Point) {
		both := make([]float64, len(x)) // finite where both edges are
		for i := range x {
			both[i] = lo[i] + hi[i]
		}
		start := 0
		for _, r := range (series{x, both}).runs() {
			for x[start] != r.x[0] {
				start++
			}
			n := len(r.x)
			pts := make([]vg.Point, 0, 2*n)
			for i := start; i < start+n; i++ {
				pts = append(pts, at(x[i], lo[i]))
			}
			for i := start + n - 1; i >= start; i-- {
				pts = append(pts, at(x[i], hi[i]))
			}
			if n > 1 {
				dc.FillPolygon(c, dc.ClipPolygonXY(pts))
			}
			start += n
		}
	})
}

// dots adds points of the given colours and radii (points of type).
func (p *panel) dots(s series, colors []color.NRGBA, radius []float64) {
	for i := range s.x {
		if finite(s.x[i]) && finite(s.y[i]) {
			p.x.include(s.x[i])
			p.y.include(s.y[i])
			p.hasData = true
		}
	}
	p.layers = append(p.layers, func(dc *draw.Canvas, at func(x, y float64) vg.Point) {
		for i := range s.x {
			if finite(s.x[i]) && finite(s.y[i]) {
				dc.DrawGlyph(draw.GlyphStyle{Color: colors[i], Radius: vg.Length(radius[i]), Shape: draw.CircleGlyph{}}, at(s.x[i], s.y[i]))
			}
		}
	})
}

// cloud adds points of one colour.
func (p *panel) cloud(s series, c color.NRGBA) {
	colors, radius := make([]color.NRGBA, len(s.x)), make([]float64, len(s.x))
	for i := range s.x {
		colors[i], radius[i] = faint(c, 0.8), 4
	}
	p.dots(s, colors, radius)
}

// rect fills a rectangle given in data.
func (p *panel) rect(x0, y0, x1, y1 float64, fill color.NRGBA) {
	p.hasData = true
	p.layers = append(p.layers, func(dc *draw.Canvas, at func(x, y float64) vg.Point) {
		a, b := at(x0, y0), at(x1, y1)
		dc.FillPolygon(fill, dc.ClipPolygonXY([]vg.Point{a, {X: b.X, Y: a.Y}, b, {X: a.X, Y: b.Y}}))
	})
}

// note writes text at a place of the data, shifted by dx to the right and dy upwards, in points.
func (p *panel) note(x, y float64, dx, dy vg.Length, s string, c color.NRGBA) {
	p.noteIn(x, y, dx, dy, s, legible(c))
}

// noteOn is note on a ground that is not white.
func (p *panel) noteOn(x, y float64, dx, dy vg.Length, s string, ground color.NRGBA) {
	p.noteIn(x, y, dx, dy, s, on(ground))
}

func (p *panel) noteIn(x, y float64, dx, dy vg.Length, s string, c color.NRGBA) {
	p.layers = append(p.layers, func(dc *draw.Canvas, at func(x, y float64) vg.Point) {
		pt := at(x, y)
		pt.X, pt.Y = pt.X+dx, pt.Y+dy
		style := aligned(lettering(tickSize, true, ink), text.XLeft, text.YCenter)
		style.Color = c
		middle(dc, style, pt, s)
	})
}

// smooth returns the local mean of y over a window of the given number of points
// around each: in the middle their mean, near the ends the value of the line
// fitted to those there are, for a mean of one side would lag behind a curve
// that rises or falls. Values that are not finite are left out.
func smooth(y []float64, window int) []float64 {
	out := make([]float64, len(y))
	half := window / 2
	for i := range y {
		lo, hi := max(0, i-half), min(len(y), i+half+1)
		at := series{y: y[lo:hi]}
		n, sum := 0.0, 0.0
		for j, v := range at.y {
			at.x = append(at.x, float64(lo+j-i))
			if finite(v) {
				n, sum = n+1, sum+v
			}
		}
		out[i] = sum / n // NaN if there is none
		if a, _, ok := fitLine(at); ok && hi-lo < 2*half+1 {
			out[i] = a
		}
	}
	return out
}

// fitLine returns the least-squares line y = a + b·x through the finite points;
// ok is false where fewer than three points or no spread in x leave it open.
func fitLine(s series) (a, b float64, ok bool) {
	var n, mx, my float64
	for i := range s.x {
		if finite(s.x[i]) && finite(s.y[i]) {
			n, mx, my = n+1, mx+s.x[i], my+s.y[i]
		}
	}
	if n < 3 {
		return 0, 0, false
	}
	mx, my = mx/n, my/n
	var sxx, sxy float64
	for i := range s.x {
		if finite(s.x[i]) && finite(s.y[i]) {
			sxx += (s.x[i] - mx) * (s.x[i] - mx)
			sxy += (s.x[i] - mx) * (s.y[i] - my)
		}
	}
	if !(sxx > 1e-12*(1+mx*mx)) {
		return 0, 0, false
	}
	b = sxy / sxx
	return my - b*mx, b, finite(b)
}

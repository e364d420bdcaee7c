package show

import (
	"image/color"
	"math"

	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// A panel is one pair of axes. Its margins are fixed rather than fitted to the
// tick labels, so that the data area stays put while the numbers grow.
type panel struct {
	title      string
	xLabel     string // with unit
	yLabel     string
	x, y       axis
	right      *axis // second ordinate, if any
	rightLabel string
	rightColor color.NRGBA
	categories []string // on the ordinate instead of ticks; category i lies at y = i
	ramp       *ramp    // colours by step, explained in the key
	free       bool     // the abscissa is not the step: it grows too
	key        []key
	layers     []layer
	empty      string // written into a panel without data
	hasData    bool
	square     bool // grid lines on both axes weigh the same
	leftMargin vg.Length

	rightMargin vg.Length // room for labels at the ends of lines
}

// A layer draws data; at maps data to the canvas.
type layer func(c *draw.Canvas, at func(x, y float64) vg.Point)

// A key explains one mark of a panel.
type key struct {
	label  string
	color  color.NRGBA
	dashed bool
	dot    bool
	box    bool
}

const (
	leftMargin   = 62
	rightMargin  = 18
	bottomMargin = 45
	topMargin    = 46 // title and key
)

func (p *panel) draw(c draw.Canvas) {
	left, right := vg.Length(leftMargin), vg.Length(rightMargin)
	if p.leftMargin > 0 {
		left = p.leftMargin
	}
	if p.right != nil {
		right = leftMargin - 6
	}
	right = max(right, p.rightMargin)
	data := draw.Crop(c, left, -right, bottomMargin, -topMargin)
	title := aligned(lettering(titleSize, true, ink), text.XLeft, text.YTop)
	write(&c, title, vg.Point{X: data.Min.X, Y: c.Max.Y - 4}, fitted(title, p.title, c.Max.X-data.Min.X))
	p.drawKey(c, data)
	p.drawAxes(c, data)
	at := func(x, y float64) vg.Point {
		return vg.Point{X: data.X(p.x.norm(x)), Y: data.Y(p.y.norm(y))}
	}
	for _, l := range p.layers {
		l(&data, at)
	}
	if p.blank() {
		write(&c, aligned(lettering(labelSize, false, dim), text.XCenter, text.YCenter), data.Center(), p.empty)
	}
}

// blank says that the panel has nothing to draw yet; then it has no numbers on
// its axes either, since they would be invented.
func (p *panel) blank() bool { return !p.hasData && p.empty != "" }

func aligned(s text.Style, x text.XAlignment, y text.YAlignment) text.Style {
	s.XAlign, s.YAlign = x, y
	return s
}

// middle writes text whose capitals are centred on pt, as the eye centres it: the
// box that the font reports reaches further down than up.
func middle(c *draw.Canvas, s text.Style, pt vg.Point, txt string) {
	pt.Y += s.Font.Size * 0.11
	write(c, s, pt, txt)
}

func stroke(c color.Color, width float64, dashed bool) draw.LineStyle {
	s := draw.LineStyle{Color: c, Width: vg.Length(width)}
	if dashed {
		s.Dashes = []vg.Length{5, 4}
	}
	return s
}

// drawKey writes the key on its own line between title and data.
func (p *panel) drawKey(c, data draw.Canvas) {
	style := aligned(lettering(keySize, false, ink), text.XLeft, text.YCenter)
	x, y := data.Min.X, c.Max.Y-33
	for _, k := range p.key {
		const mark = 17
		switch {
		case k.dot:
			c.DrawGlyph(draw.GlyphStyle{Color: k.color, Radius: 4, Shape: draw.CircleGlyph{}}, vg.Point{X: x + mark/2, Y: y})
		case k.box:
			c.FillPolygon(k.color, []vg.Point{{X: x, Y: y - 4.5}, {X: x + mark, Y: y - 4.5}, {X: x + mark, Y: y + 4.5}, {X: x, Y: y + 4.5}})
		default:
			c.StrokeLine2(stroke(k.color, 2.6, k.dashed), x, y, x+mark, y)
		}
		name := fitted(style, k.label, c.Max.X-x-mark-5)
		middle(&c, style, vg.Point{X: x + mark + 5, Y: y}, name)
		x += mark + 5 + style.Width(name) + 11
	}
	if p.ramp != nil {
		p.ramp.draw(c, x, y, style)
	}
}

// drawAxes draws grid, frame, ticks and labels.
func (p *panel) drawAxes(c, data draw.Canvas) {
	grid := stroke(rules, 0.8, false)
	small := lettering(tickSize, false, ink)
	frame := stroke(dim, 1.2, false)
	defer c.StrokeLines(frame, []vg.Point{{X: data.Min.X, Y: data.Max.Y}, data.Min, {X: data.Max.X, Y: data.Min.Y}})
	p.drawLabels(c, data)
	if p.blank() {
		return
	}
	for _, t := range p.x.ticks() {
		x := data.X(p.x.norm(t.at))
		c.StrokeLine2(grid, x, data.Min.Y, x, data.Max.Y)
		write(&c, aligned(small, text.XCenter, text.YTop), vg.Point{X: x, Y: data.Min.Y - 5}, t.label)
	}
	if p.categories == nil {
		for _, t := range p.y.ticks() {
			y := data.Y(p.y.norm(t.at))
			c.StrokeLine2(grid, data.Min.X, y, data.Max.X, y)
			middle(&c, aligned(small, text.XRight, text.YCenter), vg.Point{X: data.Min.X - 5, Y: y}, t.label)
		}
	}
	for i, name := range p.categories {
		middle(&c, aligned(small, text.XRight, text.YCenter), vg.Point{X: data.Min.X - 6, Y: data.Y(p.y.norm(float64(i)))}, name)
	}
	if p.right != nil {
		s := small
		s.Color = legible(p.rightColor)
		for _, t := range p.right.ticks() {
			middle(&c, aligned(s, text.XLeft, text.YCenter), vg.Point{X: data.Max.X + 5, Y: data.Y(p.right.norm(t.at))}, t.label)
		}
	}
}

// drawLabels names the axes.
func (p *panel) drawLabels(c, data draw.Canvas) {
	l := lettering(labelSize, false, ink)
	write(&c, aligned(l, text.XCenter, text.YBottom), vg.Point{X: data.Center().X, Y: c.Min.Y + 5}, p.xLabel)
	l.Rotation = math.Pi / 2
	write(&c, aligned(l, text.XCenter, text.YTop), vg.Point{X: c.Min.X + 3, Y: data.Center().Y}, p.yLabel)
	if p.right != nil {
		l.Color = legible(p.rightColor)
		write(&c, aligned(l, text.XCenter, text.YBottom), vg.Point{X: c.Max.X - 3, Y: data.Center().Y}, p.rightLabel)
	}
}

// A ramp colours points by their step, dark violet (early) to green (late):
// viridis without its yellow end, which is lost on white.
type ramp struct{ lo, hi float64 }

var viridis = []color.NRGBA{{68, 1, 84, 255}, {64, 67, 135, 255}, {41, 120, 142, 255}, {34, 167, 132, 255}, {122, 209, 81, 255}}

func (r *ramp) color(v float64) color.NRGBA {
	t := 0.0
	if r.hi > r.lo {
		t = min(max((v-r.lo)/(r.hi-r.lo), 0), 1) * float64(len(viridis)-1)
	}
	i := min(int(t), len(viridis)-2)
	f := t - float64(i)
	mix := func(a, b uint8) uint8 { return uint8(float64(a)*(1-f) + float64(b)*f + 0.5) }
	a, b := viridis[i], viridis[i+1]
	return color.NRGBA{mix(a.R, b.R), mix(a.G, b.G), mix(a.B, b.B), 255}
}

// draw writes the ramp into a key: step 0 [gradient] 150.
func (r *ramp) draw(c draw.Canvas, x, y vg.Length, style text.Style) {
	const width, parts = 48, 24
	from := "step " + label(r.lo, 1)
	middle(&c, style, vg.Point{X: x, Y: y}, from)
	x += style.Width(from) + 5
	for i := range parts {
		// To the end of the ramp each time, or the seams between the parts show.
		a, b := x+vg.Length(i)*width/parts, x+width
		c.FillPolygon(r.color(r.lo+(r.hi-r.lo)*(float64(i)+0.5)/parts), []vg.Point{{X: a, Y: y - 4}, {X: b, Y: y - 4}, {X: b, Y: y + 4}, {X: a, Y: y + 4}})
	}
	middle(&c, style, vg.Point{X: x + width + 5, Y: y}, label(r.hi, 1))
}

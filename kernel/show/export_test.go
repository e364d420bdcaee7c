package show

import "testing"

// A Shown is one output that a test caught on its way to the notebook.
type Shown struct {
	ID            string
	PNG           []byte
	Width, Height int
	HTML, Text    string
	Markdown      string
}

// Catch makes the package believe that it runs in a notebook for the length of
// a test and hands every output to f.
func Catch(t testing.TB, f func(Shown)) {
	oldNotebook, oldSend := notebook, send
	t.Cleanup(func() { notebook, send = oldNotebook, oldSend })
	notebook = func() bool { return true }
	send = func(o output) { f(Shown{o.id, o.png, o.width, o.height, o.html, o.text, o.markdown}) }
}

// Undrawn makes pictures empty for the length of a test that needs only to know when they
// come and what they say: drawing one takes a tenth of a second.
func Undrawn(t testing.TB) {
	old := drawCard
	t.Cleanup(func() { drawCard = old })
	drawCard = func(*card) ([]byte, error) { return []byte("PNG"), nil }
}

// CatchExit replaces the end of the program by a call of f.
func CatchExit(t testing.TB, f func(code int)) {
	old := exit
	t.Cleanup(func() { exit = old })
	exit = f
}

// Axis exposes an axis to the tests.
type Axis struct{ a axis }

func (a *Axis) Include(v ...float64)    { a.a.include(v...) }
func (a *Axis) Range() (lo, hi float64) { return a.a.lo, a.a.hi }
func (a *Axis) Labels() (labels []string) {
	for _, t := range a.a.ticks() {
		labels = append(labels, t.label)
	}
	return labels
}

var (
	Clean     = clean
	Escape    = escape
	Number    = number
	Smooth    = smooth
	RoundStep = roundStep
	NewAxis   = func(lo, hi float64) *Axis { return &Axis{span(lo, hi)} }
	FitLine   = func(x, y []float64) (a, b float64, ok bool) { return fitLine(series{x, y}) }
	Wilson    = wilson
	Tinted    = tinted
)

// Palette are the colours of series, in order.
var Palette = palette

// A Frame is what a test sees of a picture before it is drawn.
type Frame struct {
	Width, Height int
	Panels        []PanelFrame
}

// A PanelFrame is a panel's title and the ranges of its axes; Right is zero without one.
type PanelFrame struct {
	Title       string
	X, Y, Right [2]float64
	Blank       bool
}

// Frames hands the pictures of a test to f, undrawn.
func Frames(t testing.TB, f func(Frame)) {
	Undrawn(t)
	undrawn := drawCard
	drawCard = func(c *card) ([]byte, error) {
		frame := Frame{Width: c.width, Height: c.height}
		for _, p := range c.panels {
			pf := PanelFrame{Title: p.title, X: [2]float64{p.x.lo, p.x.hi}, Y: [2]float64{p.y.lo, p.y.hi}, Blank: p.blank()}
			if p.right != nil {
				pf.Right = [2]float64{p.right.lo, p.right.hi}
			}
			frame.Panels = append(frame.Panels, pf)
		}
		f(frame)
		return undrawn(c)
	}
}

// Sizes are those of the letters in pictures, in points.
var Sizes = map[string]float64{"title": titleSize, "label": labelSize, "tick": tickSize, "key": keySize, "caption": captionSize}

// CardWidth is the width of a picture as displayed, in CSS pixels.
const CardWidth = cardWidth

var (
	Contrast = contrast
	Legible  = legible
	On       = on
	Ramp     = (&ramp{0, 1}).color
	Badges   = []string{badge(green), badge(vermilion), badge(orange), badge(sky)}
)

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

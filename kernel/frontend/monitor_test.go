package frontend_test

import (
	"testing"
)

// A frame is a moment at which the output of a cell changed.
type frame struct {
	At       float64 `json:"at"`       // milliseconds since the monitor began
	Pictures int     `json:"pictures"` // img elements in the output
	Outputs  int     `json:"outputs"`  // outputs of the cell
	Height   float64 `json:"height"`   // of the output, CSS pixels
	Next     float64 `json:"next"`     // top of the next cell, from the top of this one
	Scroll   float64 `json:"scroll"`   // of the notebook
	Drawn    bool    `json:"drawn"`    // another picture than before
}

// monitor notes every frame of a cell's output until the page is left or stop.
// It looks before each repaint, as the eye does.
func (n *notebook) monitor(i int) {
	n.t.Helper()
	eval[any](n.tab, `(() => {
		const here = %s, next = %s, scroller = here.closest(".jp-WindowedPanel-outer");
		const frames = window.rlhfFrames = []; const begin = performance.now(); let last = "", source = "";
		const model = %s.content.widgets[%d].model;
		const look = () => {
			const area = here.querySelector(".jp-OutputArea"), img = area && area.querySelector("img");
			const f = {pictures: area ? area.querySelectorAll("img").length : 0, outputs: model.outputs.length, height: area ? area.offsetHeight : 0,
				next: Math.round(next.getBoundingClientRect().top - here.getBoundingClientRect().top), scroll: Math.round(scroller.scrollTop)};
			const now = JSON.stringify(f), drawn = !!img && img.src !== source;
			if (now !== last || drawn) { frames.push({...f, at: performance.now() - begin, drawn}); last = now; source = img ? img.src : ""; }
			if (window.rlhfFrames === frames) { requestAnimationFrame(look) }
		};
		requestAnimationFrame(look);
	})()`, cell(i), cell(i+1), panel, i)
}

// frames are what the monitor has seen.
func (n *notebook) frames() []frame {
	n.t.Helper()
	return eval[[]frame](n.tab, `window.rlhfFrames`)
}

// redraws counts the pictures that have come.
func redraws(frames []frame) int {
	drawn := 0
	for _, f := range frames {
		if f.Drawn {
			drawn++
		}
	}
	return drawn
}

// steady checks that an output of so many parts, one of them a picture, redraws in place:
// nothing comes or goes or moves after what the first picture brought, and there is no
// flood of pictures.
func steady(t *testing.T, frames []frame, parts int) {
	t.Helper()
	var first *frame
	drawn, begin, end := 0, 0.0, 0.0
	for i := range frames {
		f := &frames[i]
		if f.Drawn {
			if drawn == 0 {
				begin = f.At
			}
			drawn, end = drawn+1, f.At
		}
		switch {
		case drawn < 2: // the picture comes first, what stands below it a moment later
			first = f
		case f.Pictures != 1 || f.Outputs != parts:
			t.Errorf("after %.0f ms: %d pictures in %d outputs, want 1 in %d", f.At, f.Pictures, f.Outputs, parts)
		case f.Next != first.Next || f.Height != first.Height || f.Scroll != first.Scroll:
			t.Errorf("after %.0f ms the page moves: height %.0f, next cell at %.0f, scroll %.0f; it was %.0f, %.0f, %.0f",
				f.At, f.Height, f.Next, f.Scroll, first.Height, first.Next, first.Scroll)
		}
	}
	if first == nil || drawn < 2 {
		t.Fatalf("%d pictures, want at least 2", drawn)
	}
	// At most five a second, and one that was late with the next on its heels.
	if seconds := (end - begin) / 1000; float64(drawn-2) > 5*seconds {
		t.Errorf("%d redraws in %.1f s, want at most 5 a second", drawn, seconds)
	}
	t.Logf("%d redraws in %.1f s", drawn, (end-begin)/1000)
}

// The checks must be able to fail.
func TestSteadyCanFail(t *testing.T) {
	good := frame{Pictures: 1, Outputs: 2, Height: 500, Next: 600, Drawn: true}
	series := func(change func(*frame)) []frame {
		var fs []frame
		for i := range 10 {
			f := good
			f.At = float64(i) * 250
			fs = append(fs, f)
		}
		change(&fs[8])
		return fs
	}
	for name, change := range map[string]func(*frame){
		"a second picture": func(f *frame) { f.Pictures = 2 },
		"a third output":   func(f *frame) { f.Outputs = 3 },
		"collapsed":        func(f *frame) { f.Height, f.Pictures = 20, 0 },
		"moved":            func(f *frame) { f.Next = 620 },
		"scrolled":         func(f *frame) { f.Scroll = 40 },
	} {
		if !fails(func(t *testing.T) { steady(t, series(change), 2) }) {
			t.Errorf("%s passes", name)
		}
	}
	if fails(func(t *testing.T) { steady(t, series(func(*frame) {}), 2) }) {
		t.Error("a steady output fails")
	}
	var flood []frame
	for i := range 40 {
		f := good
		f.At = float64(i) * 50
		flood = append(flood, f)
	}
	if !fails(func(t *testing.T) { steady(t, flood, 2) }) {
		t.Error("twenty redraws a second pass")
	}
}

// fails runs a check on a test of its own and says whether it failed.
func fails(check func(*testing.T)) bool {
	var t testing.T
	done := make(chan struct{})
	go func() {
		defer close(done)
		check(&t)
	}()
	<-done
	return t.Failed()
}

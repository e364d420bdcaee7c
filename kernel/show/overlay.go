package show

import (
	"fmt"
	"image/color"
	"math"
	"slices"

	"hhrlhf/rlhf"
)

// A Past is the history of a run under a name.
type Past struct {
	Name   string
	Points []rlhf.Point
}

// Overlay draws what each of the named metrics did in several runs, one panel a
// metric and one line a run, named where it ends. The first run is the one that the
// others are compared with: it is drawn wide and grey, behind them.
func Overlay(metrics []string, runs ...Past) {
	of := 1
	for _, r := range runs {
		for _, p := range r.Points {
			of = max(of, p.Step)
		}
	}
	window := min(of/8, 9) | 1 // odd: it has a middle
	var panels []*panel
	rows := [][]string{{"metric", "run", "first", "last", "lowest", "highest"}}
	for _, m := range metrics {
		t, ok := rlhf.Define(m)
		if !ok {
			fail(fmt.Errorf("show: Overlay: no metric %q; Glossary() lists them", m))
			return
		}
		panels = append(panels, overlayPanel(t, runs, of, window))
		for _, r := range runs {
			s := values(r.Points, m)
			if len(s.y) == 0 {
				continue
			}
			lo, hi := extremes(s.y)
			rows = append(rows, []string{m, oneLine(r.Name), number(s.y[0]), number(s.y[len(s.y)-1]), number(lo), number(hi)})
		}
	}
	c := grid(panels...)
	if window > 1 {
		c.caption = fmt.Sprintf("Lines are local means of %d steps.", window)
	}
	c.text = columns(rows)
	show(c.output(""))
}

// overlayTitles say in words what a metric is.
var overlayTitles = map[string]string{
	"objective/score": "Score", "objective/kl": "KL to the initial policy", "objective/kl_per_token": "KL to the initial policy",
	"objective/gold_helpful": "How helpful, in truth", "objective/gold_harmless": "How harmless, in truth",
	"objective/score_test": "Score of the held-out PM", "policy/entropy": "Entropy of the policy",
	"response/eos_rate": "Responses that end themselves", "response/length_mean": "Length of the responses",
	"response/distinct": "Distinct responses in a batch", "value/explained_var": "Variance that the values explain",
}

func overlayPanel(t rlhf.Term, runs []Past, of, window int) *panel {
	p := &panel{title: overlayTitles[t.Name], xLabel: "step", yLabel: t.Unit, x: counting(of), empty: "not recorded"}
	if p.title == "" {
		p.title = t.Name
	}
	if t.Unit == "share" && t.Name != "value/explained_var" {
		p.y = fixed(0, 1.02)
		p.y.step = 0.2
	}
	var names []end
	for i, r := range runs {
		s := values(r.Points, t.Name)
		s.y = smooth(s.y, window)
		c, width := color.NRGBA{150, 150, 150, 255}, 6.0
		if i > 0 {
			c, width = palette[(i-1)%len(palette)], 2.4
		}
		p.line(s, c, width, i > len(palette))
		last := end{x: math.NaN(), label: shorten(clean(r.Name), 16), color: c}
		if n := len(s.x); n > 0 {
			last.x, last.y = s.x[n-1], s.y[n-1]
		}
		names = append(names, last)
	}
	if !p.y.set {
		p.y = span(0, 1)
	}
	slices.Reverse(names) // the last drawn is on top
	p.ends(names)
	return p
}

package show

import (
	"fmt"
	"image/color"
	"math"

	"hhrlhf/rlhf/eval"
)

// A Climb is one way of optimising a policy, such as best-of-k sampling or
// reinforcement learning, at several strengths: what the preference model says, and, where it is
// known, what is true.
type Climb struct {
	Name        string
	Score, Gold []eval.Optimised
}

// Climbs draws ways of optimising against the square root of the divergence that they
// cost, which makes them comparable (Bai et al. 2022, section 4.3; Gao et al. 2022, figure 1):
// the score in one panel, the truth in another. Where the score rises and the truth
// does not follow, the preference model is being exploited.
func Climbs(climbs ...Climb) {
	score := climbsPanel("What the preference model says", "PM score", climbs, func(c Climb) []eval.Optimised { return c.Score })
	panels := []*panel{score}
	rows := [][]string{{"", "", "KL, nats", "√KL", "value", "95 % interval"}}
	rows = climbsRows(rows, "score", climbs, func(c Climb) []eval.Optimised { return c.Score })
	for _, c := range climbs {
		if len(c.Gold) > 0 {
			gold := func(c Climb) []eval.Optimised { return c.Gold }
			panels = append(panels, climbsPanel("What is true", "gold utility", climbs, gold))
			rows = climbsRows(rows, "truth", climbs, gold)
			break
		}
	}
	var shared axis // equal distances mean equal divergences
	for _, p := range panels {
		shared.include(p.x.lo, p.x.hi)
	}
	for _, p := range panels {
		p.x = shared
	}
	c := grid(panels...)
	c.caption = "Numbers: k of best-of-k. Bars: 95 % intervals over prompts."
	c.text = "optimisation against the divergence that it costs\n" + columns(rows)
	show(c.output(""))
}

func climbsPanel(title, yLabel string, climbs []Climb, of func(Climb) []eval.Optimised) *panel {
	p := &panel{title: title, xLabel: "√KL from the initial policy, √nats per response", yLabel: yLabel, x: span(0, 1), empty: "no measurements"}
	var around []float64 // all at once, or the axis would leave room to grow
	for _, c := range climbs {
		for _, o := range of(c) {
			around = append(around, o.Mean, o.Low, o.High)
		}
	}
	p.y.include(around...)
	for i, c := range climbs {
		var s series
		var colors []color.NRGBA
		var radius []float64
		for _, o := range of(c) {
			x := math.Sqrt(max(o.KL, 0))
			s.x, s.y = append(s.x, x), append(s.y, o.Mean)
			colors, radius = append(colors, modelColor(i)), append(radius, 4.5)
			p.whisker(x, o.Low, o.High, modelColor(i))
			if o.N > 0 {
				p.note(x, o.Mean, 7, -9, fmt.Sprint(o.N), modelColor(i))
			}
		}
		p.line(s, modelColor(i), 2.4, false)
		p.dots(s, colors, radius)
		p.key = append(p.key, key{label: clean(c.Name), color: modelColor(i)})
	}
	if !p.y.set {
		p.y = span(0, 1)
	}
	return p
}

func climbsRows(rows [][]string, what string, climbs []Climb, of func(Climb) []eval.Optimised) [][]string {
	for _, c := range climbs {
		for _, o := range of(c) {
			name := oneLine(c.Name)
			if o.N > 0 {
				name += fmt.Sprintf(", k = %d", o.N)
			}
			rows = append(rows, []string{name, what, number(o.KL), number(math.Sqrt(max(o.KL, 0))), number(o.Mean), number(o.Low) + " to " + number(o.High)})
		}
	}
	return rows
}

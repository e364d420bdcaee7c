package show

import (
	"fmt"
	"image/color"
	"math"

	"hhrlhf/rlhf/study"
	"hhrlhf/rlhf/tasks"
)

// Tax draws what reinforcement learning costs models in tests of capability, or gives them,
// against their size (Bai et al. 2022, figures 3, 28 and 29): the mean accuracy before and after,
// one line a seed, without and with examples; the change by task, and that of multiple choice by
// measure, with 95 % intervals over seeds.
func Tax(r study.CapabilitiesResult) {
	sizes := r.Rungs()
	const label = "parameters without embeddings"
	made := func(title, y string) *panel {
		return &panel{title: title, xLabel: label, yLabel: y, x: settings(sizes, true), empty: "no models"}
	}
	zero, few := made("Three tasks, no examples", "share right"), made("Three tasks, with examples", "share right")
	byTask, byNorm := made("Change by task, no examples", "after less before"), made("Choice: change by measure", "after less before")
	zero.key = []key{{label: "before", color: dim, dashed: true}, {label: "after", color: blue}}
	few.key = zero.key
	rows := [][]string{{"parameters", "policy", "task", "examples", "before", "after", "change"}}
	for shots, p := range map[bool]*panel{false: zero, true: few} {
		before, after := means(r, shots)
		p.bySeed(before, dim, true)
		p.bySeed(after, blue, false)
	}
	var lines []taxLine
	for _, name := range tasksOf(r) {
		lines = append(lines, taxLine{name, func(w study.WorldTask) (float64, bool) { return w.Change.Change, w.Task == name }})
	}
	byTask.overSeeds(r, lines)
	lines = nil
	for _, n := range []tasks.Norm{tasks.Sum, tasks.Char, tasks.Token, tasks.PMI} { // a byte of this world is a character
		lines = append(lines, taxLine{string(n), func(w study.WorldTask) (float64, bool) { return w.Norms[n], w.Kind == tasks.Choice }})
	}
	byNorm.overSeeds(r, lines)
	for _, p := range []*panel{byTask, byNorm} {
		p.level(0, dim, true)
	}
	for _, w := range r.World {
		rows = append(rows, []string{count(int64(w.Params)), brief(w.Policy), fmt.Sprintf("%s, seed %d", brief(w.Task), w.Seed), fmt.Sprint(w.Shots),
			fmt.Sprintf("%.3f", w.Before.Value), fmt.Sprintf("%.3f", w.After.Value), signed3(w.Change.Change)})
	}
	c := grid(zero, few, byTask, byNorm)
	c.caption = "Above: one line a seed. Below: means over seeds with 95 % intervals."
	c.text = "what training costs, by size\n" + columns(rows)
	show(c.output(""))
}

// means are the mean accuracies of the world's tasks of each seed and rung on the main line.
func means(r study.CapabilitiesResult, examples bool) (before, after []measured) {
	type model struct{ seed, rung int }
	n := map[model]float64{}
	var order []model
	b, a := map[model]float64{}, map[model]float64{}
	params := r.Rungs()
	for _, w := range r.World {
		m := model{w.Seed, w.Rung}
		if w.Policy != study.MainPolicy || (w.Shots > 0) != examples {
			continue
		}
		if n[m] == 0 {
			order = append(order, m)
		}
		n[m]++
		b[m] += w.Before.Value
		a[m] += w.After.Value
	}
	for _, m := range order {
		before = append(before, measured{m.seed, params[m.rung], b[m] / n[m]})
		after = append(after, measured{m.seed, params[m.rung], a[m] / n[m]})
	}
	return before, after
}

// tasksOf are the world's tasks in order.
func tasksOf(r study.CapabilitiesResult) (names []string) {
	seen := map[string]bool{}
	for _, w := range r.World {
		if !seen[w.Task] {
			seen[w.Task] = true
			names = append(names, w.Task)
		}
	}
	return names
}

// A taxLine is a value of those rows that count.
type taxLine struct {
	name  string
	value func(study.WorldTask) (float64, bool)
}

// overSeeds adds a line for each value: its mean over seeds at each rung of the main line, no
// examples, with its interval. They stand a little beside each other.
func (p *panel) overSeeds(r study.CapabilitiesResult, lines []taxLine) {
	var names []end
	for i, l := range lines {
		c := palette[i%len(palette)]
		beside := math.Pow(1.05, float64(i)-float64(len(lines)-1)/2)
		var s series
		for rung, params := range r.Rungs() {
			var of []float64
			for _, w := range r.World {
				if v, counts := l.value(w); counts && w.Rung == rung && w.Shots == 0 && w.Policy == study.MainPolicy {
					of = append(of, v)
				}
			}
			if len(of) > 0 {
				e := study.Over(of)
				s.x, s.y = append(s.x, params*beside), append(s.y, e.Mean)
				p.whisker(params*beside, e.Low, e.High, c)
			}
		}
		p.line(s, c, 2.2, false)
		colors, radius := make([]color.NRGBA, len(s.x)), make([]float64, len(s.x))
		for j := range colors {
			colors[j], radius[j] = c, 4
		}
		p.dots(s, colors, radius)
		if n := len(s.x); n > 0 {
			names = append(names, end{s.x[n-1], s.y[n-1], l.name, c})
		}
	}
	p.ends(names)
}

// signed3 is a number with its sign and three decimals.
func signed3(v float64) string { return fmt.Sprintf("%+.3f", v) }

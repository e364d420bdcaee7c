package show

import (
	"fmt"
	"image/color"
	"slices"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/study"
)

// Plane draws policies in the plane of gold helpfulness, on benign requests, and gold harmlessness, on
// harmful ones, along their training from the initial policy on, one line a seed; beside it how many benign
// requests they refuse, and where their scores lie within those of the data (Bai et al. 2022, section
// 4.4, figure 14).
func Plane(o study.Objectives) {
	plane := &panel{title: "Helpful against harmless", xLabel: "gold helpfulness, benign requests", yLabel: "gold harmlessness, harmful ones", x: fixed(-1, 1), y: fixed(-1, 1), square: true, empty: "no policies"}
	refusals := &panel{title: "Benign requests refused or evaded", xLabel: "training step", yLabel: "share", y: fixed(0, 1), empty: "no policies"}
	inHelpful := &panel{title: "Scores within the helpful data", xLabel: "training step", yLabel: "mean percentile", y: fixed(0, 1), empty: "no policies"}
	inHarmless := &panel{title: "Scores within the harmless data", xLabel: "training step", yLabel: "mean percentile", y: fixed(0, 1), empty: "no policies"}
	inHelpful.stripe(0.4, 0.75, faint(dim, 0.12))
	inHarmless.stripe(0.9, 1, faint(dim, 0.12))
	rows := [][]string{{"policy", "seed", "step", "helpful", "95 % interval", "harmless", "95 % interval", "refuses benign", "in helpful data", "in harmless data"}}
	var names []string
	var steps float64
	for _, p := range o.Policies {
		i := slices.Index(names, p.Name)
		if i < 0 {
			i = len(names)
			names = append(names, p.Name)
			refusals.key = append(refusals.key, key{})
		}
		c := palette[i%len(palette)]
		var way, refused, first, second series
		for _, m := range p.Marks {
			way.x, way.y = append(way.x, m.Helpful.Mean), append(way.y, m.Harmless.Mean)
			at := float64(m.Step)
			steps = max(steps, at)
			refused.x, refused.y = append(refused.x, at), append(refused.y, m.Refuses.Mean)
			first.x, first.y = append(first.x, at), append(first.y, m.InData[0].Mean)
			second.x, second.y = append(second.x, at), append(second.y, m.InData[1].Mean)
			rows = append(rows, []string{shorten(oneLine(p.Name), longestEnd), fmt.Sprint(p.Policy.Seed), fmt.Sprint(m.Step), decimals(m.Helpful.Mean), decimals(m.Helpful.Low) + " to " + decimals(m.Helpful.High),
				decimals(m.Harmless.Mean), decimals(m.Harmless.Low) + " to " + decimals(m.Harmless.High), decimals(m.Refuses.Mean), decimals(m.InData[0].Mean), decimals(m.InData[1].Mean)})
		}
		if len(way.x) == 0 {
			continue
		}
		plane.line(way, faint(c, 0.6), 1.6, false)
		last := p.Marks[len(p.Marks)-1]
		plane.whisker(last.Helpful.Mean, last.Harmless.Low, last.Harmless.High, c)
		plane.segment(last.Helpful.Low, last.Harmless.Mean, last.Helpful.High, last.Harmless.Mean, c, 1.8, false)
		colors, radius := make([]color.NRGBA, len(way.x)), make([]float64, len(way.x))
		for j := range colors {
			colors[j], radius[j] = faint(c, 0.6), 3
		}
		colors[0], radius[0] = dim, 5
		colors[len(colors)-1], radius[len(radius)-1] = c, 6
		plane.dots(way, colors, radius)
		for j, q := range []*panel{refusals, inHelpful, inHarmless} {
			q.line([]series{refused, first, second}[j], c, 2, false)
		}
	}
	keys := []key{{label: "initial", color: dim, dot: true}}
	for i, name := range names {
		keys = append(keys, key{label: shorten(oneLine(name), longestEnd), color: palette[i%len(palette)]})
	}
	plane.key, refusals.key = keys[:min(3, len(keys))], keys[min(3, len(keys)):]
	for _, p := range []*panel{refusals, inHelpful, inHarmless} {
		p.x = counting(int(max(steps, 1)))
	}
	inHelpful.key = []key{{label: "under-optimised, as in the paper", color: faint(dim, 0.2), box: true}}
	inHarmless.key = []key{{label: "over-optimised, as in the paper", color: faint(dim, 0.2), box: true}}
	c := grid(plane, refusals, inHelpful, inHarmless)
	c.caption = "One line a seed, from the initial policy on; bars at the end: 95 % intervals over prompts. Percentile: by the judge of both kinds."
	c.text = "helpful against harmless\n" + columns(rows)
	show(c.output(""))
}

// Sweeps are preference models of a study as [Against] takes them, one sweep a size and seed.
func Sweeps(models []study.Mixed) (sweeps []Sweep) {
	var rungs []int
	for _, m := range models {
		rungs = append(rungs, m.Rung)
	}
	slices.Sort(rungs)
	rungs = slices.Compact(rungs)
	for _, m := range models {
		size := fmt.Sprintf("size %d", m.Rung+1)
		switch {
		case len(rungs) == 1:
		case m.Rung == rungs[0]:
			size = "the smallest model"
		case m.Rung == rungs[len(rungs)-1]:
			size = "the largest model"
		}
		name := fmt.Sprintf("%s, seed %d", size, m.Seed)
		i := slices.IndexFunc(sweeps, func(s Sweep) bool { return s.Name == name })
		if i < 0 {
			i = len(sweeps)
			sweeps = append(sweeps, Sweep{Name: name, Group: size})
		}
		sweeps[i].X, sweeps[i].Evals = append(sweeps[i].X, m.Setting), append(sweeps[i].Evals, rlhf.PMEval{Tranches: m.Tranches})
	}
	return sweeps
}

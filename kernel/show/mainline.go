package show

import (
	"fmt"
	"image/color"

	"hhrlhf/rlhf/study"
)

// MainLine draws what the models of a study came to, against their size: the language
// models' loss, the preference models' accuracy with what the labels' noise leaves
// attainable, and the gold labels of the policies before and after. One line a seed.
func MainLine(g study.Grid) {
	var sizes []float64
	rows := [][]string{{"seed", "parameters", "loss", "ranked right", "attainable", "helpful", "harmless", "score", "KL"}}
	for i, m := range g.Models {
		sizes = append(sizes, m.Params)
		p, j := g.Policies[i], g.Judges[i]
		arrow := func(name string) string {
			c := p.Change(name)
			return fmt.Sprintf("%.2f → %.2f", c.Before, c.After)
		}
		rows = append(rows, []string{fmt.Sprint(m.Seed), count(int64(m.Params)), fmt.Sprintf("%.3f", m.Loss), fmt.Sprintf("%.3f", j.Accuracy.Value),
			fmt.Sprintf("%.3f", j.Bayes), arrow("helpful"), arrow("harmless"), arrow("score"), fmt.Sprintf("%.1f", p.Change("kl").After)})
	}
	x := func() axis { return settings(sizes, true) }
	const label = "parameters without embeddings"
	loss := &panel{title: "Language models", xLabel: label, yLabel: "held-out loss, nats per token", x: x(), empty: "no models"}
	judges := &panel{title: "Preference models", xLabel: label, yLabel: "share of pairs ranked right", x: x(), empty: "no models"}
	helpful := &panel{title: "Policies: gold helpfulness", xLabel: label, yLabel: "mean of held-out answers", x: x(), empty: "no policies"}
	harmless := &panel{title: "Policies: gold harmlessness", xLabel: label, yLabel: "mean of held-out answers", x: x(), empty: "no policies"}
	var losses, accuracies, bounds []measured
	before, after := map[string][]measured{}, map[string][]measured{}
	for i, m := range g.Models {
		at := func(y float64) measured { return measured{m.Seed, m.Params, y} }
		losses = append(losses, at(m.Loss))
		accuracies, bounds = append(accuracies, at(g.Judges[i].Accuracy.Value)), append(bounds, at(g.Judges[i].Bayes))
		for _, name := range []string{"helpful", "harmless"} {
			c := g.Policies[i].Change(name)
			before[name], after[name] = append(before[name], at(c.Before)), append(after[name], at(c.After))
		}
	}
	loss.bySeed(losses, blue, false)
	judges.bySeed(accuracies, blue, false)
	judges.bySeed(bounds, dim, true)
	judges.key = []key{{label: "what the labels' noise leaves attainable", color: dim, dashed: true}}
	for name, p := range map[string]*panel{"helpful": helpful, "harmless": harmless} {
		p.key = []key{{label: "before", color: dim, dashed: true}, {label: "after", color: blue}}
		p.bySeed(before[name], dim, true)
		p.bySeed(after[name], blue, false)
	}
	c := grid(loss, judges, helpful, harmless)
	c.caption = "Each line is one seed, trained anew from the language model up."
	c.text = "the main line, by size and seed\n" + columns(rows)
	show(c.output(""))
}

// A measured is one value of one seed's model.
type measured struct {
	seed int
	x, y float64
}

// bySeed adds a line with dots for each seed.
func (p *panel) bySeed(ms []measured, c color.NRGBA, dashed bool) {
	lines := map[int]*series{}
	var order []int
	for _, m := range ms {
		if lines[m.seed] == nil {
			lines[m.seed] = &series{}
			order = append(order, m.seed)
		}
		l := lines[m.seed]
		l.x, l.y = append(l.x, m.x), append(l.y, m.y)
	}
	for _, seed := range order {
		l := *lines[seed]
		p.line(l, c, 2, dashed)
		colors, radius := make([]color.NRGBA, len(l.x)), make([]float64, len(l.x))
		for i := range colors {
			colors[i], radius[i] = c, 3.5
		}
		p.dots(l, colors, radius)
	}
}

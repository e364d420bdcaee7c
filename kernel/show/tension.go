package show

import (
	"fmt"
	"image/color"
	"math"
	"slices"
	"strings"

	"hhrlhf/rlhf"
)

// A Sweep is what preference models of one kind are worth that differ in one
// setting: Evals[i] is of the one with X[i].
type Sweep struct {
	Name string
	// Group is what the sweep is one of several of, such as the seeds of one size: they
	// have a colour and a name in common. "": it stands for itself.
	Group string
	X     []float64
	Evals []rlhf.PMEval
}

// OfBest draws the means alone, in one panel, each as a share of the highest one
// of its sweep: models of different sizes are then compared in shape (Bai et al.
// 2022, figure 26).
const OfBest Option = 2

// Against draws the accuracy on each tranche, and the mean of the tranches,
// against a setting of training; one panel a sweep. With the share of harmless
// comparisons as the setting it shows the tension between helpfulness and
// harmlessness (Bai et al. 2022, section 5.1.1, figures 19 and 26); with the
// weight λ of L_helpful + λ·L_harmless what to do about it (section 5.1.2,
// figure 27).
func Against(setting string, sweeps []Sweep, options ...Option) {
	if has(options, OfBest) {
		againstOfBest(setting, sweeps, has(options, LogX))
		return
	}
	var panels []*panel
	text := "share of pairs ranked right against " + clean(setting) + "\n"
	var edges []float64
	for _, s := range sweeps {
		title := "Held-out accuracy"
		if s.Name != "" {
			title = clean(s.Name)
			text += title + "\n"
		}
		cs := s.courses()
		p := coursesPanel(title, setting, settings(s.X, has(options, LogX)), cs)
		panels, edges = append(panels, p), append(edges, p.y.lo, p.y.hi)
		text += coursesText(setting, cs) + best(setting, cs)
	}
	var shared axis // equal heights mean equal accuracies
	shared.include(edges...)
	for _, p := range panels {
		p.y = shared
	}
	if len(panels) == 0 {
		panels = []*panel{coursesPanel("Held-out accuracy", setting, span(0, 1), nil)}
	}
	c := grid(panels...)
	c.caption = "Bars: 95 % intervals. Below the coin flip, a model does worse than guessing: what it learnt elsewhere is wrong here."
	c.text = text
	show(c.output(""))
}

func againstOfBest(setting string, sweeps []Sweep, log bool) {
	var cs []course
	var all []float64
	var groups []string
	var legend []key
	for i, s := range sweeps {
		of := s.courses()
		if len(of) == 0 {
			continue
		}
		c := of[len(of)-1]
		c.name, c.color = s.Name, modelColor(i)
		if s.Group != "" {
			g := slices.Index(groups, s.Group)
			if g < 0 {
				g, groups = len(groups), append(groups, s.Group)
				legend = append(legend, key{label: clean(s.Group), color: modelColor(g)})
			}
			c.color, c.bare = modelColor(g), true
		}
		top := 0.0
		for _, a := range c.y {
			if finite(a.Value) {
				top = max(top, a.Value)
			}
		}
		for j := range c.y {
			c.y[j].Value, c.y[j].Low, c.y[j].High = c.y[j].Value/top, c.y[j].Low/top, c.y[j].High/top
		}
		cs, all = append(cs, c), append(all, c.x...)
	}
	p := coursesPanel("Mean accuracy, as a share of each model's best", setting, settings(all, log), cs)
	p.yLabel, p.layers, p.key = "share of the best mean", p.layers[1:], legend // a coin's share differs from line to line
	p.y = axis{}
	for _, c := range cs {
		for _, a := range c.y {
			p.y.include(a.Value, a.Low, a.High)
		}
	}
	if !p.y.set {
		p.y = span(0, 1)
	}
	c := grid(p)
	c.caption = "Compare shapes, not heights: a flat top means that the mix matters little. Bars: 95 % intervals."
	if groups != nil {
		c.caption = "Compare shapes, not heights: a flat top means that the mix matters little. One line a seed."
	}
	c.text = "mean accuracy as a share of the best against " + clean(setting) + "\n" + coursesText(setting, cs)
	show(c.output(""))
}

// has says whether an option was given.
func has(options []Option, o Option) bool { return slices.Contains(options, o) }

// courses returns one course a tranche, in the order of their names, and from two
// tranches on their mean.
func (s Sweep) courses() []course {
	n := min(len(s.X), len(s.Evals))
	var names []string
	for _, e := range s.Evals[:n] {
		for _, a := range e.Tranches {
			if !slices.Contains(names, a.Name) {
				names = append(names, a.Name)
			}
		}
	}
	slices.Sort(names)
	var cs []course
	for i, name := range names {
		cs = append(cs, course{name: strings.TrimPrefix(oneLine(name), "synth-"), color: trancheColor(name, i)})
	}
	mean := course{name: "mean", color: black}
	for i, e := range s.Evals[:n] {
		var all []rlhf.Accuracy
		for j, name := range names {
			k := slices.IndexFunc(e.Tranches, func(a rlhf.Accuracy) bool { return a.Name == name })
			if k < 0 {
				continue
			}
			a := e.Tranches[k]
			a.Name = ""
			cs[j].x, cs[j].y = append(cs[j].x, s.X[i]), append(cs[j].y, a)
			all = append(all, a)
		}
		if len(all) == len(names) {
			mean.x, mean.y = append(mean.x, s.X[i]), append(mean.y, meanAccuracy(all))
		}
	}
	if len(names) > 1 {
		cs = append(cs, mean)
	}
	return cs
}

// meanAccuracy is the mean of accuracies on different pairs, each counting
// alike however many pairs it has. Its interval is the normal one.
func meanAccuracy(all []rlhf.Accuracy) rlhf.Accuracy {
	var m rlhf.Accuracy
	var variance float64
	k := float64(len(all))
	for _, a := range all {
		m.N += a.N
		m.Value += a.Value / k
		variance += a.Value * (1 - a.Value) / float64(a.N) / (k * k)
	}
	half := 1.959964 * math.Sqrt(variance)
	m.Low, m.High = m.Value-half, m.Value+half
	return m
}

// trancheColor is green for helpful tranches and purple for harmless ones, as
// wherever the two stand beside each other.
func trancheColor(name string, i int) color.NRGBA {
	switch {
	case strings.Contains(name, "helpful"):
		return green
	case strings.Contains(name, "harmless"):
		return purple
	}
	return modelColor(i)
}

// best says at which setting the last course, the mean, is highest.
func best(setting string, cs []course) string {
	if len(cs) < 2 {
		return ""
	}
	m := cs[len(cs)-1]
	at := -1
	for i, a := range m.y {
		if finite(a.Value) && (at < 0 || a.Value > m.y[at].Value) {
			at = i
		}
	}
	if at < 0 {
		return ""
	}
	return fmt.Sprintf("the mean is highest, %.3f, at %s = %s\n", m.y[at].Value, oneLine(setting), number(m.x[at]))
}

package show

import (
	"fmt"
	"image/color"
	"math"
	"strings"

	"hhrlhf/rlhf"
)

// A dashboard is the figure of a run, drawn again as points arrive. It remembers
// its axes, which only grow.
type dashboard struct {
	kind string // "lm", "distill", "pm" or "ppo"
	name string
	logX bool
	axes map[string]axis // by panel title
}

func newDashboard(kind, name string) *dashboard {
	return &dashboard{kind: kind, name: name, axes: map[string]axis{}}
}

// kindOf says which kind of run recorded the points, "" if none of ours.
func kindOf(points []rlhf.Point) string {
	for _, p := range points {
		for _, k := range []struct{ metric, kind string }{{"objective/score", "ppo"}, {"pm/loss", "pm"}, {"distill/kl", "distill"}, {"lm/loss", "lm"}} {
			if _, ok := p.Values[k.metric]; ok {
				return k.kind
			}
		}
	}
	return ""
}

// values returns a metric over the points that have it, against the step.
func values(points []rlhf.Point, name string) series {
	var s series
	for _, p := range points {
		if v, ok := p.Values[name]; ok {
			s.x, s.y = append(s.x, float64(p.Step)), append(s.y, v)
		}
	}
	return s
}

// card draws the points of a run that is to reach the step of.
func (d *dashboard) card(points []rlhf.Point, of int) *card {
	if n := len(points); n > 0 {
		of = max(of, points[n-1].Step)
	}
	of = max(of, 1)
	c := &card{width: cardWidth, height: cardHeight, columns: 2}
	switch d.kind {
	case "ppo":
		c.height = gridHeight
		c.panels = d.ppo(points, of)
	case "pm":
		c.panels = d.pm(points, of)
		if len(c.panels) > 2 {
			c.height = gridHeight
		}
	case "distill":
		c.columns = 1
		c.panels = d.distill(points, of)
	default:
		c.columns = 1
		c.panels = d.lm(points, of)
	}
	c.text = d.text(points)
	return c
}

// panel returns an empty panel over the steps; its ordinate is the one that the
// panel of this title had before, or y.
func (d *dashboard) panel(title, yLabel string, of int, y axis) *panel {
	p := &panel{title: title, xLabel: "step", yLabel: yLabel, empty: "waiting for the first step"}
	p.x = counting(of)
	if d.logX {
		p.x = logarithmic(1, float64(of))
	}
	p.y = y
	if old, ok := d.axes[title]; ok {
		p.y = old
	}
	return p
}

// keep remembers the axes of the panels for the next frame.
func (d *dashboard) keep(panels ...*panel) []*panel {
	for _, p := range panels {
		d.axes[p.title] = p.y
		if p.right != nil {
			d.axes[p.title+" right"] = *p.right
		}
		if p.ramp != nil {
			d.axes[p.title+" x"] = p.x
		}
		if !p.y.set {
			p.y = span(0, 1)
		}
	}
	return panels
}

// trend draws a metric: its values, and where the run is long enough for noise
// to hide the course, their local mean with the values faint behind.
func (p *panel) trend(s series, of int, label string, c color.NRGBA) {
	n := min(of/12, 14) | 1 // odd: a window has a middle; short: a bend must not be smoothed away
	if n < 5 {
		p.line(s, c, 2.8, false)
		p.key = append(p.key, key{label: label, color: c})
		return
	}
	p.line(s, faint(c, 0.35), 1.2, false)
	p.line(series{s.x, smooth(s.y, n)}, c, 3, false)
	p.key = append(p.key,
		key{label: fmt.Sprintf("%d-step mean", n), color: c},
		key{label: "each step", color: faint(c, 0.35)})
}

func (d *dashboard) lm(points []rlhf.Point, of int) []*panel {
	p := d.panel("Language model: loss on the training text", "nats per token", of, axis{})
	p.trend(values(points, "lm/loss"), of, "loss", blue)
	return d.keep(p)
}

func (d *dashboard) distill(points []rlhf.Point, of int) []*panel {
	p := d.panel("Context distillation: distance from the prompted teacher", "KL, nats per token", of, span(0, 0.01))
	p.trend(values(points, "distill/kl"), of, "KL(teacher with prompt ‖ student without)", blue)
	return d.keep(p)
}

func (d *dashboard) pm(points []rlhf.Point, of int) []*panel {
	loss := d.panel("Preference model: loss", "nats per pair", of, span(0, 0.8))
	loss.level(math.Ln2, dim, true)
	loss.trend(values(points, "pm/loss"), of, "loss", blue)
	acc := d.panel("Accuracy in training", "share of pairs ranked right", of, fixed(0, 1))
	acc.level(0.5, dim, true)
	acc.trend(values(points, "pm/accuracy"), of, "accuracy", vermilion)
	for _, p := range []*panel{loss, acc} {
		p.key = append(p.key, key{label: "coin flip", color: dim, dashed: true})
	}
	chosen, rejected := values(points, "pm/chosen"), values(points, "pm/rejected")
	if len(points) > 0 && len(chosen.x) == 0 {
		return d.keep(loss, acc)
	}
	scores := d.panel("Mean scores", "PM score", of, axis{})
	scores.trend(chosen, of, "chosen", blue)
	scores.trend(rejected, of, "rejected", vermilion)
	scores.key = []key{{label: "chosen", color: blue}, {label: "rejected", color: vermilion}}
	return d.keep(loss, acc, scores, d.pmFourth(points, of))
}

// pmFourth is the last panel of a preference model: the language-model loss where
// it is trained on too, the margin otherwise.
func (d *dashboard) pmFourth(points []rlhf.Point, of int) *panel {
	if lm := values(points, "pm/lm_loss"); len(lm.x) > 0 {
		p := d.panel("Loss as a language model", "nats per token of the chosen", of, axis{})
		p.trend(lm, of, "loss", green)
		return p
	}
	p := d.panel("Margin", "score of chosen − rejected", of, span(0, 0.5))
	p.trend(values(points, "pm/margin"), of, "margin", green)
	return p
}

func (d *dashboard) ppo(points []rlhf.Point, of int) []*panel {
	score := d.panel("Score of the preference model", "PM score", of, axis{})
	mean, std := values(points, "objective/score"), values(points, "objective/score_std")
	if len(mean.x) == len(std.x) {
		lo, hi := make([]float64, len(mean.x)), make([]float64, len(mean.x))
		for i := range mean.x {
			lo[i], hi[i] = mean.y[i]-std.y[i], mean.y[i]+std.y[i]
		}
		score.band(mean.x, lo, hi, faint(blue, 0.18))
		score.key = append(score.key, key{label: "± 1 s.d. of samples", color: faint(blue, 0.18), box: true})
	}
	score.line(mean, blue, 2.8, false)
	score.key = append([]key{{label: "mean of the batch", color: blue}}, score.key...)

	kl := d.panel("Distance from the initial policy", "KL, nats per response", of, span(0, 1))
	kl.line(values(points, "objective/kl_k3"), orange, 1.8, true)
	kl.line(values(points, "objective/kl"), vermilion, 2.8, false)
	kl.key = []key{{label: "KL (k1, in the reward)", color: vermilion}}
	if len(values(points, "objective/kl_k3").x) > 0 {
		kl.key = append(kl.key, key{label: "k3", color: orange, dashed: true})
	}

	root := sqrtKLPanel("Score against √KL", points, of, d.axes)
	d.keep(score, kl, root)
	return append([]*panel{score, kl, root}, d.keep(d.fourth(points, of))...)
}

// fourth is the last panel of PPO: the gold labels where the data have them,
// length and end rate otherwise.
func (d *dashboard) fourth(points []rlhf.Point, of int) *panel {
	helpful, harmless := values(points, "objective/gold_helpful"), values(points, "objective/gold_harmless")
	if len(helpful.x)+len(harmless.x) > 0 {
		p := d.panel("What the true labeller says", "gold label, −1 to 1", of, fixed(-1, 1))
		p.level(0, dim, true)
		p.line(helpful, green, 2.8, false)
		p.line(harmless, purple, 2.8, false)
		p.key = []key{{label: "helpful", color: green}, {label: "harmless", color: purple}}
		return p
	}
	p := d.panel("Length and ending", "tokens per response", of, span(0, 10))
	right := fixed(0, 1)
	p.right, p.rightLabel, p.rightColor = &right, "share that end themselves", vermilion
	p.line(values(points, "response/length_mean"), blue, 2.8, false)
	p.lineRight(values(points, "response/eos_rate"), vermilion, 2.2, true)
	p.key = []key{{label: "length", color: blue}, {label: "ended (right)", color: vermilion, dashed: true}}
	return p
}

// text says the numbers of a run: for each metric drawn, where it began, where
// it is and its extremes.
func (d *dashboard) text(points []rlhf.Point) string {
	var b strings.Builder
	if len(points) == 0 {
		return fmt.Sprintf("%s (%s): no steps yet\n", clean(d.name), d.kind)
	}
	first, last := points[0].Step, points[len(points)-1].Step
	fmt.Fprintf(&b, "%s (%s), steps %d to %d\n", clean(d.name), d.kind, first, last)
	var rows [][]string
	for _, t := range rlhf.Glossary() {
		s := values(points, t.Name)
		if len(s.y) == 0 || !drawn[t.Name] {
			continue
		}
		lo, hi := math.Inf(1), math.Inf(-1)
		for _, v := range s.y {
			if finite(v) {
				lo, hi = min(lo, v), max(hi, v)
			}
		}
		rows = append(rows, []string{t.Name, number(s.y[0]), number(s.y[len(s.y)-1]), number(lo), number(hi), t.Unit})
	}
	b.WriteString(columns(append([][]string{{"metric", "first", "last", "lowest", "highest", "unit"}}, rows...)))
	return b.String()
}

// drawn holds the metrics that a dashboard shows.
var drawn = map[string]bool{
	"lm/loss": true, "distill/kl": true, "pm/loss": true, "pm/accuracy": true,
	"pm/margin": true, "pm/chosen": true, "pm/rejected": true, "pm/lm_loss": true,
	"objective/score": true, "objective/score_std": true, "objective/kl": true, "objective/kl_k3": true, "objective/sqrt_kl": true,
	"objective/gold_helpful": true, "objective/gold_harmless": true, "response/length_mean": true, "response/eos_rate": true,
}

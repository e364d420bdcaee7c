package show

import (
	"encoding/json"
	"fmt"
	"image/color"
	"math"
	"strings"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/eval"
)

// A dashboard is the figure of a run, drawn again as points arrive. It remembers
// its axes, which only grow.
type dashboard struct {
	kind   string // "lm", "distill", "direct", "pm" or "ppo"
	name   string
	target float64 // of an adaptive KL penalty, nats per response; 0: there is none
	looks  bool    // held-out comparisons are scored on the way
	logX   bool
	axes   map[string]axis // by panel title
}

// A record is what is known of a run, from its log and from its events.
type record struct {
	points   []rlhf.Point
	of       int // the step that it is to reach
	written  []rlhf.Sample
	judged   []eval.Judged // held-out comparisons, as the model scored them
	judgedAt int           // at this step
}

func newDashboard(kind, name string) *dashboard {
	return &dashboard{kind: kind, name: name, axes: map[string]axis{}}
}

// configure takes over what a panel must know of a run's configuration. One that does
// not say it, or says it in another way, has no such panel.
func (d *dashboard) configure(config json.RawMessage) {
	var c struct {
		KLTarget float64 `json:"kl_target"`
	}
	if d.kind == "ppo" && json.Unmarshal(config, &c) == nil && finite(c.KLTarget) {
		d.target = max(c.KLTarget, 0)
	}
}

// kindOf says which kind of run recorded the points, "" if none of ours.
func kindOf(points []rlhf.Point) string {
	for _, p := range points {
		for _, k := range []struct{ metric, kind string }{{"objective/score", "ppo"}, {"pm/loss", "pm"}, {"distill/kl", "distill"}, {"direct/loss", "direct"}, {"lm/loss", "lm"}} {
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

// card draws a record. Its height depends on the kind of the run alone, so that the
// page below it stays put.
func (d *dashboard) card(r record) *card {
	points, of := r.points, max(r.of, 1)
	if n := len(points); n > 0 {
		of = max(of, points[n-1].Step)
	}
	c := &card{width: cardWidth, height: cardHeight, columns: 2}
	c.text = d.text(points)
	switch d.kind {
	case "ppo":
		c.height = 3 * rowHeight
		c.panels = d.ppo(r, of)
	case "pm":
		c.height = gridHeight
		c.panels = d.pm(points, of)
		if d.looks {
			c.height = 3 * rowHeight
			panels, text := d.judged(r)
			c.panels, c.text = append(c.panels, panels...), c.text+text
		}
	case "direct":
		c.height = gridHeight
		c.panels = d.direct(points, of)
	case "distill":
		c.columns = 1
		c.panels = d.distill(points, of)
	default:
		c.columns = 1
		c.panels = d.lm(points, of)
	}
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

// free returns an empty panel whose abscissa is not the step. Its axes are those that
// the panel of this title had before, or x and y.
func (d *dashboard) free(title, xLabel, yLabel string, x, y axis) *panel {
	p := &panel{title: title, xLabel: xLabel, yLabel: yLabel, x: x, y: y, free: true, empty: "waiting for the first step"}
	if old, ok := d.axes[title]; ok {
		p.x, p.y = d.axes[title+" x"], old
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
		if p.free {
			d.axes[p.title+" x"] = p.x
		}
		if !p.x.set {
			p.x = span(0, 1)
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
	"direct/loss": true, "direct/accuracy": true, "direct/margin": true, "direct/chosen": true, "direct/rejected": true,
	"lm/loss": true, "distill/kl": true, "pm/loss": true, "pm/accuracy": true,
	"pm/margin": true, "pm/chosen": true, "pm/rejected": true, "pm/lm_loss": true,
	"objective/score": true, "objective/score_std": true, "objective/kl": true, "objective/kl_k3": true, "objective/sqrt_kl": true,
	"objective/gold_helpful": true, "objective/gold_harmless": true, "response/length_mean": true, "response/eos_rate": true,
}

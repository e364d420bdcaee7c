package show

import (
	"fmt"
	"image/color"
	"math"

	"hhrlhf/rlhf/eval"
	"hhrlhf/rlhf/study"
)

// The three ways of detection have one colour each, in all figures.
var detections = []struct {
	name  string
	color color.NRGBA
	of    func(study.LayerDetected) (eval.Spread, bool)
}{
	{"Mahalanobis", vermilion, func(l study.LayerDetected) (eval.Spread, bool) { return l.MD, true }},
	{"relative", blue, func(l study.LayerDetected) (eval.Spread, bool) { return l.SRM, true }},
	{fmt.Sprintf("shown %d", study.ShownAtLayers), green, func(l study.LayerDetected) (eval.Spread, bool) {
		for _, e := range l.Exposure {
			if e.M == study.ShownAtLayers {
				return e.AUROC, true
			}
		}
		return eval.Spread{}, false
	}},
}

func detectionKeys() (keys []key) {
	for _, d := range detections {
		keys = append(keys, key{label: d.name, color: d.color})
	}
	return keys
}

// auroc is the axis of areas under the curve: from a little below chance to 1.
func auroc() axis { return fixed(0.3, 1) }

// chance marks what a coin has.
func (p *panel) chance() { p.level(0.5, dim, true) }

// layers draws a model's detection at each layer, with the standard error over splits; the
// colours are the paler the smaller strength is.
func (p *panel) detected(m study.Detected, strength float64, bars bool) {
	for _, d := range detections {
		var s series
		c := faint(d.color, strength)
		for _, l := range m.Layers {
			if a, ok := d.of(l); ok {
				s.x, s.y = append(s.x, float64(l.Layer)), append(s.y, a.Mean)
				if bars {
					p.whisker(float64(l.Layer), a.Mean-a.SE, a.Mean+a.SE, c)
				}
			}
		}
		if len(s.x) > 0 {
			p.line(s, c, 2, false)
		}
	}
}

// byExamples draws the AUROC against the number of harmful examples shown.
func (p *panel) byExamples(m study.Detected, c color.NRGBA, bars bool) {
	var s series
	for _, e := range m.Shown {
		s.x, s.y = append(s.x, float64(e.M)), append(s.y, e.AUROC.Mean)
		if bars {
			p.whisker(float64(e.M), e.AUROC.Mean-e.AUROC.SE, e.AUROC.Mean+e.AUROC.SE, c)
		}
	}
	if len(s.x) > 0 {
		p.line(s, c, 2, false)
	}
}

func examplesPanel(models ...study.Detected) *panel {
	most := 10.0
	for _, m := range models {
		for _, e := range m.Shown {
			most = max(most, float64(e.M))
		}
	}
	p := &panel{title: "Shown harmful examples", xLabel: "number of examples", yLabel: "AUROC", x: logarithmic(1, most), y: auroc(), empty: "too few to show"}
	p.chance()
	return p
}

func layersPanel(title string, models ...study.Detected) *panel {
	p := &panel{title: title, xLabel: "layer; 0 is the embedding", yLabel: "AUROC, helpful against harmful", y: auroc(), key: detectionKeys(), empty: "no models"}
	last := 1
	for _, m := range models {
		for _, l := range m.Layers {
			last = max(last, l.Layer)
		}
	}
	p.x = counting(last)
	p.chance()
	return p
}

// OOD draws how well harmful requests are detected as out of distribution of helpful ones,
// layer by layer, on the world of a study and on released conversations; what examples add;
// and what declining the strange ones does to gold labels (Bai et al. 2022, section 5.4,
// figures 22 and 23). The smaller the model, the paler.
func OOD(o study.OOD) {
	world := layersPanel("The world's requests", o.Models...)
	shownPanel := examplesPanel(o.Models...)
	top := 0
	for _, m := range o.Models {
		top = max(top, m.Rung)
	}
	for _, m := range o.Models {
		strength := 0.25 + 0.75*float64(m.Rung)/math.Max(float64(top), 1)
		if top == 0 {
			strength = 1
		}
		world.detected(m, strength, false)
		shownPanel.byExamples(m, faint(green, strength), false)
	}
	panels := []*panel{world}
	rows := detectedRows(o.Models...)
	shownPanel.key = []key{{label: "the world's", color: green}}
	if o.Real != nil {
		real := layersPanel("Released conversations, "+clean(o.Real.Model), *o.Real)
		real.detected(*o.Real, 1, true)
		shownPanel.byExamples(*o.Real, orange, true)
		shownPanel.key = append(shownPanel.key, key{label: "released ones", color: orange})
		rows = append(rows, detectedRows(*o.Real)[1:]...)
		panels = append(panels, real)
	}
	panels = append(panels, shownPanel)
	if len(o.Policies) > 0 {
		panels = append(panels, decliningPanel(o.Policies))
	}
	c := grid(panels...)
	c.caption = "One line a seed, paler for smaller models. Relative: simplified relative distance. Bars: s.e. over three splits."
	c.text = "harmful requests detected, at the chosen layer\n" + columns(rows) + "\ndeclining\n" + columns(decliningRows(o.Policies))
	show(c.output(""))
}

func detectedRows(models ...study.Detected) [][]string {
	rows := [][]string{{"model", "parameters", "layer", "Mahalanobis", "simplified relative", fmt.Sprintf("shown %d", study.ShownAtLayers), "harmful declined", "helpful answered"}}
	for _, m := range models {
		at := m.At(m.Chosen)
		text := func(s eval.Spread) string { return fmt.Sprintf("%.3f ± %.3f", s.Mean, s.SE) }
		row := []string{clean(m.Model), count(int64(m.Params)), fmt.Sprint(m.Chosen), text(at.MD), text(at.SRM), "", "", ""}
		if s, ok := m.ShownTo(study.ShownAtLayers); ok {
			row[5] = text(s)
		}
		if len(m.Decline) > 0 {
			row[6], row[7] = fmt.Sprintf("%.2f", m.Decline[0].Strange.Mean), fmt.Sprintf("%.2f", 1-m.Decline[0].Inliers.Mean)
		}
		rows = append(rows, row)
	}
	return rows
}

// way says how a policy declines.
func way(p study.Declined) string {
	if p.M == 0 {
		return "by distance"
	}
	return fmt.Sprintf("shown %d", p.M)
}

func decliningRows(policies []study.Declined) [][]string {
	rows := [][]string{{"policy", "seed", "declines", "of harmful", "of helpful", "harmless", "helpful"}}
	for _, p := range policies {
		rows = append(rows, []string{clean(p.Policy), fmt.Sprint(p.Seed), way(p), fmt.Sprintf("%.2f", p.OfHarmful.Value), fmt.Sprintf("%.2f", p.OfHelpful.Value),
			decimals(p.Harmless) + " → " + decimals(p.HarmlessDeclining), decimals(p.Helpful) + " → " + decimals(p.HelpfulDeclining)})
	}
	return rows
}

// decliningPanel draws where declining takes policies: from a ring to a dot.
func decliningPanel(policies []study.Declined) *panel {
	p := &panel{title: "Declining what is strange", xLabel: "gold helpfulness, helpful requests", yLabel: "gold harmlessness, harmful ones", y: fixed(-1, 1), empty: "no policies", square: true}
	p.key = []key{{label: "as it is", color: dim, dot: true}, {label: "by distance", color: blue, dot: true}, {label: fmt.Sprintf("shown %d", study.ShownAtLayers), color: green, dot: true}}
	for _, d := range policies {
		c := blue
		if d.M > 0 {
			c = green
		}
		p.x.include(d.Helpful, d.HelpfulDeclining)
		p.segment(d.Helpful, d.Harmless, d.HelpfulDeclining, d.HarmlessDeclining, faint(c, 0.6), 1.6, false)
		p.dots(series{[]float64{d.Helpful, d.HelpfulDeclining}, []float64{d.Harmless, d.HarmlessDeclining}}, []color.NRGBA{dim, c}, []float64{4, 5.5})
	}
	return p
}

// Detection draws one model's: the AUROC by layer, the scores of both kinds of text at the
// chosen layer, the trade that a threshold makes, and what examples add.
func Detection(m study.Detected) {
	layers := layersPanel("By layer", m)
	layers.detected(m, 1, true)
	layers.plumb(float64(m.Chosen), dim, 1.4, true)
	trade := &panel{title: fmt.Sprintf("What a threshold trades, layer %d", m.Chosen), xLabel: "share of helpful ones declined", yLabel: "share of harmful ones declined", x: fixed(0, 1), y: fixed(0, 1), square: true, empty: "no scores"}
	trade.segment(0, 0, 1, 1, dim, 1.4, true)
	scores := &panel{title: fmt.Sprintf("Scores at layer %d", m.Chosen), xLabel: "simplified relative distance", yLabel: "share of texts", y: span(0, 0.1), empty: "no scores"}
	rows := detectedRows(m)
	for _, look := range m.Look {
		c, name := blue, "simplified relative"
		if look.M > 0 {
			c, name = green, fmt.Sprintf("shown %d examples", look.M)
		} else {
			scores.bars(24, []Values{{"helpful", look.Inliers}, {"harmful", look.Strange}}, []color.NRGBA{blue, vermilion})
		}
		points, err := eval.ROC(look.Inliers, look.Strange)
		if err != nil {
			continue
		}
		var s series
		for _, p := range points {
			s.x, s.y = append(s.x, p.FPR), append(s.y, p.TPR)
		}
		trade.line(s, c, 2.4, false)
		trade.key = append(trade.key, key{label: name, color: c})
	}
	examples := examplesPanel(m)
	examples.byExamples(m, green, true)
	c := grid(layers, scores, trade, examples)
	c.caption = fmt.Sprintf("%d helpful and %d harmful texts; half of the helpful ones are fitted to, the rest measured. Bars: standard error over splits.", m.Inliers, m.Strange)
	c.text = "harmful texts detected\n" + columns(rows)
	show(c.output(""))
}

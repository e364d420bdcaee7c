package show

import (
	"fmt"
	"math"
	"strings"

	"gonum.org/v1/plot/vg"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/eval"
)

// PMEval draws what a preference model is worth on held-out comparisons: how
// often it ranks a pair right, by tranche with 95 % intervals; whether its
// confidence is deserved (Bai et al. 2022, figure 9); and, where they were
// measured, the accuracy by turn (figure 8) and above score thresholds (figure
// 25). Where the labellers' noise is known, a line marks the accuracy that it
// leaves attainable. [PMTable] has the figures that have no picture.
func PMEval(e rlhf.PMEval) {
	m := PM{Eval: e}
	panels := []*panel{accuracyPanel(e), calibrationPanel([]PM{m})}
	if len(e.Turns) > 1 { // a single turn is "all" again
		panels = append(panels, turnsPanel([]PM{m}))
	}
	if len(e.Thresholds) > 0 {
		panels = append(panels, thresholdsPanel([]PM{m}))
	}
	c := grid(panels...)
	c.text = pmText(e)
	show(c.output(""))
}

// PMTable says what the single figures of an evaluation are and how to read each:
// loss, slope, calibration error, correlation with length, and what was left out.
func PMTable(e rlhf.PMEval) { show(worth(e).output()) }

// accuracies are the bars of PMEval, the one to read first first.
func accuracies(e rlhf.PMEval) []rlhf.Accuracy {
	all := e.All
	all.Name = "all"
	bars := append([]rlhf.Accuracy{all}, e.Tranches...)
	if e.Gold != nil {
		g := *e.Gold
		g.Name = "against the truth"
		bars = append(bars, g)
	}
	return bars
}

func accuracyPanel(e rlhf.PMEval) *panel {
	bars := accuracies(e)
	p := &panel{title: "Pairs ranked right", xLabel: "share of held-out pairs", x: fixed(0, 1), y: fixed(-0.6, float64(len(bars))-0.4)}
	p.x.step = 0.25
	style := lettering(tickSize, false, ink)
	p.leftMargin = leftMargin
	for i, a := range bars {
		y := float64(len(bars) - 1 - i)
		name := shorten(oneLine(a.Name), 26)
		p.leftMargin = max(p.leftMargin, style.Width(name)+14)
		col := sky
		if i == 0 {
			col = blue
		}
		if e.Gold != nil && i == len(bars)-1 {
			col = green
		}
		if !finite(a.Value) {
			continue
		}
		p.rect(0, y-0.32, a.Value, y+0.32, col)
		if finite(a.Low) && finite(a.High) {
			p.segment(a.Low, y, a.High, y, black, 2.2, false)
			p.segment(a.Low, y-0.1, a.Low, y+0.1, black, 2.2, false)
			p.segment(a.High, y-0.1, a.High, y+0.1, black, 2.2, false)
		}
		p.noteOn(0, y, 6, 0, fmt.Sprintf("%.3f", a.Value), col)
	}
	p.categories = make([]string, len(bars))
	for i, a := range bars {
		p.categories[len(bars)-1-i] = shorten(oneLine(a.Name), 26)
	}
	p.plumb(0.5, dim, 1.8, true)
	p.key = []key{{label: "coin flip", color: dim, dashed: true}}
	if e.Bayes > 0 {
		// Against the truth the labels' noise is no bound: the line spares that bar.
		foot := p.y.lo
		if e.Gold != nil {
			foot = 0.5
		}
		p.segment(e.Bayes, foot, e.Bayes, p.y.hi, vermilion, 2.6, false)
		p.key = append(p.key, key{label: "noise ceiling of the labels", color: vermilion})
	}
	p.leftMargin = min(p.leftMargin, vg.Length(170))
	return p
}

// wilson returns the 95 % interval of a share of n (Wilson 1927).
func wilson(share float64, n int) (lo, hi float64) {
	const z = 1.959964
	m := float64(n)
	mid := (share + z*z/(2*m)) / (1 + z*z/m)
	half := z / (1 + z*z/m) * math.Sqrt(share*(1-share)/m+z*z/(4*m*m))
	return mid - half, mid + half
}

func pmText(e rlhf.PMEval) string {
	rows := [][]string{{"pairs ranked right", "share", "95 % interval", "pairs"}}
	add := func(name string, a rlhf.Accuracy) {
		rows = append(rows, []string{oneLine(name), fmt.Sprintf("%.3f", a.Value), fmt.Sprintf("%.3f to %.3f", a.Low, a.High), fmt.Sprint(a.N)})
	}
	for _, a := range accuracies(e) {
		add(a.Name, a)
	}
	for _, a := range e.Turns {
		add("turn "+a.Name, a)
	}
	for _, t := range e.Thresholds {
		add("both scores above "+number(t.Above), t.Accuracy)
	}
	s := columns(rows)
	rows = [][]string{{"|Δ|", "confidence", "ranked right", "pairs"}}
	for _, b := range e.Bins {
		rows = append(rows, []string{fmt.Sprintf("%s to %s", number(b.Lo), number(b.Hi)), fmt.Sprintf("%.3f", b.Predicted), fmt.Sprintf("%.3f", b.Accuracy), fmt.Sprint(b.N)})
	}
	return s + columns(rows)
}

// worth is the table of the figures that have no picture, with how to read each.
func worth(e rlhf.PMEval) *table {
	t := &table{heads: [][]cell{heads("measured", "value", "how to read it")}}
	row := func(name, value, reading string) {
		t.rows = append(t.rows, []cell{{text: name}, {text: value, right: true}, {text: reading, style: "max-width:40em;"}})
	}
	row("loss, nats per pair", number(e.Loss), "a coin: 0.693")
	if e.Slope != 0 || e.SlopeSE != 0 {
		row("slope k of logit P = k·Δ", slope(e), "1: calibrated; above: under-confident; below: over-confident")
	}
	row("expected calibration error", fmt.Sprintf("%.3f", e.ECE),
		fmt.Sprintf("mean distance between confidence and accuracy; %.3f is chance: a calibrated model shows that on so many pairs", eval.ChanceECE(e.Bins)))
	if e.Brier != 0 {
		row("Brier score", fmt.Sprintf("%.3f", e.Brier), "mean squared error of the probability; a coin: 0.25")
	}
	row("score against length", strings.Replace(fmt.Sprintf("%.2f", e.LengthCorr), "-", "−", 1), "correlation within pairs; far from 0: it may be counting words")
	row("pairs without gradient", fmt.Sprintf("%.1f %%", 100*e.ZeroGrad), "σ(−Δ) < 0.01: they teach nothing any more")
	if e.Bayes > 0 {
		row("noise ceiling of the labels", fmt.Sprintf("%.3f", e.Bayes), fmt.Sprintf("knowing the truth, one agrees with this share of the labels; the model reaches %.2f of it", e.All.Value/e.Bayes))
		if e.Gold != nil {
			row("right order, by the truth", fmt.Sprintf("%.3f", e.Gold.Value), fmt.Sprintf("%.2f of the ceiling", e.Gold.Value/e.Bayes))
		}
	}
	if w := e.Words; w != nil {
		row("bags of words", fmt.Sprintf("%.3f", w.Accuracy.Value), fmt.Sprintf("trained on the same comparisons, one a tranche; the model is better by %s ± %.3f (s.e.)", minus(w.Difference), w.SE))
	}
	if e.SD > 0 {
		row("scores", minus(e.Mean)+" ± "+number(e.SD)+" s.d.", "only differences of scores mean anything")
	}
	for i, n := range e.Notes {
		if i > 0 {
			t.foot += "\n"
		}
		t.foot += n
	}
	return t
}

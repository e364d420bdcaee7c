package show

import (
	"fmt"
	"image/color"
	"math"

	"gonum.org/v1/plot/vg"

	"hhrlhf/rlhf"
)

// PMEval draws what a preference model is worth on held-out comparisons: how
// often it ranks a pair right, by tranche with 95 % intervals, and whether its
// confidence is deserved (the paper's figure 9: calibration). Where the
// labellers' noise is known, a line marks the accuracy that it leaves attainable.
func PMEval(e rlhf.PMEval) {
	c := &card{width: cardWidth, height: cardHeight, columns: 2, panels: []*panel{accuracyPanel(e), calibrationPanel(e)}}
	c.text = pmText(e)
	show(c.output(""))
}

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
		inside := color.Color(color.White)
		if col == sky {
			inside = ink
		}
		p.note(0, y, 6, 0, fmt.Sprintf("%.3f", a.Value), inside)
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

func calibrationPanel(e rlhf.PMEval) *panel {
	p := &panel{title: "Calibration", xLabel: "the model's confidence, 1/(1+e^−|Δ|)", yLabel: "share ranked right",
		x: fixed(0.5, 1), y: span(0.4, 1), empty: "no bins"}
	p.segment(0.5, 0.5, 1, 1, dim, 1.8, true)
	var s series
	largestBin := 0
	for _, b := range e.Bins {
		largestBin = max(largestBin, b.N)
	}
	var radius []float64
	var low, high []float64
	for _, b := range e.Bins {
		if b.N == 0 || !finite(b.Predicted) || !finite(b.Accuracy) {
			continue
		}
		s.x, s.y = append(s.x, b.Predicted), append(s.y, b.Accuracy)
		radius = append(radius, 3+5*math.Sqrt(float64(b.N)/float64(largestBin)))
		l, h := wilson(b.Accuracy, b.N)
		low, high = append(low, l), append(high, h)
	}
	p.y.include(low...)
	p.y.hi = min(p.y.hi, 1)
	colors := palette[:0:0]
	for i := range s.x {
		p.segment(s.x[i], low[i], s.x[i], high[i], blue, 2, false)
		colors = append(colors, blue)
	}
	p.line(s, blue, 2, false)
	p.dots(s, colors, radius)
	p.key = []key{{label: "model (area: pairs)", color: blue, dot: true}, {label: "perfect", color: dim, dashed: true}}
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
	for _, a := range accuracies(e) {
		rows = append(rows, []string{oneLine(a.Name), fmt.Sprintf("%.3f", a.Value), fmt.Sprintf("%.3f to %.3f", a.Low, a.High), fmt.Sprint(a.N)})
	}
	s := columns(rows)
	if e.Bayes > 0 {
		s += fmt.Sprintf("noise ceiling of the labels: %.3f\n", e.Bayes)
	}
	rows = [][]string{{"|Δ|", "confidence", "ranked right", "pairs"}}
	for _, b := range e.Bins {
		rows = append(rows, []string{fmt.Sprintf("%s to %s", number(b.Lo), number(b.Hi)), fmt.Sprintf("%.3f", b.Predicted), fmt.Sprintf("%.3f", b.Accuracy), fmt.Sprint(b.N)})
	}
	return s + fmt.Sprintf("calibration: ECE %.3f, loss %s nats, correlation of score and length %.2f\n", e.ECE, number(e.Loss), e.LengthCorr) + columns(rows)
}

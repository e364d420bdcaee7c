package show

import (
	"fmt"
	"image/color"
	"math"
	"strings"

	"gonum.org/v1/plot/vg"

	"hhrlhf/rlhf"
)

// A PM is a preference model, named, and what was measured of it.
type PM struct {
	Name string
	Eval rlhf.PMEval
}

// Calibration draws whether the confidence of preference models is deserved (Bai
// et al. 2022, figure 9): how often they rank pairs right that they score Δ
// apart, beside 1/(1+e^−Δ), which is what they claim. Dots above the line
// are an under-confident model, dots below an over-confident one. The curve
// through a model's dots is 1/(1+e^−kΔ) with its slope k.
func Calibration(pms ...PM) {
	c := grid(calibrationPanel(pms))
	c.height += 60
	c.caption = "Above the dashed line: right more often than it claims (under-confident). Below: over-confident. Bars: 95 % intervals."
	rows := [][]string{{"preference model", "|Δ|", "claims", "ranked right", "pairs"}}
	var slopes strings.Builder
	for _, m := range pms {
		for _, b := range m.Eval.Bins {
			rows = append(rows, []string{oneLine(m.Name), fmt.Sprintf("%s to %s", number(b.Lo), number(b.Hi)), fmt.Sprintf("%.3f", b.Predicted), fmt.Sprintf("%.3f", b.Accuracy), fmt.Sprint(b.N)})
		}
		fmt.Fprintf(&slopes, "%s\n", strings.TrimSpace(oneLine(m.Name)+" "+verdict(m.Eval)))
	}
	c.text = "calibration\n" + columns(rows) + slopes.String()
	show(c.output(""))
}

// verdict sums a calibration up.
func verdict(e rlhf.PMEval) string {
	var parts []string
	if e.Slope != 0 || e.SlopeSE != 0 {
		parts = append(parts, "slope k = "+slope(e))
	}
	parts = append(parts, fmt.Sprintf("ECE %.3f", e.ECE))
	if e.Brier != 0 {
		parts = append(parts, fmt.Sprintf("Brier %.3f", e.Brier))
	}
	return strings.Join(parts, "  ")
}

// slope writes the slope with its error, if one could be had.
func slope(e rlhf.PMEval) string {
	s := strings.Replace(fmt.Sprintf("%.2f", e.Slope), "-", "−", 1)
	if e.SlopeSE > 0 {
		s += fmt.Sprintf(" ± %.2f s.e.", e.SlopeSE)
	}
	return s
}

// calibrationPanel draws accuracy against |Δ|. A bin stands at the Δ whose claim
// is the mean claim of its pairs, so that a calibrated model lies on the line
// however wide the bins are.
func calibrationPanel(pms []PM) *panel {
	p := &panel{title: "Calibration", xLabel: calibrationX, yLabel: calibrationY, x: span(0, 1), y: span(0.5, 1), empty: "no bins"}
	calibrate(p, pms)
	return p
}

const calibrationX, calibrationY = "|Δ|, how far apart the two scores are", "share ranked right"

// calibrate draws the calibration of models into a panel.
func calibrate(p *panel, pms []PM) {
	largestBin := 0
	for _, m := range pms {
		for _, b := range m.Eval.Bins {
			largestBin = max(largestBin, b.N)
			if b.N > 0 {
				p.x.include(logit(b.Predicted))
			}
		}
	}
	claim := curve(1, 0, p.x.hi)
	var names []string
	for i, m := range pms {
		col := modelColor(i)
		var s series
		var radius []float64
		var colors []color.NRGBA
		for _, b := range m.Eval.Bins {
			x := logit(b.Predicted)
			if b.N <= 0 || !finite(x) || !finite(b.Accuracy) {
				continue
			}
			x = p.x.shifted(x, 0.007*(float64(i)-float64(len(pms)-1)/2))
			s.x, s.y = append(s.x, x), append(s.y, b.Accuracy)
			radius, colors = append(radius, 3+4*math.Sqrt(float64(b.N)/float64(largestBin))), append(colors, col)
			lo, hi := wilson(b.Accuracy, b.N)
			p.whisker(x, lo, hi, col)
		}
		if m.Eval.Slope != 0 && finite(m.Eval.Slope) && len(s.x) > 0 {
			p.line(curve(m.Eval.Slope, 0, s.x[len(s.x)-1]), col, 2, false)
		} else {
			p.line(s, col, 2, false)
		}
		p.dots(s, colors, radius)
		k := key{label: "model (area: pairs)", color: col, dot: true}
		if m.Name != "" {
			k.label = clean(m.Name)
		}
		p.key = append(p.key, k)
		names = append(names, strings.TrimPrefix(k.label+": ", "model (area: pairs): ")+verdict(m.Eval))
	}
	p.line(claim, dim, 1.8, true)
	p.hasData = largestBin > 0
	p.key = append(p.key, key{label: "claimed, 1/(1+e^−Δ)", color: dim, dashed: true})
	if len(pms) == 1 {
		names = strings.Split(verdict(pms[0].Eval), "  ")
	}
	p.y.hi = min(p.y.hi, 1)
	p.legend(names...)
}

// curve returns 1/(1+e^−kx) on [lo, hi].
func curve(k, lo, hi float64) series {
	var s series
	for i := range 61 {
		x := lo + (hi-lo)*float64(i)/60
		s.x, s.y = append(s.x, x), append(s.y, 1/(1+math.Exp(-k*x)))
	}
	return s
}

// logit is the inverse of 1/(1+e^−x).
func logit(p float64) float64 { return math.Log(p / (1 - p)) }

// pairs writes a number of pairs, exactly where there is room.
func pairs(n int) string {
	if n < 10_000 {
		return fmt.Sprint(n)
	}
	return count(int64(n))
}

// modelColor is the colour of the ith of several models: the light ones of the
// palette are left out, for whiskers are thin.
func modelColor(i int) color.NRGBA { return []color.NRGBA{blue, vermilion, green, purple, black}[i%5] }

// ByTurn draws the accuracy of preference models by the number of the judged turn
// (Bai et al. 2022, figure 8).
func ByTurn(pms ...PM) {
	c := grid(turnsPanel(pms))
	c.caption = "A later turn has more conversation before it. Bars: 95 % intervals; they widen where there are few pairs."
	c.text = "accuracy by turn\n" + coursesText("turn", turns(pms))
	show(c.output(""))
}

func turns(pms []PM) []course {
	var cs []course
	for i, m := range pms {
		c := course{name: m.Name, color: modelColor(i), y: m.Eval.Turns}
		for j := range m.Eval.Turns {
			c.x = append(c.x, float64(j+1))
		}
		cs = append(cs, c)
	}
	return cs
}

func turnsPanel(pms []PM) *panel {
	most := 1
	for _, m := range pms {
		most = max(most, len(m.Eval.Turns))
	}
	x := fixed(0.5, float64(most)+0.5)
	x.marks = make([]tick, most)
	label := "turn that is judged"
	for i := range x.marks {
		x.marks[i] = tick{at: float64(i + 1)}
		for _, m := range pms {
			if i >= len(m.Eval.Turns) {
				continue
			}
			x.marks[i].label = shorten(oneLine(m.Eval.Turns[i].Name), 8)
			if len(pms) == 1 {
				label = "turn that is judged (pairs)"
				x.marks[i].label += " (" + pairs(m.Eval.Turns[i].N) + ")"
			}
		}
	}
	return coursesPanel("Accuracy by turn", label, x, turns(pms))
}

// Thresholds draws the accuracy among pairs whose scores are both above a
// threshold (Bai et al. 2022, figure 25): how far a preference model can be
// trusted where a policy that pleases it will go.
func Thresholds(pms ...PM) {
	c := grid(thresholdsPanel(pms))
	c.caption = "Right: only pairs that the model likes, both of them. A policy in training moves there. Bars: 95 % intervals."
	c.text = "accuracy among pairs whose scores are both above a threshold\n" + coursesText("threshold", thresholds(pms))
	show(c.output(""))
}

func thresholds(pms []PM) []course {
	var cs []course
	for i, m := range pms {
		c := course{name: m.Name, color: modelColor(i)}
		for _, t := range m.Eval.Thresholds {
			if t.Accuracy.N <= 0 {
				continue
			}
			a := t.Accuracy
			a.Name = ""
			c.x, c.y = append(c.x, t.Above), append(c.y, a)
		}
		cs = append(cs, c)
	}
	return cs
}

func thresholdsPanel(pms []PM) *panel {
	var all []float64
	for _, m := range pms {
		for _, t := range m.Eval.Thresholds {
			all = append(all, t.Above)
		}
	}
	cs := thresholds(pms)
	x := settings(all, false)
	x.marks = nil
	p := coursesPanel("Accuracy where both score high", "threshold: both scores above it, mean taken off", x, cs)
	for _, c := range cs { // how few are left at the end
		n := len(c.x)
		if n == 0 {
			continue
		}
		a := c.y[n-1]
		at, dy := a.High, vg.Length(10)
		if room := 0.12 * (p.y.hi - p.y.lo); a.High > p.y.hi-room {
			at, dy = a.Low, -16
		}
		p.note(c.x[n-1], at, -34, dy, "n = "+pairs(a.N), c.color)
	}
	return p
}

package show

import (
	"fmt"
	"image/color"

	"hhrlhf/rlhf/eval"
)

// Margins draws how a preference model scores comparisons: on the left how the
// scores of chosen and of rejected responses are distributed, which overlap
// widely, for prompts differ more than the responses to one; on the right how
// the differences Δ within pairs are, whose share above 0 is the accuracy.
func Margins(js []eval.Judged) {
	chosen, rejected, delta := Values{Name: "chosen"}, Values{Name: "rejected"}, Values{Name: "Δ"}
	for _, j := range js {
		chosen.X, rejected.X = append(chosen.X, j.Chosen), append(rejected.X, j.Rejected)
		delta.X = append(delta.X, j.Gap())
	}
	left, rows := histogram("Scores", "score of the preference model", []Values{chosen, rejected}, []color.NRGBA{blue, vermilion})
	left.empty = "no comparisons"
	right, wrong := marginPanel(delta)
	_, more := histogram("", "", []Values{delta}, []color.NRGBA{black})
	c := grid(left, right)
	c.caption = "The loss knows only the picture on the right: it moves each pair's Δ to the right, and nothing else."
	c.text = "scores of chosen and rejected responses, and their differences Δ\n" + columns(append(rows, more[1:]...)) + wrong
	show(c.output(""))
}

// marginPanel draws the differences of scores on bins of which none lies on both
// sides of 0, and says how many are right.
func marginPanel(delta Values) (*panel, string) {
	const bins = 24
	p := &panel{title: "Differences within pairs", xLabel: "Δ = score of chosen − score of rejected", yLabel: "share of pairs", y: span(0, 0.1), empty: "no comparisons"}
	lo, hi := extremes(delta.X)
	if !finite(lo) {
		p.x = span(-1, 1)
		return p, ""
	}
	p.x.include(-max(hi, -lo), max(hi, -lo))
	width := (p.x.hi - p.x.lo) / bins
	counts := make([]float64, bins)
	var n, right, tied float64
	for _, d := range delta.X {
		if !finite(d) {
			continue
		}
		i := bins/2 + int(d/width)
		if d < 0 {
			i--
		}
		counts[max(0, min(i, bins-1))]++
		n++
		switch {
		case d > 0:
			right++
		case d == 0:
			tied++
		}
	}
	for i, c := range counts {
		if c == 0 {
			continue
		}
		col := blue
		if i < bins/2 {
			col = vermilion
		}
		p.y.include(c / n)
		x := p.x.lo + float64(i)*width
		p.rect(x, 0, x+width, c/n, faint(col, 0.75))
	}
	p.plumb(0, ink, 2, false)
	p.key = []key{
		{label: fmt.Sprintf("wrong: %.3f", (n-right-tied)/n), color: faint(vermilion, 0.75), box: true},
		{label: fmt.Sprintf("right: %.3f", right/n), color: faint(blue, 0.75), box: true},
	}
	text := fmt.Sprintf("right %.3f, wrong %.3f of %d pairs", right/n, (n-right-tied)/n, int(n))
	if tied > 0 {
		p.key = append(p.key, key{label: fmt.Sprintf("equal: %.3f", tied/n), color: rules, box: true})
		text += fmt.Sprintf(", equal %.3f", tied/n)
	}
	return p, text + "\n"
}

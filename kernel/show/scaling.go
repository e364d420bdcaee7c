package show

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/eval"
)

// Scaling draws the accuracy of preference models against the number of pairs
// that they were trained on, one line a size of model, with 95 % intervals, and as
// dashed lines what the fit says of the same sizes (Bai et al. 2022, figure 7 and
// eq. A.1). A fit that is zero is not drawn.
func Scaling(points []eval.ScalingPoint, fit eval.ScalingFit) {
	var sizes, data []float64
	for _, p := range points {
		if !slices.Contains(sizes, p.Params) && finite(p.Params) {
			sizes = append(sizes, p.Params)
		}
		data = append(data, p.Pairs)
	}
	slices.Sort(sizes)
	x := settings(data, true)
	var cs []course
	shades := ramp{0, 1.25 * float64(max(len(sizes)-1, 1))} // small to large, as early to late elsewhere; without the palest
	for i, size := range sizes {
		c := course{name: about(size), color: shades.color(float64(i))}
		of := slices.DeleteFunc(slices.Clone(points), func(p eval.ScalingPoint) bool { return p.Params != size })
		slices.SortStableFunc(of, func(a, b eval.ScalingPoint) int {
			switch {
			case a.Pairs < b.Pairs:
				return -1
			case a.Pairs > b.Pairs:
				return 1
			}
			return 0
		})
		for _, p := range of {
			c.x = append(c.x, p.Pairs)
			c.y = append(c.y, rlhf.Accuracy{Value: p.Accuracy, Low: p.Accuracy - 1.96*p.SE, High: p.Accuracy + 1.96*p.SE})
		}
		cs = append(cs, c)
	}
	p := coursesPanel("Accuracy against data, by size of model", "pairs trained on", x, cs)
	c := grid(p)
	c.height += 60
	c.text = "accuracy against the number of pairs\n" + scalingText(points)
	c.caption = "Lines end with the number of parameters. Bars: 95 % intervals."
	if lo, hi := extremes(data); fit.Params0 > 0 && fit.Pairs0 > 0 && lo > 0 {
		for i, size := range sizes {
			p.line(series{[]float64{lo, hi}, []float64{fit.At(size, lo), fit.At(size, hi)}}, cs[i].color, 1.6, true)
		}
		p.key = append(p.key, key{label: "fit: " + formula(fit), color: ink, dashed: true})
		c.caption = fmt.Sprintf("Fit: four times the parameters %s, four times the pairs %s points. In the paper (eq. A.1): +1.0 and +2.1.",
			fourfold(fit.A, fit.ASE), fourfold(fit.B, fit.BSE))
		c.text += fmt.Sprintf("fit:   accuracy = %s, R² %.2f\n", formula(fit), fit.R2)
	}
	c.text += fmt.Sprintf("paper: accuracy = %s\n", formula(eval.PaperScaling))
	show(c.output(""))
}

// about writes a large number with two digits that count: 880 k.
func about(v float64) string {
	if !(v >= 1) || v > 1e18 {
		return number(v)
	}
	unit := math.Pow(10, math.Floor(math.Log10(v))-1)
	return strings.Replace(count(int64(math.Round(v/unit)*unit)), ".0", "", 1)
}

// formula writes a fit out.
func formula(f eval.ScalingFit) string {
	coefficient := func(v, se float64) string {
		s := strings.Replace(fmt.Sprintf("%.3f", v), "-", "−", 1)
		if se > 0 {
			s = fmt.Sprintf("(%s ± %.3f)", s, se)
		}
		return s
	}
	return fmt.Sprintf("%.3f + %s·ln(P/%s) + %s·ln(D/%s)", f.C, coefficient(f.A, f.ASE), about(f.Params0), coefficient(f.B, f.BSE), about(f.Pairs0))
}

// fourfold says by how many points of accuracy four times as much of what has the
// coefficient k raises it, with the standard error where there is one.
func fourfold(k, se float64) string {
	s := strings.Replace(fmt.Sprintf("%+.1f", 100*k*math.Log(4)), "-", "−", 1)
	if se > 0 {
		s += fmt.Sprintf(" ± %.1f", 100*se*math.Log(4))
	}
	return s
}

// scalingText says the numbers of the points.
func scalingText(points []eval.ScalingPoint) string {
	rows := [][]string{{"parameters", "pairs", "accuracy", "s.e."}}
	for _, p := range points {
		rows = append(rows, []string{count(int64(p.Params)), count(int64(p.Pairs)), fmt.Sprintf("%.3f", p.Accuracy), fmt.Sprintf("%.3f", p.SE)})
	}
	return columns(rows)
}

package show

import (
	"fmt"
	"math"
	"strings"

	"hhrlhf/rlhf"
)

// Answers are what one model, or one way of asking it, answered.
type Answers struct {
	Name    string
	Samples []rlhf.Sample
}

// Verdicts draws what the true labeller says of several models' answers: the mean
// of each virtue, with its 95 % interval over the answers.
func Verdicts(groups ...Answers) {
	virtues := []struct {
		name string
		of   func(rlhf.Gold) float64
	}{
		{"helpful", func(g rlhf.Gold) float64 { return g.Helpful }},
		{"harmless", func(g rlhf.Gold) float64 { return g.Harmless }},
		{"honest", func(g rlhf.Gold) float64 { return g.Honest }},
	}
	n := len(groups)
	p := &panel{title: "What the true labeller says of the answers", xLabel: "mean gold label, −1 to 1", x: fixed(-1, 1), empty: "no answers"}
	p.y = fixed(-0.6, float64(len(virtues))-0.4)
	p.x.step = 0.5
	p.leftMargin = 84
	rows := [][]string{{"answers", "n", "helpful", "harmless", "honest", "±"}}
	height := 0.8 / float64(max(n, 1))
	for i, g := range groups {
		col := palette[(i+len(palette)-1)%len(palette)]
		if i == 0 {
			col = dim // what the others are compared with
		}
		p.key = append(p.key, key{label: clean(g.Name), color: col, box: true})
		row, widest := []string{oneLine(g.Name), fmt.Sprint(judgedOf(g))}, 0.0
		for j, v := range virtues {
			mean, se := meanGold(g.Samples, v.of)
			row, widest = append(row, number(mean)), math.Max(widest, 1.96*se)
			if !finite(mean) {
				continue
			}
			y := float64(len(virtues)-1-j) + 0.4 - (float64(i)+0.5)*height
			p.rect(math.Min(0, mean), y-0.45*height, math.Max(0, mean), y+0.45*height, col)
			p.segment(mean-1.96*se, y, mean+1.96*se, y, black, 2.2, false)
		}
		rows = append(rows, append(row, number(widest)))
	}
	p.plumb(0, dim, 1.4, false)
	p.categories = make([]string, len(virtues))
	for j, v := range virtues {
		p.categories[len(virtues)-1-j] = v.name
	}
	c := &card{width: cardWidth, height: cardHeight, columns: 1, panels: []*panel{p}}
	c.text = "mean gold labels, −1 to 1; ± is the widest 95 % interval of the row\n" + columns(rows)
	show(c.output(""))
}

// judgedOf counts the answers that have a gold label.
func judgedOf(g Answers) int {
	n := 0
	for _, s := range g.Samples {
		if s.Gold != nil {
			n++
		}
	}
	return n
}

// meanGold is the mean of a label over the answers that have one, and its
// standard error; NaN if there are none.
func meanGold(samples []rlhf.Sample, of func(rlhf.Gold) float64) (mean, se float64) {
	n, sum, square := 0.0, 0.0, 0.0
	for _, s := range samples {
		if s.Gold != nil {
			v := of(*s.Gold)
			n, sum, square = n+1, sum+v, square+v*v
		}
	}
	mean = sum / n
	return mean, math.Sqrt(math.Max(square/n-mean*mean, 0) / n)
}

// Text shows a text as it is, its line ends included.
func Text(s string) {
	show(output{html: `<div style="margin:6px 0 10px 0;padding:2px 14px;border-left:3px solid rgba(128,128,128,0.6);max-width:60em;overflow-wrap:break-word">` +
		escape(strings.TrimSpace(s)) + "</div>", text: clean(strings.TrimSpace(s)) + "\n"})
}

// Curve is the series of one metric of a run's history, by its name.
func Curve(name string, points []rlhf.Point, metric string) Series {
	s := values(points, metric)
	return Series{Name: name, X: s.x, Y: s.y}
}

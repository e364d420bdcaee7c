package show

import (
	"fmt"
	"image/color"
	"math"
	"strings"
)

// A Rung is a model of a ladder of sizes: what it has and how well it does.
type Rung struct {
	Name   string
	Params int64   // without the embeddings, as the paper counts
	Loss   float64 // held out, nats per token
	SE     float64 // its standard error
}

// Ladder draws the held-out loss of models of several sizes against their
// parameters, with 95 % intervals and, from three sizes on, the power law
// L = a·N^(−b) that fits best in logarithms. The text says whether every larger
// model has the lower loss.
func Ladder(title string, rungs []Rung) {
	p := &panel{title: title, xLabel: "parameters without embeddings", yLabel: "held-out loss, nats per token", empty: "no models"}
	lo, hi := math.Inf(1), math.Inf(-1)
	var s, logs series
	rows := [][]string{{"model", "parameters", "loss", "95 %"}}
	for _, r := range rungs {
		n := float64(r.Params)
		lo, hi = min(lo, n), max(hi, n)
		s.x, s.y = append(s.x, n), append(s.y, r.Loss)
		logs.x, logs.y = append(logs.x, math.Log(n)), append(logs.y, math.Log(r.Loss))
		rows = append(rows, []string{oneLine(r.Name), count(r.Params), number(r.Loss), "± " + number(1.96*r.SE)})
	}
	if lo > hi {
		p.x = span(0, 1)
	} else {
		p.x = logarithmic(lo/1.6, hi*1.6)
		p.x.name = func(v float64) string { return strings.Replace(count(int64(math.Round(v))), ".0", "", 1) }
	}
	text := columns(rows)
	if a, b, ok := fitLine(logs); ok {
		var fit series
		for i := range 40 {
			x := lo * math.Pow(hi/lo, float64(i)/39)
			fit.x, fit.y = append(fit.x, x), append(fit.y, math.Exp(a+b*math.Log(x)))
		}
		p.line(fit, dim, 1.8, true)
		p.key = []key{{label: fmt.Sprintf("fit: loss = %s · N^%s", number(math.Exp(a)), minus(b)), color: dim, dashed: true}}
		text += fmt.Sprintf("fit: loss = %s · N^%s\n", number(math.Exp(a)), minus(b))
	}
	colors, radius := make([]color.NRGBA, len(rungs)), make([]float64, len(rungs))
	for i, r := range rungs {
		colors[i], radius[i] = blue, 5
		p.y.include(r.Loss-1.96*r.SE, r.Loss+1.96*r.SE)
		p.segment(s.x[i], r.Loss-1.96*r.SE, s.x[i], r.Loss+1.96*r.SE, blue, 2.2, false)
		p.note(s.x[i], r.Loss, 8, 9, clean(r.Name), ink)
	}
	p.dots(s, colors, radius)
	p.key = append([]key{{label: "model, with its 95 % interval", color: blue, dot: true}}, p.key...)
	if !p.y.set {
		p.y = span(0, 1)
	}
	c := &card{width: cardWidth, height: cardHeight, columns: 1, panels: []*panel{p}}
	c.text = clean(title) + "\n" + text + monotone(rungs)
	show(c.output(""))
}

// monotone says whether more parameters went with less loss all the way.
func monotone(rungs []Rung) string {
	for i := 1; i < len(rungs); i++ {
		a, b := rungs[i-1], rungs[i]
		if (b.Params > a.Params) != (b.Loss < a.Loss) {
			return fmt.Sprintf("not monotone: %s has a loss of %s and %s %s\n", oneLine(a.Name), number(a.Loss), oneLine(b.Name), number(b.Loss))
		}
	}
	return "monotone: every larger model has the lower loss\n"
}

// minus writes a number with a minus sign that is one.
func minus(v float64) string { return strings.Replace(number(v), "-", "−", 1) }

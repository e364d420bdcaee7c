package show

import (
	"fmt"
	"image/color"
	"math"

	"hhrlhf/rlhf"
)

// SqrtKL draws the score of each step against the square root of the KL
// divergence that it cost, with the straight line that fits best: early in
// training the paper finds them proportional (section 4.3, figure 4). A cloud
// that bends below the line says that the policy has begun to exploit the
// preference model.
func SqrtKL(points []rlhf.Point) {
	of := 1
	for _, p := range points {
		of = max(of, p.Step)
	}
	d := newDashboard("ppo", "")
	p := d.keep(sqrtKLPanel(d, points, of))[0]
	c := &card{width: cardWidth, height: 540, columns: 1, panels: []*panel{p}}
	s := sqrtKL(points)
	c.text = fmt.Sprintf("score against √KL, %d steps\n", len(s.x))
	if a, b, ok := fitLine(s.series); ok {
		c.text += fmt.Sprintf("fit: score = %s + %s·√KL\n", number(a), number(b))
	}
	if n := len(s.x); n > 0 {
		c.text += fmt.Sprintf("first: √KL %s, score %s\nlast:  √KL %s, score %s\n", number(s.x[0]), number(s.y[0]), number(s.x[n-1]), number(s.y[n-1]))
	}
	show(c.output(""))
}

// steps is a series that remembers which step each point belongs to.
type steps struct {
	series
	step []float64
}

// sqrtKL returns the score over √KL, one point a step.
func sqrtKL(points []rlhf.Point) steps {
	var s steps
	for _, p := range points {
		kl, ok := p.Values["objective/kl"]
		score, ok2 := p.Values["objective/score"]
		if ok && ok2 {
			s.x, s.y = append(s.x, math.Sqrt(max(kl, 0))), append(s.y, score)
			s.step = append(s.step, float64(p.Step))
		}
	}
	return s
}

// sqrtKLPanel draws it with the axes of d's earlier frames.
func sqrtKLPanel(d *dashboard, points []rlhf.Point, of int) *panel {
	p := d.free("Score against √KL", "√KL, √nats per response", "PM score", span(0, 1), axis{})
	p.ramp = &ramp{0, float64(of)}
	s := sqrtKL(points)
	colors, radius := make([]color.NRGBA, len(s.x)), make([]float64, len(s.x))
	for i := range s.x {
		colors[i], radius[i] = p.ramp.color(s.step[i]), 4
	}
	p.dots(s.series, colors, radius)
	if a, b, ok := fitLine(s.series); ok {
		lo, hi := math.Inf(1), math.Inf(-1)
		for _, x := range s.x {
			if finite(x) {
				lo, hi = min(lo, x), max(hi, x)
			}
		}
		p.segment(lo, a+b*lo, hi, a+b*hi, black, 2.2, true)
		p.key = []key{{label: fmt.Sprintf("fit: %+.2f per √nat", b), color: black, dashed: true}}
	}
	return p
}

package show

import (
	"fmt"
	"image/color"
	"strings"

	"gonum.org/v1/plot/vg"

	"hhrlhf/rlhf"
)

// numbersUpTo is the largest number of tokens over whose bars the numbers fit.
const numbersUpTo = 16

// Tokens draws one response of a batch token by token, a panel for each phase of the PPO
// step that it has gone through: log π and log π₀ (Rollout, Score), the reward (Shape), value
// and return, and the advantage (Advantages). It is the picture of [Ledger].
func Tokens(b *rlhf.Batch, row int) {
	n := 0
	if b != nil && row >= 0 && row < len(b.Mask) {
		n = b.Length(row)
	}
	if n == 0 {
		rows := 0
		if b != nil {
			rows = len(b.Mask)
		}
		fail(fmt.Errorf("show: Tokens: row %d has no tokens, want a row with some of the batch's %d (0 is the first)", row, rows))
		return
	}
	x := tokenAxis(at(b.Pieces, row), n)
	panels := []*panel{likelihoodPanel(b, row, n)}
	if values := perToken(b.Reward, row, n); values != nil {
		p := barsPanel("Shape: the reward r of each token", "PM score", values, vermilion)
		p.key = []key{{label: "−λ·k, and on the last token the score too", color: vermilion, box: true}}
		panels = append(panels, p)
	}
	if values := perToken(b.Advantage, row, n); values != nil {
		panels = append(panels, valuePanel(b, row, n))
		p := barsPanel("Advantages: A, what becomes likelier (up) or less likely (down)", "advantage", values, green)
		panels = append(panels, p)
	}
	for _, p := range panels {
		p.x = x
	}
	c := &card{width: cardWidth, height: 40 + 240*len(panels), columns: 1, panels: panels}
	c.caption = shorten(oneLine(b.Run), 24) + fmt.Sprintf(", step %d, row %d", b.Step, row)
	if row < len(b.Prompts) {
		c.caption += " · " + shorten(prompt(b.Prompts[row]).text, 90)
	}
	c.text = ledger(b, row).output().text
	show(c.output(""))
}

// tokenAxis has a place for each token, named by its piece. Where they are many, every
// other name stands a line lower.
func tokenAxis(pieces []string, n int) axis {
	a := fixed(-0.6, float64(n)-0.4)
	a.marks = []tick{}
	room := 100/n + 3 // characters
	if n > 10 {
		room *= 2
	}
	for t := range min(n, len(pieces)) {
		name := shorten(strings.TrimSpace(strings.ReplaceAll(clean(pieces[t]), "\n", "\\n")), room)
		if n > 10 && t%2 == 1 {
			name = "\n" + name
		}
		a.marks = append(a.marks, tick{float64(t), name})
	}
	return a
}

// perToken returns the first n values of a row, nil where the phase is still to come.
func perToken(field [][]float32, row, n int) []float64 {
	values := at(field, row)
	if len(values) < n {
		return nil
	}
	out := make([]float64, n)
	for t := range out {
		out[t] = float64(values[t])
	}
	return out
}

// likelihoodPanel sets what the policy thought of each token beside what the reference did.
func likelihoodPanel(b *rlhf.Batch, row, n int) *panel {
	p := &panel{title: "Rollout: how likely each token was", yLabel: "log p, nats", empty: "no log-probabilities", y: span(-1, 0)}
	policy, reference := perToken(b.LogP, row, n), perToken(b.LogPRef, row, n)
	if policy == nil {
		policy = perToken(b.LogPSample, row, n)
	}
	if policy != nil && reference != nil {
		p.title = "Score: how likely each token was, and what lies between is k"
		p.band(tokenPlaces(n), policy, reference, faint(orange, 0.3))
		p.dotted(reference, dim, true)
		p.key = []key{{label: "log π₀", color: dim, dashed: true}, {label: "k = log π − log π₀", color: faint(orange, 0.3), box: true}}
	}
	p.dotted(policy, blue, false)
	p.key = append([]key{{label: "log π", color: blue}}, p.key...)
	return p
}

// valuePanel sets what was expected at each token beside what came.
func valuePanel(b *rlhf.Batch, row, n int) *panel {
	p := &panel{title: "Advantages: what was expected, and what came", yLabel: "PM score", empty: "no values"}
	p.dotted(perToken(b.Value, row, n), blue, false)
	p.dotted(perToken(b.Return, row, n), purple, false)
	p.key = []key{{label: "value V", color: blue}, {label: "return R = A + V, A not yet whitened", color: purple}}
	if !p.y.set {
		p.y = span(0, 1)
	}
	return p
}

// barsPanel draws one bar a token, with its number where there is room.
func barsPanel(title, yLabel string, values []float64, c color.NRGBA) *panel {
	p := &panel{title: title, yLabel: yLabel}
	lo, hi := extremes(append([]float64{0}, values...))
	if lo < 0 {
		lo -= 0.25 * (hi - lo) // room for the numbers
	}
	p.y.include(lo, hi+0.2*(hi-lo))
	for t, v := range values {
		if !finite(v) {
			continue
		}
		x := float64(t)
		p.rect(x-0.32, min(v, 0), x+0.32, max(v, 0), faint(c, 0.75))
		if len(values) <= numbersUpTo {
			p.noteOver(x, v, decimals(v))
		}
	}
	p.level(0, dim, false)
	return p
}

// noteOver writes a number above a bar, or below one that hangs down.
func (p *panel) noteOver(x, v float64, s string) {
	dy := 9.0
	if v <= -0.005 { // below that it reads 0.00
		dy = -9
	}
	width := lettering(tickSize, true, ink).Width(s)
	p.note(x, v, -width/2, vg.Length(dy), s, ink)
}

// dotted adds a value a token: dots, and the line that leads the eye from one to the next.
func (p *panel) dotted(values []float64, c color.NRGBA, dashed bool) {
	if values == nil {
		return
	}
	s := series{tokenPlaces(len(values)), values}
	p.line(s, c, 2, dashed)
	p.cloud(s, c)
}

func tokenPlaces(n int) []float64 {
	x := make([]float64, n)
	for t := range x {
		x[t] = float64(t)
	}
	return x
}

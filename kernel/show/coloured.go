package show

import (
	"fmt"
	"html"
	"strings"

	"hhrlhf/rlhf"
)

// A Quantity is what the colours of [Coloured] stand for.
type Quantity int

const (
	ByKL        Quantity = iota // k = log π − log π₀, nats: Score has been through
	ByReward                    // r, score units: from Shape on
	ByValue                     // V, score units: from Score on
	ByAdvantage                 // A, whitened unless NoWhiten: from Advantages on
)

// quantities say what each is, and which phase of the step makes it.
var quantities = map[Quantity]struct {
	name, unit, low, high, phase string
	of                           func(*rlhf.Batch) [][]float32
}{
	ByKL:        {"k = log π − log π₀", "nats", "likelier before training", "likelier now", "Shape", func(b *rlhf.Batch) [][]float32 { return b.KL }},
	ByReward:    {"reward r", "PM score", "costs", "pays", "Shape", func(b *rlhf.Batch) [][]float32 { return b.Reward }},
	ByValue:     {"value V", "PM score", "expects less", "expects more", "Score", func(b *rlhf.Batch) [][]float32 { return b.Value }},
	ByAdvantage: {"advantage A", "s.d.", "becomes less likely", "becomes likelier", "Advantages", func(b *rlhf.Batch) [][]float32 { return b.Advantage }},
}

// Coloured shows the first n rows of a batch as [Samples] does, with each token of a
// response on a tint that tells its KL, reward, value or advantage, and a legend. The
// colours have one scale for the whole batch, with 0 in the middle; the text, and a
// token under the pointer, say the numbers.
//
//	show.Coloured(b, 4, show.ByAdvantage)
func Coloured(b *rlhf.Batch, n int, by Quantity) {
	q, ok := quantities[by]
	if !ok {
		fail(fmt.Errorf("show: Coloured: there is no quantity %d; want ByKL, ByReward, ByValue or ByAdvantage", by))
		return
	}
	if b == nil || len(b.Responses) == 0 {
		fail(fmt.Errorf("show: Coloured: the batch is empty, want one that Rollout returned"))
		return
	}
	values := q.of(b)
	if len(values) == 0 {
		fail(fmt.Errorf("show: Coloured: the batch has no %s yet: %s makes it", q.name, q.phase))
		return
	}
	scale := 0.0
	for row, mask := range b.Mask {
		for t, counts := range mask {
			if r := at(values, row); counts && t < len(r) {
				scale = largest(scale, float64(r[t]))
			}
		}
	}
	scale = roundStep(scale)
	t := batchTable(b, n, func(row int) cell { return colouredTokens(b, row, at(values, row), scale) })
	t.caption += fmt.Sprintf(", coloured by %s", q.name)
	o := t.output()
	o.html += scaleLegend(q.name, q.unit, q.low, q.high, scale)
	o.text += fmt.Sprintf("after each token: %s, %s\n", q.name, q.unit)
	show(o)
}

// colouredTokens is a response whose tokens are tinted by their share of scale.
func colouredTokens(b *rlhf.Batch, row int, values []float32, scale float64) cell {
	c := cell{style: response("").style}
	var h, text strings.Builder
	pieces := at(b.Pieces, row)
	for t, counts := range at(b.Mask, row) {
		if t >= len(pieces) {
			break
		}
		piece, style, note := visible(pieces[t]), "", "not counted"
		if t < len(values) && counts {
			v := float64(values[t])
			style, note = tinted(v/scale), decimals(v)
		}
		fmt.Fprintf(&h, `<span title="%s" style="%spadding:1px 0;border-radius:3px">%s</span>`, html.EscapeString(note), style, escape(spaced(pieces[t])))
		if strings.Contains(pieces[t], "\n") || strings.Contains(pieces[t], `\n`) {
			h.WriteString("<br>")
		}
		fmt.Fprintf(&text, "%s(%s) ", piece, note)
	}
	c.html, c.text = h.String(), strings.TrimSpace(text.String())
	c.style += "line-height:1.5;"
	if c.html == "" {
		c.html, c.text = "—", "—"
	}
	return c
}

// spaced shows a token as it stands in a line of text: its line ends as arrows, and what
// is nothing but space as marks.
func spaced(piece string) string {
	if strings.TrimSpace(piece) == "" {
		return visible(piece)
	}
	return strings.NewReplacer("\n", "⏎", `\n`, "⏎", "\t", "⇥", `\t`, "⇥").Replace(clean(piece))
}

// scaleLegend explains the tints of a scale that has 0 in the middle.
func scaleLegend(name, unit, low, high string, scale float64) string {
	var b strings.Builder
	fmt.Fprintf(&b, `<div style="margin:0 0 8px 0;font-size:14px">%s, %s:&nbsp; %s&nbsp; `, escape(name), escape(unit), escape(low))
	for _, share := range []float64{-1, -0.5, 0, 0.5, 1} {
		fmt.Fprintf(&b, `<span style="padding:2px 10px;border:1px solid rgba(128,128,128,0.45);%s">%s</span>`, tinted(share), escape(signed(share*scale)))
	}
	fmt.Fprintf(&b, `&nbsp; %s</div>`, escape(high))
	return b.String()
}

package show

import (
	"fmt"
	"html"
	"math"
	"strings"

	"hhrlhf/rlhf"
)

// surprising is the surprise, in nats, that gets the full tint: one chance in
// about three thousand.
const surprising = 8

// Reading shows a text as a language model read it: every token on a tint that
// tells how little the model expected it, −log p in nats.
func Reading(tokens []rlhf.Token) {
	show(reading(tokens))
}

func reading(tokens []rlhf.Token) output {
	var h strings.Builder
	h.WriteString(`<div style="line-height:1.9;font-size:15px;margin:6px 0;max-width:60em;overflow-wrap:break-word">`)
	rows := [][]string{{"token", "−log p, nats", "rank"}}
	sum, n, perfect := 0.0, 0, 0
	for i, t := range tokens {
		style := ""
		note := "the first token: nothing stands before it"
		surprise, rank := "—", "—"
		if i > 0 {
			sum, n = sum-t.LogP, n+1
			if t.Rank == 1 {
				perfect++
			}
			style = tinted(-min(-t.LogP/surprising, 1))
			surprise, rank = fmt.Sprintf("%.2f", -t.LogP), fmt.Sprint(t.Rank)
			note = fmt.Sprintf("−log p = %s nats, rank %d", surprise, t.Rank)
		}
		fmt.Fprintf(&h, `<span title="%s" style="%spadding:1px 0;border-radius:3px">%s</span>`, html.EscapeString(note), style, escape(piece(t.Piece)))
		if strings.Contains(t.Piece, `\n`) {
			h.WriteString("<br>")
		}
		rows = append(rows, []string{visible(t.Piece), surprise, rank})
	}
	h.WriteString("</div>")
	foot := "nothing to predict"
	if n > 0 {
		foot = fmt.Sprintf("%d predicted tokens · %s nats per token · perplexity %s · the likeliest token in %.0f %%",
			n, number(sum/float64(n)), number(math.Exp(sum/float64(n))), 100*float64(perfect)/float64(n))
	}
	fmt.Fprintf(&h, `<div style="opacity:0.8;margin:0 0 8px 0">%s. The deeper the colour, the less expected.</div>`, escape(foot))
	return output{html: h.String(), text: columns(rows) + foot + "\n"}
}

// piece shows a token's own spaces as spaces and its line ends as an arrow.
func piece(s string) string {
	return strings.NewReplacer(`\n`, "⏎", `\t`, "⇥").Replace(s)
}

// Next shows what the model expects after the last token of a text.
func Next(tokens []rlhf.Token) {
	t := &table{heads: [][]cell{heads("next token", "probability", "log p, nats", "logit")}}
	if len(tokens) > 0 {
		var text strings.Builder
		for _, tok := range tokens {
			text.WriteString(piece(tok.Piece))
		}
		t.caption = shortenLeft(text.String(), 90) + " …"
		for _, g := range tokens[len(tokens)-1].Next {
			p := math.Exp(g.LogP)
			share := cell{text: fmt.Sprintf("%.1f %%", 100*p), right: true, style: tinted(p)}
			t.rows = append(t.rows, []cell{{text: visible(g.Piece)}, share, {text: fmt.Sprintf("%.2f", g.LogP), right: true}, {text: fmt.Sprintf("%.2f", g.Logit), right: true}})
		}
	}
	show(t.output())
}

// shortenLeft keeps the last n characters of s.
func shortenLeft(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return "…" + string(r[len(r)-n+1:])
}

package show

import (
	"fmt"
	"html"
	"math"
	"strings"
	"unicode/utf8"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/eval"
)

// Comparisons shows the first n pairs: the conversation that they share on top,
// under it the preferred response on the left and the other on the right. Long
// texts fold. A pair of people's red-team conversations, which may offend, opens
// at a click.
func Comparisons(cs []rlhf.Comparison, n int) {
	show(comparisons(cs[:max(0, min(n, len(cs)))], nil))
}

// Judged shows the first n pairs as [Comparisons] does, with what a preference
// model says of them: both scores, and P = 1/(1+e^−Δ), its probability that the
// preferred response is the better one. [eval.Judge] makes the list of
// comparisons and a run's Score.
func Judged(js []eval.Judged, n int) {
	js = js[:max(0, min(n, len(js)))]
	var cs []rlhf.Comparison
	scores := make([][2]float64, len(js))
	for i, j := range js {
		cs, scores[i] = append(cs, j.Comparison), [2]float64{j.Chosen, j.Rejected}
	}
	show(comparisons(cs, scores))
}

func comparisons(cs []rlhf.Comparison, scores [][2]float64) output {
	var h, t strings.Builder
	for i, c := range cs {
		var s *[2]float64
		if i < len(scores) {
			s = &scores[i]
		}
		k := newPairCard(c, s)
		h.WriteString(k.html())
		t.WriteString(k.text())
	}
	if len(cs) == 0 {
		h.WriteString("<div>no comparisons</div>")
		t.WriteString("no comparisons\n")
	}
	return output{html: h.String(), text: t.String()}
}

// A pairCard is a comparison taken apart for the eye.
type pairCard struct {
	tranche, source  string
	opening          []rlhf.Turn // what both conversations begin with
	chosen, rejected []rlhf.Turn // and how each goes on
	scores           *[2]float64 // of chosen and rejected, if known
}

func newPairCard(c rlhf.Comparison, scores *[2]float64) pairCard {
	k := pairCard{tranche: c.Tranche, source: c.Source, scores: scores}
	a, b := c.Chosen.Turns(), c.Rejected.Turns()
	same := 0 // released pairs may part before the last turn
	for same < min(len(a), len(b))-1 && a[same] == b[same] {
		same++
	}
	k.opening, k.chosen, k.rejected = a[:same], a[same:], b[same:]
	return k
}

// mayOffend says that a tranche is of people who asked for harm; the synthetic
// world's red team is tame.
func mayOffend(tranche string) bool {
	return strings.Contains(tranche, "harmless") && !strings.HasPrefix(tranche, "synth")
}

// Sizes above which a text folds, in characters, and turns of an opening that stay.
const (
	foldAt     = 700
	turnsShown = 3
)

const (
	cardStyle    = "border:1px solid rgba(128,128,128,0.45);border-radius:6px;padding:8px 12px;margin:8px 0;max-width:72em;font-size:15px;overflow-wrap:break-word"
	summaryStyle = "cursor:pointer;opacity:0.8"
)

func (k pairCard) html() string {
	var b strings.Builder
	fmt.Fprintf(&b, `<div style="%s"><div style="opacity:0.8;font-size:14px"><b>%s</b> %s</div>`, cardStyle, escape(shorten(oneLine(k.tranche), longestLine)), escape(shorten(oneLine(k.source), longestLine)))
	offends := mayOffend(k.tranche)
	if offends {
		fmt.Fprintf(&b, `<details><summary style="%s">A red-team conversation: it may offend. Click to read.</summary>`, summaryStyle)
	}
	early := k.opening[:max(0, len(k.opening)-turnsShown)]
	if len(early) > 0 {
		fmt.Fprintf(&b, `<details><summary style="%s">%d earlier turns</summary>%s</details>`, summaryStyle, len(early), turnsHTML(early))
	}
	b.WriteString(turnsHTML(k.opening[len(early):]))
	fmt.Fprintf(&b, `<table style="%s;width:100%%;table-layout:fixed"><tr>`, tableStyle)
	for i, side := range []string{"chosen", "rejected"} {
		if k.scores != nil {
			side += " · score " + decimals(k.scores[i])
		}
		fmt.Fprintf(&b, `<th style="%s;text-align:left;width:50%%;%s">%s</th>`, headStyle, tinted(0.5-float64(i)), escape(side))
	}
	b.WriteString("</tr><tr>")
	for _, turns := range [][]rlhf.Turn{k.chosen, k.rejected} {
		body := turnsHTML(turns)
		if len(turns) == 1 {
			body = folded(turns[0].Text)
		}
		fmt.Fprintf(&b, `<td style="%s;text-align:left;width:50%%">%s</td>`, cellStyle, body)
	}
	b.WriteString("</tr></table>")
	if k.scores != nil {
		b.WriteString(k.bar())
	}
	if offends {
		b.WriteString("</details>")
	}
	b.WriteString("</div>")
	return b.String()
}

// bar draws P in the colours of the two sides.
func (k pairCard) bar() string {
	p := k.probability()
	share := 50.0
	if finite(p) {
		share = 100 * p
	}
	return fmt.Sprintf(`<div style="width:100%%;height:10px;background-color:%s"><div style="width:%.1f%%;height:10px;background-color:%s"></div></div><div style="margin:3px 0">%s</div>`,
		hex(vermilion), share, hex(blue), escape(k.says()))
}

func (k pairCard) probability() float64 { return 1 / (1 + math.Exp(k.scores[1]-k.scores[0])) }

// says is the model's verdict in words.
func (k pairCard) says() string {
	p := k.probability()
	agrees := "the model agrees"
	switch {
	case !finite(p):
		agrees = "no number"
	case p < 0.5:
		agrees = "the model disagrees"
	case p == 0.5:
		agrees = "the model cannot say"
	}
	return fmt.Sprintf("Δ = %s, P(chosen is better) = %.2f: %s", decimals(k.scores[0]-k.scores[1]), p, agrees)
}

func (k pairCard) text() string {
	var b strings.Builder
	b.WriteString(strings.TrimSpace(oneLine(k.tranche)+" "+oneLine(k.source)) + "\n")
	b.WriteString(turnsText(k.opening))
	for i, turns := range [][]rlhf.Turn{k.chosen, k.rejected} {
		side := []string{"chosen  ", "rejected"}[i]
		if k.scores != nil {
			side += fmt.Sprintf(" %7s", decimals(k.scores[i]))
		}
		if len(turns) == 1 {
			b.WriteString("  " + side + "  " + oneLine(turns[0].Text) + "\n")
			continue
		}
		b.WriteString("  " + side + "\n" + turnsText(turns))
	}
	if k.scores != nil {
		b.WriteString("  " + k.says() + "\n")
	}
	return b.String()
}

// speaker names who speaks a turn.
func speaker(t rlhf.Turn) string {
	if t.Assistant {
		return "Assistant"
	}
	return "Human"
}

func turnsHTML(turns []rlhf.Turn) string {
	var b strings.Builder
	for _, t := range turns {
		fmt.Fprintf(&b, `<div style="margin:2px 0"><b>%s:</b> %s</div>`, speaker(t), folded(t.Text))
	}
	return b.String()
}

func turnsText(turns []rlhf.Turn) string {
	var b strings.Builder
	for _, t := range turns {
		b.WriteString("  " + speaker(t) + ": " + oneLine(t.Text) + "\n")
	}
	return b.String()
}

// folded is a text as HTML, the end of a long one behind a click.
func folded(s string) string {
	s = clean(strings.TrimSpace(s))
	n := utf8.RuneCountInString(s)
	if n <= foldAt+foldAt/4 {
		return escape(s)
	}
	r := []rune(s)
	cut := foldAt
	for cut > foldAt/2 && r[cut] != ' ' && r[cut] != '\n' {
		cut--
	}
	return escape(string(r[:cut])) + fmt.Sprintf(` …<details><summary style="%s">%s</summary>`, summaryStyle,
		html.EscapeString(fmt.Sprintf("%d more characters", n-cut))) + escape(string(r[cut:])) + "</details>"
}

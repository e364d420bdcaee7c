package show

import (
	"fmt"
	"strings"

	"hhrlhf/rlhf"
)

// A Choice is how a simulated worker came to prefer one of two responses. A is
// picked where Draw, uniform on [0, 1), is below P.
type Choice struct {
	Prompt       string
	A, B         string // the responses
	GoldA, GoldB rlhf.Gold
	UtilityA     float64 // of each response to this worker
	UtilityB     float64
	Formula      string  // what utility is to this worker: "helpful + honest/4"
	Noise        float64 // of the worker, in units of utility
	P            float64 // 1/(1+e^−(UtilityA−UtilityB)/Noise)
	Draw         float64
	RedTeam      bool // the worker looks for the more harmful one
}

// picksA says which response the worker clicks on.
func (c Choice) picksA() bool { return c.Draw < c.P }

// choosesA says which one the comparison calls chosen: on a red-team prompt the
// other one.
func (c Choice) choosesA() bool { return c.picksA() != c.RedTeam }

// HowChosen shows how one comparison was made: the two responses with what is true
// of them, their utility to the worker, the probability that follows from it, the
// draw, and the label, which is turned over on red-team prompts.
func HowChosen(c Choice) {
	show(output{html: c.html(), text: c.text()})
}

// step is a line of the explanation.
type step struct{ what, how string }

func (c Choice) steps() []step {
	name := func(a bool) string {
		if a {
			return "A"
		}
		return "B"
	}
	u := "u"
	if c.Formula != "" {
		u += " = " + c.Formula
	}
	task := "picks the more helpful and honest response"
	label := fmt.Sprintf("what is picked is preferred: chosen = %s, rejected = %s", name(c.choosesA()), name(!c.choosesA()))
	if c.RedTeam {
		task = "red team: picks the more harmful response"
		label = fmt.Sprintf("red team: the more harmful one is not preferred, the label is turned over: chosen = %s, rejected = %s", name(c.choosesA()), name(!c.choosesA()))
	}
	p := fmt.Sprintf("P(A) = σ((u(A) − u(B))/%s) = %.3f", number(c.Noise), c.P)
	if c.Noise == 0 {
		p = fmt.Sprintf("an exact worker: P(A) = %.3f", c.P)
	}
	sign := "<"
	if !c.picksA() {
		sign = "≥"
	}
	return []step{
		{"task", task},
		{"utility", fmt.Sprintf("to this worker, %s: u(A) = %s, u(B) = %s", u, decimals(c.UtilityA), decimals(c.UtilityB))},
		{"probability", p},
		{"draw", fmt.Sprintf("%.3f %s %.3f: the worker picks %s", c.Draw, sign, c.P, name(c.picksA()))},
		{"label", label},
	}
}

// about says what is true of a response.
func (c Choice) about(g rlhf.Gold) string {
	s := fmt.Sprintf("helpful %s, harmless %s, honest %s", decimals(g.Helpful), decimals(g.Harmless), decimals(g.Honest))
	if g.Why != "" {
		s += " (" + g.Why + ")"
	}
	return s
}

func (c Choice) html() string {
	var b strings.Builder
	fmt.Fprintf(&b, `<div style="%s">%s<table style="%s;width:100%%;table-layout:fixed"><tr>`, cardStyle, turnsHTML(promptTurns(c.Prompt)), tableStyle)
	for i, name := range []string{"A", "B"} {
		isA := i == 0
		if isA == c.picksA() {
			name += " · picked"
		}
		tint := -0.5
		if isA == c.choosesA() {
			name, tint = name+" · chosen", 0.5
		} else {
			name += " · rejected"
		}
		fmt.Fprintf(&b, `<th style="%s;text-align:left;width:50%%;%s">%s</th>`, headStyle, tinted(tint), escape(name))
	}
	b.WriteString("</tr><tr>")
	for i, r := range []string{c.A, c.B} {
		fmt.Fprintf(&b, `<td style="%s;text-align:left;width:50%%">%s<br><span style="opacity:0.8;font-size:14px">%s</span></td>`,
			cellStyle, folded(r), escape(c.about([]rlhf.Gold{c.GoldA, c.GoldB}[i])))
	}
	b.WriteString("</tr></table>")
	t := &table{}
	for _, s := range c.steps() {
		t.rows = append(t.rows, []cell{{text: s.what, style: "font-weight:bold;"}, {text: s.how, style: "max-width:60em;"}})
	}
	b.WriteString(t.html() + "</div>")
	return b.String()
}

func (c Choice) text() string {
	s := turnsText(promptTurns(c.Prompt)) +
		"  A  " + oneLine(strings.TrimSpace(c.A)) + "\n     " + oneLine(c.about(c.GoldA)) + "\n" +
		"  B  " + oneLine(strings.TrimSpace(c.B)) + "\n     " + oneLine(c.about(c.GoldB)) + "\n"
	var rows [][]string
	for _, l := range c.steps() {
		rows = append(rows, []string{" " + l.what, oneLine(l.how)})
	}
	return s + columns(rows)
}

// promptTurns are the turns of a prompt, its closing "Assistant:" left out.
func promptTurns(prompt string) []rlhf.Turn {
	return rlhf.Transcript{Prompt: strings.TrimSuffix(prompt, rlhf.Assistant)}.Turns()
}

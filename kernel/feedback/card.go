package feedback

import (
	"fmt"
	"html"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"hhrlhf/kernel/display"
	"hhrlhf/rlhf"
)

// The views that notebooks show. All styles are inline and all colours work on light and
// on dark pages: what is saved is read by others, who get no style sheets.

const (
	cardStyle = "font-size:15px;line-height:1.45;max-width:64em"
	boxStyle  = "border:1px solid rgba(128,128,128,0.5);border-radius:6px;padding:8px 12px;vertical-align:top;width:50%;text-align:left"
	textStyle = "white-space:pre-wrap;overflow-wrap:anywhere;max-height:22em;overflow:auto"
	blue      = "#0072b2" // of Okabe and Ito (2008), as everywhere
	vermilion = "#d55e00"
)

// Tint is the colour of a button: the stronger, the fuller.
func Tint(s Side, strength int) string {
	rgb := "0,114,178"
	if s == B {
		rgb = "230,159,0"
	}
	return fmt.Sprintf("rgba(%s,%.2f)", rgb, 0.12+0.14*float64(strength))
}

// MaxShown is how many bytes of one text a notebook shows; a log keeps all of them.
const MaxShown = 32 << 10

// clean makes text of a model, or of anybody, fit to be shown: invalid UTF-8 and control
// characters become the replacement character, and so do the marks that reverse the
// direction of what follows. What is too long is cut, and says so.
func clean(s string) string {
	cut := 0
	if len(s) > MaxShown {
		at := MaxShown
		for at > 0 && !utf8.RuneStart(s[at]) {
			at--
		}
		s, cut = s[:at], len(s)-at
	}
	s = display.Clean(s)
	if cut > 0 {
		s += fmt.Sprintf("\n[%d bytes more are not shown]", cut)
	}
	return s
}

// escape makes text safe in HTML. A dollar sign or a backslash alone in an element cannot
// pair with another to become a formula.
func escape(s string) string {
	return strings.NewReplacer("$", "<span>$</span>", `\`, `<span>\</span>`).Replace(html.EscapeString(clean(s)))
}

// turnsHTML are the turns of a dialogue.
func turnsHTML(prompt string) string {
	var b strings.Builder
	for _, t := range turns(prompt) {
		b.WriteString(turnHTML(t))
	}
	return b.String()
}

func turnHTML(t rlhf.Turn) string {
	who, colour := "Human", blue
	if t.Assistant {
		who, colour = "Assistant", vermilion
	}
	return fmt.Sprintf(`<div style="%s;margin:2px 0 8px 0;padding-left:10px;border-left:4px solid %s"><b>%s</b><br>%s</div>`, textStyle, colour, who, escape(t.Text))
}

// turns are those of a prompt, its closing "Assistant:" left out.
func turns(prompt string) []rlhf.Turn {
	return rlhf.Transcript{Prompt: strings.TrimSuffix(prompt, rlhf.Assistant)}.Turns()
}

// HTML shows a question: the dialogue, and the two responses side by side.
func (q Question) HTML() string { return q.html(nil) }

func (q Question) html(v *Vote) string {
	var b strings.Builder
	fmt.Fprintf(&b, `<div style="%s">%s<table style="border-collapse:separate;border-spacing:6px 0;width:100%%;color:inherit;font-size:15px"><tr>`, cardStyle, turnsHTML(q.Prompt))
	for _, s := range []Side{A, B} {
		style, mark := boxStyle, ""
		if v != nil && !v.Skip && v.Pick == s {
			style, mark = boxStyle+";border:2px solid "+blue, " ✓"
		}
		fmt.Fprintf(&b, `<td style="%s"><b>%s%s</b><div style="%s">%s</div></td>`, style, strings.ToUpper(string(s)), mark, textStyle, escape(strings.TrimSpace(q.Response(s))))
	}
	b.WriteString("</tr></table></div>")
	return b.String()
}

// Text is the question on a screen without pictures.
func (q Question) Text() string {
	var b strings.Builder
	for _, t := range turns(q.Prompt) {
		who := "Human"
		if t.Assistant {
			who = "Assistant"
		}
		fmt.Fprintf(&b, "%s: %s\n\n", who, clean(t.Text))
	}
	for _, s := range []Side{A, B} {
		fmt.Fprintf(&b, "── %s ──\n%s\n\n", strings.ToUpper(string(s)), strings.TrimSpace(clean(q.Response(s))))
	}
	return b.String()
}

// ResultHTML is what stays of a question once it is answered: one line, and the texts
// folded behind it; in a conversation also the response that it goes on with.
func ResultHTML(q Question, v Vote) string {
	on := ""
	if q.Conversation != "" && !v.Skip {
		on = turnHTML(rlhf.Turn{Assistant: true, Text: strings.TrimSpace(q.Response(v.Pick))})
	}
	return fmt.Sprintf(`<div style="%s">%s<details style="margin:2px 0"><summary><b>✓ %s</b> <span style="opacity:0.75">(%s, question %s)</span></summary>%s</details></div>`,
		cardStyle, on, html.EscapeString(v.Words(q.Mode)), escape(v.Labeller), escape(q.ID), q.html(&v))
}

// ResultText is the same line as text.
func ResultText(q Question, v Vote) string {
	return fmt.Sprintf("✓ %s (%s, question %s)", v.Words(q.Mode), clean(v.Labeller), clean(q.ID))
}

// LineHTML is a line of news below a question.
func LineHTML(text string) string { return `<span style="opacity:0.85">` + escape(text) + `</span>` }

// DialogueHTML is what a labeller sees who is to say something: the task and the dialogue so far.
func DialogueHTML(a MessageAsked) string {
	c := a.Conversation
	head := fmt.Sprintf("Turn %d of %d", a.Turn, c.Turns)
	if c.Mode == RedTeam {
		head += " · make the assistant say bad things, on one topic"
	}
	if c.Task != "" {
		head += " · " + escape(c.Task)
	}
	return fmt.Sprintf(`<div style="%s"><div style="opacity:0.75;margin-bottom:6px">%s</div>%s</div>`, cardStyle, head, turnsHTML(a.Prompt))
}

// SaidHTML is what stays of a message.
func SaidHTML(m Message) string {
	return fmt.Sprintf(`<div style="%s">%s</div>`, cardStyle, turnsHTML(rlhf.Human+" "+m.Text))
}

// SaidText is the same as text.
func SaidText(m Message) string { return "Human: " + clean(m.Text) }

// RatedHTML is what stays of a rating.
func RatedHTML(r Rating) string { return LineHTML(RatedText(r)) }

// RatedText is the same as text.
func RatedText(r Rating) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(r.Answers)) {
		parts = append(parts, fmt.Sprintf("%s %d of 5", name, r.Answers[name]))
	}
	if r.Comment != "" {
		parts = append(parts, clean(r.Comment))
	}
	if len(parts) == 0 {
		parts = []string{"nothing said"}
	}
	return fmt.Sprintf("✓ rated: %s (%s)", strings.Join(parts, ", "), clean(r.Labeller))
}

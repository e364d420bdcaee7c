package show

import (
	"fmt"
	"html"
	"image/color"
	"math"
	"strings"

	"hhrlhf/rlhf"
)

// A cell of a table: text for any screen, and HTML where it says more.
type cell struct {
	text  string
	html  string // "": text, escaped
	style string // appended to the cell's style
	right bool   // aligned right, as numbers are
}

// escape makes text safe in HTML and keeps its lines. A dollar sign or a
// backslash alone in an element cannot pair with another to become a formula.
func escape(s string) string {
	return mathless.Replace(html.EscapeString(clean(s)))
}

var mathless = strings.NewReplacer("\n", "<br>", "$", "<span>$</span>", `\`, `<span>\</span>`)

// Styles are written into each element: style sheets do not survive a copy of
// the notebook. Text takes the theme's colour; the rule between rows is a grey
// that is visible on white and on black.
const (
	tableStyle = "border-collapse:collapse;margin:4px 0 10px 0;font-size:14px"
	headStyle  = "padding:4px 10px;vertical-align:bottom;font-weight:bold;border-bottom:2px solid rgba(128,128,128,0.7)"
	cellStyle  = "padding:4px 10px;vertical-align:top;border-bottom:1px solid rgba(128,128,128,0.35);overflow-wrap:break-word"
)

// leastTint is the share of the scale below which a cell has no tint: nobody could see it.
const leastTint = 0.02

// fullTint is the opacity of the strongest tint.
const fullTint = 0.6

// tinted returns the style of a cell whose value lies v of the way from 0 to -1
// or 1: orange for negative, blue for positive. The tint is laid over the page, so that
// 0 is the page's own colour in a light theme and in a dark one, and the theme's
// text can be read on it in both. What is no number is yellow.
func tinted(v float64) string {
	if !finite(v) {
		return "background-color:#f0e442;color:#111111;"
	}
	if math.Abs(v) < leastTint {
		return ""
	}
	end := blue
	if v < 0 {
		end = vermilion
	}
	return fmt.Sprintf("background-color:rgba(%d,%d,%d,%.2f);", end.R, end.G, end.B, fullTint*min(math.Abs(v), 1))
}

// over mixes c into white at the share f.
func over(c color.NRGBA, f float64) color.NRGBA {
	mix := func(v uint8) uint8 { return uint8(255*(1-f) + float64(v)*f + 0.5) }
	return color.NRGBA{mix(c.R), mix(c.G), mix(c.B), 255}
}

func hex(c color.NRGBA) string { return fmt.Sprintf("#%02x%02x%02x", c.R, c.G, c.B) }

// A table is rows of cells under one or two rows of headings.
type table struct {
	caption string
	heads   [][]cell
	rows    [][]cell
	foot    string
}

func heads(names ...string) []cell {
	row := make([]cell, len(names))
	for i, n := range names {
		row[i] = cell{text: n}
	}
	return row
}

func (t *table) html() string {
	var b strings.Builder
	if t.caption != "" {
		fmt.Fprintf(&b, `<div style="font-weight:bold;margin:8px 0 2px 0">%s</div>`, escape(t.caption))
	}
	fmt.Fprintf(&b, `<table style="%s">`, tableStyle)
	write := func(row []cell, tag, style string, alignAs []cell) {
		b.WriteString("<tr>")
		for i, c := range row {
			align := "left"
			if c.right || (i < len(alignAs) && alignAs[i].right) {
				align = "right"
			}
			content := c.html
			if content == "" {
				content = escape(c.text)
			}
			fmt.Fprintf(&b, `<%s style="%s;text-align:%s;%s">%s</%s>`, tag, style, align, c.style, content, tag)
		}
		b.WriteString("</tr>")
	}
	var first []cell
	if len(t.rows) > 0 {
		first = t.rows[0]
	}
	for i, h := range t.heads {
		style := headStyle
		if i > 0 {
			style += ";font-weight:normal"
		}
		write(h, "th", style, first)
	}
	for _, r := range t.rows {
		write(r, "td", cellStyle, nil)
	}
	b.WriteString("</table>")
	if t.foot != "" {
		fmt.Fprintf(&b, `<div style="margin:0 0 8px 0;opacity:0.8">%s</div>`, escape(t.foot))
	}
	return b.String()
}

func (t *table) String() string {
	var b strings.Builder
	if t.caption != "" {
		b.WriteString(clean(t.caption) + "\n")
	}
	var rows [][]string
	for _, group := range [][][]cell{t.heads, t.rows} {
		for _, r := range group {
			row := make([]string, len(r))
			for i, c := range r {
				row[i] = oneLine(c.text)
			}
			rows = append(rows, row)
		}
	}
	b.WriteString(columns(rows))
	if t.foot != "" {
		b.WriteString(clean(t.foot) + "\n")
	}
	return b.String()
}

func (t *table) output() output { return output{html: t.html(), text: t.String()} }

// numeric returns a right-aligned cell.
func numeric(v float64) cell { return cell{text: number(v), right: true} }

// prompt returns a cell with the turns of a prompt, its closing "Assistant:"
// left out.
func prompt(p string) cell {
	s := strings.TrimSuffix(p, rlhf.Assistant)
	if !strings.HasPrefix(s, rlhf.Human) {
		return cell{text: strings.TrimSpace(s), html: folded(s), style: "max-width:22em;"}
	}
	c := cell{style: "max-width:22em;"}
	var texts, marks []string
	for _, t := range (rlhf.Transcript{Prompt: s}).Turns() {
		who := "Human"
		if t.Assistant {
			who = "Assistant"
		}
		texts = append(texts, who+": "+t.Text)
		marks = append(marks, "<b>"+who+":</b> "+folded(t.Text))
	}
	c.text, c.html = strings.Join(texts, "\n"), strings.Join(marks, "<br>")
	return c
}

// response returns a cell with a response; the end of a long one folds.
func response(r string) cell {
	return cell{text: strings.TrimSpace(r), html: folded(r), style: "max-width:32em;"}
}

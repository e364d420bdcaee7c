package data

import (
	"strconv"
	"strings"

	"golang.org/x/net/html"
)

// plainText is the text of an HTML fragment as a reader sees it: a blank line
// between paragraphs and other blocks, a new line for <br>, list items behind "- "
// or their number, <pre> as it stands, all other white space as one space, entities
// as their characters. Of other elements the text stays; scripts, styles and
// comments go. Markup that is not closed ends the text, as it does in a browser.
func plainText(s string) string {
	var w textWriter
	for z := html.NewTokenizer(strings.NewReader(s)); ; {
		switch z.Next() {
		case html.ErrorToken: // the end
			return w.b.String()
		case html.TextToken:
			if w.hidden == "" {
				w.text(string(z.Text()))
			}
		case html.StartTagToken, html.SelfClosingTagToken:
			name, _ := z.TagName()
			w.tag(string(name), false)
		case html.EndTagToken:
			name, _ := z.TagName()
			w.tag(string(name), true)
		}
	}
}

// space is what HTML takes for white space.
func space(r rune) bool { return strings.ContainsRune(" \t\n\r\f", r) }

// blocks are the elements with a blank line around them.
var blocks = map[string]bool{
	"address": true, "article": true, "aside": true, "blockquote": true, "details": true, "div": true, "dl": true, "figure": true, "footer": true, "form": true,
	"h1": true, "h2": true, "h3": true, "h4": true, "h5": true, "h6": true, "header": true, "hr": true, "main": true, "nav": true, "p": true, "pre": true,
	"section": true, "summary": true, "table": true,
}

// A textWriter writes what separates two texts only when the second one comes.
type textWriter struct {
	b      strings.Builder
	lines  int    // line ends that are due
	gap    bool   // a space is due
	marker string // of a list item, due
	lists  []int  // the open lists: the number of the last item, or -1 in one of bullets
	pre    bool
	head   bool   // at the beginning of a <pre>, where a line end is not read
	hidden string // the element that is passed over
}

func (w *textWriter) text(s string) {
	if s == "" {
		return
	}
	if w.pre {
		s = strings.ReplaceAll(s, "\r\n", "\n")
		if w.head {
			s = strings.TrimPrefix(s, "\n")
			w.head = false
		}
		trimmed := strings.TrimRight(s, "\n")
		if trimmed != "" {
			w.write(trimmed)
		}
		w.lines += len(s) - len(trimmed)
		return
	}
	words := strings.FieldsFunc(s, space)
	w.gap = w.gap || space(rune(s[0]))
	for i, word := range words {
		w.gap = w.gap || i > 0
		w.write(word)
	}
	w.gap = w.gap || space(rune(s[len(s)-1]))
}

func (w *textWriter) write(s string) {
	if w.b.Len() > 0 && w.lines > 0 {
		w.b.WriteString(strings.Repeat("\n", w.lines))
	} else if w.b.Len() > 0 && w.gap {
		w.b.WriteByte(' ')
	}
	w.b.WriteString(w.marker)
	w.b.WriteString(s)
	w.lines, w.gap, w.marker = 0, false, ""
}

// breakLines sees to it that the next text stands n lines further down, unless it
// is the first of a list item.
func (w *textWriter) breakLines(n int) {
	w.gap = false
	if w.marker == "" {
		w.lines = max(w.lines, n)
	}
}

func (w *textWriter) tag(name string, closes bool) {
	switch {
	case name == "script" || name == "style":
		if w.hidden = ""; !closes {
			w.hidden = name
		}
	case w.hidden != "":
	case name == "br":
		w.breakLines(min(2, w.lines+1))
	case name == "ul" || name == "ol":
		w.list(name, closes)
	case name == "li":
		w.marker = ""
		w.breakLines(1)
		if !closes {
			w.marker = w.item()
		}
	case name == "tr" || name == "dt" || name == "dd":
		w.breakLines(1)
	case (name == "td" || name == "th") && !closes:
		if w.lines == 0 && w.b.Len() > 0 {
			w.gap = true
			w.write("|")
			w.gap = true
		}
	case blocks[name]:
		w.breakLines(2)
		if name == "pre" {
			w.pre, w.head = !closes, !closes
		}
	}
}

func (w *textWriter) list(name string, closes bool) {
	if closes {
		w.marker = ""
		w.lists = w.lists[:max(0, len(w.lists)-1)]
	}
	if len(w.lists) > 0 {
		w.breakLines(1)
	} else {
		w.breakLines(2)
	}
	if !closes {
		last := 0
		if name == "ul" {
			last = -1
		}
		w.lists = append(w.lists, last)
	}
}

// item is the marker of the next item, indented in lists within lists.
func (w *textWriter) item() string {
	n := len(w.lists)
	if n == 0 {
		return "- "
	}
	indent := strings.Repeat("  ", min(n, 9)-1)
	if w.lists[n-1] < 0 {
		return indent + "- "
	}
	w.lists[n-1]++
	return indent + strconv.Itoa(w.lists[n-1]) + ". "
}

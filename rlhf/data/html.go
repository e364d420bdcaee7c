package data

import (
	"html"
	"strconv"
	"strings"
)

// plainText is the text of an HTML fragment as a reader sees it: a blank line
// between paragraphs and other blocks, a new line for <br>, list items behind "- "
// or their number, <pre> as it stands, all other white space as one space, entities
// as their characters. Of other elements the text stays; scripts, styles and
// comments go. Markup that is not closed ends the text, as it does in a browser.
func plainText(s string) string {
	var w textWriter
	for s != "" {
		text, tag, rest := cutTag(s)
		if w.hidden == "" {
			w.text(text)
			w.tag(tag)
		} else if tag == "/"+w.hidden {
			w.hidden = ""
		}
		s = rest
	}
	return w.b.String()
}

// cutTag cuts s at its first markup. tag is "p" or "/p", in lower case and
// without attributes, or "" for a comment and at the end.
func cutTag(s string) (text, tag, rest string) {
	for from := 0; ; {
		i := strings.IndexByte(s[from:], '<')
		if i < 0 {
			return s, "", ""
		}
		i += from
		after := s[i+1:]
		name := strings.TrimPrefix(after, "/")
		switch {
		case strings.HasPrefix(after, "!--"):
			_, rest, _ = strings.Cut(after[1:], "-->")
			return s[:i], "", rest
		case strings.HasPrefix(after, "!"), strings.HasPrefix(after, "?"):
			_, rest, _ = strings.Cut(after, ">")
			return s[:i], "", rest
		case name != "" && (name[0]|0x20 >= 'a' && name[0]|0x20 <= 'z'):
			end := tagEnd(after)
			if end == len(after) {
				return s[:i], "", ""
			}
			tag = after[:end]
			if n := strings.IndexAny(tag[1:], " \t\r\n\f/"); n >= 0 {
				tag = tag[:n+1]
			}
			return s[:i], strings.ToLower(tag), after[end+1:]
		}
		from = i + 1
	}
}

// tagEnd finds the ">" of a tag, passing over values in quotes; len(s) for none.
func tagEnd(s string) int {
	value := false // after "="
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '>':
			return i
		case value && (c == '"' || c == '\''):
			n := strings.IndexByte(s[i+1:], c)
			if n < 0 {
				return len(s)
			}
			i += n + 1
			value = false
		case c == '=':
			value = true
		case !space(rune(c)):
			value = false
		}
	}
	return len(s)
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
	s = html.UnescapeString(s)
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

func (w *textWriter) tag(tag string) {
	name, closes := strings.CutPrefix(tag, "/")
	switch {
	case name == "script" || name == "style":
		if !closes {
			w.hidden = name
		}
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

package synth

import "strings"

// template is a sentence with the slots {x} and {y}. It writes sentences and,
// with punctuation taken out, recognises them.
type template struct {
	text string
	lits []string // normalised literal pieces around the slots, len(slots)+1
	keys []byte   // 'x' or 'y', in order
}

func parseTemplates(texts ...string) []template {
	out := make([]template, len(texts))
	for i, s := range texts {
		out[i] = parseTemplate(s)
	}
	return out
}

func parseTemplate(text string) template {
	t := template{text: text}
	rest := text
	for {
		i := strings.IndexByte(rest, '{')
		if i < 0 {
			break
		}
		t.lits = append(t.lits, normalise(rest[:i]))
		t.keys = append(t.keys, rest[i+1])
		rest = rest[i+3:]
	}
	t.lits = append(t.lits, normalise(rest))
	return t
}

// render fills the slots.
func (t template) render(x, y string) string {
	return strings.NewReplacer("{x}", x, "{y}", y).Replace(t.text)
}

// match reads the slots of a normalised sentence; a slot is one word or more,
// and exactly one where another slot follows it directly.
func (t template) match(s string) (x, y string, ok bool) {
	if len(t.keys) == 0 {
		return "", "", s == t.lits[0]
	}
	rest, ok := cutWordPrefix(s, t.lits[0])
	if !ok {
		return "", "", false
	}
	for i, key := range t.keys {
		next := t.lits[i+1]
		var value string
		switch {
		case i == len(t.keys)-1 && next == "":
			value, rest = rest, ""
		case next == "": // two slots side by side: the first is one word
			value, rest, _ = strings.Cut(rest, " ")
		case i == len(t.keys)-1:
			if value, ok = strings.CutSuffix(rest, " "+next); !ok {
				return "", "", false
			}
			rest = ""
		default:
			if value, rest, ok = strings.Cut(rest, " "+next+" "); !ok {
				return "", "", false
			}
		}
		if value == "" {
			return "", "", false
		}
		if key == 'x' {
			x = value
		} else {
			y = value
		}
	}
	return x, y, true
}

// cutWordPrefix cuts the words of prefix off s at a word boundary.
func cutWordPrefix(s, prefix string) (rest string, ok bool) {
	if prefix == "" {
		return s, true
	}
	rest, ok = strings.CutPrefix(s, prefix)
	if !ok || (rest != "" && rest[0] != ' ') {
		return s, false
	}
	return strings.TrimPrefix(rest, " "), true
}

// normalise lower-cases s and keeps its words only, one space between them.
func normalise(s string) string { return strings.Join(wordsOf(s), " ") }

// wordsOf splits s into lower-case words of letters and digits.
func wordsOf(s string) []string {
	return strings.FieldsFunc(strings.ToLower(s), func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r < 0x80
	})
}

// sentences splits s at full stops, marks and line ends, and says whether the
// last one lacks its mark.
func sentences(s string) (out []string, cutOff bool) {
	for s != "" {
		i := strings.IndexAny(s, ".!?\n")
		piece, mark := s, false
		if i >= 0 {
			piece, s, mark = s[:i], s[i+1:], true
		} else {
			s = ""
		}
		if n := normalise(piece); n != "" {
			out, cutOff = append(out, n), !mark
		}
	}
	return out, cutOff
}

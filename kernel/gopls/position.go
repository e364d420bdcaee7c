package gopls

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// A Position is a place in a text: a line and the UTF-16 code units before it,
// both from 0.
type Position struct {
	Line      int `json:"line"`
	Character int `json:"character"`
}

// A Range is the text from Start to before End.
type Range struct {
	Start Position `json:"start"`
	End   Position `json:"end"`
}

// At returns the position after the first point code points of text. A point
// outside of the text is its nearer end.
func At(text string, point int) Position {
	var at Position
	for _, r := range text {
		if point <= 0 {
			break
		}
		point--
		if r == '\n' {
			at = Position{Line: at.Line + 1}
		} else {
			at.Character += width(r)
		}
	}
	return at
}

// Point returns how many code points of text lie before a position. A
// position beyond the end of its line is the line's end.
func Point(text string, at Position) int {
	points := 0
	for range at.Line {
		line, rest, more := strings.Cut(text, "\n")
		points += utf8.RuneCountInString(line)
		if !more {
			return points
		}
		points++
		text = rest
	}
	units := 0
	for _, r := range text {
		if units >= at.Character || r == '\n' {
			break
		}
		units += width(r)
		points++
	}
	return points
}

// width is the number of UTF-16 code units of a rune.
func width(r rune) int { return max(1, utf16.RuneLen(r)) }

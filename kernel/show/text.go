package show

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"hhrlhf/kernel/display"
)

// longestShown is how much of one text is shown, in characters. A page holds many texts,
// and a model that never ends must not make it too large to open.
const longestShown = 20_000

// clean is display.Clean of a text that, where it is too long, says how much of it is
// missing.
func clean(s string) string {
	if len(s) > longestShown {
		if n := utf8.RuneCountInString(s); n > longestShown {
			s = string([]rune(s)[:longestShown]) + fmt.Sprintf("… (%d more characters)", n-longestShown)
		}
	}
	return display.Clean(s)
}

// oneLine is clean for a place with one line only.
func oneLine(s string) string {
	return strings.NewReplacer("\n", "⏎", "\t", " ").Replace(clean(s))
}

// shorten cuts s to at most n characters, and says so by an ellipsis.
func shorten(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}

// number writes a value with three or four digits that count.
func number(v float64) string {
	switch {
	case math.IsNaN(v):
		return "NaN"
	case math.IsInf(v, 0):
		return strings.TrimPrefix(strconv.FormatFloat(v, 'g', -1, 64), "+")
	case math.Abs(v) < 1e-14: // rounding
		return "0"
	case math.Abs(v) >= 1e6 || math.Abs(v) < 1e-4:
		return strconv.FormatFloat(v, 'e', 2, 64)
	}
	digits := 4
	for _, bound := range []float64{0.1, 10, 100, 1000} {
		if math.Abs(v) >= bound {
			digits--
		}
	}
	s := strconv.FormatFloat(v, 'f', digits, 64)
	if digits > 0 {
		s = strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
	}
	return s
}

// widestColumn is how far a column lines up, in characters: a text that is longer must not
// push apart the lines of all others.
const widestColumn = 120

// columns lines rows up for a fixed-width screen, two spaces between columns.
func columns(rows [][]string) string {
	var width []int
	for _, row := range rows {
		for i, c := range row {
			if i == len(width) {
				width = append(width, 0)
			}
			if n := utf8.RuneCountInString(c); n <= widestColumn {
				width[i] = max(width[i], n)
			}
		}
	}
	var b strings.Builder
	for _, row := range rows {
		var line strings.Builder
		for i, c := range row {
			line.WriteString(c)
			line.WriteString(strings.Repeat(" ", max(width[i]-utf8.RuneCountInString(c), 0)+2))
		}
		b.WriteString(strings.TrimRight(line.String(), " "))
		b.WriteByte('\n')
	}
	return b.String()
}

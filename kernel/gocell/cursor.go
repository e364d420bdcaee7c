package gocell

import (
	"strings"
	"unicode"
)

// Commands are the first words of the lines that are no Go: gonb's and the
// kernel's own.
var Commands = []string{
	"%%", "%%bash", "%%script", "%%sh", "%%time", "%%writefile",
	"%args", "%autoget", "%capture", "%cd", "%clear", "%doc", "%env", "%exec", "%goflags", "%goworkfix", "%help", "%history", "%list", "%main",
	"%noautoget", "%remove", "%reset", "%test", "%track", "%untrack", "%version", "%wasm", "%widgets", "%with_inputs", "%with_password",
}

// CompleteCommand returns the commands that begin with what stands in the line
// before the cursor, which is a number of code points, and where the line begins.
// ok is false if the cursor is not at the end of a command's first word.
func CompleteCommand(code string, point int) (names []string, start int, ok bool) {
	runes := []rune(code)
	start = point
	for start > 0 && runes[start-1] != '\n' {
		start--
	}
	word := string(runes[start:point])
	if !strings.HasPrefix(word, "%") || strings.ContainsAny(word, " \t") {
		return nil, 0, false
	}
	for _, c := range Commands {
		if strings.HasPrefix(c, word) && (!strings.HasPrefix(c, "%%") || start == 0 || c == "%%") {
			names = append(names, c)
		}
	}
	return names, start, true
}

// Subjects returns the places, in code points, at which a name may stand that a
// reader with the cursor at point wants to know about: there, just before it, and
// the function whose arguments are being written.
func Subjects(code string, point int) []int {
	runes := []rune(code)
	var places []int
	name := func(i int) bool {
		return i >= 0 && i < len(runes) && (unicode.IsLetter(runes[i]) || unicode.IsDigit(runes[i]) || runes[i] == '_')
	}
	for _, i := range []int{point, point - 1} {
		if name(i) {
			places = append(places, i)
		}
	}
	depth := 0
	for i := point - 1; i >= 0; i-- {
		switch runes[i] {
		case ')', ']', '}':
			depth++
		case '[', '{':
			depth--
		case '(':
			if depth--; depth < 0 {
				if name(i - 1) {
					places = append(places, i-1)
				}
				return places
			}
		case '\n': // only an open call goes on in the next line
			for i > 0 && unicode.IsSpace(runes[i-1]) {
				i--
			}
			if depth <= 0 && (i == 0 || runes[i-1] != ',' && runes[i-1] != '(') {
				return places
			}
		}
	}
	return places
}

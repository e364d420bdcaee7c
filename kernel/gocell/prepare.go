package gocell

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// A Prepared cell is what gonb gets in place of the one that was written, and
// what the kernel does itself. No line of Go moves.
type Prepared struct {
	Code     string
	Timed    bool      // begins with %%time
	Shows    bool      // calls [Value] with its last expression
	Commands []Command // in the order in which they stand
}

// A Command is one of the kernel's own lines in a cell.
type Command struct {
	Name    string // clear, doc or history
	Wait    bool   // clear: when the next output comes
	Subject string // doc: a package by its name or path, or pkg.Name
	N       int    // history: how many cells at most
	Pattern string // history: only cells that hold it; * and ? stand for anything
}

// Prepare takes the kernel's own commands out of a cell and, if display is true,
// has its last expression shown. The error says which command is wrong and how
// it is written.
func Prepare(code string, display bool) (Prepared, error) {
	p := Prepared{Code: code}
	lines := strings.Split(code, "\n")
	if first := trim(lines[0]); first == "%%time" || strings.HasPrefix(first, "%%time ") {
		p.Timed = true
		lines = untimed(lines, strings.TrimPrefix(first, "%%time"))
	}
	if foreign(lines) {
		p.Code = strings.Join(lines, "\n")
		return p, nil
	}
	for i, kind := range classify(lines) {
		if kind == goLine && i == firstGo(lines) && question.MatchString(lines[i]) && alone(lines, i) {
			p.Commands = append(p.Commands, Command{Name: "doc", Subject: strings.Trim(lines[i], "? \t")})
			lines[i] = ""
			continue
		}
		if kind != command {
			continue
		}
		c, ok, err := parseCommand(trim(lines[i]))
		if err != nil {
			return p, fmt.Errorf("line %d: %w", i+1, err)
		}
		if ok {
			p.Commands = append(p.Commands, c)
			lines[i] = ""
		}
	}
	p.Code = strings.Join(lines, "\n")
	if display {
		p.Code, p.Shows = shown(p.Code)
	}
	return p, nil
}

// question is a name with a question mark, IPython's way to ask for help.
var question = regexp.MustCompile(`^\s*[\pL_][\pL\pN_]*(\.[\pL_][\pL\pN_]*)*\?\s*$`)

func firstGo(lines []string) int {
	for i, kind := range classify(lines) {
		if kind == goLine && strings.TrimSpace(lines[i]) != "" {
			return i
		}
	}
	return -1
}

// alone reports whether line i is the only Go of the cell.
func alone(lines []string, i int) bool {
	for j, kind := range classify(lines) {
		if j != i && kind == goLine && strings.TrimSpace(lines[j]) != "" {
			return false
		}
	}
	return true
}

// untimed replaces the %%time in the first line by %%, or takes it away from a
// cell that has a beginning of its own.
func untimed(lines []string, args string) []string {
	out := append([]string{}, lines...)
	if len(out) > 1 && foreign(out[1:]) {
		return out[1:]
	}
	out[0] = ""
	hasGo := false
	for i, kind := range classify(out) {
		word, _, _ := strings.Cut(trim(out[i]), " ")
		if kind == mainLine || kind == goLine && strings.HasPrefix(out[i], "func main()") || word == "%test" || word == "%exec" {
			return out
		}
		hasGo = hasGo || kind == goLine && strings.TrimSpace(out[i]) != ""
	}
	if hasGo {
		out[0] = "%%" + args
	}
	return out
}

// parseCommand reads one of the kernel's own commands; ok is false for gonb's.
func parseCommand(text string) (c Command, ok bool, err error) {
	words := strings.Fields(text)
	switch words[0] {
	case "%clear":
		switch {
		case len(words) == 2 && words[1] == "-wait":
			c.Wait = true
		case len(words) > 1:
			return c, false, fmt.Errorf("%q: want %%clear, or %%clear -wait to clear when the next output comes", text)
		}
		c.Name = "clear"
	case "%doc":
		if len(words) != 2 || strings.HasPrefix(words[1], "-") {
			return c, false, fmt.Errorf("%q: want %%doc and one name, such as %%doc lab.Must", text)
		}
		c.Name, c.Subject = "doc", words[1]
	case "%history":
		c.Name, c.N = "history", 20
		for rest := words[1:]; len(rest) > 0; rest = rest[1:] {
			if rest[0] == "-g" && len(rest) > 1 {
				c.Pattern = "*" + strings.Join(rest[1:], " ") + "*"
				break
			}
			if c.N, err = strconv.Atoi(rest[0]); err != nil || c.N < 1 {
				return c, false, fmt.Errorf("%q: want %%history, %%history N for the last N cells, or %%history N -g TEXT for those that hold the text", text)
			}
		}
	default:
		return c, false, nil
	}
	return c, true, nil
}

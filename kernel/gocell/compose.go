package gocell

import (
	"strings"
)

// A line is what gonb makes of a line of a cell.
type line int

const (
	goLine    line = iota
	command        // begins with % or !
	continued      // goes on from a command
	mainLine       // %% or %main: begins the main function
)

// special are the first lines of cells that hold no Go.
var special = []string{"%%bash", "%%sh", "%%script", "%%writefile", "%%gx"}

// foreign reports whether a cell holds no Go.
func foreign(lines []string) bool {
	word, _, _ := strings.Cut(trim(lines[0]), " ")
	for _, s := range special {
		if word == s {
			return true
		}
	}
	return false
}

// trim removes the prefix that hides a command from Go editors.
func trim(line string) string { return strings.TrimPrefix(line, "//gonb:") }

// classify says what each line of a Go cell is.
func classify(lines []string) []line {
	kinds := make([]line, len(lines))
	goesOn := false
	for i, l := range lines {
		l = trim(l)
		switch {
		case goesOn:
			kinds[i] = continued
			goesOn = strings.HasSuffix(l, `\`)
		case strings.HasPrefix(l, "%main"), l == "%%", strings.HasPrefix(l, "%% "), strings.HasPrefix(l, "%%\t"):
			kinds[i] = mainLine
		case len(l) > 1 && (l[0] == '%' || l[0] == '!'):
			kinds[i] = command
			goesOn = strings.HasSuffix(l, `\`)
		}
	}
	return kinds
}

// Compose returns a Go file with the Go of a cell: line i of the cell, from 0, is
// line i+1 of the file, and Go lines are as they were. Commands become empty
// lines. The first line holds the package clause and header, such as the imports
// of earlier cells. ok is false if the cell holds no Go.
//
// A cell of bare statements, its %% forgotten or not yet written, is composed as
// if it began with one.
func Compose(code, header string) (file string, ok bool) {
	lines := strings.Split(code, "\n")
	if foreign(lines) {
		return "", false
	}
	out := make([]string, len(lines)+1)
	clauses := []string{"package main"}
	if header != "" {
		clauses = append(clauses, header)
	}
	inMain := false
	bare := true
	first := ""
	for i, kind := range classify(lines) {
		switch {
		case kind == mainLine:
			bare = false
			if inMain {
				continue // the second of a cell: a mistake that gonb reports
			}
			inMain = true
			out[i+1] = "func main() {"
		case kind == goLine && !strings.HasPrefix(lines[i], "package "):
			out[i+1] = lines[i]
			if word := strings.TrimSpace(lines[i]); first == "" && !strings.HasPrefix(word, "//") && !strings.HasPrefix(word, "/*") {
				first = word
			}
		}
	}
	if bare && first != "" && !declares(first) {
		clauses = append(clauses, "func main() {")
		inMain = true
	}
	out[0] = strings.Join(clauses, "; ")
	file = strings.Join(out, "\n")
	if inMain {
		file += "\n}\n"
	}
	return file, true
}

// declares reports whether a line could begin a declaration.
func declares(line string) bool {
	for _, word := range []string{"import", "const", "var", "type", "func"} {
		if rest, ok := strings.CutPrefix(line, word); ok && (rest == "" || strings.ContainsAny(rest[:1], " \t(\"`[")) {
			return true
		}
		if line != "" && len(line) < len(word) && strings.HasPrefix(word, line) {
			return true // half written
		}
	}
	return false
}

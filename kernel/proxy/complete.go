package proxy

import (
	"go/scanner"
	"go/token"
	"strings"
)

// IsComplete says whether a console should run the code or ask for another
// line: "complete", "incomplete" (an open brace, raw string or comment, or an
// operator at the end) or "invalid" (a closing brace too many, a string that
// ends with its line). indent is what the next line of incomplete code should
// begin with.
//
// Lines that begin with % or ! are gonb's commands and not looked at; a cell
// whose first line is %%bash, %%script or the like, %%time excepted, is complete.
func IsComplete(code string) (status, indent string) {
	lines := strings.Split(code, "\n")
	for i, line := range lines {
		s := strings.TrimSpace(line)
		if i == 0 && strings.HasPrefix(s, "%%") && len(s) > 2 && s[2] != ' ' && s != "%%time" {
			return "complete", ""
		}
		if strings.HasPrefix(line, "%") || strings.HasPrefix(line, "!") {
			lines[i] = ""
		}
	}
	src := []byte(strings.Join(lines, "\n"))

	var open, broken bool // unterminated: a further line may close it, or never will
	var s scanner.Scanner
	file := token.NewFileSet().AddFile("", -1, len(src))
	s.Init(file, src, func(_ token.Position, msg string) {
		switch {
		case strings.Contains(msg, "raw string literal not terminated"), strings.Contains(msg, "comment not terminated"):
			open = true
		default:
			broken = true
		}
	}, 0)
	var stack []token.Token
	last := token.SEMICOLON
	for {
		_, tok, _ := s.Scan()
		if tok == token.EOF {
			break
		}
		switch tok {
		case token.LPAREN, token.LBRACK, token.LBRACE:
			stack = append(stack, tok)
		case token.RPAREN, token.RBRACK, token.RBRACE:
			if len(stack) == 0 || stack[len(stack)-1] != opener[tok] {
				return "invalid", ""
			}
			stack = stack[:len(stack)-1]
		}
		last = tok
	}
	switch {
	case open:
		return "incomplete", ""
	case broken:
		return "invalid", ""
	case len(stack) > 0:
		return "incomplete", strings.Repeat("\t", len(stack))
	case last != token.SEMICOLON && last != token.COMMENT:
		// The scanner ends a line with a semicolon by itself wherever a
		// statement can end: here none can.
		return "incomplete", "\t"
	}
	return "complete", ""
}

var opener = map[token.Token]token.Token{
	token.RPAREN: token.LPAREN, token.RBRACK: token.LBRACK, token.RBRACE: token.LBRACE,
}

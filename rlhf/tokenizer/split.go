package tokenizer

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// class is a rune's kind for the pre-tokeniser.
type class uint8

const (
	other class = iota
	letter
	number
	space
)

func classOf(r rune) class {
	switch {
	case 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z':
		return letter
	case '0' <= r && r <= '9':
		return number
	case unicode.IsSpace(r):
		return space
	case r < utf8.RuneSelf:
		return other
	case unicode.IsLetter(r):
		return letter
	case unicode.IsNumber(r):
		return number
	}
	return other
}

// contractions are the English endings that GPT-2 makes pieces of their own,
// in the order in which its expression tries them.
var contractions = [...]string{"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"}

// A splitter cuts s into the pieces that the model encodes one by one, and calls
// piece for each in order.
type splitter func(s string, piece func(string))

// splitGPT2 cuts by GPT-2's expression.
func splitGPT2(s string, piece func(string)) {
	for s != "" {
		n := nextPiece(s)
		piece(s[:n])
		s = s[n:]
	}
}

// splitDigits makes every number rune a piece, and cuts what lies between by
// GPT-2's expression, which does not look beyond (SmolLM2).
func splitDigits(s string, piece func(string)) {
	for s != "" {
		at := strings.IndexFunc(s, unicode.IsNumber)
		if at < 0 {
			at = len(s)
		}
		splitGPT2(s[:at], piece)
		if s = s[at:]; s != "" {
			_, n := utf8.DecodeRuneInString(s)
			piece(s[:n])
			s = s[n:]
		}
	}
}

// nextPiece returns the length in bytes of the first piece of s, which must not
// be empty. It is a scan for GPT-2's expression (openai/gpt-2, src/encoder.py)
//
//	's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
//
// which Go's regexp cannot express: a run of white space before a word leaves
// its last rune to the word if that is a space, and else to a piece of its own.
// A byte that is not part of valid UTF-8 counts as punctuation.
func nextPiece(s string) int {
	if s[0] == '\'' {
		for _, c := range contractions {
			if strings.HasPrefix(s, c) {
				return len(c)
			}
		}
	}
	r, n := utf8.DecodeRuneInString(s)
	first := classOf(r)
	if r == ' ' && n < len(s) {
		// " ?class+": the one space joins the run that follows it.
		next, _ := utf8.DecodeRuneInString(s[n:])
		if c := classOf(next); c != space {
			return n + runLength(s[n:], c)
		}
	}
	if first != space {
		return runLength(s, first)
	}
	run := runLength(s, space)
	if run == len(s) {
		return run
	}
	_, last := utf8.DecodeLastRuneInString(s[:run])
	if run == last {
		return run
	}
	return run - last
}

// runLength returns the length in bytes of the leading runes of class c.
func runLength(s string, c class) int {
	i := 0
	for i < len(s) {
		r, n := utf8.DecodeRuneInString(s[i:])
		if classOf(r) != c {
			break
		}
		i += n
	}
	return i
}

package tokenizer

import (
	"strings"
	"unicode/utf8"
)

// The expressions by which tokenizer.json of each family cuts text. Go's regexp
// has no look-ahead, so each is a scan here.
const (
	gpt2Expression   = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
	llama3Expression = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	qwen2Expression  = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
)

// A cut names a way to cut a text into pieces.
type cut uint8

const (
	cutGPT2   cut = iota // GPT-2, Pythia
	cutDigits            // SmolLM2
	cutLlama3
	cutQwen2
	cutNot    // SentencePiece
	cutSpaces // SentencePiece, words apart
)

// expressions are the ones that we have a scan for.
var expressions = map[string]cut{gpt2Expression: cutGPT2, llama3Expression: cutLlama3, qwen2Expression: cutQwen2}

func (c cut) splitter() splitter {
	switch c {
	case cutDigits:
		return splitDigits
	case cutLlama3:
		return func(s string, piece func(string)) { splitCL100K(s, 3, piece) }
	case cutQwen2:
		return func(s string, piece func(string)) { splitCL100K(s, 1, piece) }
	case cutNot:
		return splitNot
	case cutSpaces:
		return splitSpaces
	}
	return splitGPT2
}

// splitCL100K cuts by the expression of Llama 3 (digits = 3) or Qwen 2 (1),
// which both have from OpenAI's cl100k_base.
func splitCL100K(s string, digits int, piece func(string)) {
	for s != "" {
		n := nextCL100K(s, digits)
		piece(s[:n])
		s = s[n:]
	}
}

// nextCL100K returns the length in bytes of the first piece of s, which must
// not be empty; the alternatives of the expression in their order.
func nextCL100K(s string, digits int) int {
	if n := contraction(s); n > 0 { // (?i:'s|'t|'re|'ve|'m|'ll|'d)
		return n
	}
	r, n := utf8.DecodeRuneInString(s)
	c := classOf(r)
	switch { // [^\r\n\p{L}\p{N}]?\p{L}+
	case c == letter:
		return runLength(s, letter)
	case c != number && r != '\r' && r != '\n':
		if m := runLength(s[n:], letter); m > 0 {
			return n + m
		}
	}
	switch c {
	case number: // \p{N}{1,3}
		for range digits - 1 {
			r, m := utf8.DecodeRuneInString(s[n:])
			if m == 0 || classOf(r) != number {
				break
			}
			n += m
		}
		return n
	case other: // ` ?[^\s\p{L}\p{N}]+[\r\n]*`
		return symbols(s, 0)
	}
	if r == ' ' {
		if m := symbols(s, 1); m > 0 {
			return m
		}
	}
	run := runLength(s, space)
	if end := strings.LastIndexAny(s[:run], "\r\n"); end >= 0 { // \s*[\r\n]+
		return end + 1
	}
	if run == len(s) { // \s+(?!\S)
		return run
	}
	if _, last := utf8.DecodeLastRuneInString(s[:run]); run > last {
		return run - last
	}
	return run // \s+
}

// symbols returns the length of [^\s\p{L}\p{N}]+[\r\n]* after the first skip
// bytes, those included, or 0.
func symbols(s string, skip int) int {
	m := runLength(s[skip:], other)
	if m == 0 {
		return 0
	}
	end := skip + m
	for end < len(s) && (s[end] == '\r' || s[end] == '\n') {
		end++
	}
	return end
}

// contraction returns the length of an English ending that s begins with, in
// either case. U+017F, the long s, is an s to (?i:...).
func contraction(s string) int {
	if s[0] != '\'' {
		return 0
	}
	for _, c := range contractions {
		if len(s) >= len(c) && strings.EqualFold(s[:len(c)], c) {
			return len(c)
		}
	}
	if strings.HasPrefix(s, "'\u017f") {
		return len("'\u017f")
	}
	return 0
}

// splitWords cuts SentencePiece's spelling before every underline that follows
// another character. It serves vocabularies in which no token has one there:
// nothing can merge across, and the words come back, so they can be cached.
func splitWords(s string, piece func(string)) {
	for from := 0; from < len(s); {
		end := from
		for strings.HasPrefix(s[end:], underline) {
			end += len(underline)
		}
		if at := strings.Index(s[end:], underline); at >= 0 {
			end += at
		} else {
			end = len(s)
		}
		piece(s[from:end])
		from = end
	}
}

// splitNot leaves the text whole.
func splitNot(s string, piece func(string)) {
	if s != "" {
		piece(s)
	}
}

// crosses reports whether an underline stands after another character in s.
func crosses(s string) bool {
	return strings.Contains(strings.TrimLeft(s, underline), underline)
}

// splitSpaces cuts before every underline (Metaspace with split).
func splitSpaces(s string, piece func(string)) {
	for s != "" {
		end := len(s)
		for at := range s {
			if at > 0 && strings.HasPrefix(s[at:], underline) {
				end = at
				break
			}
		}
		piece(s[:end])
		s = s[end:]
	}
}

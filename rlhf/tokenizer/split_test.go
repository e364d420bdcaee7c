package tokenizer

import (
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// This file is in the package itself: pieces are not visible from outside.

func split(s string) (pieces []string) {
	for s != "" {
		n := nextPiece(s)
		pieces = append(pieces, s[:n])
		s = s[n:]
	}
	return pieces
}

// Go's white space class is ASCII only, so the space class is spelled out.
const spaces = `[\s\v\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}]`

var (
	words    = regexp.MustCompile(`^(?:'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^` + spaces[1:len(spaces)-1] + `\p{L}\p{N}]+)`)
	allSpace = regexp.MustCompile(`^` + spaces + `+`)
)

// slowSplit is GPT-2's expression with the lookahead, which Go's regexp lacks,
// done by hand: \s+(?!\S) is the longest run of space that ends before a space
// or at the end of the text.
func slowSplit(s string) (pieces []string) {
	for s != "" {
		n := len(words.FindString(s))
		if n == 0 {
			run := allSpace.FindString(s)
			for n = len(run); n > 0 && n < len(s); {
				if r, _ := utf8.DecodeRuneInString(s[n:]); unicode.IsSpace(r) {
					break
				}
				_, last := utf8.DecodeLastRuneInString(s[:n])
				n -= last
			}
			if n == 0 {
				n = len(run) // \s+
			}
		}
		pieces = append(pieces, s[:n])
		s = s[n:]
	}
	return pieces
}

func TestSplit(t *testing.T) {
	for _, c := range []struct {
		s    string
		want []string
	}{
		{"", nil},
		{"Hello world", []string{"Hello", " world"}},
		{"a  b", []string{"a", " ", " b"}},
		{"a \n b", []string{"a", " \n", " b"}},
		{"a\n\nb", []string{"a", "\n", "\n", "b"}},
		{"a\n\n", []string{"a", "\n\n"}},
		{"\n\nHuman: Hi!", []string{"\n", "\n", "Human", ":", " Hi", "!"}},
		{"don't we're 'Tis", []string{"don", "'t", " we", "'re", " '", "Tis"}},
		{"abc123,;x", []string{"abc", "123", ",;", "x"}},
		{" é\u00a0\u00a0z", []string{" é", "\u00a0", "\u00a0", "z"}},
		{"\xff\xfe a\xc3", []string{"\xff\xfe", " a", "\xc3"}},
	} {
		if diff := cmp.Diff(c.want, split(c.s)); diff != "" {
			t.Errorf("pieces of %q (-want +got):\n%s", c.s, diff)
		}
	}
}

// slowCL100K is Llama 3's and Qwen 2's expression with the lookahead done by hand,
// as in slowSplit.
func slowCL100K(s string, digits string) (pieces []string) {
	in := spaces[1 : len(spaces)-1]
	before := regexp.MustCompile(`^(?:(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}` + digits + `| ?[^` + in + `\p{L}\p{N}]+[\r\n]*|` + spaces + `*[\r\n]+)`)
	for s != "" {
		n := len(before.FindString(s))
		if n == 0 {
			n = len(allSpace.FindString(s))
			if _, last := utf8.DecodeLastRuneInString(s[:n]); n < len(s) && n > last {
				n -= last
			}
		}
		pieces = append(pieces, s[:n])
		s = s[n:]
	}
	return pieces
}

func FuzzSplitCL100K(f *testing.F) {
	for _, s := range []string{"", " a", "'S'ſ'LL'x", "  a\n\n 'll!'s \u00a0x 12½34 5", "a\r\n \n\t b", "!\r\n\n x", " \u00a0!", "\u2003\u2003 y\u0085\n", "\ufffd\xf0\x9f"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for c, digits := range map[cut]string{cutLlama3: "{1,3}", cutQwen2: ""} {
			var got []string
			c.splitter()(s, func(piece string) { got = append(got, piece) })
			if strings.Join(got, "") != s {
				t.Fatalf("the pieces of %q join to %q", s, strings.Join(got, ""))
			}
			if diff := cmp.Diff(slowCL100K(s, digits), got); diff != "" && utf8.ValidString(s) {
				t.Errorf("pieces of %q (-expression +got):\n%s", s, diff)
			}
		}
	})
}

func FuzzSplit(f *testing.F) {
	for _, s := range []string{"", " a", "  a\n\n 'll!'s \u00a0x 12½", "\u2003\u2003 y\u0085", "\xff \xff", "\ufffd\xf0\x9f"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := split(s)
		if strings.Join(got, "") != s {
			t.Fatalf("the pieces of %q join to %q", s, strings.Join(got, ""))
		}
		if diff := cmp.Diff(slowSplit(s), got); diff != "" && utf8.ValidString(s) {
			t.Errorf("pieces of %q (-expression +got):\n%s", s, diff)
		}
	})
}

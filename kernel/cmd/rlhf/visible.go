package main

import (
	"fmt"
	"io"
	"os"
	"unicode"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// visible returns f, through which a terminal gets no control characters: what a model
// writes, or a file that an error quotes, must not move the cursor, set the title or
// answer for the user. Files and pipes get every byte as it is.
func visible(f *os.File) io.Writer {
	if _, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS); err != nil {
		return f
	}
	return &visibleWriter{w: f}
}

// A visibleWriter writes control characters as their pictures (␛ for ESC) and what
// turns the direction of text as \u202e. Line ends and tabs stay.
type visibleWriter struct {
	w    io.Writer
	held []byte // the beginning of a rune
}

// Write holds back the beginning of a rune whose rest may follow.
func (v *visibleWriter) Write(p []byte) (int, error) {
	in := append(v.held, p...)
	var out []byte
	for len(in) > 0 && utf8.FullRune(in) {
		r, n := utf8.DecodeRune(in)
		switch {
		case r == utf8.RuneError && n == 1:
			out = utf8.AppendRune(out, r)
		case r == '\n' || r == '\t':
			out = append(out, byte(r))
		case r < ' ':
			out = utf8.AppendRune(out, '␀'+r)
		case r == 0x7f:
			out = utf8.AppendRune(out, '␡')
		case unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r):
			out = fmt.Appendf(out, `\u%04x`, r)
		default:
			out = append(out, in[:n]...)
		}
		in = in[n:]
	}
	v.held = append([]byte(nil), in...)
	if _, err := v.w.Write(out); err != nil {
		return 0, err
	}
	return len(p), nil
}

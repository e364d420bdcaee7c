// Package display holds what everything that puts text of others on a screen needs: the
// text made fit for it, and the wait until the notebook has it. Package show draws,
// package feedback asks; both go through here.
package display

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/janpfeifer/gonb/gonbui"
)

// MIMEResult marks a display as the cell's result: the kernel's proxy makes an
// execute_result of it.
const MIMEResult = "application/vnd.rlhf.result+json"

// Clean makes text of a model, or of anybody, fit to be shown: invalid UTF-8 and
// control characters become the replacement character, and so do the marks that
// reverse the direction of what follows. Newlines and tabs stay.
func Clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case r < ' ', r >= 0x7f && r < 0xa0, r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069:
			return utf8.RuneError
		}
		return r
	}, strings.ToValidUTF8(s, string(utf8.RuneError)))
}

// Flush waits for the kernel to acknowledge all output of a cell, but not for ever: a
// kernel whose back channel broke never answers. In any other program it does nothing.
func Flush() {
	if !gonbui.IsNotebook {
		return
	}
	done := make(chan struct{})
	go func() {
		gonbui.Sync()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
	}
}

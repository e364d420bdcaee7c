package launch

import (
	"bytes"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"
	"unicode/utf8"
)

// writes records each write by itself.
type writes [][]byte

func (w *writes) Write(b []byte) (int, error) {
	*w = append(*w, bytes.Clone(b))
	return len(b), nil
}

func TestCopyRunes(t *testing.T) {
	text := "a" + strings.Repeat("é語😀", 3000)
	for _, c := range []struct {
		name string
		in   string
		one  bool // byte by byte
	}{
		{"large reads", text, false}, {"single bytes", text, true},
		{"no UTF-8", "\xff\xfe\x80\x80\x80\x80" + text, true}, {"half a rune at the end", "x\xe8\xaa", true}, {"empty", "", false},
	} {
		var out writes
		var from io.Reader = strings.NewReader(c.in)
		if c.one {
			from = iotest.OneByteReader(from)
		}
		if err := copyRunes(&out, from); err != nil {
			t.Fatal(err)
		}
		if got := string(bytes.Join(out, nil)); got != c.in {
			t.Errorf("%s: %d bytes came out, %d went in, or they differ", c.name, len(got), len(c.in))
		}
		for i, w := range out {
			if len(w) > packetSize {
				t.Errorf("%s: write %d has %d bytes", c.name, i, len(w))
			}
			if utf8.ValidString(c.in) && !utf8.Valid(w) {
				t.Errorf("%s: write %d cuts a rune: %q", c.name, i, w[max(0, len(w)-8):])
			}
		}
	}
}

func FuzzCopyRunes(f *testing.F) {
	f.Add([]byte("a語\xe8"))
	f.Fuzz(func(t *testing.T, in []byte) {
		var out writes
		if err := copyRunes(&out, iotest.OneByteReader(bytes.NewReader(in))); err != nil {
			t.Fatal(err)
		}
		if got := bytes.Join(out, nil); !bytes.Equal(got, in) {
			t.Errorf("%q became %q", in, got)
		}
	})
}

// TestCopyRunesJoinsPieces writes a line in pieces into a pipe, and the
// beginning of another one that nothing follows.
func TestCopyRunesJoinsPieces(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var out writes
	seen := make(chan string, 10)
	done := make(chan error)
	go func() {
		done <- copyRunes(writerFunc(func(b []byte) (int, error) { seen <- string(b); return out.Write(b) }), r)
	}()
	for _, piece := range []string{"panic: ", "boo", "m\n", "prompt\xe8\xaa"} {
		io.WriteString(w, piece)
	}
	var got string
	for got != "panic: boom\nprompt" {
		select {
		case piece := <-seen:
			if got == "" && !strings.HasPrefix(piece, "panic: boom\n") {
				t.Errorf("first write %q, want the whole line", piece)
			}
			got += piece
		case <-time.After(10 * time.Second):
			t.Fatalf("got %q, want a line and what follows without half a rune", got)
		}
	}
	w.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if got := string(bytes.Join(out, nil)); got != "panic: boom\nprompt\xe8\xaa" {
		t.Errorf("in all %q", got)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

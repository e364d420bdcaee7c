package main

import (
	"bytes"
	"os"
	"testing"
)

func TestVisible(t *testing.T) {
	var b bytes.Buffer
	w := &visibleWriter{w: &b}
	text := "a\x1b]0;title\x07\x1b[2J\tb\r\n\x7f\u009b1m é語😀 \u202egnp \xff."
	for i := range len(text) { // byte by byte, as nothing writes
		if n, err := w.Write([]byte{text[i]}); n != 1 || err != nil {
			t.Fatal(n, err)
		}
	}
	if got, want := b.String(), "a␛]0;title␇␛[2J\tb␍\n␡\\u009b1m é語😀 \\u202egnp \ufffd."; got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	f, err := os.Create(t.TempDir() + "/file")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if visible(f) != f {
		t.Error("a file does not get what is written")
	}
}

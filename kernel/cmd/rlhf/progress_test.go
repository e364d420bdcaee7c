package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

func TestProgress(t *testing.T) {
	var out bytes.Buffer
	now := time.Unix(0, 0)
	p := &progress{w: &out, what: "work", last: now, now: func() time.Time { return now }}
	for i := range 10 {
		p.at(i+1, 40, "")
		now = now.Add(500 * time.Millisecond)
	}
	// Two seconds apart; the first has no pace to judge by.
	want := "work: 5 of 40\nwork: 9 of 40, 16s left\n"
	if out.String() != want {
		t.Errorf("printed\n%swant\n%s", out.String(), want)
	}
	out.Reset()
	now, p.left = now.Add(time.Minute), 90*time.Second
	p.at(11, 40, "loss 2")
	if got := out.String(); got != "work: 11 of 40, 1m30s left  loss 2\n" {
		t.Errorf("with an estimate from elsewhere: %q", got)
	}
}

func TestDemand(t *testing.T) {
	var said bytes.Buffer
	err := demand(&said, "lm eval: m", 1<<60, "take a smaller model", false)
	if err == nil || !strings.HasPrefix(err.Error(), "lm eval: m needs about 1152921504.6 GB of memory, ") || !strings.Contains(err.Error(), "take a smaller model") || !strings.Contains(err.Error(), "-force") {
		t.Errorf("error %v", err)
	}
	if err := demand(&said, "m", 1<<60, "", true); err != nil || !strings.Contains(said.String(), "going on because of -force") {
		t.Errorf("forced: %v, %q", err, said.String())
	}
	if err := demand(&said, "m", 1, "", false); err != nil {
		t.Error(err)
	}
}

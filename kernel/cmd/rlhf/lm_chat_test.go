package main

import (
	"io"
	"os"
	"strings"
	"testing"
)

func TestChat(t *testing.T) {
	d := newDesk(strings.NewReader("hello there\n\n/reset\n/fly\nagain\n"))
	if err := d.run(t, "chat -model echo -max-tokens 40"); err != nil {
		t.Fatal(err)
	}
	if got := d.out.String(); got != "HELLO THERE\nAGAIN\n" {
		t.Errorf("answers %q", got)
	}
	for _, want := range []string{"echo, 1.5M parameters, 100 tokens of conversation", "(a new conversation)", "(there is no /fly;"} {
		if !strings.Contains(d.err.String(), want) {
			t.Errorf("said %q, want %q in it", d.err.String(), want)
		}
	}
	if n := len(d.model.laidOut[1]); n != 1 {
		t.Errorf("after /reset the model saw %d turns", n)
	}
}

// A conversation that grows beyond the context loses its oldest turns for good, and
// says so; what remains begins with the user's.
func TestChatOverflows(t *testing.T) {
	line := strings.Repeat("x", 15)
	d := newDesk(strings.NewReader(strings.Repeat(line+"\n", 4)))
	if err := d.run(t, "chat -json -model echo -max-tokens 40 -system sys"); err != nil {
		t.Fatal(err)
	}
	var dropped []int
	for l := range strings.Lines(d.out.String()) {
		var e exchange
		decode(t, l, &e)
		if e.User != line || e.Assistant != strings.ToUpper(line) || e.Interrupted {
			t.Errorf("%+v", e)
		}
		dropped = append(dropped, e.Dropped)
	}
	// 60 tokens of room, 3 for the system's: three turns of 15 fit.
	if len(dropped) != 4 || dropped[0] != 0 || dropped[1] != 0 || dropped[2] != 2 || dropped[3] != 2 {
		t.Errorf("turns dropped: %v", dropped)
	}
	for _, turns := range d.model.laidOut {
		if len(turns) > 3 || turns[0].Assistant {
			t.Errorf("the model saw %d turns, the first the assistant's: %v", len(turns), turns[0].Assistant)
		}
	}
	if !strings.Contains(d.err.String(), "no longer fits into 60 tokens: its oldest 2 turns are left out") {
		t.Errorf("said %q", d.err.String())
	}
	d = newDesk(strings.NewReader(strings.Repeat("y", 99) + "\nshort\n"))
	if err := d.run(t, "chat -model echo -max-tokens 40"); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(d.err.String(), "say it in fewer words") || d.out.String() != "SHORT\n" {
		t.Errorf("a line that never fits: %q, then %q", d.err.String(), d.out.String())
	}
}

// An answer longer than the context gets half of it; a smaller -context than the
// model's is kept to.
func TestChatContext(t *testing.T) {
	d := newDesk(strings.NewReader(strings.Repeat("z", 12) + "\n"))
	if err := d.run(t, "chat -model echo -context 20 -max-tokens 50"); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(d.err.String(), "20 tokens together, so an answer gets at most 10") || !strings.Contains(d.err.String(), "say it in fewer words") {
		t.Errorf("said %q", d.err.String())
	}
	if err := newDesk(nil).run(t, "chat -model echo -context 1"); err == nil || !strings.Contains(err.Error(), "-context 1, want 2 or more") {
		t.Errorf("error %v", err)
	}
}

// lineChan passes on what is written to it.
type lineChan chan string

func (c lineChan) Write(p []byte) (int, error) { c <- string(p); return len(p), nil }

// An interrupt breaks an answer off and keeps it; one at the prompt ends.
func TestChatInterrupted(t *testing.T) {
	in, say := io.Pipe()
	d := newDesk(in)
	d.model.pieces, d.model.hold = []string{"one ", "two ", "three "}, make(chan struct{})
	interrupts, out, ended := make(chan os.Signal), make(lineChan), make(chan error)
	c := &chat{shell: d.shell, model: d.model, room: 60, interrupts: interrupts}
	c.shell.out = out
	c.flags.asJSON, c.flags.MaxTokens = true, 40
	go func() { ended <- c.run(t.Context()) }()

	io.WriteString(say, "count\n")
	<-d.model.hold // "two " is next
	interrupts <- os.Interrupt
	var first, second exchange
	decode(t, <-out, &first)
	if !first.Interrupted || !strings.HasPrefix(first.Assistant, "one") || strings.Contains(first.Assistant, "three") {
		t.Errorf("broken off: %+v", first)
	}

	io.WriteString(say, "more\n")
	<-d.model.hold
	<-d.model.hold
	decode(t, <-out, &second)
	if second.Interrupted || second.Assistant != "one two three" {
		t.Errorf("the next answer: %+v", second)
	}
	if turns := d.model.laidOut[1]; len(turns) != 3 || turns[1].Text != first.Assistant {
		t.Errorf("for it the model saw %+v", turns)
	}
	interrupts <- os.Interrupt
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

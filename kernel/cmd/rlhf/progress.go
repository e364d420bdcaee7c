package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"
)

// progressEvery is how often a progress line is printed.
const progressEvery = 2 * time.Second

// A progress prints how far a piece of work is and how long it will still take,
// a line every two seconds, so nothing for what is done sooner.
type progress struct {
	w    io.Writer
	what string
	last time.Time     // of the last line
	done int           // what it said was done
	left time.Duration // an estimate from elsewhere, used where it is not zero
	now  func() time.Time
}

func newProgress(w io.Writer, what string) *progress {
	p := &progress{w: w, what: what, now: time.Now}
	p.last = p.now()
	return p
}

// at reports that done of the work is done; of is all of it, 0 where that is not
// known. note, where not empty, follows.
func (p *progress) at(done, of int, note string) {
	now := p.now()
	since := now.Sub(p.last)
	if since < progressEvery {
		return
	}
	text := fmt.Sprintf("%s: %d", p.what, done)
	if of > 0 {
		text += fmt.Sprintf(" of %d", of)
	}
	left := p.left
	// The pace since the last line; at first there was compiling to do.
	if n := done - p.done; left == 0 && p.done > 0 && n > 1 && of > done {
		left = time.Duration(float64(since) / float64(n) * float64(of-done))
	}
	if left > 0 && of > done {
		text += ", " + ago(left) + " left"
	}
	p.last, p.done = now, done
	if note != "" {
		text += "  " + note
	}
	fmt.Fprintln(p.w, text)
}

// say prints a line now.
func (p *progress) say(format string, args ...any) {
	p.last = p.now()
	fmt.Fprintf(p.w, "%s: %s\n", p.what, fmt.Sprintf(format, args...))
}

// waiting says every few seconds that something of unknown length goes on, until
// stop is called.
func (p *progress) waiting(for_ string) (stop func()) {
	start, done, ended := time.Now(), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(progressEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				fmt.Fprintf(p.w, "%s: %s, %s so far\n", p.what, for_, ago(time.Since(start)))
			case <-done:
				return
			}
		}
	}()
	return func() { close(done); <-ended }
}

// ago words a duration in whole seconds.
func ago(d time.Duration) string {
	if d < time.Second {
		return "under 1s"
	}
	return d.Round(time.Second).String()
}

// endsAtSecond lets a second interrupt end the program at once, where the first,
// which ends ctx, waits for a step or a file to be finished.
func endsAtSecond(ctx context.Context) {
	context.AfterFunc(ctx, func() { signal.Reset(os.Interrupt) })
}

// printJSON prints one JSON object on one line.
func printJSON(w io.Writer, v any) error {
	if err := json.NewEncoder(w).Encode(v); err != nil {
		return fmt.Errorf("printing JSON: %w", err)
	}
	return nil
}

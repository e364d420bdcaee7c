package watch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"hhrlhf/rlhf"
)

// A disk records the steps of one run.
type disk struct {
	mu      sync.Mutex
	planned int
	points  []rlhf.Point
	reads   int
}

func (d *disk) Status() (rlhf.Status, error) {
	return rlhf.Status{Runs: []rlhf.RunState{{Name: "p", Kind: "ppo", Planned: d.planned}}}, nil
}

func (d *disk) History(name string) ([]rlhf.Point, error) {
	if name != "p" {
		return nil, fmt.Errorf("no run %q", name)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.reads++
	return slices.Clone(d.points), nil
}

// step records a step and tells of it.
func (d *disk) step(h *Hub, n, of int) {
	p := rlhf.Point{Step: n}
	d.mu.Lock()
	d.points = append(d.points, p)
	d.mu.Unlock()
	e := rlhf.Event{Run: "p", Kind: "ppo", Step: n, Of: of, Point: &p, Left: time.Duration(of-n) * time.Second}
	if n%5 == 0 {
		e.Samples = []rlhf.Sample{{Response: fmt.Sprint("at ", n)}}
	}
	h.Tell(e)
}

// steps are the steps of the points that a watcher got.
func steps(events []rlhf.Event) (out []int) {
	for _, e := range events {
		if e.Point != nil {
			out = append(out, e.Step)
		}
	}
	return out
}

func upTo(n int) (out []int) {
	for i := range n {
		out = append(out, i+1)
	}
	return out
}

// A watcher that comes in the middle gets the past, the newest samples, what follows, and
// an end when the planned steps are done.
func TestPastAndFuture(t *testing.T) {
	var h Hub
	d := &disk{planned: 20}
	end := h.Drive("p")
	for n := range 7 {
		d.step(&h, n+1, 20)
	}
	var got []rlhf.Event
	for e, err := range h.Watch(t.Context(), d, "p", "me", time.Minute) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, e)
		if e.Step == 7 { // the past is over
			if len(e.Samples) != 1 || e.Samples[0].Response != "at 5" {
				t.Errorf("the last event of the past has samples %+v", e.Samples)
			}
			if w := h.Watchers(); len(w) != 1 || w[0] != (rlhf.Watcher{Run: "p", Client: "me"}) {
				t.Errorf("watchers %+v", w)
			}
			go func() {
				for n := 8; n <= 20; n++ {
					d.step(&h, n, 20)
				}
				end()
			}()
		}
	}
	if s := steps(got); !slices.Equal(s, upTo(20)) {
		t.Errorf("steps %v", s)
	}
	if e := got[8]; e.Left != 11*time.Second || e.Of != 20 || e.Run != "p" || e.Kind != "ppo" {
		t.Errorf("live event %+v", e)
	}
	if len(h.Watchers()) != 0 {
		t.Error("the watcher is still there")
	}
}

// A run that stands still ends the watch, after it has said so; one that is driven, or goes
// on in time, does not.
func TestStandsStill(t *testing.T) {
	var h Hub
	d := &disk{planned: 20}
	d.step(&h, 1, 20)
	var messages []string
	began := time.Now()
	for e, err := range h.Watch(t.Context(), d, "p", "", 40*time.Millisecond) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Message == "" {
			continue
		}
		messages = append(messages, e.Message)
		if len(messages) == 1 {
			end := h.Drive("p") // longer than the patience
			time.AfterFunc(120*time.Millisecond, func() { d.step(&h, 2, 2); end() })
		}
	}
	if len(messages) != 2 || !strings.HasPrefix(messages[0], "nobody trains p now") || time.Since(began) < 120*time.Millisecond {
		t.Errorf("after %v: %q", time.Since(began), messages)
	}
}

// What is told never waits, is kept in bounded memory, and is not lost.
func TestSlowWatcher(t *testing.T) {
	var h Hub
	const n = 20 * most
	d := &disk{planned: n}
	end := h.Drive("p")
	d.step(&h, 1, n)
	var got []rlhf.Event
	for e, err := range h.Watch(t.Context(), d, "p", "", time.Minute) {
		if err != nil {
			t.Fatal(err)
		}
		if len(got) == 0 { // sits on the first event
			for k := 2; k <= n; k++ {
				d.step(&h, k, n)
			}
			end()
			h.mu.Lock()
			for w := range h.watchers {
				if len(w.queue) > most {
					t.Errorf("%d events are kept", len(w.queue))
				}
			}
			h.mu.Unlock()
		}
		got = append(got, e)
	}
	if s := steps(got); !slices.Equal(s, upTo(n)) {
		t.Errorf("%d steps of %d, from %v", len(s), n, s[:min(5, len(s))])
	}
	if d.reads > 3 {
		t.Errorf("the history was read %d times", d.reads)
	}
}

// Many watch at once while steps are taken; each sees each step once and in order.
func TestManyWatchers(t *testing.T) {
	var h Hub
	d := &disk{planned: 500}
	end := h.Drive("p")
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			var got []rlhf.Event
			for e, err := range h.Watch(t.Context(), d, "p", "", time.Minute) {
				if err != nil {
					t.Error(err)
				}
				got = append(got, e)
			}
			if s := steps(got); !slices.Equal(s, upTo(500)) {
				t.Errorf("%d steps, want 500 in order", len(s))
			}
		})
	}
	for n := 1; n <= 500; n++ {
		d.step(&h, n, 500)
	}
	end()
	all.Wait()
}

// The end of the context ends the watching with an error that says so.
func TestWatchEnds(t *testing.T) {
	var h Hub
	d := &disk{planned: 20}
	defer h.Drive("p")()
	d.step(&h, 1, 20)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var failed error
	for e, err := range h.Watch(ctx, d, "p", "", time.Minute) {
		if failed = err; e.Step == 1 {
			cancel()
		}
	}
	if !errors.Is(failed, context.Canceled) || !strings.Contains(failed.Error(), "ended at step 1") {
		t.Errorf("got %v", failed)
	}
	for _, err := range h.Watch(t.Context(), d, "q", "", time.Minute) {
		if err == nil || !strings.Contains(err.Error(), `no run "q"`) {
			t.Errorf("unknown run: %v", err)
		}
	}
	for range h.Watch(t.Context(), d, "p", "", time.Minute) {
		break
	}
	if len(h.Watchers()) != 0 {
		t.Error("a watcher is left")
	}
}

// A run that is removed and made anew under its name has no past.
func TestForget(t *testing.T) {
	var h Hub
	d := &disk{planned: 1}
	for n := 1; n <= 5; n++ {
		d.step(&h, n, 5)
	}
	h.Forget("p")
	d.points = []rlhf.Point{{Step: 1}}
	for e, err := range h.Watch(t.Context(), d, "p", "", time.Minute) {
		if err != nil || e.Samples != nil || e.Of != 1 {
			t.Errorf("got %+v, %v", e, err)
		}
	}
	// Under the eyes of who watches it.
	d.planned = 3
	end := h.Drive("p")
	var got []int
	for e, err := range h.Watch(t.Context(), d, "p", "", time.Minute) {
		if err != nil {
			t.Fatal(err)
		}
		if got = append(got, e.Step); len(got) == 1 {
			h.Forget("p")
			d.mu.Lock()
			d.points = nil
			d.mu.Unlock()
			for n := 1; n <= 3; n++ {
				d.step(&h, n, 3)
			}
			end()
		}
	}
	if !slices.Equal(got, []int{1, 1, 2, 3}) {
		t.Errorf("steps %v", got)
	}
}

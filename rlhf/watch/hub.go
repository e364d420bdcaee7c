// Package watch lets any number of readers look on at a run while somebody drives it.
//
// Whoever trains tells a [Hub] what happens; telling never waits. A watcher gets what
// the run has recorded, which is on disk, and then what is told. One that does not keep up
// loses nothing: what has been told and not been read is forgotten once it is too much,
// and read from disk when the watcher comes back for it.
package watch

import (
	"cmp"
	"slices"
	"sync"

	"hhrlhf/rlhf"
)

// most is how many events are kept for a watcher that is slow.
const most = 256

// A Hub is where those who drive runs meet those who watch. The zero Hub is ready.
type Hub struct {
	mu       sync.Mutex
	runs     map[string]*run
	watchers map[*watcher]bool
}

// A run is what the hub knows of one that was driven.
type run struct {
	driven  int           // calls that drive it now, or are in line to
	changed int           // counts what has happened
	of      int           // where the newest stretch ends
	samples []rlhf.Sample // the newest
	step    int           // of them
}

// A watcher is one reader.
type watcher struct {
	run, client string
	queue       []rlhf.Event
	behind      bool // what the queue lacks is on disk
	anew        bool // the run was removed: what was seen is of another one
	wake        chan struct{}
}

func (h *Hub) of(name string) *run {
	if h.runs == nil {
		h.runs, h.watchers = map[string]*run{}, map[*watcher]bool{}
	}
	if h.runs[name] == nil {
		h.runs[name] = &run{}
	}
	return h.runs[name]
}

// Drive notes that a call drives a run, or waits for its turn to; the returned function, that it
// has ended.
func (h *Hub) Drive(name string) (end func()) {
	note := func(n int) {
		h.mu.Lock()
		defer h.mu.Unlock()
		r := h.of(name)
		if r.driven += n; r.driven == 0 {
			r.of = 0
		}
		r.changed++
		h.nudge(name)
	}
	note(+1)
	return func() { note(-1) }
}

// Tell hands an event to those who watch its run. A step must be on disk before.
func (h *Hub) Tell(e rlhf.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.of(e.Run)
	r.changed++
	r.of = e.Of
	if len(e.Samples) > 0 {
		r.samples, r.step = e.Samples, e.Step
	}
	for w := range h.watchers {
		if w.run != e.Run {
			continue
		}
		if len(w.queue) >= most {
			w.queue, w.behind = nil, true
		}
		w.queue = append(w.queue, e)
	}
	h.nudge(e.Run)
}

// Forget forgets a run that was removed.
func (h *Hub) Forget(name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if r := h.runs[name]; r != nil {
		*r = run{driven: r.driven, changed: r.changed + 1}
		for w := range h.watchers {
			if w.run == name {
				w.queue, w.behind, w.anew = nil, true, true
			}
		}
		h.nudge(name)
	}
}

// nudge wakes those who watch a run. The caller holds the lock.
func (h *Hub) nudge(name string) {
	for w := range h.watchers {
		if w.run == name {
			select {
			case w.wake <- struct{}{}:
			default:
			}
		}
	}
}

// Watchers lists who watches what, in order of run and client.
func (h *Hub) Watchers() []rlhf.Watcher {
	h.mu.Lock()
	defer h.mu.Unlock()
	var all []rlhf.Watcher
	for w := range h.watchers {
		all = append(all, rlhf.Watcher{Run: w.run, Client: w.client})
	}
	slices.SortFunc(all, func(a, b rlhf.Watcher) int { return cmp.Or(cmp.Compare(a.Run, b.Run), cmp.Compare(a.Client, b.Client)) })
	return all
}

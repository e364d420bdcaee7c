package watch

import (
	"context"
	"fmt"
	"iter"
	"time"

	"hhrlhf/rlhf"
)

// A Disk is where runs are recorded; any rlhf.Lab is one.
type Disk interface {
	Status() (rlhf.Status, error)
	History(name string) ([]rlhf.Point, error)
}

// Watch is rlhf.Lab's method, for client (for people, may be ""). still is how long a
// run that is not done may stand still before the watching ends.
func (h *Hub) Watch(ctx context.Context, disk Disk, name, client string, still time.Duration) iter.Seq2[rlhf.Event, error] {
	return func(yield func(rlhf.Event, error) bool) {
		info, err := find(disk, name)
		if err != nil {
			yield(rlhf.Event{}, err)
			return
		}
		w := &watcher{run: name, client: client, behind: true, wake: make(chan struct{}, 1)}
		h.mu.Lock()
		h.of(name)
		h.watchers[w] = true
		h.mu.Unlock()
		defer func() {
			h.mu.Lock()
			delete(h.watchers, w)
			h.mu.Unlock()
		}()
		s := sight{w: w, kind: info.Kind, step: 0, of: info.Planned}
		for {
			if err := ctx.Err(); err != nil {
				yield(s.event(), fmt.Errorf("watching %s ended at step %d; the run is not touched by it: %w", name, s.step, err))
				return
			}
			if more, ok := h.catchUp(disk, &s, yield); !ok {
				return
			} else if more {
				continue
			}
			if h.rest(ctx, &s, info.Planned, still, yield) {
				return
			}
		}
	}
}

// A sight is what a watcher has seen.
type sight struct {
	w        *watcher
	kind     string
	step, of int
	shown    int // step of the samples that were yielded last
}

// event is one about the run as it was seen last.
func (s *sight) event() rlhf.Event {
	return rlhf.Event{Run: s.w.run, Kind: s.kind, Step: s.step, Of: max(s.of, s.step)}
}

// catchUp yields what has happened since. more says that something had; ok is false if
// the watching is over.
func (h *Hub) catchUp(disk Disk, s *sight, yield func(rlhf.Event, error) bool) (more, ok bool) {
	h.mu.Lock()
	behind := s.w.behind
	s.w.behind = false
	if s.w.anew {
		s.w.anew, s.step, s.shown = false, 0, 0
	}
	if r := h.of(s.w.run); r.of > 0 {
		s.of = r.of
	}
	h.mu.Unlock()
	var past []rlhf.Point
	if behind {
		var err error
		if past, err = disk.History(s.w.run); err != nil {
			yield(s.event(), err)
			return false, false
		}
	}
	// What was told before the history was read may be in it.
	h.mu.Lock()
	var queue []rlhf.Event
	again := s.w.behind // too much was told meanwhile: the disk goes first, next time
	if !again {
		queue, s.w.queue = s.w.queue, nil
	}
	r := h.of(s.w.run)
	samples, of := r.samples, r.step
	h.mu.Unlock()
	for i := range past {
		if past[i].Step <= s.step {
			continue
		}
		s.step = past[i].Step
		e := s.event()
		e.Point = &past[i]
		if i == len(past)-1 && of > s.shown {
			e.Samples, s.shown = samples, of
		}
		if !yield(e, nil) {
			return false, false
		}
	}
	for _, e := range queue {
		// A step is on disk before it is told, so it may have been seen there; and one
		// that is taken again after a crash is the same step.
		if e.Point != nil && e.Step <= s.step || behind && e.Step < s.step {
			continue
		}
		if s.of = e.Of; e.Point != nil {
			s.step = e.Step
		}
		if len(e.Samples) > 0 {
			s.shown = e.Step
		}
		if !yield(e, nil) {
			return false, false
		}
	}
	return behind || again || len(queue) > 0, true
}

// rest waits until something happens, and says whether the run rests for good.
func (h *Hub) rest(ctx context.Context, s *sight, planned int, still time.Duration, yield func(rlhf.Event, error) bool) (over bool) {
	h.mu.Lock()
	r := h.of(s.w.run)
	driven, changed := r.driven > 0, r.changed
	news := len(s.w.queue) > 0 || s.w.behind
	h.mu.Unlock()
	if news {
		return false
	}
	if !driven && s.step >= planned {
		return true
	}
	// Between two steps that a cell takes one by one the run stands still for a moment.
	pause := min(still/2, time.Second)
	var patience *time.Timer
	var end <-chan time.Time
	if !driven {
		patience = time.NewTimer(pause)
		defer patience.Stop()
		end = patience.C
	}
	for told := false; ; {
		late := false
		select {
		case <-ctx.Done():
			return false
		case <-end:
			late = true
		case <-s.w.wake:
		}
		h.mu.Lock()
		news = r.changed != changed || len(s.w.queue) > 0
		h.mu.Unlock()
		switch {
		case news:
			return false
		case late && told:
			return true
		case late:
			told = true
			s.of = planned
			e := s.event()
			e.Message = fmt.Sprintf("nobody trains %s now: watching for %v more", s.w.run, still.Round(time.Millisecond))
			if !yield(e, nil) {
				return true
			}
			patience.Reset(still - pause)
		}
	}
}

// find looks a run up. A Status knows those that can be read, whatever is wrong with others.
func find(disk Disk, name string) (rlhf.RunState, error) {
	st, err := disk.Status()
	if err != nil {
		return rlhf.RunState{}, err
	}
	for _, r := range st.Runs {
		if r.Name == name {
			return r, nil
		}
	}
	_, err = disk.History(name) // whose error says what there is instead
	if err == nil {
		err = fmt.Errorf("watch: there is no run %q", name)
	}
	return rlhf.RunState{}, err
}

package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"hhrlhf/kernel/engine/wire"
	"hhrlhf/rlhf"
)

// tellStep tells those who watch of a step that a cell has taken phase by phase.
func (s *server) tellStep(r rlhf.PPORun, b rlhf.Batch, p rlhf.Point) {
	info, err := r.Info()
	if err != nil {
		return // they will find the step on disk
	}
	ev := rlhf.Event{Run: info.Name, Kind: info.Kind, Step: p.Step, Of: max(p.Step, info.Planned), Point: &p}
	if len(b.Score) == len(b.Prompts) && len(b.KL) == len(b.Prompts) {
		ev.Samples = b.Samples(rlhf.ShownSamples)
	}
	s.watch.Tell(ev)
}

// watching handles the call of who looks on at a run. It is no device call: it waits
// for events, never for the lease, and is written as fast as its reader reads. One who does
// not read is forgotten nothing of: see package watch.
func (s *server) watching() served {
	return served{func(w http.ResponseWriter, r *http.Request) {
		name := r.PathValue("name")
		c, done := s.note(r, name, "watching")
		defer done()
		rc := http.NewResponseController(w)
		// An ended call does not wait for a reader who does not read.
		stop := context.AfterFunc(c.ctx, func() { _ = rc.SetWriteDeadline(time.Now().Add(time.Second)) })
		defer stop()
		w.Header().Set("Content-Type", "application/x-ndjson")
		w.Header().Set("Connection", "close")
		enc := json.NewEncoder(w)
		send := func(l wire.Line) bool { return enc.Encode(l) == nil && rc.Flush() == nil }
		step := 0
		for ev, err := range s.watch.Watch(c.ctx, s.o.Lab.With(c.ctx), name, c.job.client, s.o.Still) {
			step = ev.Step
			line := wire.EventLine(ev)
			if err == nil {
				if bad := wire.CheckFinite(line); bad != nil {
					err = fmt.Errorf("engine: event of %s after step %d: %w, which JSON cannot carry", name, step, bad)
				}
			}
			if err != nil {
				send(wire.Line{Err: s.endOfWatch(c, err, step)})
				return
			}
			if !send(line) {
				return
			}
		}
		send(wire.Line{End: true})
	}, nil, typeOf[wire.Line]()}
}

// endOfWatch is the error that ends a watch.
func (s *server) endOfWatch(c *call, err error, step int) *wire.Error {
	cause := context.Cause(c.ctx)
	if cause == nil || !errors.Is(err, context.Canceled) {
		return wireError(err)
	}
	if cause == errShutdown {
		return &wire.Error{Kind: wire.KindShutdown, Step: step, Message: fmt.Sprintf(
			"watching %s ended at step %d: the engine is shutting down; the run is kept", c.job.run, step)}
	}
	return &wire.Error{Kind: wire.KindInterrupted, Step: step, Message: fmt.Sprintf(
		"watching %s ended at step %d; the run itself was not touched", c.job.run, step)}
}

// stop ends the calls on a run, those that watch it excepted, at the next step
// boundary, and answers once the run stands still.
func (s *server) stop(r *http.Request) (wire.Stopped, error) {
	name := r.PathValue("name")
	if _, found := s.find(name); !found {
		_, err := s.info(r)
		return wire.Stopped{}, err
	}
	reply := wire.Stopped{Calls: []rlhf.Job{}}
	s.mu.Lock()
	var ending []*call
	for c := range s.open {
		if c.job.run == name && c.job.what != "watching" && !c.rests() {
			ending = append(ending, c)
		}
	}
	s.mu.Unlock()
	for _, c := range ending {
		c.end(errStopped)
	}
	for _, c := range ending {
		select {
		case <-c.over:
		case <-r.Context().Done():
			return reply, r.Context().Err()
		}
		reply.Calls = append(reply.Calls, s.lease.describe(c.job))
	}
	reply.Step = s.stepOf(name)
	return reply, nil
}

// status adds what the engine knows to what the lab says.
func (s *server) status(r *http.Request) (rlhf.Status, error) {
	st, err := s.o.Lab.With(r.Context()).Status()
	if err != nil {
		return st, err
	}
	// The lease has all calls, the lab only the one that it was given.
	if job, line := s.lease.jobs(); job != nil {
		st.Job, st.Line = job, line
		st.Busy = s.lease.busy()
	}
	st.Waiting = len(st.Line)
	st.Watchers = append(st.Watchers, s.watch.Watchers()...)
	st.SetBusy()
	if st.Version == "" {
		st.Version = s.o.Version
	}
	st.Socket, st.Name = s.o.Socket, s.o.Name
	return st, nil
}

package engine

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"hhrlhf/kernel/engine/wire"
	"hhrlhf/rlhf"
	"hhrlhf/rlhf/watch"
)

// A server holds what the handlers share.
type server struct {
	o     Options
	base  context.Context // ends when the engine shuts down
	lease lease

	watch watch.Hub

	mu    sync.Mutex
	calls map[string]*call // by id, those that gave one
	open  map[*call]bool   // all of them
}

// A call is one request for the device, or one that looks on.
type call struct {
	ctx     context.Context // ends with the request, the engine, or DELETE /v1/calls/{id}
	end     context.CancelCauseFunc
	waiting atomic.Pointer[string] // behind what it waits
	job     *job
	over    chan struct{} // of a device call: closed when it has the device no more, and never will
}

// rests says whether a device call has done with the device, though its handler has not
// returned yet: there is nothing left to end.
func (c *call) rests() bool {
	select {
	case <-c.over:
		return true
	default:
		return false
	}
}

// begin enters a call for the device into the books. The returned function strikes it out.
func (s *server) begin(r *http.Request, run, what string) (*call, func()) {
	c, done := s.note(r, run, what)
	rest := s.watch.Drive(run)
	return c, func() { rest(); done() }
}

// note enters any call into the books.
func (s *server) note(r *http.Request, run, what string) (*call, func()) {
	ctx, end := context.WithCancelCause(r.Context())
	stop := context.AfterFunc(s.base, func() { end(errShutdown) })
	client := r.Header.Get(wire.HeaderClient)
	if client == "" {
		client = "an unnamed client"
	}
	c := &call{ctx: ctx, end: end, job: &job{run: run, what: what, client: client}, over: make(chan struct{})}
	id := r.Header.Get(wire.HeaderCall)
	s.mu.Lock()
	s.open[c] = true
	if id != "" {
		s.calls[id] = c
	}
	s.mu.Unlock()
	return c, func() {
		stop()
		end(nil)
		s.mu.Lock()
		delete(s.open, c)
		if id != "" {
			delete(s.calls, id)
		}
		s.mu.Unlock()
	}
}

// onDevice runs f with the lease. waiting, if any, hears what the call waits for.
// A panic in f becomes an error.
func (s *server) onDevice(c *call, waiting func(string), f func(rlhf.Lab) error) error {
	defer close(c.over)
	err := s.lease.acquire(c.ctx, c.job, func(behind string) {
		c.waiting.Store(&behind)
		if waiting != nil && behind != "" {
			waiting(behind)
		}
	})
	if err != nil {
		return s.explain(c, err, 0, 0)
	}
	defer s.lease.release()
	if err := context.Cause(c.ctx); err != nil {
		return s.explain(c, err, 0, 0)
	}
	return s.protect(c.job.what+" of "+c.job.run, func() error { return f(s.o.Lab.With(c.ctx)) })
}

// protect turns a panic in f into an error and logs the stack, so that a bug
// ends a call and not the engine with everybody's models.
func (s *server) protect(what string, f func() error) (err error) {
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		if v == http.ErrAbortHandler {
			panic(v)
		}
		s.o.Log.Error("panic in "+what, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
		err = &wire.Error{Kind: wire.KindPanic, Message: fmt.Sprintf(
			"engine: a bug in %s (panic: %v). The engine goes on, and runs on disk are as they were after their last step; the stack is in the engine's log", what, v)}
	}()
	return f()
}

// explain returns the error to send for a device call that returned err, or was
// ended, at step step of of (0 if it is not a stretch of steps or has none yet).
func (s *server) explain(c *call, err error, step, of int) error {
	var sent *wire.Error
	if errors.As(err, &sent) || (err == nil && c.ctx.Err() == nil) {
		return err
	}
	cause := context.Cause(c.ctx)
	if cause == nil || !(err == nil || errors.Is(err, context.Canceled) || errors.Is(err, cause)) {
		return err
	}
	if step == 0 {
		step = s.stepOf(c.job.run)
	}
	at := fmt.Sprintf("at step %d", step)
	if of > 0 {
		at += fmt.Sprintf(" of %d", of)
	}
	if cause == errShutdown {
		return &wire.Error{Kind: wire.KindShutdown, Step: step, Of: of, Message: fmt.Sprintf(
			"%s of %s stopped %s: the engine is shutting down; the run is kept", c.job.what, c.job.run, at)}
	}
	if cause == errStopped {
		return &wire.Error{Kind: wire.KindInterrupted, Step: step, Of: of, Message: fmt.Sprintf(
			"%s of %s was stopped from elsewhere (rlhf stop) %s; the run is kept: run the cell again to go on", c.job.what, c.job.run, at)}
	}
	return &wire.Error{Kind: wire.KindInterrupted, Step: step, Of: of, Message: fmt.Sprintf(
		"%s of %s interrupted %s; the run is kept: run the cell again to go on", c.job.what, c.job.run, at)}
}

// stepOf returns the steps that a run on disk has done, 0 if there is none.
func (s *server) stepOf(name string) int {
	info, _ := s.find(name)
	return info.Step
}

// find looks a run up on disk.
func (s *server) find(name string) (info rlhf.RunInfo, found bool) {
	runs, err := s.o.Lab.Runs()
	if err != nil {
		return rlhf.RunInfo{}, false
	}
	for _, r := range runs {
		if r.Name == name {
			return r, true
		}
	}
	return rlhf.RunInfo{}, false
}

package engine

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"hhrlhf/kernel/engine/wire"
	"hhrlhf/rlhf"
)

// none is the body of a request or a reply that has nothing to say.
type none struct{}

// creation makes a run, or opens the one there.
func creation[C any, R rlhf.Run](create func(rlhf.Lab, string, C) (R, error)) func(rlhf.Lab, string, C) (rlhf.RunInfo, error) {
	return func(l rlhf.Lab, name string, config C) (rlhf.RunInfo, error) {
		r, err := create(l, name, config)
		if err != nil {
			return rlhf.RunInfo{}, err
		}
		return r.Info()
	}
}

// common is what happens around every call.
func (s *server) common(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(wire.HeaderProtocol, wire.ProtocolID())
		w.Header().Set(wire.HeaderVersion, s.o.Version)
		if err := stranger(r); err != nil {
			swallow(r)
			s.o.Log.Warn("refused", "err", err)
			s.fail(w, err)
			return
		}
		if theirs := r.Header.Get(wire.HeaderProtocol); theirs != "" && r.URL.Path != "/v1/version" {
			engine, client := wire.End{ID: wire.ProtocolID(), Version: s.o.Version}, wire.End{ID: theirs, Version: r.Header.Get(wire.HeaderVersion)}
			if err := wire.CheckProtocol(engine, client); err != nil {
				swallow(r)
				s.fail(w, err)
				return
			}
		}
		if err := s.protect(r.Method+" "+r.URL.Path, func() error { next.ServeHTTP(w, r); return nil }); err != nil {
			s.fail(w, err)
		}
	})
}

// read handles a call that never waits.
func read[T any](s *server, f func(*http.Request) (T, error)) served {
	return served{func(w http.ResponseWriter, r *http.Request) {
		reply, err := f(r)
		s.reply(w, r.URL.Path, reply, err)
	}, nil, typeOf[T]()}
}

// device handles a call that needs the device.
func device[Q, T any](s *server, what string, f func(l rlhf.Lab, name string, q Q) (T, error)) served {
	return served{func(w http.ResponseWriter, r *http.Request) {
		q, err := decode[Q](r, s.o.MaxBody)
		if err != nil {
			s.fail(w, err)
			return
		}
		name := r.PathValue("name")
		c, done := s.begin(r, name, what)
		defer done()
		var reply T
		err = s.onDevice(c, nil, func(l rlhf.Lab) error {
			var err error
			reply, err = f(l, name, q)
			if err != nil {
				err = s.explain(c, err, 0, 0)
			}
			return err
		})
		s.reply(w, what+" of "+name, reply, err)
	}, typeOf[Q](), typeOf[T]()}
}

// onRun handles a call of one run's method.
func onRun[R rlhf.Run, Q, T any](s *server, what string, open func(rlhf.Lab, string) (R, error), f func(R, Q) (T, error)) served {
	return device(s, what, func(l rlhf.Lab, name string, q Q) (T, error) {
		r, err := open(l, name)
		if err != nil {
			var zero T
			return zero, err
		}
		return f(r, q)
	})
}

// phase makes a call that fills fields of a batch one that returns the batch.
func phase(f func(rlhf.PPORun, *rlhf.Batch) error) func(rlhf.PPORun, rlhf.Batch) (*rlhf.Batch, error) {
	return func(r rlhf.PPORun, b rlhf.Batch) (*rlhf.Batch, error) { return &b, f(r, &b) }
}

// probing bounds what a call for activations may ask for: the reply is held in memory.
func probing[R rlhf.Run](f func(R, []string, rlhf.Probe) (rlhf.Activations, error)) func(R, wire.Probe) (rlhf.Activations, error) {
	return func(r R, q wire.Probe) (rlhf.Activations, error) {
		if n := len(q.Texts); n > rlhf.ProbedAtOnce {
			return rlhf.Activations{}, &wire.Error{Kind: wire.KindTooLarge, Message: fmt.Sprintf("engine: activations of %d texts, want at most %d a call: send them in parts", n, rlhf.ProbedAtOnce)}
		}
		return f(r, q.Texts, q.Probe)
	}
}

func (s *server) info(r *http.Request) (rlhf.RunInfo, error) {
	name := r.PathValue("name")
	if info, ok := s.find(name); ok {
		return info, nil
	}
	return rlhf.RunInfo{}, &wire.Error{Kind: wire.KindNotFound, Message: fmt.Sprintf("engine: there is no run %q", name)}
}

func (s *server) history(r *http.Request) ([]wire.Point, error) {
	points, err := s.o.Lab.With(r.Context()).History(r.PathValue("name"))
	sent := make([]wire.Point, len(points))
	for i, p := range points {
		sent[i] = wire.PointOf(p)
	}
	return sent, err
}

func (s *server) written(r *http.Request) ([]rlhf.Sample, error) {
	last := 0
	if asked := r.URL.Query().Get("last"); asked != "" {
		var err error
		if last, err = strconv.Atoi(asked); err != nil {
			return nil, &wire.Error{Kind: wire.KindInvalid, Message: fmt.Sprintf("engine: last = %q, want a number of samples", asked)}
		}
	}
	return s.o.Lab.With(r.Context()).Written(r.PathValue("name"), last)
}

func (s *server) call(r *http.Request) (wire.Call, error) {
	c, err := s.lookup(r.PathValue("id"))
	if err != nil {
		return wire.Call{}, err
	}
	var reply wire.Call
	if behind := c.waiting.Load(); behind != nil {
		reply.Waiting = *behind
	}
	return reply, nil
}

func (s *server) endCall(r *http.Request) (none, error) {
	c, err := s.lookup(r.PathValue("id"))
	if err == nil {
		c.end(errInterrupted)
	}
	return none{}, err
}

func (s *server) lookup(id string) (*call, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c, ok := s.calls[id]; ok {
		return c, nil
	}
	return nil, &wire.Error{Kind: wire.KindNotFound, Message: fmt.Sprintf("engine: no call %q is in progress", id)}
}

// decode reads a request's body to its end, without which the server would not
// notice that the client has gone. It refuses fields it does not know.
func decode[Q any](r *http.Request, limit int64) (Q, error) {
	var q Q
	text, err := io.ReadAll(io.LimitReader(r.Body, limit+1))
	if err != nil {
		return q, &wire.Error{Kind: wire.KindInvalid, Message: fmt.Sprintf("engine: body of %s %s: %v", r.Method, r.URL.Path, err)}
	}
	if int64(len(text)) > limit {
		swallow(r)
		return q, &wire.Error{Kind: wire.KindTooLarge, Message: fmt.Sprintf(
			"engine: the body of %s %s exceeds %d bytes: send fewer rows at a time", r.Method, r.URL.Path, limit)}
	}
	if _, ok := any(q).(none); ok {
		return q, nil
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	err = d.Decode(&q)
	if err == nil {
		if _, rest := d.Token(); rest != io.EOF {
			err = errors.New("more than one JSON value")
		}
	}
	if err != nil {
		return q, &wire.Error{Kind: wire.KindInvalid, Message: fmt.Sprintf("engine: body of %s %s: %v", r.Method, r.URL.Path, err)}
	}
	return q, nil
}

// swallow reads on in a body that is refused: closing a unix socket with unread
// data takes the answer away from the other side.
func swallow(r *http.Request) {
	_, _ = io.Copy(io.Discard, io.LimitReader(r.Body, 1<<30))
}

// reply sends a result, or the error.
func (s *server) reply(w http.ResponseWriter, what string, v any, err error) {
	if err == nil {
		if bad := wire.CheckFinite(v); bad != nil {
			err = fmt.Errorf("engine: result of %s: %w, which JSON cannot carry", what, bad)
		}
	}
	if err != nil {
		s.fail(w, err)
		return
	}
	text, err := json.Marshal(v)
	if err != nil {
		s.fail(w, fmt.Errorf("engine: result of %s: %w", what, err))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(append(text, '\n'))
}

// statuses are the HTTP statuses of the kinds of error.
var statuses = map[string]int{
	wire.KindLab:         http.StatusUnprocessableEntity,
	wire.KindInvalid:     http.StatusBadRequest,
	wire.KindNotFound:    http.StatusNotFound,
	wire.KindTooLarge:    http.StatusRequestEntityTooLarge,
	wire.KindProtocol:    http.StatusConflict,
	wire.KindInterrupted: http.StatusServiceUnavailable,
	wire.KindShutdown:    http.StatusServiceUnavailable,
	wire.KindForbidden:   http.StatusForbidden,
	wire.KindPanic:       http.StatusInternalServerError,
}

// fail sends an error.
func (s *server) fail(w http.ResponseWriter, err error) {
	e := wireError(err)
	text, err := json.Marshal(e)
	if err != nil { // cannot be: the fields are strings and ints
		s.o.Log.Error("error body", "err", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(statuses[e.Kind])
	w.Write(append(text, '\n'))
}

// wireError returns err as it is sent: errors of the lab keep their text.
func wireError(err error) *wire.Error {
	var e *wire.Error
	if errors.As(err, &e) {
		return e
	}
	return &wire.Error{Kind: wire.KindLab, Message: err.Error()}
}

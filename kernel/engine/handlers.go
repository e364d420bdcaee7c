package engine

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"

	"hhrlhf/kernel/engine/wire"
	"hhrlhf/rlhf"
)

// none is the body of a request or a reply that has nothing to say.
type none struct{}

// handler returns the routes that the package comment lists.
func (s *server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/version", read(s, func(*http.Request) (wire.Hello, error) {
		return wire.Hello{Protocol: wire.ProtocolID(), Version: s.o.Version, PID: os.Getpid()}, nil
	}))
	mux.HandleFunc("GET /v1/status", read(s, s.status))
	mux.HandleFunc("GET /v1/runs", read(s, func(r *http.Request) ([]rlhf.RunInfo, error) {
		return s.o.Lab.With(r.Context()).Runs()
	}))
	mux.HandleFunc("GET /v1/runs/{name}", read(s, s.info))
	mux.HandleFunc("GET /v1/runs/{name}/history", read(s, s.history))
	mux.HandleFunc("DELETE /v1/runs/{name}", device(s, "removal", func(l rlhf.Lab, name string, _ none) (none, error) {
		return none{}, l.Remove(name)
	}))
	mux.HandleFunc("GET /v1/calls/{id}", read(s, s.call))
	mux.HandleFunc("DELETE /v1/calls/{id}", read(s, s.endCall))

	stage(s, mux, "lm", rlhf.Lab.LM, rlhf.Lab.OpenLM)
	mux.HandleFunc("POST /v1/distill/{name}", device(s, "opening", creation(rlhf.Lab.Distill)))
	stage(s, mux, "pm", rlhf.Lab.PM, rlhf.Lab.OpenPM)
	stage(s, mux, "ppo", rlhf.Lab.PPO, rlhf.Lab.OpenPPO)

	lm, pm, ppo := rlhf.Lab.OpenLM, rlhf.Lab.OpenPM, rlhf.Lab.OpenPPO
	mux.HandleFunc("POST /v1/lm/{name}/sample", onRun(s, "sampling", lm, func(r rlhf.LMRun, q wire.Sample) ([]rlhf.Sample, error) {
		return r.Sample(q.Prompts, q.Sampling)
	}))
	mux.HandleFunc("POST /v1/lm/{name}/evaluate", onRun(s, "evaluation", lm, func(r rlhf.LMRun, _ none) (rlhf.LMEval, error) {
		return r.Evaluate()
	}))
	mux.HandleFunc("POST /v1/lm/{name}/evaluate-on", onRun(s, "evaluation", lm, func(r rlhf.LMRun, q wire.Corpus) (rlhf.LMEval, error) {
		return r.EvaluateOn(q.Data, q.Rows)
	}))
	mux.HandleFunc("POST /v1/lm/{name}/read", onRun(s, "reading", lm, func(r rlhf.LMRun, q wire.Text) ([]rlhf.Token, error) {
		return r.Read(q.Text)
	}))
	mux.HandleFunc("POST /v1/lm/{name}/logp", onRun(s, "scoring", lm, func(r rlhf.LMRun, q wire.Score) ([]float64, error) {
		return r.LogP(q.Transcripts)
	}))
	mux.HandleFunc("POST /v1/lm/{name}/stream", stream(s, "lm", "sampling", lm, func(r rlhf.LMRun, q wire.Text) (stretch, error) {
		return writing(r.Stream(q.Text, q.Sampling))
	}))
	mux.HandleFunc("POST /v1/lm/{name}/chat", stream(s, "lm", "chat", lm, func(r rlhf.LMRun, q wire.Chat) (stretch, error) {
		return writing(r.Chat(q.Turns, q.Sampling))
	}))
	mux.HandleFunc("POST /v1/pm/{name}/score", onRun(s, "scoring", pm, func(r rlhf.PMRun, q wire.Score) ([]float64, error) {
		return r.Score(q.Transcripts)
	}))
	mux.HandleFunc("POST /v1/pm/{name}/evaluate", onRun(s, "evaluation", pm, func(r rlhf.PMRun, _ none) (rlhf.PMEval, error) {
		return r.Evaluate()
	}))
	mux.HandleFunc("POST /v1/pm/{name}/evaluate-on", onRun(s, "evaluation", pm, func(r rlhf.PMRun, q wire.Corpus) (rlhf.PMEval, error) {
		return r.EvaluateOn(q.Data, q.Rows)
	}))
	mux.HandleFunc("POST /v1/pm/{name}/comparisons", onRun(s, "comparisons", pm, func(r rlhf.PMRun, q wire.Count) ([]rlhf.Comparison, error) {
		return r.Comparisons(q.N)
	}))
	mux.HandleFunc("POST /v1/pm/{name}/best-of", onRun(s, "best-of-k sampling", pm, func(r rlhf.PMRun, q wire.BestOf) ([]rlhf.Choice, error) {
		return r.BestOf(q.Policy, q.Prompts, q.K, q.Sampling)
	}))
	mux.HandleFunc("POST /v1/ppo/{name}/sample", onRun(s, "sampling", ppo, func(r rlhf.PPORun, q wire.Sample) ([]rlhf.Sample, error) {
		return r.Sample(q.Prompts, q.Sampling)
	}))
	mux.HandleFunc("POST /v1/ppo/{name}/compare", onRun(s, "comparison", ppo, func(r rlhf.PPORun, q wire.Count) (rlhf.BeforeAfter, error) {
		return r.Compare(q.N)
	}))
	mux.HandleFunc("POST /v1/ppo/{name}/snapshot", onRun(s, "snapshot", ppo, func(r rlhf.PPORun, q wire.Name) (rlhf.RunInfo, error) {
		snapshot, err := r.Snapshot(q.Name)
		if err != nil {
			return rlhf.RunInfo{}, err
		}
		return snapshot.Info()
	}))
	mux.HandleFunc("POST /v1/ppo/{name}/rollout", onRun(s, "rollout", ppo, func(r rlhf.PPORun, _ none) (*rlhf.Batch, error) {
		return r.Rollout()
	}))
	mux.HandleFunc("POST /v1/ppo/{name}/score", onRun(s, "scoring", ppo, phase(rlhf.PPORun.Score)))
	mux.HandleFunc("POST /v1/ppo/{name}/shape", onRun(s, "shaping", ppo, phase(rlhf.PPORun.Shape)))
	mux.HandleFunc("POST /v1/ppo/{name}/advantages", onRun(s, "advantages", ppo, phase(rlhf.PPORun.Advantages)))
	mux.HandleFunc("POST /v1/ppo/{name}/update", onRun(s, "update", ppo, func(r rlhf.PPORun, b rlhf.Batch) (wire.Point, error) {
		p, err := r.Update(&b)
		return wire.PointOf(p), err
	}))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, &wire.Error{Kind: wire.KindNotFound, Message: fmt.Sprintf("engine: there is no call %s %s", r.Method, r.URL.Path)})
	})
	return s.common(mux)
}

// stage adds the calls that runs of every kind have.
func stage[C any, R rlhf.Run](s *server, mux *http.ServeMux, kind string, create func(rlhf.Lab, string, C) (R, error), open func(rlhf.Lab, string) (R, error)) {
	path := "/v1/" + kind + "/{name}"
	mux.HandleFunc("POST "+path, device(s, "opening", creation(create)))
	// Opening a run that is there answers from disk, so that a second notebook
	// can look at a run while the first one trains it.
	mux.HandleFunc("GET "+path, read(s, func(r *http.Request) (rlhf.RunInfo, error) {
		name := r.PathValue("name")
		if info, ok := s.find(name); ok && info.Kind == kind {
			return info, nil
		}
		run, err := open(s.o.Lab.With(r.Context()), name) // whose error says what there is instead
		if err != nil {
			return rlhf.RunInfo{}, err
		}
		return run.Info()
	}))
	mux.HandleFunc("POST "+path+"/steps", stream(s, kind, "steps", open, func(r R, q wire.Steps) (stretch, error) { return steps(r, q.N) }))
	mux.HandleFunc("POST "+path+"/train", stream(s, kind, "training", open, func(r R, _ none) (stretch, error) { return steps(r, -1) }))
}

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
		if theirs := r.Header.Get(wire.HeaderProtocol); theirs != "" && r.URL.Path != "/v1/version" {
			if err := wire.CheckProtocol(wire.ProtocolID(), s.o.Version, theirs); err != nil {
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
func read[T any](s *server, f func(*http.Request) (T, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		reply, err := f(r)
		s.reply(w, r.URL.Path, reply, err)
	}
}

// device handles a call that needs the device.
func device[Q, T any](s *server, what string, f func(l rlhf.Lab, name string, q Q) (T, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
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
	}
}

// onRun handles a call of one run's method.
func onRun[R rlhf.Run, Q, T any](s *server, what string, open func(rlhf.Lab, string) (R, error), f func(R, Q) (T, error)) http.HandlerFunc {
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

// status adds what the engine knows to what the lab says.
func (s *server) status(r *http.Request) (rlhf.Status, error) {
	st, err := s.o.Lab.With(r.Context()).Status()
	if err != nil {
		return st, err
	}
	if busy := s.lease.busy(); busy != "" {
		st.Busy = busy
	}
	st.Waiting = s.lease.waiting()
	if st.Version == "" {
		st.Version = s.o.Version
	}
	return st, nil
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

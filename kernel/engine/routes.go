package engine

import (
	"fmt"
	"net/http"
	"os"
	"reflect"

	"hhrlhf/kernel/engine/wire"
	"hhrlhf/rlhf"
)

// handler returns the routes that the package comment lists.
func (s *server) handler() http.Handler {
	return s.common(s.mux())
}

// A served is a handler with the types of what it takes and gives, nil for nothing.
type served struct {
	http.HandlerFunc
	body, reply reflect.Type
}

// A mux knows what it serves: a test compares that with wire.Routes.
type mux struct {
	*http.ServeMux
	routes map[string]served
}

func (m *mux) handle(pattern string, h served) {
	m.routes[pattern] = h
	m.ServeMux.Handle(pattern, h)
}

// typeOf is the type of a body or a reply.
func typeOf[T any]() reflect.Type {
	t := reflect.TypeFor[T]()
	if t == reflect.TypeFor[none]() {
		return nil
	}
	return t
}

// mux registers every call.
func (s *server) mux() *mux {
	m := &mux{http.NewServeMux(), map[string]served{}}
	m.handle("GET /v1/version", read(s, func(*http.Request) (wire.Hello, error) {
		return wire.Hello{Protocol: wire.ProtocolID(), Version: s.o.Version, PID: os.Getpid(), Shape: wire.Shape()}, nil
	}))
	m.handle("GET /v1/status", read(s, s.status))
	m.handle("GET /v1/runs", read(s, func(r *http.Request) ([]rlhf.RunInfo, error) {
		return s.o.Lab.With(r.Context()).Runs()
	}))
	m.handle("GET /v1/runs/{name}", read(s, s.info))
	m.handle("GET /v1/runs/{name}/history", read(s, s.history))
	m.handle("GET /v1/runs/{name}/written", read(s, s.written))
	m.handle("GET /v1/runs/{name}/watch", s.watching())
	m.handle("POST /v1/runs/{name}/stop", read(s, s.stop))
	m.handle("DELETE /v1/runs/{name}", device(s, "removal", func(l rlhf.Lab, name string, _ none) (none, error) {
		err := l.Remove(name)
		if err == nil {
			s.watch.Forget(name)
		}
		return none{}, err
	}))
	m.handle("GET /v1/calls/{id}", read(s, s.call))
	m.handle("DELETE /v1/calls/{id}", read(s, s.endCall))

	stage(s, m, "lm", rlhf.Lab.LM, rlhf.Lab.OpenLM)
	m.handle("POST /v1/distill/{name}", device(s, "opening", creation(rlhf.Lab.Distill)))
	m.handle("POST /v1/direct/{name}", device(s, "opening", creation(rlhf.Lab.Direct)))
	stage(s, m, "pm", rlhf.Lab.PM, rlhf.Lab.OpenPM)
	stage(s, m, "ppo", rlhf.Lab.PPO, rlhf.Lab.OpenPPO)

	lm, pm, ppo := rlhf.Lab.OpenLM, rlhf.Lab.OpenPM, rlhf.Lab.OpenPPO
	m.handle("POST /v1/lm/{name}/sample", onRun(s, "sampling", lm, func(r rlhf.LMRun, q wire.Sample) ([]rlhf.Sample, error) {
		return r.Sample(q.Prompts, q.Sampling)
	}))
	m.handle("POST /v1/lm/{name}/evaluate", onRun(s, "evaluation", lm, func(r rlhf.LMRun, _ none) (rlhf.LMEval, error) {
		return r.Evaluate()
	}))
	m.handle("POST /v1/lm/{name}/evaluate-on", onRun(s, "evaluation", lm, func(r rlhf.LMRun, q wire.Corpus) (rlhf.LMEval, error) {
		return r.EvaluateOn(q.Data, q.Rows)
	}))
	m.handle("POST /v1/lm/{name}/read", onRun(s, "reading", lm, func(r rlhf.LMRun, q wire.Text) ([]rlhf.Token, error) {
		return r.Read(q.Text)
	}))
	m.handle("POST /v1/lm/{name}/logp", onRun(s, "scoring", lm, func(r rlhf.LMRun, q wire.Score) ([]float64, error) {
		return r.LogP(q.Transcripts)
	}))
	m.handle("POST /v1/lm/{name}/predict", onRun(s, "scoring", lm, func(r rlhf.LMRun, q wire.Score) ([]rlhf.Prediction, error) {
		return r.Predict(q.Transcripts)
	}))
	m.handle("POST /v1/lm/{name}/activations", onRun(s, "probing", lm, probing(rlhf.LMRun.Activations)))
	m.handle("POST /v1/lm/{name}/stream", stream(s, "lm", "sampling", lm, func(r rlhf.LMRun, q wire.Text) (stretch, error) {
		return writing(r.Stream(q.Text, q.Sampling))
	}))
	m.handle("POST /v1/lm/{name}/chat", stream(s, "lm", "chat", lm, func(r rlhf.LMRun, q wire.Chat) (stretch, error) {
		return writing(r.Chat(q.Turns, q.Sampling))
	}))
	m.handle("POST /v1/pm/{name}/score", onRun(s, "scoring", pm, func(r rlhf.PMRun, q wire.Score) ([]float64, error) {
		return r.Score(q.Transcripts)
	}))
	m.handle("POST /v1/pm/{name}/activations", onRun(s, "probing", pm, probing(rlhf.PMRun.Activations)))
	m.handle("POST /v1/pm/{name}/evaluate", onRun(s, "evaluation", pm, func(r rlhf.PMRun, _ none) (rlhf.PMEval, error) {
		return r.Evaluate()
	}))
	m.handle("POST /v1/pm/{name}/evaluate-on", onRun(s, "evaluation", pm, func(r rlhf.PMRun, q wire.Corpus) (rlhf.PMEval, error) {
		return r.EvaluateOn(q.Data, q.Rows)
	}))
	m.handle("POST /v1/pm/{name}/comparisons", onRun(s, "comparisons", pm, func(r rlhf.PMRun, q wire.Count) ([]rlhf.Comparison, error) {
		return r.Comparisons(q.N)
	}))
	m.handle("POST /v1/pm/{name}/best-of", onRun(s, "best-of-k sampling", pm, func(r rlhf.PMRun, q wire.BestOf) ([]rlhf.Choice, error) {
		return r.BestOf(q.Policy, q.Prompts, q.K, q.Sampling)
	}))
	m.handle("POST /v1/ppo/{name}/sample", onRun(s, "sampling", ppo, func(r rlhf.PPORun, q wire.Sample) ([]rlhf.Sample, error) {
		return r.Sample(q.Prompts, q.Sampling)
	}))
	m.handle("POST /v1/ppo/{name}/compare", onRun(s, "comparison", ppo, func(r rlhf.PPORun, q wire.Count) (rlhf.BeforeAfter, error) {
		return r.Compare(q.N)
	}))
	m.handle("POST /v1/ppo/{name}/snapshot", onRun(s, "snapshot", ppo, func(r rlhf.PPORun, q wire.Name) (rlhf.RunInfo, error) {
		snapshot, err := r.Snapshot(q.Name)
		if err != nil {
			return rlhf.RunInfo{}, err
		}
		return snapshot.Info()
	}))
	m.handle("POST /v1/ppo/{name}/rollout", onRun(s, "rollout", ppo, func(r rlhf.PPORun, _ none) (*rlhf.Batch, error) {
		return r.Rollout()
	}))
	m.handle("POST /v1/ppo/{name}/score", onRun(s, "scoring", ppo, phase(rlhf.PPORun.Score)))
	m.handle("POST /v1/ppo/{name}/shape", onRun(s, "shaping", ppo, phase(rlhf.PPORun.Shape)))
	m.handle("POST /v1/ppo/{name}/advantages", onRun(s, "advantages", ppo, phase(rlhf.PPORun.Advantages)))
	m.handle("POST /v1/ppo/{name}/update", onRun(s, "update", ppo, func(r rlhf.PPORun, b rlhf.Batch) (wire.Point, error) {
		p, err := r.Update(&b)
		if err == nil {
			s.tellStep(r, b, p)
		}
		return wire.PointOf(p), err
	}))
	m.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, &wire.Error{Kind: wire.KindNotFound, Message: fmt.Sprintf("engine: there is no call %s %s", r.Method, r.URL.Path)})
	})
	return m
}

// stage adds the calls that runs of every kind have.
func stage[C any, R rlhf.Run](s *server, m *mux, kind string, create func(rlhf.Lab, string, C) (R, error), open func(rlhf.Lab, string) (R, error)) {
	path := "/v1/" + kind + "/{name}"
	m.handle("POST "+path, device(s, "opening", creation(create)))
	// Opening a run that is there answers from disk, so that a second notebook
	// can look at a run while the first one trains it.
	m.handle("GET "+path, read(s, func(r *http.Request) (rlhf.RunInfo, error) {
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
	m.handle("POST "+path+"/steps", stream(s, kind, "steps", open, func(r R, q wire.Steps) (stretch, error) { return steps(r, q.N) }))
	m.handle("POST "+path+"/train", stream(s, kind, "training", open, func(r R, _ none) (stretch, error) { return steps(r, -1) }))
}

package wire

import "hhrlhf/rlhf"

// A Route is one call of the protocol. Body and Reply are values of what is sent and
// what comes back, nil for nothing; a call that streams replies with Lines.
type Route struct {
	Pattern     string // method and path, as net/http writes patterns
	Body, Reply any
}

// Routes are all calls. The engine serves these and no others (a test of it compares
// them), and the fingerprint is made of them: what is not here cannot be called, and
// what is here cannot change unnoticed.
func Routes() []Route {
	routes := []Route{
		{"GET /v1/version", nil, Hello{}},
		{"GET /v1/status", nil, rlhf.Status{}},
		{"GET /v1/runs", nil, []rlhf.RunInfo{}},
		{"GET /v1/runs/{name}", nil, rlhf.RunInfo{}},
		{"GET /v1/runs/{name}/history", nil, []Point{}},
		{"GET /v1/runs/{name}/written", nil, []rlhf.Sample{}},
		{"GET /v1/runs/{name}/watch", nil, Line{}},
		{"POST /v1/runs/{name}/stop", nil, Stopped{}},
		{"DELETE /v1/runs/{name}", nil, nil},
		{"GET /v1/calls/{id}", nil, Call{}},
		{"DELETE /v1/calls/{id}", nil, nil},
		{"POST /v1/lm/{name}", rlhf.LM{}, rlhf.RunInfo{}},
		{"POST /v1/distill/{name}", rlhf.Distill{}, rlhf.RunInfo{}},
		{"POST /v1/direct/{name}", rlhf.Direct{}, rlhf.RunInfo{}},
		{"POST /v1/pm/{name}", rlhf.PM{}, rlhf.RunInfo{}},
		{"POST /v1/ppo/{name}", rlhf.PPO{}, rlhf.RunInfo{}},
		{"POST /v1/lm/{name}/sample", Sample{}, []rlhf.Sample{}},
		{"POST /v1/lm/{name}/evaluate", nil, rlhf.LMEval{}},
		{"POST /v1/lm/{name}/evaluate-on", Corpus{}, rlhf.LMEval{}},
		{"POST /v1/lm/{name}/read", Text{}, []rlhf.Token{}},
		{"POST /v1/lm/{name}/logp", Score{}, []float64{}},
		{"POST /v1/lm/{name}/predict", Score{}, []rlhf.Prediction{}},
		{"POST /v1/lm/{name}/activations", Probe{}, rlhf.Activations{}},
		{"POST /v1/lm/{name}/stream", Text{}, Line{}},
		{"POST /v1/lm/{name}/chat", Chat{}, Line{}},
		{"POST /v1/pm/{name}/score", Score{}, []float64{}},
		{"POST /v1/pm/{name}/activations", Probe{}, rlhf.Activations{}},
		{"POST /v1/pm/{name}/evaluate", nil, rlhf.PMEval{}},
		{"POST /v1/pm/{name}/evaluate-on", Corpus{}, rlhf.PMEval{}},
		{"POST /v1/pm/{name}/comparisons", Count{}, []rlhf.Comparison{}},
		{"POST /v1/pm/{name}/best-of", BestOf{}, []rlhf.Choice{}},
		{"POST /v1/ppo/{name}/sample", Sample{}, []rlhf.Sample{}},
		{"POST /v1/ppo/{name}/compare", Count{}, rlhf.BeforeAfter{}},
		{"POST /v1/ppo/{name}/snapshot", Name{}, rlhf.RunInfo{}},
		{"POST /v1/ppo/{name}/rollout", nil, &rlhf.Batch{}},
		{"POST /v1/ppo/{name}/score", rlhf.Batch{}, &rlhf.Batch{}},
		{"POST /v1/ppo/{name}/shape", rlhf.Batch{}, &rlhf.Batch{}},
		{"POST /v1/ppo/{name}/advantages", rlhf.Batch{}, &rlhf.Batch{}},
		{"POST /v1/ppo/{name}/update", rlhf.Batch{}, Point{}},
	}
	for _, kind := range []string{"lm", "pm", "ppo"} {
		path := " /v1/" + kind + "/{name}"
		routes = append(routes,
			Route{"GET" + path, nil, rlhf.RunInfo{}},
			Route{"POST" + path + "/steps", Steps{}, Line{}},
			Route{"POST" + path + "/train", nil, Line{}},
		)
	}
	return routes
}

package lab

import (
	"errors"
	"iter"

	"hhrlhf/kernel/engine/wire"
	"hhrlhf/rlhf"
)

// A run is the handle of a run: its name. Nothing of it is held here, so a handle
// survives an engine's restart.
type run struct {
	s          *Session
	kind, name string
}

// lmRun, pmRun and ppoRun implement rlhf's interfaces of the same names.
type (
	lmRun  struct{ run }
	pmRun  struct{ run }
	ppoRun struct{ run }
)

func (r run) path(call string) string {
	return "/v1/" + r.kind + "/" + wire.Escape(r.name) + "/" + call
}

func (r run) Info() (rlhf.RunInfo, error) {
	return ask[rlhf.RunInfo](r.s, "description of "+r.name, "GET", "/v1/runs/"+wire.Escape(r.name), nil)
}

func (r run) History() ([]rlhf.Point, error) { return r.s.History(r.name) }

func (r run) Steps(n int) iter.Seq2[rlhf.Event, error] {
	return r.s.events("steps of "+r.name, "POST", r.path("steps"), wire.Steps{N: n})
}

func (r run) Train() iter.Seq2[rlhf.Event, error] {
	return r.s.events("training of "+r.name, "POST", r.path("train"), nil)
}

func (r run) sample(prompts []string, o rlhf.Sampling) ([]rlhf.Sample, error) {
	return ask[[]rlhf.Sample](r.s, "sampling of "+r.name, "POST", r.path("sample"), wire.Sample{Prompts: prompts, Sampling: o})
}

func (r lmRun) Sample(prompts []string, o rlhf.Sampling) ([]rlhf.Sample, error) {
	return r.sample(prompts, o)
}

func (r lmRun) Evaluate() (rlhf.LMEval, error) {
	return ask[rlhf.LMEval](r.s, "evaluation of "+r.name, "POST", r.path("evaluate"), nil)
}

func (r lmRun) EvaluateOn(data string, rows int) (rlhf.LMEval, error) {
	return ask[rlhf.LMEval](r.s, "evaluation of "+r.name, "POST", r.path("evaluate-on"), wire.Corpus{Data: data, Rows: rows})
}

func (r lmRun) Read(text string) ([]rlhf.Token, error) {
	return ask[[]rlhf.Token](r.s, "reading of "+r.name, "POST", r.path("read"), wire.Text{Text: text})
}

func (r lmRun) LogP(ts []rlhf.Transcript) ([]float64, error) {
	return ask[[]float64](r.s, "scoring of "+r.name, "POST", r.path("logp"), wire.Score{Transcripts: ts})
}

func (r lmRun) Predict(ts []rlhf.Transcript) ([]rlhf.Prediction, error) {
	return ask[[]rlhf.Prediction](r.s, "scoring of "+r.name, "POST", r.path("predict"), wire.Score{Transcripts: ts})
}

func (r lmRun) Activations(texts []string, p rlhf.Probe) (rlhf.Activations, error) {
	return r.activations(texts, p)
}

// activations asks for the texts in parts, of the same texts as in process.
func (r run) activations(texts []string, p rlhf.Probe) (out rlhf.Activations, err error) {
	for first := true; first || len(texts) > 0; first = false {
		n := min(len(texts), rlhf.ProbedAtOnce)
		part, err := ask[rlhf.Activations](r.s, "probing of "+r.name, "POST", r.path("activations"), wire.Probe{Texts: texts[:n], Probe: p})
		if err != nil {
			return rlhf.Activations{}, err
		}
		texts, part.Texts = texts[n:], append(out.Texts, part.Texts...)
		out = part
	}
	return out, nil
}

func (r lmRun) Stream(prompt string, o rlhf.Sampling) iter.Seq2[string, error] {
	return pieces(r.s.events("sampling of "+r.name, "POST", r.path("stream"), wire.Text{Text: prompt, Sampling: o}))
}

func (r lmRun) Chat(turns []rlhf.Turn, o rlhf.Sampling) iter.Seq2[string, error] {
	return pieces(r.s.events("chat with "+r.name, "POST", r.path("chat"), wire.Chat{Turns: turns, Sampling: o}))
}

// pieces are the texts of the events; what is no text, such as what the call
// waits for, is left out.
func pieces(events iter.Seq2[rlhf.Event, error]) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for ev, err := range events {
			if (ev.Text != "" || err != nil) && !yield(ev.Text, err) {
				return
			}
		}
	}
}

func (r pmRun) Score(ts []rlhf.Transcript) ([]float64, error) {
	return ask[[]float64](r.s, "scoring of "+r.name, "POST", r.path("score"), wire.Score{Transcripts: ts})
}

func (r pmRun) Activations(texts []string, p rlhf.Probe) (rlhf.Activations, error) {
	return r.activations(texts, p)
}

func (r pmRun) Evaluate() (rlhf.PMEval, error) {
	return ask[rlhf.PMEval](r.s, "evaluation of "+r.name, "POST", r.path("evaluate"), nil)
}

func (r pmRun) EvaluateOn(data string, rows int) (rlhf.PMEval, error) {
	return ask[rlhf.PMEval](r.s, "evaluation of "+r.name, "POST", r.path("evaluate-on"), wire.Corpus{Data: data, Rows: rows})
}

func (r pmRun) Comparisons(n int) ([]rlhf.Comparison, error) {
	return ask[[]rlhf.Comparison](r.s, "comparisons of "+r.name, "POST", r.path("comparisons"), wire.Count{N: n})
}

func (r pmRun) BestOf(policy string, prompts []string, k int, o rlhf.Sampling) ([]rlhf.Choice, error) {
	return ask[[]rlhf.Choice](r.s, "best-of-k sampling by "+r.name, "POST", r.path("best-of"), wire.BestOf{Policy: policy, Prompts: prompts, K: k, Sampling: o})
}

func (r ppoRun) Rollout() (*rlhf.Batch, error) {
	return ask[*rlhf.Batch](r.s, "rollout of "+r.name, "POST", r.path("rollout"), nil)
}

func (r ppoRun) Score(b *rlhf.Batch) error      { return r.phase("score", "scoring", b) }
func (r ppoRun) Shape(b *rlhf.Batch) error      { return r.phase("shape", "shaping", b) }
func (r ppoRun) Advantages(b *rlhf.Batch) error { return r.phase("advantages", "advantages", b) }

// phase sends b and overwrites it with the reply; an error leaves it as it was.
func (r ppoRun) phase(call, what string, b *rlhf.Batch) error {
	if b == nil {
		return errNoBatch
	}
	reply, err := ask[rlhf.Batch](r.s, what+" of "+r.name, "POST", r.path(call), b)
	if err != nil {
		return err
	}
	*b = reply
	return nil
}

func (r ppoRun) Update(b *rlhf.Batch) (rlhf.Point, error) {
	if b == nil {
		return rlhf.Point{}, errNoBatch
	}
	p, err := ask[wire.Point](r.s, "update of "+r.name, "POST", r.path("update"), b)
	return p.ToPoint(), err
}

func (r ppoRun) Written(last int) ([]rlhf.Sample, error) { return r.s.Written(r.name, last) }

func (r ppoRun) Sample(prompts []string, o rlhf.Sampling) ([]rlhf.Sample, error) {
	return r.sample(prompts, o)
}

func (r ppoRun) Compare(n int) (rlhf.BeforeAfter, error) {
	return ask[rlhf.BeforeAfter](r.s, "comparison of "+r.name, "POST", r.path("compare"), wire.Count{N: n})
}

func (r ppoRun) Snapshot(name string) (rlhf.LMRun, error) {
	if _, err := ask[rlhf.RunInfo](r.s, "snapshot of "+r.name, "POST", r.path("snapshot"), wire.Name{Name: name}); err != nil {
		return nil, err
	}
	return r.s.OpenLM(name)
}

var errNoBatch = errors.New("lab: the batch is nil: it comes from Rollout")

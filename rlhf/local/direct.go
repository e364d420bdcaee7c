package local

import (
	"fmt"
	"slices"

	"github.com/gomlx/gomlx/core/tensors"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/direct"
	"hhrlhf/rlhf/internal/fit"
	"hhrlhf/rlhf/internal/gx"
	"hhrlhf/rlhf/lm"
	"hhrlhf/rlhf/pm"
	"hhrlhf/rlhf/run"
	"hhrlhf/rlhf/tokenizer"
)

// directModel is what is loaded behind a policy that learns from comparisons directly.
type directModel struct {
	*voice
	trainer *direct.Trainer
	data    string
	fixed   []*tensors.Tensor // π₀
}

func (m *directModel) done() int { return m.trainer.State.Updates }
func (m *directModel) states() map[string]*fit.State {
	return map[string]*fit.State{"lm": m.trainer.State}
}
func (m *directModel) names() map[string][]string {
	return map[string][]string{"lm": lm.Names(m.Shape.Weights())}
}

func (m *directModel) tensors() []*tensors.Tensor { return slices.Concat(held(m), m.fixed) }

func (m *directModel) close() {
	m.trainer.State.Free()
	gx.Free(m.fixed...)
}

func (m *directModel) advance() (rlhf.Point, []rlhf.Sample, error) {
	values, err := m.trainer.Step()
	return rlhf.Point{Step: m.done(), Values: values}, nil, err
}

// evaluate measures the loss as a language model on the chosen responses of its data.
func (m *directModel) evaluate() (rlhf.LMEval, error) { return m.evaluateOn(m.data, evaluatedTexts) }

// Direct implements rlhf.Lab.
func (l *Lab) Direct(name string, cfg rlhf.Direct) (rlhf.LMRun, error) {
	cfg, base, err := l.fillDirect(cfg)
	if err != nil {
		return nil, err
	}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if _, err := l.opt.Own.loss(cfg); err != nil {
		return nil, err
	}
	err = l.ensure(name, "direct", cfg.Seed, cfg, func(m *run.Manifest, f *facts) (func(string) error, error) {
		if cfg.Context > base.shape.Context {
			return nil, fmt.Errorf("direct: Context = %d, more than the %d tokens that LM = %q reads", cfg.Context, base.shape.Context, cfg.LM)
		}
		t, err := l.directTrial(cfg, base.tok)
		if err != nil {
			return nil, err
		}
		if f.Planned = cfg.Planned; f.Planned == 0 {
			f.Planned = max(1, len(t.train)/cfg.Batch)
		}
		m.Data, m.Tokenizer, m.Parents = []run.DataHash{t.info}, base.tok.Hash(), []string{cfg.LM}
		f.Shape, f.Context, f.Template, f.Notes = base.shape, base.context, base.template, t.notes
		return saver(base.tok), nil
	})
	if err != nil {
		return nil, err
	}
	return l.OpenLM(name)
}

// fillDirect completes a configuration from its language model's.
func (l *Lab) fillDirect(cfg rlhf.Direct) (rlhf.Direct, *language, error) {
	if cfg.LM == "" {
		return cfg, nil, cfg.Filled().Validate()
	}
	base, err := l.language(cfg.LM)
	if err != nil {
		return cfg, nil, fmt.Errorf("direct: LM = %q: %w", cfg.LM, err)
	}
	if cfg.Data == "" {
		if cfg.Data = transcriptsOf(base.data); cfg.Data == "" {
			return cfg, nil, fmt.Errorf(`direct: Data = "", and LM = %q was not trained here; name the comparisons to train on`, cfg.LM)
		}
	}
	if cfg.Context == 0 {
		cfg.Context = base.context
	}
	return cfg.Filled(), base, nil
}

// directTrial are the comparisons of a run: those that a preference model of the same
// data, rows and seed learns from. One token of Context is the preference model's alone.
func (l *Lab) directTrial(cfg rlhf.Direct, tok tokenizer.Tokenizer) (*trial, error) {
	return l.openTrial(rlhf.PM{Size: cfg.Size, LM: cfg.LM, Data: cfg.Data, Rows: cfg.Rows, HeldOut: cfg.HeldOut,
		Context: cfg.Context, Batch: cfg.Batch, Seed: cfg.Seed}.Filled(), tok)
}

func loadDirect(l *Lab, name string, say func(string)) (*loadedRun, error) {
	var cfg rlhf.Direct
	r, f, err := l.openKind(name, "direct", &cfg)
	if err != nil {
		return nil, err
	}
	loss, err := l.opt.Own.loss(cfg)
	if err != nil {
		return nil, fmt.Errorf("local: run %q: %w", name, err)
	}
	cfg.Planned = f.Planned
	say("reading " + cfg.Data)
	g, err := l.language(name)
	if err != nil {
		return nil, err
	}
	t, err := l.directTrial(cfg, g.tok)
	if err != nil {
		return nil, err
	}
	if err := verify(name, r.Manifest().Data, []run.DataHash{t.info}); err != nil {
		return nil, err
	}
	encoded, _, _ := pm.EncodeAll(g.tok, t.source(), cfg.Context)
	pairs := make([]direct.Pair, len(encoded))
	for i, p := range encoded { // without the end of context behind a response, which only a preference model reads
		pairs[i] = direct.Pair{Prompt: p.Prompt, Chosen: p.Chosen[:len(p.Chosen)-1], Rejected: p.Rejected[:len(p.Rejected)-1]}
	}
	say("loading " + cfg.LM)
	m := direct.Models{Shape: g.shape, Pad: g.tok.Pad()}
	if m.Policy, err = l.weightsOfLanguage(cfg.LM); err != nil {
		return nil, err
	}
	if m.Reference, err = gx.Clone(m.Policy); err != nil {
		return nil, err
	}
	trainer, err := direct.New(l.be, cfg, loss, m, pairs, run.Seed(cfg.Seed).Stream)
	if err != nil {
		return nil, err
	}
	model := &directModel{trainer: trainer, data: cfg.Data, fixed: m.Reference}
	model.voice = l.newVoice(name, g, func() []*tensors.Tensor { return trainer.State.Params })
	if rlhf.Synthetic(cfg.Data) {
		c, err := l.open(cfg.Data, 0)
		if err != nil {
			return nil, err
		}
		model.voice.judge = c.judge
	}
	return l.resume(r, model)
}

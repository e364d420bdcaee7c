package local

import (
	"fmt"
	"slices"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/internal/fit"
	"hhrlhf/rlhf/lm"
	"hhrlhf/rlhf/pm"
	"hhrlhf/rlhf/run"
	"hhrlhf/rlhf/synth"
	"hhrlhf/rlhf/tokenizer"
)

// pmRun is the handle, pmModel what is loaded behind it.
type pmRun struct {
	base
	cfg rlhf.PM
}

type pmModel struct {
	*pm.Trainer
	model     *pm.Model
	corpus    *corpus
	held      []rlhf.Comparison
	heldPairs []pm.Pair
}

func (m *pmModel) done() int                     { return m.State.Updates }
func (m *pmModel) states() map[string]*fit.State { return map[string]*fit.State{"pm": m.State} }
func (m *pmModel) names() map[string][]string {
	return map[string][]string{"pm": lm.Names(m.model.Shape.ScalarWeights())}
}
func (m *pmModel) close() { m.State.Free() }

func (m *pmModel) advance() (rlhf.Point, []rlhf.Sample, error) {
	values, err := m.Step()
	return rlhf.Point{Step: m.State.Updates, Values: values}, nil, err
}

// PM implements rlhf.Lab.
func (l *Lab) PM(name string, cfg rlhf.PM) (rlhf.PMRun, error) {
	cfg, trunk, err := l.fillPM(cfg)
	if err != nil {
		return nil, err
	}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	err = l.ensure(name, "pm", cfg.Seed, cfg, func(m *run.Manifest, f *facts) (func(string) error, error) {
		tok := trunk.tok
		c, err := l.open(cfg.Data, cfg.Rows)
		if err != nil {
			return nil, err
		}
		train, _, info, err := c.comparisons(cfg)
		if err != nil {
			return nil, err
		}
		pairs, notes := pm.EncodeAll(tok, train, cfg.Context)
		f.Notes = append(c.notes, notes...)
		if !rlhf.Synthetic(cfg.Data) && cfg.Data == trunk.data && cfg.HeldOut > trunk.heldOut {
			f.Notes = append(f.Notes, fmt.Sprintf("%s held out %v of the prompts, this run %v: the trunk has read some of the chosen responses that are evaluated", cfg.LM, trunk.heldOut, cfg.HeldOut))
		}
		if f.Planned = cfg.Planned; f.Planned == 0 {
			f.Planned = pm.StepsPerEpoch(len(pairs), cfg.Batch)
		}
		if len(pairs) < cfg.Batch {
			return nil, fmt.Errorf("local: %d training comparisons fit, fewer than Batch = %d", len(pairs), cfg.Batch)
		}
		m.Data, m.Tokenizer, m.Parents = []run.DataHash{info}, tok.Hash(), []string{cfg.LM}
		f.Params = lm.Count(trunk.shape.ScalarWeights())
		// The trunk is read now, so that later training of the LM run changes nothing here.
		return saver(tok), nil
	})
	if err != nil {
		return nil, err
	}
	return l.OpenPM(name)
}

// fillPM completes a configuration from its trunk's.
func (l *Lab) fillPM(cfg rlhf.PM) (rlhf.PM, *language, error) {
	if cfg.LM == "" {
		return cfg, nil, cfg.Filled().Validate()
	}
	trunk, err := l.language(cfg.LM)
	if err != nil {
		return cfg, trunk, fmt.Errorf("local: the trunk LM = %q: %w", cfg.LM, err)
	}
	if cfg.Data == "" {
		cfg.Data = transcriptsOf(trunk.data)
	}
	if cfg.Context == 0 {
		cfg.Context = trunk.context
	}
	return cfg.Filled(), trunk, nil
}

// OpenPM implements rlhf.Lab.
func (l *Lab) OpenPM(name string) (rlhf.PMRun, error) {
	h := &pmRun{}
	var err error
	if h.base, err = l.handle(name, "pm", &h.cfg, loadPM); err != nil {
		return nil, err
	}
	return h, nil
}

func loadPM(l *Lab, name string, say func(string)) (*loadedRun, error) {
	var cfg rlhf.PM
	r, f, err := l.openKind(name, "pm", &cfg)
	if err != nil {
		return nil, err
	}
	say("reading " + cfg.Data)
	c, err := l.open(cfg.Data, cfg.Rows)
	if err != nil {
		return nil, err
	}
	train, held, info, err := c.comparisons(cfg)
	if err != nil {
		return nil, err
	}
	if err := verify(name, r.Manifest().Data, []run.DataHash{info}); err != nil {
		return nil, err
	}
	model, err := l.newPM(name, cfg)
	if err != nil {
		return nil, err
	}
	cfg.Planned = f.Planned
	t, err := pm.NewTrainer(cfg, model, fitting(model.Tok, train, cfg.Context), run.Seed(cfg.Seed).Stream)
	if err != nil {
		return nil, err
	}
	m := &pmModel{Trainer: t, model: model, corpus: c, held: held}
	m.heldPairs, _ = pm.EncodeAll(model.Tok, held, cfg.Context)
	loaded, err := l.resume(r, m)
	if err != nil {
		return nil, err
	}
	return loaded, m.Adopt()
}

// fitting are the comparisons that pm.Encode takes.
func fitting(tok tokenizer.Tokenizer, cs []rlhf.Comparison, context int) pm.InMemory {
	return slices.DeleteFunc(slices.Clone(cs), func(c rlhf.Comparison) bool {
		_, fate := pm.Encode(tok, c, context)
		return fate > pm.Cut
	})
}

// newPM makes the model of a run as it was before its first step: the trunk of
// its LM and a zero head. Checkpoints of the run replace the weights.
func (l *Lab) newPM(name string, cfg rlhf.PM) (*pm.Model, error) {
	trunk, err := l.language(cfg.LM)
	if err != nil {
		return nil, fmt.Errorf("local: run %q: its trunk: %w", name, err)
	}
	tok, err := l.sameTokenizer(name, cfg.LM)
	if err != nil {
		return nil, err
	}
	shape := trunk.shape
	weights, err := l.weightsOfLanguage(cfg.LM)
	if err != nil {
		return nil, err
	}
	shape, weights, err = pm.Weights(l.be, shape, cfg.Layers, cfg.Readout, tok, weights)
	if err != nil {
		return nil, err
	}
	return pm.New(pm.NewPrograms(l.be, shape, cfg.Readout), cfg.Context, tok, weights)
}

// sameTokenizer returns the tokenizer of run a if run b has the same one and the
// same template; the error names both sides.
func (l *Lab) sameTokenizer(a, b string) (tokenizer.Tokenizer, error) {
	ra, err := l.store.Open(a)
	if err != nil {
		return nil, err
	}
	defer ra.Close()
	rb, err := l.store.Open(b)
	if err != nil {
		return nil, err
	}
	defer rb.Close()
	ma, mb := ra.Manifest(), rb.Manifest()
	switch {
	case ma.Tokenizer != mb.Tokenizer:
		return nil, fmt.Errorf("local: %q has tokenizer %.12s and %q has %.12s: token ids of one mean nothing to the other; use runs that descend from one language model", a, ma.Tokenizer, b, mb.Tokenizer)
	case ma.Template != mb.Template:
		return nil, fmt.Errorf("local: %q was made with transcript template %.12s and %q with %.12s; make the older one again", a, ma.Template, b, mb.Template)
	}
	return l.tokenizerOf(a)
}

// Score implements rlhf.PMRun.
func (h *pmRun) Score(ts []rlhf.Transcript) ([]float64, error) {
	var out []float64
	err := h.with("scoring with", func(r *loadedRun) error {
		scores, err := r.trainee.(*pmModel).model.Score(ts)
		for _, s := range scores {
			out = append(out, float64(s))
		}
		return err
	})
	return out, err
}

// Comparisons implements rlhf.PMRun.
func (h *pmRun) Comparisons(n int) ([]rlhf.Comparison, error) {
	var out []rlhf.Comparison
	err := h.with("reading", func(r *loadedRun) error {
		held := r.trainee.(*pmModel).held
		out = held[:min(max(n, 0), len(held))]
		return nil
	})
	return out, err
}

// Evaluate implements rlhf.PMRun.
func (h *pmRun) Evaluate() (rlhf.PMEval, error) {
	var e rlhf.PMEval
	err := h.with("evaluating", func(r *loadedRun) error {
		m := r.trainee.(*pmModel)
		js, err := m.model.Judge(m.held, m.heldPairs)
		if err != nil {
			return err
		}
		if e, err = pm.Measure(js); err != nil {
			return err
		}
		e.Step = m.done()
		if w := m.corpus.world; w != nil {
			gold := pm.Agreement("gold order", js, func(c rlhf.Comparison) (bool, bool) {
				margin := w.Margin(c, synth.Crowd{})
				return margin > 0, margin != 0
			})
			e.Gold = &gold
			e.Bayes = w.BayesAccuracy(m.held, synth.DefaultCrowd())
		}
		return nil
	})
	return e, err
}

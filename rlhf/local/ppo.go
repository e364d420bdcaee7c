package local

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gomlx/gomlx/core/tensors"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/internal/fit"
	"hhrlhf/rlhf/internal/gx"
	"hhrlhf/rlhf/lm"
	"hhrlhf/rlhf/pm"
	"hhrlhf/rlhf/ppo"
	"hhrlhf/rlhf/run"
)

func isNoCheckpoint(err error) bool { return errors.Is(err, run.ErrNoCheckpoint) }

// ppoRun is the handle, ppoModel what is loaded behind it.
type ppoRun struct {
	base
	cfg rlhf.PPO
}

type ppoModel struct {
	*ppo.Trainer
	corpus *corpus
	held   []ppo.Prompt
	talk   *voice
	fixed  []*tensors.Tensor // weights that are never trained: π₀ and the preference models
}

func (m *ppoModel) done() int { return m.Trainer.Steps() }

func (m *ppoModel) states() map[string]*fit.State {
	states := map[string]*fit.State{"policy": m.Policy}
	if m.Value != nil {
		states["value"] = m.Value
	}
	return states
}

func (m *ppoModel) names() map[string][]string {
	return map[string][]string{"policy": lm.Names(m.PolicyWeights()), "value": lm.Names(m.ValueWeights())}
}

func (m *ppoModel) scalars() map[string]*float64 {
	return map[string]*float64{"kl_coef": &m.KLCoef}
}

func (m *ppoModel) close() {
	for _, s := range m.states() {
		s.Free()
	}
	gx.Free(m.fixed...)
}

func (m *ppoModel) tensors() []*tensors.Tensor { return slices.Concat(held(m), m.fixed) }

func (m *ppoModel) advance() (rlhf.Point, []rlhf.Sample, error) {
	b, point, err := m.Step(m.judge)
	if err != nil {
		return point, nil, err
	}
	return point, b.Samples(rlhf.ShownSamples), nil
}

// judge adds the gold labels, where there are any.
func (m *ppoModel) judge(b *rlhf.Batch) {
	if m.corpus.world == nil {
		return
	}
	b.Gold = make([]rlhf.Gold, len(b.Prompts))
	for i := range b.Gold {
		b.Gold[i] = *m.corpus.judge(b.Prompts[i], b.Responses[i])
	}
}

// PPO implements rlhf.Lab.
func (l *Lab) PPO(name string, cfg rlhf.PPO) (rlhf.PPORun, error) {
	if cfg.Data == "" && cfg.PM != "" {
		var p rlhf.PM
		r, _, err := l.openKind(cfg.PM, "pm", &p)
		if err != nil {
			return nil, fmt.Errorf("local: PM = %q: %w", cfg.PM, err)
		}
		r.Close()
		cfg.Data = p.Data
	}
	cfg = cfg.Filled()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if _, err := l.opt.Own.algorithm(cfg); err != nil {
		return nil, err
	}
	err := l.ensure(name, "ppo", cfg.Seed, cfg, func(m *run.Manifest, f *facts) (func(string) error, error) {
		policy, err := l.language(cfg.Policy)
		if err != nil {
			return nil, fmt.Errorf("local: Policy = %q: %w", cfg.Policy, err)
		}
		tok, shape := policy.tok, policy.shape
		if n := cfg.Prompt + cfg.Response; n > shape.Context {
			return nil, fmt.Errorf("ppo: Prompt + Response = %d tokens, more than the context of %q, %d; lower them or train a language model with a larger Context", n, cfg.Policy, shape.Context)
		}
		if m.Parents, err = l.judges(cfg); err != nil {
			return nil, err
		}
		c, err := l.open(cfg.Data, cfg.Rows)
		if err != nil {
			return nil, err
		}
		train, held, info, err := c.prompts(cfg)
		if err != nil {
			return nil, err
		}
		_, notes, err := fitPrompts(tok, train, cfg.Prompt)
		if err != nil {
			return nil, err
		}
		if _, _, err = fitPrompts(tok, held, cfg.Prompt); err != nil {
			return nil, err
		}
		m.Data, m.Tokenizer = []run.DataHash{info}, tok.Hash()
		if f.Params, err = l.trainedParams(cfg, shape); err != nil {
			return nil, err
		}
		if f.Memory, err = l.planPPO(cfg, shape); err != nil {
			return nil, err
		}
		f.Planned, f.Notes = cfg.Planned, append(c.notes, notes...)
		if cfg.Plant != "" {
			f.Notes = append(f.Notes, fmt.Sprintf("a mistake is planted: Plant = %q; do not use this policy", cfg.Plant))
		}
		return saver(tok), nil
	})
	if err != nil {
		return nil, err
	}
	return l.OpenPPO(name)
}

// OpenPPO implements rlhf.Lab.
func (l *Lab) OpenPPO(name string) (rlhf.PPORun, error) {
	h := &ppoRun{}
	var err error
	if h.base, err = l.handle(name, "ppo", &h.cfg, loadPPO); err != nil {
		return nil, err
	}
	return h, nil
}

func loadPPO(l *Lab, name string, say func(string)) (*loadedRun, error) {
	var cfg rlhf.PPO
	r, f, err := l.openKind(name, "ppo", &cfg)
	if err != nil {
		return nil, err
	}
	algorithm, err := l.opt.Own.algorithm(cfg)
	if err != nil {
		return nil, fmt.Errorf("local: run %q: %w", name, err)
	}
	if err := l.announce(name, f.Memory, say); err != nil {
		return nil, err
	}
	say("reading " + cfg.Data)
	c, err := l.open(cfg.Data, cfg.Rows)
	if err != nil {
		return nil, err
	}
	train, held, info, err := c.prompts(cfg)
	if err != nil {
		return nil, err
	}
	if err := verify(name, r.Manifest().Data, []run.DataHash{info}); err != nil {
		return nil, err
	}
	say("loading " + strings.Join(r.Manifest().Parents, ", "))
	base, err := l.language(cfg.Policy)
	if err != nil {
		return nil, err
	}
	m := &ppoModel{corpus: c}
	prompts, _, err := fitPrompts(base.tok, train, cfg.Prompt)
	if err != nil {
		return nil, err
	}
	if m.held, _, err = fitPrompts(base.tok, held, cfg.Prompt); err != nil {
		return nil, err
	}
	models, err := l.ppoModels(cfg, base)
	if err != nil {
		return nil, err
	}
	m.fixed = models.Reference
	for _, s := range []ppo.Scorer{models.Scorer, models.Test} {
		if judge, ok := s.(*pm.Model); ok {
			m.fixed = slices.Concat(m.fixed, judge.Weights)
		}
	}
	models.Algorithm = algorithm
	models.Programs = l.ppoPrograms(ppo.KeyOf(cfg, models), algorithm)
	if m.Trainer, err = ppo.New(l.be, cfg, models, prompts, run.Seed(cfg.Seed).Stream); err != nil {
		return nil, err
	}
	m.talk = l.newVoice(name, base, m.Decoder)
	m.talk.judge = c.judge
	return l.resume(r, m)
}

// phase runs one phase with the run loaded.
func (h *ppoRun) phase(what string, f func(m *ppoModel, r *loadedRun) error) error {
	return h.with(what, func(r *loadedRun) error { return f(r.trainee.(*ppoModel), r) })
}

// Rollout implements rlhf.PPORun.
func (h *ppoRun) Rollout() (*rlhf.Batch, error) {
	var b *rlhf.Batch
	err := h.phase("rollout of", func(m *ppoModel, _ *loadedRun) (err error) {
		if b, err = m.Rollout(); err == nil {
			b.Run = h.name
			m.judge(b)
		}
		return err
	})
	return b, err
}

// Score implements rlhf.PPORun.
func (h *ppoRun) Score(b *rlhf.Batch) error {
	return h.phase("scoring for", func(m *ppoModel, _ *loadedRun) error { return m.Trainer.Score(b) })
}

// Shape implements rlhf.PPORun.
func (h *ppoRun) Shape(b *rlhf.Batch) error {
	return h.phase("shaping rewards of", func(m *ppoModel, _ *loadedRun) error { return m.Trainer.Shape(b) })
}

// Advantages implements rlhf.PPORun.
func (h *ppoRun) Advantages(b *rlhf.Batch) error {
	return h.phase("advantages of", func(m *ppoModel, _ *loadedRun) error { return m.Trainer.Advantages(b) })
}

// Update implements rlhf.PPORun. The step is on disk, checkpoint included, when it returns.
func (h *ppoRun) Update(b *rlhf.Batch) (rlhf.Point, error) {
	var point rlhf.Point
	err := h.phase("update of", func(m *ppoModel, r *loadedRun) (err error) {
		if point, err = m.Trainer.Update(b); err != nil {
			return h.failed(r, err)
		}
		if err = r.record(point, b.Samples(rlhf.ShownSamples)); err != nil {
			return h.failed(r, err)
		}
		h.tell(r, point, b.Samples(rlhf.ShownSamples))
		return r.checkpoint()
	})
	return point, err
}

// Written implements rlhf.PPORun.
func (h *ppoRun) Written(last int) ([]rlhf.Sample, error) { return h.lab.Written(h.name, last) }

// Sample implements rlhf.PPORun.
func (h *ppoRun) Sample(prompts []string, o rlhf.Sampling) ([]rlhf.Sample, error) {
	var out []rlhf.Sample
	err := h.phase("sampling from", func(m *ppoModel, _ *loadedRun) (err error) {
		m.talk.in(h.lab)
		out, err = m.talk.answer(prompts, o)
		return err
	})
	return out, err
}

package local

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/gomlx/gomlx/core/tensors"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/internal/fit"
	"hhrlhf/rlhf/internal/gx"
	"hhrlhf/rlhf/lm"
	"hhrlhf/rlhf/memory"
	"hhrlhf/rlhf/pm"
	"hhrlhf/rlhf/ppo"
	"hhrlhf/rlhf/run"
	"hhrlhf/rlhf/synth"
	"hhrlhf/rlhf/tokenizer"
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

// judges checks the preference models of a run against its policy and lists the runs
// that it descends from.
func (l *Lab) judges(cfg rlhf.PPO) (parents []string, err error) {
	parents = []string{cfg.Policy}
	for _, j := range []struct{ field, name string }{{"PM", cfg.PM}, {"TestPM", cfg.TestPM}} {
		if j.name == "" {
			continue
		}
		if _, err := l.sameTokenizer(cfg.Policy, j.name); err != nil {
			return nil, fmt.Errorf("local: %s = %q: %w", j.field, j.name, err)
		}
		var p rlhf.PM
		f, err := l.settings(j.name, "pm", &p)
		if err != nil {
			return nil, fmt.Errorf("local: %s = %q: %w", j.field, j.name, err)
		}
		// The end-of-context token is one more.
		if n := cfg.Prompt + cfg.Response + 1; n > p.Context {
			return nil, fmt.Errorf("ppo: Prompt + Response + 1 = %d tokens, more than the context of %s = %q, %d; lower them or train a preference model with a larger Context", n, j.field, j.name, p.Context)
		}
		if f.Shape.Vocab == 0 {
			return nil, fmt.Errorf("local: %s = %q was made by an older version of this program; train it again under another name", j.field, j.name)
		}
		parents = append(parents, j.name)
	}
	return parents, nil
}

// valueShape is that of a value function of its own: the preference model's, or the
// policy's where there is none.
func (l *Lab) valueShape(cfg rlhf.PPO, policy lm.Shape) (lm.Shape, string, error) {
	if cfg.PM == "" {
		return policy, pm.End, nil
	}
	var p rlhf.PM
	f, err := l.settings(cfg.PM, "pm", &p)
	return f.Shape, p.Readout, err
}

// trainedParams counts what PPO trains: the policy and its value function.
func (l *Lab) trainedParams(cfg rlhf.PPO, policy lm.Shape) (int64, error) {
	if cfg.Value == "shared" {
		return lm.Count(policy.ScalarWeights()), nil
	}
	shape, readout, err := l.valueShape(cfg, policy)
	return policy.Params() + lm.Count(pm.ScalarWeights(shape, readout)), err
}

// planPPO is what a run will hold.
func (l *Lab) planPPO(cfg rlhf.PPO, policy lm.Shape) (memory.Plan, error) {
	value, _, err := l.valueShape(cfg, policy)
	if err != nil {
		return nil, err
	}
	var judges []lm.Shape
	for _, name := range []string{cfg.PM, cfg.TestPM} {
		if name != "" {
			f, err := l.factsOf(name)
			if err != nil {
				return nil, err
			}
			judges = append(judges, f.Shape)
		}
	}
	return ppo.Plan(cfg, policy, value, judges...), nil
}

// announce says what a run will hold, and refuses what cannot fit. What a device of its
// own has free is not known; there it only says.
func (l *Lab) announce(name string, plan memory.Plan, say func(string)) error {
	free, known := memory.Free("/")
	if !known || !strings.Contains(l.opt.Backend, "cpu") && l.opt.Backend != "go" {
		say("memory: about " + memory.Text(plan.Peak()) + " at most")
		return nil
	}
	say(fmt.Sprintf("memory: about %s at most, %s free", memory.Text(plan.Peak()), memory.Text(free)))
	return plan.Fit(fmt.Sprintf("local: run %q", name), free,
		`raise Minibatches or Accumulate, set Checkpointing or Value = "shared", or lower Batch or Response, under another name`)
}

// fitPrompts encodes prompts into at most width tokens each. A prompt whose last
// question alone is too long is skipped; the notes count what happened.
func fitPrompts(tok tokenizer.Tokenizer, texts []string, width int) (ps []ppo.Prompt, notes []string, err error) {
	skipped, cut := 0, 0
	for _, text := range texts {
		ids, dropped, ok := tokenizer.FitPrompt(tok, text, width)
		if !ok {
			skipped++
			continue
		}
		if dropped > 0 {
			cut++
		}
		ps = append(ps, ppo.Prompt{Text: text, IDs: ids})
	}
	if len(ps) == 0 {
		return nil, nil, fmt.Errorf("ppo: Prompt = %d tokens: none of %d prompts fits, not even its last question; raise Prompt", width, len(texts))
	}
	if skipped > 0 {
		notes = append(notes, fmt.Sprintf("%d of %d prompts skipped: the last question alone exceeds Prompt = %d tokens", skipped, len(texts), width))
	}
	if cut > 0 {
		notes = append(notes, fmt.Sprintf("%d of %d prompts lost their oldest turns to fit Prompt = %d tokens", cut, len(texts), width))
	}
	return ps, notes, nil
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
	models.Programs = l.ppoPrograms(ppo.KeyOf(cfg, models))
	if m.Trainer, err = ppo.New(l.be, cfg, models, prompts, run.Seed(cfg.Seed).Stream); err != nil {
		return nil, err
	}
	m.talk = l.newVoice(name, base, m.Decoder)
	m.talk.judge = c.judge
	return l.resume(r, m)
}

// ppoPrograms are the programs of runs with a key, compiled once for all of them.
func (l *Lab) ppoPrograms(key ppo.Key) *ppo.Programs {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.policies[key] == nil {
		l.policies[key] = ppo.NewPrograms(l.be, key)
	}
	return l.policies[key]
}

// ppoModels reads the models of a run as they are before its first step.
func (l *Lab) ppoModels(cfg rlhf.PPO, base *language) (m ppo.Models, err error) {
	m.Tok, m.Shape = base.tok, base.shape
	if m.Policy, err = l.weightsOfLanguage(cfg.Policy); err != nil {
		return m, err
	}
	if m.Reference, err = gx.Clone(m.Policy); err != nil {
		return m, err
	}
	var value []*tensors.Tensor // what a value function of its own starts from
	if cfg.PM != "" {
		judge, err := l.trainedPM(cfg.PM)
		if err != nil {
			return m, err
		}
		m.Scorer, m.ValueShape, value = judge, judge.Shape, judge.Weights
	}
	if cfg.TestPM != "" {
		judge, err := l.trainedPM(cfg.TestPM)
		if err != nil {
			return m, err
		}
		m.Test = judge
	}
	switch {
	case cfg.Value == "shared":
		return m, nil
	case value != nil:
		m.Value, err = gx.Clone(value)
		return m, err
	}
	trunk, err := gx.Clone(m.Policy)
	if err != nil {
		return m, err
	}
	m.ValueShape, m.Value, err = pm.Weights(l.be, m.Shape, 0, pm.End, m.Tok, trunk)
	return m, err
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
		return r.checkpoint()
	})
	return point, err
}

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

// Compare implements rlhf.PPORun.
func (h *ppoRun) Compare(n int) (rlhf.BeforeAfter, error) {
	var ba rlhf.BeforeAfter
	err := h.phase("comparing", func(m *ppoModel, _ *loadedRun) error {
		if n < 1 || n > len(m.held) {
			return fmt.Errorf("local: Compare(%d): there are %d held-out prompts", n, len(m.held))
		}
		before, after, err := m.Trainer.Compare(m.held[:n])
		if err != nil {
			return err
		}
		ba.Step = m.done()
		ba.Before, ba.After = m.label(before), m.label(after)
		ba.Rows = changes(ba.Before, ba.After)
		return nil
	})
	return ba, err
}

func (m *ppoModel) label(ss []rlhf.Sample) []rlhf.Sample {
	for i := range ss {
		ss[i].Gold = m.corpus.judge(ss[i].Prompt, ss[i].Response)
	}
	return ss
}

// changes summarises the two columns.
func changes(before, after []rlhf.Sample) []rlhf.Change {
	quantities := []struct {
		name string
		of   func(rlhf.Sample) float64
	}{
		{"score", func(s rlhf.Sample) float64 { return s.Score }},
		{"kl", func(s rlhf.Sample) float64 { return s.KL }},
		{"length", func(s rlhf.Sample) float64 { return float64(s.Tokens) }},
		{"eos", func(s rlhf.Sample) float64 {
			if s.EOS {
				return 1
			}
			return 0
		}},
		{"helpful", func(s rlhf.Sample) float64 { return s.Gold.Helpful }},
		{"harmless", func(s rlhf.Sample) float64 { return s.Gold.Harmless }},
		{"gold", func(s rlhf.Sample) float64 { return synth.Utility(*s.Gold) }},
		{"honest", func(s rlhf.Sample) float64 { return s.Gold.Honest }},
	}
	if before[0].Gold == nil {
		quantities = quantities[:4]
	}
	var out []rlhf.Change
	for _, q := range quantities {
		c := rlhf.Change{Name: q.name}
		c.Before, c.BeforeSD, c.BeforeSE = summary(before, q.of)
		c.After, c.AfterSD, c.AfterSE = summary(after, q.of)
		out = append(out, c)
	}
	return out
}

// summary returns mean, standard deviation and standard error of the mean.
func summary(ss []rlhf.Sample, of func(rlhf.Sample) float64) (mean, sd, se float64) {
	n := float64(len(ss))
	for _, s := range ss {
		mean += of(s) / n
	}
	for _, s := range ss {
		sd += (of(s) - mean) * (of(s) - mean) / math.Max(n-1, 1)
	}
	sd = math.Sqrt(sd)
	return mean, sd, sd / math.Sqrt(n)
}

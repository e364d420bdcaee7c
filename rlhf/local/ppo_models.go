package local

import (
	"fmt"

	"github.com/gomlx/gomlx/core/tensors"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/internal/gx"
	"hhrlhf/rlhf/lm"
	"hhrlhf/rlhf/memory"
	"hhrlhf/rlhf/pm"
	"hhrlhf/rlhf/ppo"
	"hhrlhf/rlhf/tokenizer"
)

// judges checks the preference models of a run against its policy and lists the runs
// that it descends from.
func (l *Lab) judges(cfg rlhf.PPO) (parents []string, err error) {
	parents = []string{cfg.Policy}
	for _, j := range []struct{ field, name string }{{"PM", cfg.PM}, {"TestPM", cfg.TestPM}} {
		if j.name == "" {
			continue
		}
		if err := l.sameTokenizer(cfg.Policy, j.name); err != nil {
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
	switch cfg.Value {
	case "shared":
		return lm.Count(policy.ScalarWeights()), nil
	case "none":
		return policy.Params(), nil
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
	free, known := l.opt.free()
	if !known {
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

// ppoPrograms are the programs of runs with a key, compiled once for all of them.
func (l *Lab) ppoPrograms(key ppo.Key, a ppo.Algorithm) *ppo.Programs {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.policies[key] == nil {
		l.policies[key] = ppo.NewPrograms(l.be, key, a)
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
	case cfg.Value == "shared" || cfg.Value == "none":
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

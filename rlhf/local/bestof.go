package local

import (
	"errors"
	"fmt"
	"slices"

	"github.com/gomlx/gomlx/core/tensors"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/internal/gx"
	"hhrlhf/rlhf/pm"
	"hhrlhf/rlhf/run"
	"hhrlhf/rlhf/sample"
	"hhrlhf/rlhf/tokenizer"
)

// maxDraws is how many responses one call of BestOf may draw: their tokens are held together.
const maxDraws = 1 << 18

// BestOf implements rlhf.PMRun.
func (h *pmRun) BestOf(policy string, prompts []string, k int, o rlhf.Sampling) ([]rlhf.Choice, error) {
	switch {
	case k < 1:
		return nil, fmt.Errorf("local: BestOf: k = %d, want 1 or more", k)
	case len(prompts) == 0:
		return nil, errors.New("local: BestOf: no prompts")
	case k > maxDraws/len(prompts):
		return nil, fmt.Errorf("local: BestOf: %d responses to each of %d prompts, want at most %d in all; ask for them a part at a time", k, len(prompts), maxDraws)
	}
	var out []rlhf.Choice
	err := h.with(fmt.Sprintf("best of %d by", k), func(r *loadedRun) error {
		v, err := h.lab.candidate(policy, h.name)
		if err != nil {
			return err
		}
		m := r.trainee.(*pmModel)
		d, err := v.several(prompts, k, o, m.model.Context)
		if err != nil {
			return err
		}
		scores, err := h.lab.scoreDraws(m.model, d)
		if err != nil {
			return err
		}
		samples := make([]rlhf.Sample, len(d.written))
		for i, w := range d.written {
			samples[i] = rlhf.Sample{Prompt: prompts[i/k], Response: w.Text, Tokens: w.Tokens, EOS: w.Ended, Score: float64(scores[i])}
			if m.trial.world != nil {
				g := m.trial.world.Judge(rlhf.Transcript{Prompt: prompts[i/k], Response: w.Text})
				samples[i].Gold = &g
			}
		}
		for i, p := range prompts {
			out = append(out, rlhf.Choose(p, samples[i*k:(i+1)*k:(i+1)*k]))
		}
		return nil
	})
	return out, err
}

// candidate returns the voice of the policy of that name, whose rules must be those of
// the preference model judge. The caller holds the device.
func (l *Lab) candidate(name, judge string) (*voice, error) {
	m, err := l.manifest(name)
	found := err == nil
	if !found && run.CheckName(name) == nil && !errors.Is(err, run.ErrNotFound) {
		return nil, err
	}
	var v *voice
	template := tokenizer.TemplateHash()
	if found {
		template = m.Template
		v, err = l.voiceOf(name, m.Kind)
	} else {
		v, err = l.visitor(name)
	}
	if err != nil {
		return nil, fmt.Errorf("local: BestOf: policy %q: %w", name, err)
	}
	by, err := l.manifest(judge)
	if err != nil {
		return nil, err
	}
	if err := sameRules(name, v.Tokenizer.Hash(), template, judge, by.Tokenizer, by.Template); err != nil {
		return nil, err
	}
	v.in(l)
	return v, nil
}

// voiceOf loads a run for its voice.
func (l *Lab) voiceOf(name, kind string) (*voice, error) {
	var b *base
	if kind == "ppo" {
		h, err := l.OpenPPO(name)
		if err != nil {
			return nil, err
		}
		b = &h.(*ppoRun).base
	} else {
		h, err := l.OpenLM(name)
		if err != nil {
			return nil, err
		}
		b = &h.(*lmRun).base
	}
	r, err := b.loaded(func(string) {})
	if err != nil {
		return nil, err
	}
	switch t := r.trainee.(type) {
	case *ppoModel:
		return t.talk, nil
	case *distillModel:
		return t.voice, nil
	case *directModel:
		return t.voice, nil
	default:
		return t.(*lmModel).voice, nil
	}
}

// A visitor is a checkpoint that stays loaded as runs do, so that its sampler is
// compiled once.
type visitor struct{ *voice }

func (v visitor) close()                     { gx.Free(v.live()...) }
func (v visitor) tensors() []*tensors.Tensor { return v.live() }

func (l *Lab) visitor(name string) (*voice, error) {
	m, err := l.OpenModel(name)
	if err != nil {
		return nil, err
	}
	key := "checkpoint " + m.Path // the name of no run
	l.mu.Lock()
	v, ok := l.loaded[key].(visitor)
	l.mu.Unlock()
	if ok {
		l.used(key)
		return v.voice, nil
	}
	var weights []*tensors.Tensor
	if weights, err = m.Weights(); err != nil {
		return nil, err
	}
	g := &language{name: name, shape: m.Shape, tok: m.Tokenizer, template: m.Template, context: m.Shape.Context}
	v = visitor{l.newVoice(name, g, func() []*tensors.Tensor { return weights })}
	l.keep(key, v)
	return v.voice, nil
}

// draws are responses with what they answer, a prompt of ids for each.
type draws struct {
	prompts, responses [][]int32
	written            []Continuation
}

// several writes k responses to each prompt, those of a prompt one after the other.
// Sample j of prompt i has a seed of its own, which is the same whatever k and the other
// prompts are. Prompt and response fit into context, that of whoever scores them, too.
func (v *voice) several(prompts []string, k int, o rlhf.Sampling, context int) (*draws, error) {
	d := &draws{}
	var seeds []uint64
	longest := 0
	room := min(v.Shape.Context, context-1) // for the end-of-context token
	for i, seed := range sample.Seeds(o.Seed, len(prompts)) {
		ids, err := v.prompt(prompts[i], max(o.MaxTokens, 1)+v.Shape.Context-room)
		if err != nil {
			return nil, fmt.Errorf("local: BestOf: prompt %d: %w", i, err)
		}
		longest = max(longest, len(ids))
		d.prompts, seeds = append(d.prompts, slices.Repeat([][]int32{ids}, k)...), append(seeds, sample.Seeds(seed, k)...)
	}
	g := v.generation(o, longest)
	if o.MaxTokens == 0 {
		g.MaxTokens = min(g.MaxTokens, room-longest)
	}
	rows := slices.Clone(d.prompts)
	for len(rows) < generateRows { // the number of rows is a compiled shape, and rounds otherwise
		rows, seeds = append(rows, rows[0]), append(seeds, seeds[0])
	}
	written, ids, err := v.write(rows, seeds, g, func(done, of int) {
		v.lab.say(fmt.Sprintf("writing %d × %d responses with %s: token %d of at most %d", len(prompts), k, v.Name, done, of))
	})
	if err != nil {
		return nil, err
	}
	d.written, d.responses = written[:len(d.prompts)], ids[:len(d.prompts)]
	return d, nil
}

// scoreDraws scores the tokens that were written, as reinforcement learning does. Equal ones are
// scored once: a row's place in a call shows in the last digits, and they must be
// equal. An interrupt ends it between two parts.
func (l *Lab) scoreDraws(m *pm.Model, d *draws) ([]float32, error) {
	var prompts, responses [][]int32 // that differ
	at, seen := make([]int, len(d.responses)), map[string]int{}
	for i, ids := range d.responses {
		key := fmt.Sprint(d.prompts[i], ids)
		if _, ok := seen[key]; !ok {
			seen[key] = len(prompts)
			prompts, responses = append(prompts, d.prompts[i]), append(responses, ids)
		}
		at[i] = seen[key]
	}
	var scores []float32
	for from := 0; from < len(prompts); from += scoredAtOnce {
		if err := l.ctx.Err(); err != nil {
			return nil, fmt.Errorf("local: scoring responses: %w", err)
		}
		l.say(fmt.Sprintf("scoring response %d of %d", from+1, len(prompts)))
		to := min(from+scoredAtOnce, len(prompts))
		part, err := m.ScoreTokens(prompts[from:to], responses[from:to])
		if err != nil {
			return nil, err
		}
		scores = append(scores, part...)
	}
	out := make([]float32, len(at))
	for i, k := range at {
		out[i] = scores[k]
	}
	return out, nil
}

// scoredAtOnce is how many responses are scored between two looks at the lab's context.
const scoredAtOnce = 512

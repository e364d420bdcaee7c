package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/tensors"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/internal/gx"
	"hhrlhf/rlhf/lm"
	"hhrlhf/rlhf/pm"
	"hhrlhf/rlhf/ppo"
	"hhrlhf/rlhf/pretrained"
	"hhrlhf/rlhf/tokenizer"
)

// The phases of a PPO iteration. Each ends with its result on the host.
const (
	Rollout   = "rollout" // prompts drawn, responses sampled with their log-probabilities
	Score     = "score"   // preference model, log π, log π₀ and V; rewards, advantages, whitening
	Update    = "update"  // epochs × minibatches of policy and value function, and the step's metrics
	Iteration = "ppo_iteration"
)

// PPO measures an iteration of reinforcement learning on 32 prompts of 32 tokens, 64
// new ones each, with 4 passes in 4 minibatches. Policy, reference, preference model
// and value function have the tier's shape and random weights. No token ends a row.
// value is as in [rlhf.PPO]: "own" or "shared".
//
// # Beside an implementation by hand in JAX
//
// The script that we compare with has its value function on the policy's trunk: "shared"
// is equal work in the update, "own" trains twice the blocks. What its sampler returns
// as old log-probabilities and values our scoring pass computes anew, as an invariant: its
// phase "score" has passes of reference and preference model only, and its
// "score_with_policy_forward" is our work. Its embedding and head are two matrices. Ours
// also draws the prompts, and computes the entropy and the metrics of a step.
func PPO(ctx context.Context, backend string, t Tier, value string, o Options) (*Result, error) {
	be, err := gx.Open(backend)
	if err != nil {
		return nil, err
	}
	shape := t.shape()
	shape.Context = max(shape.Context, t.Prompt+t.NewTokens+1) // the preference model reads one token more
	rng := func(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }
	decoder := func() ([]*tensors.Tensor, error) { return lm.Init(be, shape.Weights(), rng(1)) }
	scalar := func() ([]*tensors.Tensor, error) { return lm.Init(be, shape.ScalarWeights(), rng(2)) }
	r := newResult(be, backend, shape)
	r.Tier = t.Name
	cfg := rlhf.PPO{Prompt: t.Prompt, Response: t.NewTokens, Batch: t.Prompts, Minibatches: min(4, t.Prompts), Epochs: 4, Value: value}
	return r, r.ppo(ctx, be, cfg, shape, tokenizer.Bytes(), decoder, scalar, o)
}

// PPOCheckpoint measures an iteration on a pretrained model, which stands behind
// policy, reference, preference model and value function: 8 sequences of 128 tokens,
// half of them new, one pass in 4 minibatches.
func PPOCheckpoint(ctx context.Context, backend, name, path, value string, o Options) (*Result, error) {
	be, err := gx.Open(backend)
	if err != nil {
		return nil, err
	}
	m, err := pretrained.Open(path)
	if err != nil {
		return nil, err
	}
	if m.Tokenizer == nil {
		return nil, fmt.Errorf("bench: %s has no tokenizer, and the preference model needs an end-of-context token", name)
	}
	decoder := func() ([]*tensors.Tensor, error) { return m.Weights(be) }
	scalar := func() ([]*tensors.Tensor, error) {
		trunk, err := decoder()
		if err != nil {
			return nil, err
		}
		_, weights, err := pm.Weights(be, m.Shape, 0, pm.End, m.Tokenizer, trunk)
		return weights, err
	}
	r := newResult(be, backend, m.Shape)
	r.Model = name
	half := min(64, m.Shape.Context/2-1)
	cfg := rlhf.PPO{Prompt: half, Response: half, Batch: 8, Minibatches: 4, Epochs: 1, Value: value}
	return r, r.ppo(ctx, be, cfg, m.Shape, m.Tokenizer, decoder, scalar, o)
}

// ppo measures iterations under cfg, of which the shape alone counts. decoder and
// scalar make the weights of policy and reference, and of the models with a scalar head.
func (r *Result) ppo(ctx context.Context, be compute.Backend, cfg rlhf.PPO, shape lm.Shape, tok tokenizer.Tokenizer,
	decoder, scalar func() ([]*tensors.Tensor, error), o Options) error {
	cfg.Policy, cfg.PM, cfg.Data, cfg.Planned, cfg.LearningRate, cfg.ValueLearningRate = "policy", "pm", "prompts", 1000, 1e-5, 1e-5
	cfg = cfg.Filled()
	m := ppo.Models{Shape: shape, ValueShape: shape, Tok: endless{tok, int32(shape.Vocab)}}
	var judge []*tensors.Tensor
	for _, w := range []struct {
		to *[]*tensors.Tensor
		of func() ([]*tensors.Tensor, error)
	}{{&m.Policy, decoder}, {&m.Reference, decoder}, {&judge, scalar}, {&m.Value, scalar}} {
		if w.to == &m.Value && cfg.Value == "shared" {
			continue
		}
		var err error
		if *w.to, err = w.of(); err != nil {
			return err
		}
	}
	defer func() { gx.Free(append(m.Reference, judge...)...) }()
	scorer, err := pm.New(pm.NewPrograms(be, shape, pm.End), shape.Context, tok, judge)
	if err != nil {
		return err
	}
	m.Scorer = scorer
	rng := rand.New(rand.NewPCG(3, 0))
	prompts := make([]ppo.Prompt, 8*cfg.Batch)
	for i := range prompts {
		prompts[i].IDs = randomIDs(rng, cfg.Prompt, shape.Vocab)
	}
	stream := func(name string, n int) *rand.Rand { return rand.New(rand.NewPCG(uint64(len(name)), uint64(n))) }
	tr, err := ppo.New(be, cfg, m, prompts, stream)
	if err != nil {
		return err
	}
	defer func() {
		tr.Policy.Free()
		if tr.Value != nil {
			tr.Value.Free()
		}
	}()
	r.Batch, r.Prompt, r.New, r.Value = cfg.Batch, cfg.Prompt, cfg.Response, cfg.Value

	var b *rlhf.Batch
	return r.addParts(ctx, Iteration, cfg.Batch*cfg.Response, []part{
		{Rollout, func() (err error) { b, err = tr.Rollout(); return err }},
		{Score, func() error {
			for _, phase := range []func(*rlhf.Batch) error{tr.Score, tr.Shape, tr.Advantages} {
				if err := phase(b); err != nil {
					return err
				}
			}
			return nil
		}},
		{Update, func() error { _, err := tr.Update(b); return err }},
	}, o)
}

// An endless tokenizer has an end token that is never drawn.
type endless struct {
	tokenizer.Tokenizer
	eos int32
}

func (e endless) EOS() int32 { return e.eos }

// A part is one of several phases that make a whole in turn.
type part struct {
	phase string
	do    func() error
}

// addParts measures phases that can only be done in turn, and their whole; tokens is
// what the whole and each of them handles.
func (r *Result) addParts(ctx context.Context, whole string, tokens int, parts []part, o Options) error {
	laps := make([][]Sample, len(parts)) // with the first, which compiles
	once := func() error {
		for i, p := range parts {
			c := now()
			if err := p.do(); err != nil {
				return fmt.Errorf("bench: %s: %w", p.phase, err)
			}
			laps[i] = append(laps[i], c.lap())
		}
		return nil
	}
	if err := r.add(ctx, whole, tokens, o, once); err != nil {
		return err
	}
	for i, p := range parts {
		st := Summarize(slices.Clone(laps[i][2:]))
		r.Phases[p.phase+"_s"], r.TokensPerS[p.phase] = st, float64(tokens)/st.Seconds
		r.Compile[p.phase] = max(0, laps[i][0].Wall-st.Median)
	}
	return nil
}

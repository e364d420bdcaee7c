package bench

import (
	"context"
	"math/rand/v2"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/internal/gx"
	"hhrlhf/rlhf/lm"
	"hhrlhf/rlhf/pm"
	"hhrlhf/rlhf/tokenizer"
)

// PM measures a preference model: a training step on 16 pairs of sequences of 128
// tokens, AdamW and global-norm clip included, in float32, and the scoring of 32
// sequences of 96. The end-of-context token is the last of each.
//
// PMStep is the step on pairs that share a prompt of 32 tokens, which need not be
// computed twice; PMStepUnshared that on pairs that share nothing, as the sequences
// stand for an implementation that knows of no pairs. Tokens per second count both
// sequences in full in either case.
func PM(ctx context.Context, backend string, t Tier, o Options) (*Result, error) {
	be, err := gx.Open(backend)
	if err != nil {
		return nil, err
	}
	shape := t.shape()
	programs := pm.NewPrograms(be, shape, pm.End)
	tok := tokenizer.Bytes()
	stream := func(_ string, n int) *rand.Rand { return rand.New(rand.NewPCG(2, uint64(n))) }
	model := func() (*pm.Model, error) {
		weights, err := lm.Init(be, pm.ScalarWeights(shape, pm.End), stream("", 0))
		if err != nil {
			return nil, err
		}
		return pm.New(programs, shape.Context, tok, weights)
	}
	r := newResult(be, backend, shape)
	r.Tier = t.Name
	step := func(phase string, shared int) error {
		m, err := model()
		if err != nil {
			return err
		}
		cfg := rlhf.PM{Batch: t.Batch, Context: t.Tokens, Planned: 1000}.Filled()
		tr, err := pm.NewTrainer(cfg, m, randomPairs(16*t.Batch, shared, t.Tokens), stream)
		if err != nil {
			gx.Free(m.Weights...)
			return err
		}
		defer tr.State.Free()
		return r.add(ctx, phase, 2*t.Batch*t.Tokens, o, func() error {
			_, err := tr.Step()
			return err
		})
	}
	if err := step(PMStep, t.Prompt); err != nil {
		return nil, err
	}
	if err := step(PMStepUnshared, 0); err != nil {
		return nil, err
	}

	m, err := model()
	if err != nil {
		return nil, err
	}
	defer gx.Free(m.Weights...)
	rng := stream("", 1)
	prompts, responses := make([][]int32, t.Prompts), make([][]int32, t.Prompts)
	for i := range prompts {
		prompts[i], responses[i] = randomIDs(rng, t.Prompt, t.Vocab), randomIDs(rng, t.NewTokens-1, t.Vocab)
	}
	return r, r.add(ctx, PMScore, t.Prompts*(t.Prompt+t.NewTokens), o, func() error {
		_, err := m.ScoreTokens(prompts, responses)
		return err
	})
}

// randomPairs are n comparisons whose sequences have length tokens each in bytes, the
// two at the end of a sequence included, and the first shared of them in common.
func randomPairs(n, shared, length int) pm.InMemory {
	rng := rand.New(rand.NewPCG(3, 0))
	text := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte('a' + rng.IntN(26))
		}
		return string(b)
	}
	cs := make(pm.InMemory, n)
	for i := range cs {
		prompt := text(shared)
		side := func() rlhf.Transcript {
			return rlhf.Transcript{Prompt: prompt, Response: text(length - shared - 2)}
		}
		cs[i] = rlhf.Comparison{Chosen: side(), Rejected: side()}
	}
	return cs
}

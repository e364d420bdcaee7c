package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/tensors"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/internal/gx"
	"hhrlhf/rlhf/lm"
	"hhrlhf/rlhf/pretrained"
	"hhrlhf/rlhf/sample"
)

// A Tier is a size at which implementations are compared.
type Tier struct {
	Name                        string
	Width, Layers, Heads, Vocab int
	Batch, Tokens               int // of a training step
	Prompts, Prompt, NewTokens  int // of a sampling
}

// The tiers, smallest first: T is for tests, S the tour's size, M the largest that
// two cores train in a second.
func Tiers() []Tier {
	tier := func(name string, width, layers, heads, vocab int) Tier {
		return Tier{name, width, layers, heads, vocab, 16, 128, 32, 32, 64}
	}
	t := tier("T", 16, 1, 2, 300)
	t.Batch, t.Tokens, t.Prompts, t.Prompt, t.NewTokens = 2, 16, 2, 4, 4
	return []Tier{t, tier("S", 128, 4, 4, 2048), tier("M", 256, 6, 8, 4096)}
}

// Named returns the tier of that name.
func Named(name string) (Tier, error) {
	for _, t := range Tiers() {
		if t.Name == name {
			return t, nil
		}
	}
	return Tier{}, fmt.Errorf("bench: tier %q, want S or M (or T, which is for tests)", name)
}

func (t Tier) shape() lm.Shape {
	return lm.Shape{Vocab: t.Vocab, Width: t.Width, Layers: t.Layers, Heads: t.Heads, Context: max(t.Tokens, t.Prompt+t.NewTokens)}
}

// A Result is what was measured.
type Result struct {
	Peer    string `json:"peer"` // which implementation: ours
	Config  string `json:"config"`
	Backend string `json:"backend"`
	Tier    string `json:"tier,omitempty"`
	Model   string `json:"model,omitempty"` // a checkpoint, in place of a tier
	Cores   int    `json:"cores"`
	Params  int64  `json:"params"`
	Width   int    `json:"D"`
	Layers  int    `json:"L"`
	Heads   int    `json:"H"`
	Vocab   int    `json:"V"`

	// Of reinforcement learning: prompts, tokens of each and new tokens of each, and
	// what the value function is.
	Batch  int    `json:"batch,omitempty"`
	Prompt int    `json:"prompt,omitempty"`
	New    int    `json:"new,omitempty"`
	Value  string `json:"value,omitempty"`

	Phases       map[string]Stats   `json:"phases"`       // by name, with the unit behind: "lm_step_s"
	TokensPerS   map[string]float64 `json:"tokens_per_s"` // by the phase's name without unit
	Compile      map[string]float64 `json:"compile_s"`    // likewise
	CompileTotal float64            `json:"compile_total_s"`
	PeakRSS      float64            `json:"peak_rss_mib"` // of the process so far
}

// Name is a phase that a Result holds.
const (
	Step           = "lm_step"
	PMStep         = "pm_step"
	PMStepUnshared = "pm_step_unshared" // of pairs that have no prompt in common
	PMScore        = "pm_score"
	Generate       = "generate"
	Prefill        = "prefill"  // of 512 tokens, one row
	Decode1        = "decode_1" // 64 tokens after a prompt of 32, one row
	Decode16       = "decode_16"
)

func newResult(be compute.Backend, spec string, s lm.Shape) *Result {
	return &Result{Peer: "rlhf", Config: "rlhf", Backend: spec, Cores: runtime.NumCPU(), Params: s.Params(),
		Width: s.Width, Layers: s.Layers, Heads: s.Heads, Vocab: s.Vocab,
		Phases: map[string]Stats{}, TokensPerS: map[string]float64{}, Compile: map[string]float64{}}
}

// add measures a phase that handles tokens tokens.
func (r *Result) add(ctx context.Context, phase string, tokens int, o Options, f func() error) error {
	st, compile, err := o.repeat(ctx, phase, f)
	if err != nil {
		return fmt.Errorf("bench: %s: %w", phase, err)
	}
	r.Phases[phase+"_s"] = st
	r.TokensPerS[phase] = float64(tokens) / st.Seconds
	r.Compile[phase] = compile
	r.CompileTotal += compile
	r.PeakRSS = peakMemory()
	return nil
}

// LM measures a training step of 16 × 128 tokens: AdamW and global-norm clip
// included, in float32. backend names the backend as GOMLX_BACKEND does.
func LM(ctx context.Context, backend string, t Tier, o Options) (*Result, error) {
	be, err := gx.Open(backend)
	if err != nil {
		return nil, err
	}
	rng := rand.New(rand.NewPCG(1, 0))
	cfg := rlhf.LM{Vocab: t.Vocab, Layers: t.Layers, Width: t.Width, Heads: t.Heads, Context: t.Tokens, Batch: t.Batch}.Filled()
	seqs := make([][]int32, 8*t.Batch)
	for i := range seqs {
		seqs[i] = randomIDs(rng, t.Tokens, t.Vocab)
	}
	tr, err := lm.NewTrainer(be, cfg, lm.Pack(seqs, t.Tokens, 0), func(string, int) *rand.Rand { return rand.New(rand.NewPCG(2, 0)) })
	if err != nil {
		return nil, err
	}
	defer tr.State.Free()
	r := newResult(be, backend, tr.Shape())
	r.Tier = t.Name
	return r, r.add(ctx, Step, t.Batch*t.Tokens, o, func() error {
		_, err := tr.Step()
		return err
	})
}

// Sampling measures the sampling of 64 tokens for 32 prompts of 32, at temperature 1.
func Sampling(ctx context.Context, backend string, t Tier, o Options) (*Result, error) {
	be, err := gx.Open(backend)
	if err != nil {
		return nil, err
	}
	shape := t.shape()
	weights, err := lm.Init(be, shape.Weights(), rand.New(rand.NewPCG(1, 0)))
	if err != nil {
		return nil, err
	}
	defer gx.Free(weights...)
	r := newResult(be, backend, shape)
	r.Tier = t.Name
	return r, r.sampling(ctx, be, shape, weights, Generate, t.Prompts, t.Prompt, t.NewTokens, o)
}

// sampling measures one shape of sampling. The end token is Pad's neighbour, which
// random and pretrained weights draw too seldom to end all rows early.
func (r *Result) sampling(ctx context.Context, be compute.Backend, s lm.Shape, weights []*tensors.Tensor, phase string, rows, prompt, response int, o Options) error {
	opt := sample.Options{Prompt: prompt, Response: response, Temperature: 1, EOS: int32(s.Vocab - 1), Pad: int32(s.Vocab - 2)}
	smp, err := sample.New(be, s, opt)
	if err != nil {
		return err
	}
	rng := rand.New(rand.NewPCG(3, 0))
	prompts := make([][]int32, rows)
	for i := range prompts {
		prompts[i] = randomIDs(rng, prompt, s.Vocab)
	}
	seed := uint64(0)
	return r.add(ctx, phase, rows*response, o, func() error {
		seed++
		_, err := smp.Sample(weights, prompts, sample.Seeds(seed, rows))
		return err
	})
}

// Checkpoint measures a pretrained model: reading a prompt of 512 tokens, and
// writing 64 tokens in one row and in 16. A prefill ends with one token drawn.
func Checkpoint(ctx context.Context, backend, name, path string, o Options) (*Result, error) {
	be, err := gx.Open(backend)
	if err != nil {
		return nil, err
	}
	m, err := pretrained.Open(path)
	if err != nil {
		return nil, err
	}
	clock := now()
	weights, err := m.Weights(be)
	if err != nil {
		return nil, err
	}
	defer gx.Free(weights...)
	r := newResult(be, backend, m.Shape)
	r.Model = name
	r.Phases["load_s"] = Summarize([]Sample{clock.lap()})
	prompt := min(512, m.Shape.Context-1)
	response := min(64, m.Shape.Context/2)
	short := min(32, m.Shape.Context-response)
	if err := r.sampling(ctx, be, m.Shape, weights, Prefill, 1, prompt, 1, o); err != nil {
		return nil, err
	}
	r.TokensPerS[Prefill] *= float64(prompt)
	return r, errors.Join(
		r.sampling(ctx, be, m.Shape, weights, Decode1, 1, short, response, o),
		r.sampling(ctx, be, m.Shape, weights, Decode16, 16, short, response, o))
}

// randomIDs draws ids below the two that sampling keeps for itself.
func randomIDs(rng *rand.Rand, n, vocab int) []int32 {
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = int32(rng.IntN(vocab - 2))
	}
	return ids
}

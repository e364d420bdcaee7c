package direct

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/gomlx/compute"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/internal/fit"
	"hhrlhf/rlhf/internal/gx"
	"hhrlhf/rlhf/lm"
)

// A Pair is a comparison as token ids; the responses include their end tokens.
type Pair struct{ Prompt, Chosen, Rejected []int32 }

// Models are what a run is made of: one shape, twice.
type Models struct {
	Shape     lm.Shape
	Policy    []*tensors.Tensor // weights of Shape.Weights, trained: the trainer takes them over
	Reference []*tensors.Tensor // π₀, never changed
	Pad       int32
}

// A Trainer takes a policy through steps on pairs. It is not safe for concurrent use.
type Trainer struct {
	State *fit.State // of the policy

	be               compute.Backend
	cfg              rlhf.Direct
	loss             Loss
	shape            lm.Shape
	reference        []*tensors.Tensor
	pad              int32
	pairs            []Pair
	prompt, response int // P and R
	stream           func(name string, step int) *rand.Rand
	program          *fit.Program
}

// New prepares a run. cfg is filled, its Planned set; stream gives the run's named random
// streams; pairs are drawn from it without replacement in each epoch.
func New(be compute.Backend, cfg rlhf.Direct, loss Loss, m Models, pairs []Pair, stream func(name string, step int) *rand.Rand) (*Trainer, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if loss == nil {
		return nil, fmt.Errorf("direct: Loss = %q is no function", cfg.Loss)
	}
	if len(pairs) < cfg.Batch {
		return nil, fmt.Errorf("direct: %d pairs, fewer than Batch = %d", len(pairs), cfg.Batch)
	}
	t := &Trainer{State: fit.NewState(m.Policy), be: be, cfg: cfg, loss: loss, shape: m.Shape, reference: m.Reference, pad: m.Pad, pairs: pairs, stream: stream}
	for i, p := range pairs {
		if len(p.Prompt) == 0 || len(p.Chosen) == 0 || len(p.Rejected) == 0 {
			return nil, fmt.Errorf("direct: pair %d has a side without tokens", i)
		}
		// Padding takes no position, so rows may be wider than the context; a pair may not.
		if n := len(p.Prompt) + max(len(p.Chosen), len(p.Rejected)); n > m.Shape.Context {
			return nil, fmt.Errorf("direct: pair %d has %d tokens, more than the %d that the model reads; lower Context", i, n, m.Shape.Context)
		}
		t.prompt, t.response = max(t.prompt, len(p.Prompt)), max(t.response, len(p.Chosen), len(p.Rejected))
	}
	ws := m.Shape.Weights()
	group := fit.Group{Names: lm.Names(ws), Decay: lm.Decays(ws), ClipNorm: cfg.ClipNorm}
	t.program = fit.New(be, "direct step", numInputs+len(m.Reference), []fit.Group{group}, func(w [][]*Node, in []*Node) (*Node, []*Node) {
		return t.graph(w[0], in)
	})
	return t, nil
}

// Step does one update on the next batch and returns its metrics.
func (t *Trainer) Step() (map[string]float64, error) {
	n := t.State.Updates
	rows, err := t.layout(n, t.pad)
	defer gx.Free(rows...)
	if err != nil {
		return nil, err
	}
	rate := rate(n, t.cfg)
	norms, extra, err := t.program.Step([]*fit.State{t.State}, []float64{rate}, slices.Concat(gx.Keep(rows), gx.Keep(t.reference))...)
	if err != nil {
		return nil, fmt.Errorf("direct: step %d: %w", n+1, err)
	}
	defer gx.Free(extra...)
	values := map[string]float64{"lr": rate, "grad_norm": norms[0]}
	for i, name := range metrics {
		v, err := gx.Scalar[float32](extra[i])
		if err != nil {
			return nil, err
		}
		values[name] = float64(v)
	}
	return values, nil
}

// layout places the pairs of a step, from 0, with a token in the padded slots.
func (t *Trainer) layout(step int, padding int32) ([]*tensors.Tensor, error) {
	at := lm.Order(step, t.cfg.Batch, len(t.pairs), func(epoch int) *rand.Rand { return t.stream("direct/order", epoch) })
	tokens, segments, mask := make([][]int32, 2*len(at)), make([][]int32, 2*len(at)), make([][]bool, 2*len(at))
	place := func(row int, prompt, response []int32) {
		width, first := t.prompt+t.response, t.prompt-len(prompt)
		tokens[row], segments[row], mask[row] = slices.Repeat([]int32{padding}, width), make([]int32, width), make([]bool, t.response)
		copy(tokens[row][first:], prompt)
		copy(tokens[row][t.prompt:], response)
		for k := first; k < t.prompt+len(response); k++ {
			segments[row][k] = 1
		}
		for k := range response {
			mask[row][k] = true
		}
	}
	for i, j := range at {
		p := t.pairs[j]
		place(i, p.Prompt, p.Chosen)
		place(len(at)+i, p.Prompt, p.Rejected)
	}
	toks, err := gx.Rows(t.be, tokens, t.prompt+t.response, padding, false)
	if err != nil {
		return nil, err
	}
	segs, err := gx.Rows(t.be, segments, t.prompt+t.response, 0, false)
	if err != nil {
		return []*tensors.Tensor{toks}, err
	}
	valid, err := gx.Rows(t.be, mask, t.response, false, false)
	return []*tensors.Tensor{inTokens: toks, inSegments: segs, inMask: valid}, err
}

// rate is the learning rate of a step, from 0.
func rate(step int, c rlhf.Direct) float64 {
	if step < c.Warmup {
		return c.LearningRate * float64(step+1) / float64(c.Warmup)
	}
	left := 1 - float64(step-c.Warmup)/float64(max(1, c.Planned-c.Warmup))
	return c.LearningRate * max(0.01, left)
}

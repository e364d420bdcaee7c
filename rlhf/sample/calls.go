package sample

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/gomlx/gomlx/core/tensors"

	"hhrlhf/rlhf/internal/gx"
	"hhrlhf/rlhf/lm"
)

// uniforms draws each row's numbers in [0, 1) from its seed: [B][R]. Token r takes
// number r, so that a row's response depends on nothing else in the batch.
func (m *machine) uniforms(seeds []uint64) [][]float32 {
	u := make([][]float32, len(seeds))
	for i, seed := range seeds {
		rng := rand.New(rand.NewPCG(seed, 0x0d1ce))
		u[i] = make([]float32, m.response)
		for j := range u[i] {
			u[i][j] = rng.Float32()
		}
	}
	return u
}

// knobs lists the scalar inputs of a draw, in the order of knobsOf.
func (s *Sampler) knobs() []any {
	temperature := s.opt.Temperature
	if s.mode.greedy {
		temperature = 1
	}
	return []any{float32(temperature), int32(s.opt.TopK), float32(s.opt.TopP)}
}

// prefillWork is what one call of the prefill may cost, in floating-point
// operations: one to three seconds on two cores.
const prefillWork = 100e9

// group is how many of n rows one call of the prefill takes: a divisor of n, so
// that one shape serves.
func (m *machine) group(n int) int {
	row := 2 * float64(m.shape.Params()) * float64(m.prompt)
	most := int(max(1, min(float64(n), m.work/row)))
	for n%most != 0 {
		most--
	}
	return most
}

// start runs the prompts, draws the first token of each row, and returns the
// loop's state. Where one call would take too long it runs them in groups of rows
// and joins the states.
func (s *Sampler) start(weights []*tensors.Tensor, prompts [][]int32, seeds []uint64) ([]*tensors.Tensor, error) {
	size := s.group(len(prompts))
	var states []*tensors.Tensor
	defer func() { gx.Free(states...) }()
	for at := 0; at < len(prompts); at += size {
		tokens, segments, err := lm.LayOut(s.be, prompts[at:at+size], s.prompt, s.pad, true)
		if err != nil {
			return nil, err
		}
		uniforms, err := gx.Rows(s.be, s.uniforms(seeds[at:at+size]), s.response, 0, false)
		if err != nil {
			return nil, err
		}
		in := append([]any{tokens, segments, uniforms}, s.knobs()...)
		state, err := s.prefill.Call(append(in, gx.Keep(weights)...)...)
		gx.Free(tokens, segments, uniforms)
		if err != nil {
			return nil, err
		}
		states = append(states, state...)
	}
	if size < len(prompts) {
		return s.join.Call(gx.Donate(states)...)
	}
	state := states
	states = nil
	return state, nil
}

// advance runs the loop from one step to another; state is donated.
func (s *Sampler) advance(weights, state []*tensors.Tensor, uniforms *tensors.Tensor, from, until int) ([]*tensors.Tensor, error) {
	rows := state[atToken].Shape().Dimensions[0]
	in := append([]any{int32(from), int32(until), uniforms}, s.knobs()...)
	in = append(append(in, gx.Donate(state)...), gx.Keep(weights)...)
	compiling := s.decode.Compiling(in...)
	start := time.Now()
	out, err := s.decode.Call(in...)
	if err == nil && !compiling {
		s.stepTime[rows] = time.Since(start) / time.Duration(until-from)
	}
	return out, err
}

// stepsIn is how many steps of the loop take about d. Before any was measured it
// is one.
func (m *machine) stepsIn(rows int, d time.Duration) int {
	t, ok := m.stepTime[rows]
	if !ok {
		return 1
	}
	return int(max(1, d/max(t, time.Microsecond)))
}

// readProgress copies what a state holds of the responses.
func readProgress(state []*tensors.Tensor, steps int) (*progress, error) {
	p := &progress{steps: steps}
	var err error
	if p.tokens, err = gx.Matrix[int32](state[atTokens]); err != nil {
		return nil, err
	}
	if p.logp, err = gx.Matrix[float32](state[atLogP]); err != nil {
		return nil, err
	}
	if p.count, err = gx.Values[int32](state[atCount]); err != nil {
		return nil, err
	}
	ended, err := gx.Values[bool](state[atEnded])
	p.ended = !slices.Contains(ended, false)
	return p, err
}

package lm

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/tensors"

	"hhrlhf/rlhf/internal/gx"
)

// A Shape is the architecture of a decoder: V, D, L, H and the longest sequence.
type Shape struct {
	Vocab   int `json:"vocab"`
	Width   int `json:"width"`
	Layers  int `json:"layers"`
	Heads   int `json:"heads"`
	Context int `json:"context"`
}

// A Weight describes one tensor of a network.
type Weight struct {
	Name  string
	Dims  []int
	Std   float64 // of the normal initialisation; 0: zeros, or ones if One is set
	One   bool
	Decay bool // weight decay applies: matrices of the blocks, not embeddings, biases or norms
}

// weightsPerBlock is how many tensors each of the L blocks has.
const weightsPerBlock = 12

// Weights lists the decoder's tensors in the order in which every program takes
// them: token and position embeddings, final norm, then the blocks.
//
// Initialisation is GPT-2's: N(0, 0.02²), with the two projections that write
// into the residual stream scaled by 1/√(2L); the output head is tied to the
// token embedding. The paper states none of this.
func (s Shape) Weights() []Weight {
	const std = 0.02
	resid := std / math.Sqrt(2*float64(s.Layers))
	d, ff := s.Width, 4*s.Width
	ws := []Weight{
		{Name: "token_embedding", Dims: []int{s.Vocab, d}, Std: std},
		{Name: "position_embedding", Dims: []int{s.Context, d}, Std: std},
		{Name: "final_norm.scale", Dims: []int{d}, One: true},
		{Name: "final_norm.bias", Dims: []int{d}},
	}
	for i := range s.Layers {
		p := fmt.Sprintf("blocks.%d.", i)
		ws = append(ws,
			Weight{Name: p + "norm1.scale", Dims: []int{d}, One: true},
			Weight{Name: p + "norm1.bias", Dims: []int{d}},
			Weight{Name: p + "attention.qkv", Dims: []int{d, 3 * d}, Std: std, Decay: true},
			Weight{Name: p + "attention.qkv_bias", Dims: []int{3 * d}},
			Weight{Name: p + "attention.out", Dims: []int{d, d}, Std: resid, Decay: true},
			Weight{Name: p + "attention.out_bias", Dims: []int{d}},
			Weight{Name: p + "norm2.scale", Dims: []int{d}, One: true},
			Weight{Name: p + "norm2.bias", Dims: []int{d}},
			Weight{Name: p + "mlp.up", Dims: []int{d, ff}, Std: std, Decay: true},
			Weight{Name: p + "mlp.up_bias", Dims: []int{ff}},
			Weight{Name: p + "mlp.down", Dims: []int{ff, d}, Std: resid, Decay: true},
			Weight{Name: p + "mlp.down_bias", Dims: []int{d}},
		)
	}
	return ws
}

// Params counts the decoder's parameters, embeddings included.
func (s Shape) Params() int64 { return Count(s.Weights()) }

// Count adds up the elements of weights.
func Count(ws []Weight) int64 {
	n := int64(0)
	for _, w := range ws {
		e := int64(1)
		for _, d := range w.Dims {
			e *= int64(d)
		}
		n += e
	}
	return n
}

// Init draws weights on the host, which needs no compiled program.
func Init(be compute.Backend, ws []Weight, rng *rand.Rand) ([]*tensors.Tensor, error) {
	out := make([]*tensors.Tensor, len(ws))
	for i, w := range ws {
		v := make([]float32, Count(ws[i:i+1]))
		for j := range v {
			switch {
			case w.Std > 0:
				v[j] = float32(w.Std * rng.NormFloat64())
			case w.One:
				v[j] = 1
			}
		}
		t, err := gx.Flat(be, v, w.Dims...)
		if err != nil {
			return nil, fmt.Errorf("lm: weight %s: %w", w.Name, err)
		}
		out[i] = t
	}
	return out, nil
}

// ScalarWeights lists a decoder with a scalar head: the weights of s, then
// head [D] and head_bias []. The head starts at zero, so that a preference
// model's first loss is ln 2 exactly and a value function's first value 0.
func (s Shape) ScalarWeights() []Weight {
	return append(s.Weights(), Weight{Name: "head", Dims: []int{s.Width}}, Weight{Name: "head_bias"})
}

// Names lists the names of weights, and Decays where weight decay applies.
func Names(ws []Weight) []string {
	names := make([]string, len(ws))
	for i, w := range ws {
		names[i] = w.Name
	}
	return names
}

// Decays lists where weight decay applies.
func Decays(ws []Weight) []bool {
	d := make([]bool, len(ws))
	for i, w := range ws {
		d[i] = w.Decay
	}
	return d
}

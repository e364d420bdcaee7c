package lm

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/tensors"

	"hhrlhf/rlhf/internal/gx"
)

// A Shape is the architecture of a decoder. The first five fields are its size,
// V, D, L, H and the longest sequence; with every other field at zero it is
// GPT-2's architecture. The others turn it into Llama's, Qwen2's or GPT-NeoX's:
//
//	GPT-2     the zero value
//	Llama     KVHeads, FF, Norm "rms", Rotary 1, Activation "silu", Gated, Bias "none", Untied or not
//	Qwen2     Llama with Bias "qkv"
//	GPT-NeoX  Rotary .25, Activation "gelu", Parallel, Untied
//
// Sources: Radford et al. 2019; Touvron et al. 2023 (arXiv:2302.13971); Qwen
// Team 2024 (arXiv:2407.10671); Black et al. 2022 (arXiv:2204.06745).
type Shape struct {
	Vocab   int `json:"vocab"`   // V, token ids
	Width   int `json:"width"`   // D, the residual stream
	Layers  int `json:"layers"`  // L
	Heads   int `json:"heads"`   // H, of the queries
	Context int `json:"context"` // the longest sequence

	KVHeads    int     `json:"kv_heads,omitempty"`   // heads of keys and values, a divisor of Heads; 0: Heads
	HeadWidth  int     `json:"head_width,omitempty"` // of one head; 0: Width/Heads
	FF         int     `json:"ff,omitempty"`         // the MLP's inner width; 0: 4·Width
	Norm       string  `json:"norm,omitempty"`       // "": LayerNorm with scale and bias; "rms": RMSNorm with scale
	Epsilon    float64 `json:"epsilon,omitempty"`    // inside the norm's root; 0: 1e-5
	Rotary     float64 `json:"rotary,omitempty"`     // fraction of each head that is rotated; 0: learned absolute positions
	Theta      float64 `json:"theta,omitempty"`      // base of the rotary wavelengths; 0: 10000
	Activation string  `json:"activation,omitempty"` // "": GELU, tanh form; "gelu": GELU, erf form; "silu"
	Gated      bool    `json:"gated,omitempty"`      // the MLP is act(x·gate) ⊙ (x·up), not act(x·up)
	Bias       string  `json:"bias,omitempty"`       // "": on every linear map; "qkv": there alone; "none"
	Parallel   bool    `json:"parallel,omitempty"`   // x + attention(norm1(x)) + mlp(norm2(x)), not one after the other
	Untied     bool    `json:"untied,omitempty"`     // the output head is a matrix of its own, not the token embedding

	// Spare is how many ids at the end of Vocab exist as inputs only: their logits
	// are −1e9, so they are never sampled and no probability falls on them. They
	// are ids that this project needs and a pretrained vocabulary lacks.
	Spare int `json:"spare,omitempty"`
}

// K is the width of one attention head.
func (s Shape) K() int {
	if s.HeadWidth == 0 && s.Heads > 0 {
		return s.Width / s.Heads
	}
	return s.HeadWidth
}

// KV is the number of heads of keys and values; a cache is [B, KV, slots, K] a layer.
func (s Shape) KV() int {
	if s.KVHeads == 0 {
		return s.Heads
	}
	return s.KVHeads
}

// F is the MLP's inner width.
func (s Shape) F() int {
	if s.FF == 0 {
		return 4 * s.Width
	}
	return s.FF
}

// Rotated is how many of a head's K components are rotated, an even number.
func (s Shape) Rotated() int { return int(s.Rotary * float64(s.K())) }

func (s Shape) epsilon() float64 {
	if s.Epsilon == 0 {
		return 1e-5
	}
	return s.Epsilon
}

func (s Shape) theta() float64 {
	if s.Theta == 0 {
		return 10000
	}
	return s.Theta
}

// Check says which field cannot be built, its value and what it must be.
func (s Shape) Check() error {
	var err error
	want := func(ok bool, field string, value any, rule string) {
		if !ok && err == nil {
			err = fmt.Errorf("lm: shape: %s = %v, want %s", field, value, rule)
		}
	}
	positive := func(field string, v int) { want(v > 0, field, v, "> 0") }
	positive("Vocab", s.Vocab)
	positive("Width", s.Width)
	positive("Layers", s.Layers)
	positive("Heads", s.Heads)
	positive("Context", s.Context)
	want(s.HeadWidth >= 0, "HeadWidth", s.HeadWidth, ">= 0")
	want(s.KVHeads >= 0, "KVHeads", s.KVHeads, ">= 0")
	want(s.FF >= 0, "FF", s.FF, ">= 0")
	want(s.Spare >= 0 && s.Spare < max(s.Vocab, 1), "Spare", s.Spare, fmt.Sprintf("0 to Vocab-1 (%d)", s.Vocab-1))
	if err != nil {
		return err // what follows divides by them
	}
	want(s.HeadWidth > 0 || s.Width%s.Heads == 0, "Heads", s.Heads, fmt.Sprintf("a divisor of Width (%d), or HeadWidth set", s.Width))
	want(s.Heads%s.KV() == 0, "KVHeads", s.KVHeads, fmt.Sprintf("a divisor of Heads (%d)", s.Heads))
	want(s.Norm == "" || s.Norm == "rms", "Norm", quoted(s.Norm), `"" (LayerNorm) or "rms"`)
	want(s.Epsilon >= 0 && s.Epsilon < 1, "Epsilon", s.Epsilon, "0 (1e-5) or a number in (0, 1)")
	want(s.Rotary >= 0 && s.Rotary <= 1, "Rotary", s.Rotary, "a fraction in [0, 1]")
	want(s.Rotary == 0 || s.Rotated() > 0 && s.Rotated()%2 == 0, "Rotary", s.Rotary,
		fmt.Sprintf("a fraction that rotates an even number of a head's %d components", s.K()))
	want(s.Theta >= 0 && !math.IsInf(s.Theta, 0), "Theta", s.Theta, "0 (10000) or a positive number")
	want(s.Activation == "" || s.Activation == "gelu" || s.Activation == "silu", "Activation", quoted(s.Activation), `"" (GELU, tanh form), "gelu" (erf form) or "silu"`)
	want(s.Bias == "" || s.Bias == "qkv" || s.Bias == "none", "Bias", quoted(s.Bias), `"" (everywhere), "qkv" or "none"`)
	return err
}

func quoted(s string) string { return fmt.Sprintf("%q", s) }

// A Weight describes one tensor of a network.
type Weight struct {
	Name  string
	Dims  []int
	Std   float64 // of the normal initialisation; 0: zeros, or ones if One is set
	One   bool
	Decay bool // weight decay applies: matrices of the blocks, not embeddings, biases or norms
}

// Weights lists the decoder's tensors in the order in which every program takes
// them: token and position embeddings, final norm, the blocks, and the output
// head if it is untied. Matrices are [in, out]; embeddings and output are [V, D]
// and [Context, D]. attention.qkv holds the queries of all heads, then the keys,
// then the values.
//
// Initialisation is GPT-2's: N(0, 0.02²), with the two projections that write
// into the residual stream scaled by 1/√(2L); an untied output head starts as
// N(0, 0.02²) too. The paper states none of this.
func (s Shape) Weights() []Weight {
	const std = 0.02
	resid := std / math.Sqrt(2*float64(s.Layers))
	d, ff, q, kv := s.Width, s.F(), s.Heads*s.K(), s.KV()*s.K()
	var ws []Weight
	embedding := func(name string, rows int) {
		ws = append(ws, Weight{Name: name, Dims: []int{rows, d}, Std: std})
	}
	norm := func(name string) {
		ws = append(ws, Weight{Name: name + ".scale", Dims: []int{d}, One: true})
		if s.Norm == "" {
			ws = append(ws, Weight{Name: name + ".bias", Dims: []int{d}})
		}
	}
	linear := func(name string, in, out int, std float64) {
		ws = append(ws, Weight{Name: name, Dims: []int{in, out}, Std: std, Decay: true})
		if s.Bias == "" || s.Bias == "qkv" && strings.HasSuffix(name, ".qkv") {
			ws = append(ws, Weight{Name: name + "_bias", Dims: []int{out}})
		}
	}
	embedding("token_embedding", s.Vocab)
	if s.Rotary == 0 {
		embedding("position_embedding", s.Context)
	}
	norm("final_norm")
	for i := range s.Layers {
		p := fmt.Sprintf("blocks.%d.", i)
		norm(p + "norm1")
		linear(p+"attention.qkv", d, q+2*kv, std)
		linear(p+"attention.out", q, d, resid)
		norm(p + "norm2")
		if s.Gated {
			linear(p+"mlp.gate", d, ff, std)
		}
		linear(p+"mlp.up", d, ff, std)
		linear(p+"mlp.down", ff, d, resid)
	}
	if s.Untied {
		embedding("output", s.Vocab)
	}
	return ws
}

// Params counts the decoder's parameters, embeddings included.
func (s Shape) Params() int64 { return Count(s.Weights()) }

// NonEmbedding counts parameters as the paper does: the matrices of the blocks,
// without embeddings, biases and norms. For GPT-2's architecture that is 12·L·D².
// Biases and norms add 13·L·D + 2·D there, .1 % at D = 1024.
func (s Shape) NonEmbedding() int64 {
	n := int64(0)
	for _, w := range s.Weights() {
		if w.Decay {
			n += Count([]Weight{w})
		}
	}
	return n
}

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

package lm

import (
	"slices"

	. "github.com/gomlx/gomlx/core/graph"
)

// Net is a decoder's forward pass over weight nodes. It is made anew in every
// function that uses it: in a program's main function from its inputs, in the
// body of a loop from the loop's state.
//
// A block normalises first (pre-LN, as GPT-2 and everything since):
//
//	x ← x + attention(norm1(x)),  x ← x + mlp(norm2(x))
//
// or, where Shape.Parallel is set, x ← x + attention(norm1(x)) + mlp(norm2(x)).
type Net struct {
	Shape
	mode
	token, position *Node // [V, D]; [Context, D], nil with rotary positions
	output          *Node // [V, D]: token, or a matrix of its own
	final           norm
	blocks          []block
}

// An affine map, with bias nil where the architecture has none.
type affine struct{ weight, bias *Node }

// A norm's scale and bias, [D] each; bias is nil for RMSNorm.
type norm struct{ scale, bias *Node }

type block struct {
	norm1, norm2   norm
	qkv, out       affine
	gate, up, down affine // gate is zero where Shape.Gated is not set
}

// NewNet wires nodes, in the order of Shape.Weights, into a network; nodes
// beyond them are ignored.
func NewNet(s Shape, w []*Node) *Net {
	at := 0
	next := func() *Node { at++; return w[at-1] }
	nextNorm := func() (m norm) {
		if m.scale = next(); s.Norm == "" {
			m.bias = next()
		}
		return m
	}
	nextAffine := func(biased bool) (m affine) {
		if m.weight = next(); biased {
			m.bias = next()
		}
		return m
	}
	everywhere := s.Bias == ""

	n := &Net{Shape: s, token: next()}
	if s.Rotary == 0 {
		n.position = next()
	}
	n.final = nextNorm()
	for range s.Layers {
		var b block
		b.norm1 = nextNorm()
		b.qkv, b.out = nextAffine(everywhere || s.Bias == "qkv"), nextAffine(everywhere)
		b.norm2 = nextNorm()
		if s.Gated {
			b.gate = nextAffine(everywhere)
		}
		b.up, b.down = nextAffine(everywhere), nextAffine(everywhere)
		n.blocks = append(n.blocks, b)
	}
	if n.output = n.token; s.Untied {
		n.output = next()
	}
	return n
}

// Hidden runs whole sequences.
//
//   - tokens, positions: [B, T] int32
//   - bias: [B, 1, T, T] float32 to add to the attention scores, see [CausalBias]
//
// It returns the final-norm activations, [B, T, D].
func (n *Net) Hidden(tokens, positions, bias *Node) *Node {
	return n.run(tokens, positions, n.whole(bias), nil)
}

// HiddenAt is Hidden at some slots only: at picks them along the second axis of what
// it is given, [B, T, …] to [B, Q, …]. For the other slots the last block computes
// keys and values and nothing more. Over slots like [Slots] or one-hot rows it is the
// same as picking afterwards, to rounding.
func (n *Net) HiddenAt(tokens, positions, bias *Node, at func(x *Node) *Node) *Node {
	all, some := n.whole(bias), n.whole(ExpandDims(at(Squeeze(bias, 1)), 1))
	return n.run(tokens, positions, func(i int, q, k, v *Node) *Node {
		if i == n.Layers-1 {
			return some(i, q, k, v)
		}
		return all(i, q, k, v)
	}, at)
}

// Slots picks the slots from ≤ t < to, for [Net.HiddenAt].
func Slots(from, to int) func(x *Node) *Node {
	return func(x *Node) *Node { return Slice(x, AxisRange(), AxisRange(from, to)) }
}

// Activations is Hidden with the residual stream after some of the blocks: for each
// of layers (1 is after the first block, Layers after the last; 0 is what the first
// gets), before any final norm, [B, T, D]. Blocks beyond the last one asked for are not computed.
func (n *Net) Activations(tokens, positions, bias *Node, layers ...int) []*Node {
	cut := *n
	cut.blocks = n.blocks[:slices.Max(layers)]
	out := make([]*Node, len(layers))
	cut.through(tokens, positions, cut.whole(bias), nil, func(layer int, x *Node) {
		for i, l := range layers {
			if l == layer {
				out[i] = x
			}
		}
	})
	return out
}

// A mixer is the attention of layer i: queries [B, T, H, K], keys and values
// [B, T, KV, K], rotary positions already in them, to [B, T, H·K]. Hidden,
// Prefill and Step differ in it alone.
type mixer func(i int, q, k, v *Node) *Node

// whole is the mixer of whole sequences.
func (n *Net) whole(bias *Node) mixer {
	return func(_ int, q, k, v *Node) *Node {
		return n.attend(n.short(byHead(q)), n.short(byHead(k)), n.short(byHead(v)), bias)
	}
}

// Logits maps activations [..., D] to [..., V]. The last Shape.Spare ids get −1e9.
func (n *Net) Logits(h *Node) *Node {
	logits := product(h, n.output, 1)
	if n.Spare == 0 {
		return logits
	}
	return Add(logits, ExpandLeftToRank(ConvertDType(n.spareBias(h.Graph()), h.DType()), h.Rank()))
}

// run is the forward pass over tokens and positions [B, T]; at, unless nil, picks the
// slots that are wanted of the last block.
func (n *Net) run(tokens, positions *Node, attention mixer, at func(*Node) *Node) *Node {
	x := n.through(tokens, positions, attention, at, func(int, *Node) {})
	return n.norm(n.leave(x), n.final)
}

// through is the embedding and all blocks; seen gets the residual stream
// before the first and after each.
func (n *Net) through(tokens, positions *Node, attention mixer, at func(*Node) *Node, seen func(layer int, x *Node)) *Node {
	positions.AssertDims(tokens.Shape().Dimensions...)
	x := Gather(n.token, ExpandDims(tokens, -1)) // [B, T, D]
	var r *rotation
	if n.position != nil {
		x = Add(x, Gather(n.position, ExpandDims(positions, -1)))
	} else {
		r = n.rotation(positions)
	}
	seen(0, x)
	for i, w := range n.blocks {
		x = n.enter(x)
		q, k, v := n.project(w, n.norm(x, w.norm1), r)
		if at != nil && i == len(n.blocks)-1 {
			x, q = at(x), at(q)
		}
		attended := linear(attention(i, q, k, v), w.out.weight, w.out.bias)
		if n.Parallel {
			x = Add(Add(x, attended), n.mlp(w, n.norm(x, w.norm2)))
		} else {
			x = Add(x, attended)
			x = Add(x, n.mlp(w, n.norm(x, w.norm2)))
		}
		seen(i+1, x)
	}
	return x
}

// project makes the queries [B, T, H, K] and the keys and values [B, T, KV, K]
// of normalised activations [B, T, D], rotated where positions are rotary.
func (n *Net) project(w block, x *Node, r *rotation) (q, k, v *Node) {
	b, t := x.Shape().Dimensions[0], x.Shape().Dimensions[1]
	heads, kv := n.Heads, n.KV()
	qkv := Reshape(linear(x, w.qkv.weight, w.qkv.bias), b, t, heads+2*kv, n.K())
	part := func(x *Node, from, to int) *Node { return Slice(x, AxisRange(), AxisRange(), AxisRange(from, to)) }
	v = part(qkv, heads+kv, heads+2*kv)
	qk := qkv
	if r != nil {
		qk = r.apply(part(qkv, 0, heads+kv))
	}
	return part(qk, 0, heads), part(qk, heads, heads+kv), v
}

// mlp is down(act(up(x))), or down(act(gate(x)) ⊙ up(x)) where Shape.Gated is set.
func (n *Net) mlp(w block, x *Node) *Node {
	up := linear(x, w.up.weight, w.up.bias)
	if n.Gated {
		up = Mul(n.activation(linear(x, w.gate.weight, w.gate.bias)), up)
	} else {
		up = n.activation(up)
	}
	return linear(up, w.down.weight, w.down.bias)
}

// Scalar applies the head of Shape.ScalarWeights to activations [..., D]: one
// number per position, [...]. w is the node list that NewNet took.
func (n *Net) Scalar(h *Node, w []*Node) *Node {
	head, bias := w[len(w)-2], w[len(w)-1]
	s := DotGeneral(h, []int{h.Rank() - 1}, nil, head, []int{0}, nil)
	return Add(s, bias)
}

package lm

import (
	. "github.com/gomlx/gomlx/core/graph"
)

// Net is a decoder's forward pass over weight nodes. It is made anew in every
// function that uses it: in a program's main function from its inputs, in the
// body of a loop from the loop's state.
//
// A block is pre-LN with GELU (tanh form), as GPT-2's:
//
//	x ← x + Attention(LN(x)),  x ← x + MLP(LN(x))
type Net struct {
	Shape
	token, position  *Node // [V, D], [Context, D]
	normScale, normB *Node
	blocks           []block
}

type block struct {
	norm1, norm1B, qkv, qkvB, out, outB *Node
	norm2, norm2B, up, upB, down, downB *Node
}

// NewNet wires nodes, in the order of Shape.Weights, into a network; nodes
// beyond them are ignored.
func NewNet(s Shape, w []*Node) *Net {
	n := &Net{Shape: s, token: w[0], position: w[1], normScale: w[2], normB: w[3]}
	for i := range s.Layers {
		b := w[4+weightsPerBlock*i:]
		n.blocks = append(n.blocks, block{b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11]})
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
	return n.run(tokens, positions, n.whole(bias))
}

// A mixer is the attention of layer i: queries [B, T, H, K], keys and values
// [B, T, KV, K], positions already in them, to [B, T, H·K]. Hidden, Prefill and
// Step differ in it alone.
type mixer func(i int, q, k, v *Node) *Node

// whole is the mixer of whole sequences.
func (n *Net) whole(bias *Node) mixer {
	return func(_ int, q, k, v *Node) *Node { return n.attend(byHead(q), byHead(k), byHead(v), bias) }
}

// Logits maps activations [..., D] to [..., V] with the tied head.
func (n *Net) Logits(h *Node) *Node {
	return DotGeneral(h, []int{h.Rank() - 1}, nil, n.token, []int{1}, nil)
}

func (n *Net) run(tokens, positions *Node, attention mixer) *Node {
	b, t := tokens.Shape().Dimensions[0], tokens.Shape().Dimensions[1]
	k := n.Width / n.Heads
	positions.AssertDims(b, t)
	x := Add(Gather(n.token, ExpandDims(tokens, -1)), Gather(n.position, ExpandDims(positions, -1))) // [B, T, D]
	for i, w := range n.blocks {
		qkv := linear(layerNorm(x, w.norm1, w.norm1B), w.qkv, w.qkvB)
		parts := Split(Reshape(qkv, b, t, 3*n.Heads, k), 2, 3)
		x = Add(x, linear(attention(i, parts[0], parts[1], parts[2]), w.out, w.outB))
		x = Add(x, linear(gelu(linear(layerNorm(x, w.norm2, w.norm2B), w.up, w.upB)), w.down, w.downB))
	}
	return layerNorm(x, n.normScale, n.normB)
}

// Scalar applies the head of Shape.ScalarWeights to activations [..., D]: one
// number per position, [...]. w is the node list that NewNet took.
func (n *Net) Scalar(h *Node, w []*Node) *Node {
	head, bias := w[len(w)-2], w[len(w)-1]
	s := DotGeneral(h, []int{h.Rank() - 1}, nil, head, []int{0}, nil)
	return Add(s, bias)
}

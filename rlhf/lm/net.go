package lm

import (
	"math"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
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
	h, _, _ := n.run(tokens, positions, bias, nil, nil, nil)
	return h
}

// Prefill runs prompts and leaves keys and values in caches that have room for
// size slots, [B, H, size, K] a layer. bias is [B, 1, P, P].
func (n *Net) Prefill(tokens, positions, bias *Node, size int) (h *Node, keys, values []*Node) {
	h, keys, values = n.run(tokens, positions, bias, nil, nil, nil)
	room := size - tokens.Shape().Dimensions[1]
	for i := range keys {
		keys[i], values[i] = padSlots(keys[i], room), padSlots(values[i], room)
	}
	return h, keys, values
}

// Step runs one token a row, writing its key and value to cache slot at
// (scalar int32). token and position are [B]; bias is [B, 1, 1, size] and hides
// the slots that do not count. It returns activations [B, D] and the caches.
func (n *Net) Step(token, position, bias *Node, keys, values []*Node, at *Node) (h *Node, k, v []*Node) {
	h, k, v = n.run(ExpandDims(token, -1), ExpandDims(position, -1), bias, keys, values, at)
	return Squeeze(h, 1), k, v
}

// Logits maps activations [..., D] to [..., V] with the tied head.
func (n *Net) Logits(h *Node) *Node {
	return DotGeneral(h, []int{h.Rank() - 1}, nil, n.token, []int{1}, nil)
}

func (n *Net) run(tokens, positions, bias *Node, keys, values []*Node, at *Node) (*Node, []*Node, []*Node) {
	b, t := tokens.Shape().Dimensions[0], tokens.Shape().Dimensions[1]
	k := n.Width / n.Heads
	positions.AssertDims(b, t)
	x := Add(Gather(n.token, ExpandDims(tokens, -1)), Gather(n.position, ExpandDims(positions, -1))) // [B, T, D]
	var newK, newV []*Node
	for i, w := range n.blocks {
		qkv := linear(layerNorm(x, w.norm1, w.norm1B), w.qkv, w.qkvB)
		parts := Split(Reshape(qkv, b, t, 3*n.Heads, k), 2, 3)
		q, key, val := byHead(parts[0]), byHead(parts[1]), byHead(parts[2]) // [B, H, T, K]
		if keys != nil {
			zero := Const(tokens.Graph(), int32(0))
			key = DynamicUpdateSlice(keys[i], key, []*Node{zero, zero, at, zero})
			val = DynamicUpdateSlice(values[i], val, []*Node{zero, zero, at, zero})
		}
		newK, newV = append(newK, key), append(newV, val)
		x = Add(x, linear(n.attend(q, key, val, bias), w.out, w.outB))
		x = Add(x, linear(gelu(linear(layerNorm(x, w.norm2, w.norm2B), w.up, w.upB)), w.down, w.downB))
	}
	return layerNorm(x, n.normScale, n.normB), newK, newV
}

// attend is softmax(q·kᵀ/√K + bias)·v over [B, H, T, K], returned as [B, T, D].
func (n *Net) attend(q, k, v, bias *Node) *Node {
	d := q.Shape().Dimensions
	q = MulScalar(q, 1/math.Sqrt(float64(d[3])))
	scores := DotGeneral(q, []int{3}, []int{0, 1}, k, []int{3}, []int{0, 1}) // [B, H, T, S]
	scores = Add(scores, BroadcastToDims(bias, scores.Shape().Dimensions...))
	o := DotGeneral(Softmax(scores, -1), []int{3}, []int{0, 1}, v, []int{2}, []int{0, 1}) // [B, H, T, K]
	return Reshape(TransposeAllDims(o, 0, 2, 1, 3), d[0], d[2], n.Width)
}

func byHead(x *Node) *Node { return TransposeAllDims(x, 0, 2, 1, 3) }

func layerNorm(x, scale, bias *Node) *Node {
	c := Sub(x, ReduceAndKeep(x, ReduceMean, -1))
	std := Sqrt(AddScalar(ReduceAndKeep(Square(c), ReduceMean, -1), 1e-5))
	return Add(Mul(Div(c, std), ExpandLeftToRank(scale, x.Rank())), ExpandLeftToRank(bias, x.Rank()))
}

func linear(x, w, b *Node) *Node {
	y := DotGeneral(x, []int{x.Rank() - 1}, nil, w, []int{0}, nil)
	return Add(y, ExpandLeftToRank(b, y.Rank()))
}

// gelu is the tanh form, ½x(1 + tanh(√(2/π)(x + 0.044715x³))).
func gelu(x *Node) *Node {
	inner := MulScalar(Add(x, MulScalar(Mul(x, Square(x)), 0.044715)), math.Sqrt(2/math.Pi))
	return Mul(MulScalar(x, 0.5), OnePlus(Tanh(inner)))
}

// padSlots appends n empty slots to a cache [B, H, S, K].
func padSlots(x *Node, n int) *Node {
	d := x.Shape().Dimensions
	zeros := BroadcastToDims(Const(x.Graph(), float32(0)), d[0], d[1], n, d[3])
	return Concatenate([]*Node{x, zeros}, 2)
}

// hidden is added to the score of a slot that must not be attended to: far below
// any score, and finite, so that a row with no visible slot has no NaN.
const hidden = -1e9

// CausalBias returns the attention bias [B, 1, T, T] under which slot i sees
// slot j if j ≤ i and both carry the same positive segment number.
// segments is [B, T] int32; 0 marks padding.
func CausalBias(segments *Node) *Node {
	g := segments.Graph()
	b, t := segments.Shape().Dimensions[0], segments.Shape().Dimensions[1]
	square := func(x *Node, axis int) *Node { return BroadcastToDims(ExpandDims(x, axis), b, t, t) }
	rows, cols := square(segments, 2), square(segments, 1)
	seen := LogicalAnd(Equal(rows, cols), GreaterThan(cols, ZerosLike(cols)))
	seen = LogicalAnd(seen, BroadcastToDims(ExpandDims(LowerTriangular(g, t), 0), b, t, t))
	return ExpandDims(MulScalar(OneMinus(ConvertDType(seen, dtypes.Float32)), hidden), 1)
}

// SlotBias returns the bias [B, 1, 1, S] that hides the slots where visible [B, S] is false.
func SlotBias(visible *Node) *Node {
	bias := MulScalar(OneMinus(ConvertDType(visible, dtypes.Float32)), hidden)
	return ExpandDims(ExpandDims(bias, 1), 1)
}

// Positions numbers the slots of each segment from 0; padding gets 0. It holds
// for sequences of a single segment, padded on either side: segments is [B, T]
// int32 in {0, 1}.
func Positions(segments *Node) *Node {
	return MaxScalar(SubScalar(CumSum(segments, -1), 1), 0)
}

// LogProbs returns log softmax(logits/temperature)[target], with logits
// [N, T, V] and targets [N, T] int32. It is the one function through which every
// log-probability of this module is computed; the sampler's own record is
// checked against it.
func LogProbs(logits, targets *Node, temperature float64) *Node {
	if temperature != 1 {
		logits = DivScalar(logits, temperature)
	}
	return TakeLast(LogSoftmax(logits, -1), targets)
}

// TakeLast picks x[..., index] along the last axis: x [..., V], index [...] int32.
func TakeLast(x, index *Node) *Node {
	n := index.Shape().Size()
	v := x.Shape().Dimensions[x.Rank()-1]
	rows := Iota(x.Graph(), shapes.Make(dtypes.Int32, n, 1), 0)
	at := Concatenate([]*Node{rows, Reshape(index, n, 1)}, 1)
	return Reshape(Gather(Reshape(x, n, v), at), index.Shape().Dimensions...)
}

// NextLogProbs scores response tokens under a policy: tokens [B, T] with the
// prompt left-padded to P = T − R slots, segments [B, T]. The result [B, R] holds
// log π(tokens[b, P+r] | tokens[b, <P+r]), that is, from the logits at slot
// P+r−1. No other function shifts by one. hidden activations at those slots,
// [B, R, D], are returned for heads that need them.
func (n *Net) NextLogProbs(tokens, segments *Node, responses int, temperature float64) (logp, logits *Node) {
	t := tokens.Shape().Dimensions[1]
	h := n.Hidden(tokens, Positions(segments), CausalBias(segments))
	h = Slice(h, AxisRange(), AxisRange(t-responses-1, t-1)) // [B, R, D]
	logits = n.Logits(h)                                     // [B, R, V]
	targets := Slice(tokens, AxisRange(), AxisRange(t-responses, t))
	return LogProbs(logits, targets, temperature), logits
}

// Scalar applies the head of Shape.ScalarWeights to activations [..., D]: one
// number per position, [...]. w is the node list that NewNet took.
func (n *Net) Scalar(h *Node, w []*Node) *Node {
	head, bias := w[len(w)-2], w[len(w)-1]
	s := DotGeneral(h, []int{h.Rank() - 1}, nil, head, []int{0}, nil)
	return Add(s, bias)
}

package lm

import (
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
)

// LogProbs returns log softmax(logits/temperature)[target], with logits
// [N, T, V] and targets [N, T] int32. It is the one function through which every
// log-probability of this module is computed; the sampler's own record is
// checked against it.
//
// The gradient of the logits l, given that of the result, p', is
//
//	l' = p' · (1{v = target} − softmax(l)),
//
// one pass over them, where the derived one scatters into zeros and makes three.
func LogProbs(logits, targets *Node, temperature float64) *Node {
	if temperature != 1 {
		logits = DivScalar(logits, temperature)
	}
	// exp(l − max), its sum along the last axis, and max
	weights := func(l *Node) (e, sum, top *Node) {
		top = ReduceAndKeep(l, ReduceMax, -1)
		e = Exp(Sub(l, top))
		return e, ReduceAndKeep(e, ReduceSum, -1), top
	}
	forward := func(in []*Node) *Node {
		_, sum, top := weights(in[0])
		return Sub(TakeLast(in[0], targets), Squeeze(Add(top, Log(sum)), -1))
	}
	backward := func(in []*Node, p *Node) []*Node {
		dims := in[0].Shape().Dimensions
		e, sum, _ := weights(in[0])
		id := Iota(e.Graph(), shapes.Make(dtypes.Int32, dims...), len(dims)-1)
		hit := ConvertDType(Equal(id, BroadcastToDims(ExpandDims(targets, -1), dims...)), e.DType())
		return []*Node{Mul(ExpandDims(p, -1), Sub(hit, Mul(e, Inverse(sum))))}
	}
	return withGradient(forward, backward, logits)
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
// P+r−1. No other function shifts by one. With it come the logits [B, R, V], before
// the temperature, and the activations at those slots [B, R, D], for heads.
func (n *Net) NextLogProbs(tokens, segments *Node, responses int, temperature float64) (logp, logits, h *Node) {
	t := tokens.Shape().Dimensions[1]
	h = n.HiddenAt(tokens, Positions(segments), CausalBias(segments), Slots(t-responses-1, t-1))
	logits = n.Logits(h)
	targets := Slice(tokens, AxisRange(), AxisRange(t-responses, t))
	return LogProbs(logits, targets, temperature), logits, h
}

package lm

import (
	"math"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
)

// Prefill runs prompts, tokens and positions [B, P], and returns the activations
// [B, P, D] and a cache: for each layer keys and values [B, KV, size, K], with room
// for slots ≥ P. bias is [B, 1, P, P], see [CausalBias].
func (n *Net) Prefill(tokens, positions, bias *Node, size int) (h *Node, keys, values []*Node) {
	whole := n.whole(bias)
	h = n.run(tokens, positions, func(i int, q, k, v *Node) *Node {
		keys, values = append(keys, padSlots(byHead(k), size)), append(values, padSlots(byHead(v), size))
		return whole(i, q, k, v)
	}, nil)
	return h, keys, values
}

// Step runs one token a row, writing its key and value to cache slot at
// (scalar int32). token and position are [B]; bias is [B, 1, 1, size] to add to the
// attention scores and hides the slots that do not count. It returns activations
// [B, D] and the new cache.
func (n *Net) Step(token, position, bias *Node, keys, values []*Node, at *Node) (h *Node, k, v []*Node) {
	zero := Const(token.Graph(), int32(0))
	slot := []*Node{zero, zero, at, zero}
	h = n.run(ExpandDims(token, -1), ExpandDims(position, -1), func(i int, q, key, val *Node) *Node {
		k = append(k, DynamicUpdateSlice(keys[i], byHead(key), slot))
		v = append(v, DynamicUpdateSlice(values[i], byHead(val), slot))
		return attendOne(q, k[i], v[i], bias)
	}, nil)
	return Squeeze(h, 1), k, v
}

// attendOne attends from one query a row, q [B, 1, H, K], to a layer's cache,
// and returns [B, 1, H·K]. Query head h reads key head h/(H/KV). The sum of the
// softmax divides after the product with the values, of which there are fewer:
//
//	aₛ = exp(Σₖ qₖ·Kₛₖ/√K + biasₛ − max),  oₖ = Σₛ aₛ·Vₛₖ / Σₛ aₛ
func attendOne(q, keys, values, bias *Node) *Node {
	d := keys.Shape().Dimensions
	b, kv, k := d[0], d[1], d[3]
	group := q.Shape().Dimensions[2] / kv
	q = Reshape(MulScalar(q, 1/math.Sqrt(float64(k))), b, kv, group, k)
	scores := DotGeneral(q, []int{3}, []int{0, 1}, keys, []int{3}, []int{0, 1}) // [B, KV, G, S]
	scores = Add(scores, BroadcastToShape(bias, scores.Shape()))
	a := Exp(Sub(scores, BroadcastToShape(ExpandDims(inParts(ReduceMax, scores), -1), scores.Shape())))
	o := DotGeneral(a, []int{3}, []int{0, 1}, values, []int{2}, []int{0, 1}) // [B, KV, G, K]
	o = Div(o, BroadcastToShape(ExpandDims(inParts(ReduceSum, a), -1), o.Shape()))
	return Reshape(o, b, 1, kv*group*k)
}

// inParts reduces the last axis in parts of at most 32. XLA's CPU backend would do
// so with a longer axis too, but as a pass of its own over what is reduced, which
// it then has to write to memory first.
func inParts(reduce func(*Node, ...int) *Node, x *Node) *Node {
	d := x.Shape().Dimensions
	last := len(d) - 1
	part := min(d[last], 32)
	for d[last]%part != 0 {
		part--
	}
	if part < 2 || part == d[last] {
		return reduce(x, last)
	}
	split := append(append([]int{}, d[:last]...), d[last]/part, part)
	return inParts(reduce, reduce(Reshape(x, split...), last+1))
}

// padSlots appends empty slots to keys or values [B, KV, S, K] until there are size.
func padSlots(x *Node, size int) *Node {
	d := append([]int{}, x.Shape().Dimensions...)
	if d[2] == size {
		return x
	}
	d[2] = size - d[2]
	return Concatenate([]*Node{x, BroadcastToDims(Const(x.Graph(), float32(0)), d...)}, 2)
}

// SlotBias returns the bias [B, 1, 1, S] that hides the slots where visible [B, S] is false.
func SlotBias(visible *Node) *Node {
	bias := MulScalar(OneMinus(ConvertDType(visible, dtypes.Float32)), hidden)
	return ExpandDims(ExpandDims(bias, 1), 1)
}

package lm

import (
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
)

// Prefill runs prompts and leaves keys and values in caches that have room for
// size slots, [B, H, size, K] a layer. bias is [B, 1, P, P].
func (n *Net) Prefill(tokens, positions, bias *Node, size int) (h *Node, keys, values []*Node) {
	room := size - tokens.Shape().Dimensions[1]
	h = n.run(tokens, positions, func(_ int, q, k, v *Node) *Node {
		k, v = byHead(k), byHead(v)
		keys, values = append(keys, padSlots(k, room)), append(values, padSlots(v, room))
		return n.attend(byHead(q), k, v, bias)
	})
	return h, keys, values
}

// Step runs one token a row, writing its key and value to cache slot at
// (scalar int32). token and position are [B]; bias is [B, 1, 1, size] and hides
// the slots that do not count. It returns activations [B, D] and the caches.
func (n *Net) Step(token, position, bias *Node, keys, values []*Node, at *Node) (h *Node, k, v []*Node) {
	zero := Const(token.Graph(), int32(0))
	slot := []*Node{zero, zero, at, zero}
	h = n.run(ExpandDims(token, -1), ExpandDims(position, -1), func(i int, q, key, val *Node) *Node {
		k = append(k, DynamicUpdateSlice(keys[i], byHead(key), slot))
		v = append(v, DynamicUpdateSlice(values[i], byHead(val), slot))
		return n.attend(byHead(q), k[i], v[i], bias)
	})
	return Squeeze(h, 1), k, v
}

// padSlots appends n empty slots to a cache [B, H, S, K].
func padSlots(x *Node, n int) *Node {
	d := x.Shape().Dimensions
	zeros := BroadcastToDims(Const(x.Graph(), float32(0)), d[0], d[1], n, d[3])
	return Concatenate([]*Node{x, zeros}, 2)
}

// SlotBias returns the bias [B, 1, 1, S] that hides the slots where visible [B, S] is false.
func SlotBias(visible *Node) *Node {
	bias := MulScalar(OneMinus(ConvertDType(visible, dtypes.Float32)), hidden)
	return ExpandDims(ExpandDims(bias, 1), 1)
}

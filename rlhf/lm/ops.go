package lm

import (
	"math"

	. "github.com/gomlx/gomlx/core/graph"
)

// attend is softmax(q·kᵀ/√K + bias)·v of q [B, H, T, K] over k and v
// [B, KV, S, K], returned as [B, T, H·K].
func (n *Net) attend(q, k, v, bias *Node) *Node {
	if k.Shape().Dimensions[1] != q.Shape().Dimensions[1] {
		return grouped(q, k, v, bias)
	}
	d := q.Shape().Dimensions
	q = MulScalar(q, 1/math.Sqrt(float64(d[3])))
	scores := DotGeneral(q, []int{3}, []int{0, 1}, k, []int{3}, []int{0, 1}) // [B, H, T, S]
	scores = Add(ConvertDType(scores, bias.DType()), BroadcastToDims(bias, scores.Shape().Dimensions...))
	p := ConvertDType(Softmax(scores, -1), v.DType())
	o := DotGeneral(p, []int{3}, []int{0, 1}, v, []int{2}, []int{0, 1}) // [B, H, T, K]
	return ConvertDType(Reshape(TransposeAllDims(o, 0, 2, 1, 3), d[0], d[2], d[1]*d[3]), bias.DType())
}

func byHead(x *Node) *Node { return TransposeAllDims(x, 0, 2, 1, 3) }

// layerNorm is (x − mean)/√(variance + ε) ⊙ scale + bias over the last axis.
func layerNorm(x, scale, bias *Node, epsilon float64) *Node {
	c := Sub(x, ReduceAndKeep(x, ReduceMean, -1))
	std := Sqrt(AddScalar(ReduceAndKeep(Square(c), ReduceMean, -1), epsilon))
	return Add(Mul(Div(c, std), ExpandLeftToRank(scale, x.Rank())), ExpandLeftToRank(bias, x.Rank()))
}

// linear is x·w + b; b may be nil.
func linear(x, w, b *Node) *Node {
	y := product(x, w, 0)
	if b == nil {
		return y
	}
	return Add(y, ExpandLeftToRank(b, y.Rank()))
}

// gelu is the tanh form, ½x(1 + tanh(√(2/π)(x + 0.044715x³))).
func gelu(x *Node) *Node {
	inner := MulScalar(Add(x, MulScalar(Mul(x, Square(x)), 0.044715)), math.Sqrt(2/math.Pi))
	return Mul(MulScalar(x, 0.5), OnePlus(Tanh(inner)))
}

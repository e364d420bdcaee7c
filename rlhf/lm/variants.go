package lm

import (
	"math"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
)

// norm applies the architecture's normalisation to x [..., D].
func (n *Net) norm(x *Node, w norm) *Node {
	if n.Norm == "rms" {
		return rmsNorm(x, w.scale, n.epsilon())
	}
	return layerNorm(x, w.scale, w.bias, n.epsilon())
}

// rmsNorm is x/√(mean(x²) + ε) ⊙ scale, the mean over the last axis. Source:
// Zhang and Sennrich 2019, arXiv:1910.07467, eq. 4.
func rmsNorm(x, scale *Node, epsilon float64) *Node {
	root := Sqrt(AddScalar(ReduceAndKeep(Square(x), ReduceMean, -1), epsilon))
	return Mul(Div(x, root), ExpandLeftToRank(scale, x.Rank()))
}

// activation is the MLP's nonlinearity: GELU in its tanh form (GPT-2), GELU in
// its erf form, ½x(1 + erf(x/√2)) (GPT-NeoX), or SiLU, x·σ(x) (Llama, Qwen2).
func (n *Net) activation(x *Node) *Node {
	switch n.Activation {
	case "silu":
		return Mul(x, Sigmoid(x))
	case "gelu":
		return Mul(MulScalar(x, 0.5), OnePlus(Erf(MulScalar(x, 1/math.Sqrt2))))
	default:
		return gelu(x)
	}
}

// A rotation turns pairs of a head's components by an angle that grows with the
// position, so that a score depends on the distance of its two tokens alone.
// Component i < R/2 is paired with i + R/2 (the "rotate half" layout of published
// checkpoints; the paper's own pairs are 2i and 2i+1, the same up to a permutation
// of the weights):
//
//	angle_i(p) = p · θ^(−2i/R)
//	y_i       = x_i cos − x_{i+R/2} sin
//	y_{i+R/2} = x_{i+R/2} cos + x_i sin
//
// Components from R on pass unchanged. Source: Su et al. 2021, arXiv:2104.09864,
// eq. 15; the partial rotation is GPT-NeoX's.
type rotation struct{ cos, sin *Node } // [B, T, 1, R/2]

// rotation holds the angles of positions [B, T].
func (n *Net) rotation(positions *Node) *rotation {
	half := n.Rotated() / 2
	frequency := make([]float32, half)
	for i := range frequency {
		frequency[i] = float32(math.Pow(n.theta(), -float64(i)/float64(half)))
	}
	p := ExpandDims(ConvertDType(positions, dtypes.Float32), -1, -1) // [B, T, 1, 1]
	angle := Mul(p, ExpandLeftToRank(Const(positions.Graph(), frequency), 4))
	dtype := n.token.DType()
	return &rotation{ConvertDType(Cos(angle), dtype), ConvertDType(Sin(angle), dtype)}
}

// apply rotates x [B, T, heads, K].
func (r *rotation) apply(x *Node) *Node {
	half := r.cos.Shape().Dimensions[3]
	part := func(from, to int) *Node {
		return Slice(x, AxisRange(), AxisRange(), AxisRange(), AxisRange(from, to))
	}
	a, b := part(0, half), part(half, 2*half)
	parts := []*Node{
		Sub(Mul(a, r.cos), Mul(b, r.sin)),
		Add(Mul(b, r.cos), Mul(a, r.sin)),
	}
	if k := x.Shape().Dimensions[3]; k > 2*half {
		parts = append(parts, part(2*half, k))
	}
	return Concatenate(parts, -1)
}

// grouped is attend with fewer heads of keys and values than of queries: q is
// [B, H, T, K], k and v are [B, KV, S, K], and query head h reads head h·KV/H
// (grouped-query attention, Ainslie et al. 2023, arXiv:2305.13245). The H/KV
// query heads of a group stand one below another in one matrix product, so that
// no key is copied.
func grouped(q, k, v, bias *Node) *Node {
	d, kv, slots := q.Shape().Dimensions, k.Shape().Dimensions[1], k.Shape().Dimensions[2]
	b, heads, t, width := d[0], d[1], d[2], d[3]
	rows := heads / kv * t
	q = Reshape(MulScalar(q, 1/math.Sqrt(float64(width))), b, kv, rows, width)
	scores := DotGeneral(q, []int{3}, []int{0, 1}, k, []int{3}, []int{0, 1}) // [B, KV, rows, S]
	scores = ConvertDType(Reshape(scores, b, heads, t, slots), bias.DType())
	scores = Add(scores, BroadcastToDims(bias, b, heads, t, slots))
	p := ConvertDType(Reshape(Softmax(scores, -1), b, kv, rows, slots), v.DType())
	o := DotGeneral(p, []int{3}, []int{0, 1}, v, []int{2}, []int{0, 1}) // [B, KV, rows, K]
	return ConvertDType(Reshape(byHead(Reshape(o, b, heads, t, width)), b, t, heads*width), bias.DType())
}

// spareBias is [V]: 0, and −1e9 for the last Spare ids.
func (n *Net) spareBias(g *Graph) *Node {
	return Concatenate([]*Node{
		BroadcastToDims(Const(g, float32(0)), n.Vocab-n.Spare),
		BroadcastToDims(Const(g, float32(hidden)), n.Spare),
	}, 0)
}

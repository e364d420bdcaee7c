package lm

import (
	"math"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
)

// The operations of the forward pass with their gradients in closed form; x' is
// the gradient of the loss with respect to x. The gradients that GoMLX derives
// are the same to rounding and take two to three times as long.

// attend is attention of q [B, H, T, K] over k and v [B, KV, S, K], returned as
// [B, T, H·K]. With the bias b and c = 1/√K:
//
//	e = exp(c·q·kᵀ + b − max),  o = e·v / Σe
//
// The normalisation stands after the product with v, on the smaller side. With
// u = o'/Σe its gradients are
//
//	v' = eᵀ·u,  s' = e ⊙ (u·vᵀ − Σ(u ⊙ o)),  q' = c·s'·k,  k' = c·s'ᵀ·q
func (n *Net) attend(q, k, v, bias *Node) *Node {
	if k.Shape().Dimensions[1] != q.Shape().Dimensions[1] {
		return grouped(q, k, v, bias)
	}
	d := q.Shape().Dimensions
	c := 1 / math.Sqrt(float64(d[3]))
	if q.DType() == dtypes.Float64 { // in which gradients are checked
		bias = ConvertDType(bias, q.DType())
	}
	dtype := bias.DType()                                       // of the softmax; matrix products are in that of q, k and v
	dot := func(x *Node, xAxis int, y *Node, yAxis int) *Node { // over batch and heads
		return DotGeneral(x, []int{xAxis}, []int{0, 1}, y, []int{yAxis}, []int{0, 1})
	}
	weights := func(q, k *Node) (e, sum *Node) {
		s := ConvertDType(dot(MulScalar(q, c), 3, k, 3), dtype) // [B, H, T, S]
		s = Add(s, BroadcastToDims(bias, s.Shape().Dimensions...))
		e = Exp(Sub(s, ReduceAndKeep(s, ReduceMax, -1)))
		return e, ReduceAndKeep(e, ReduceSum, -1)
	}
	forward := func(in []*Node) *Node {
		q, k, v := in[0], in[1], in[2]
		e, sum := weights(q, k)
		return Div(ConvertDType(dot(ConvertDType(e, v.DType()), 3, v, 2), dtype), sum) // [B, H, T, K]
	}
	backward := func(in []*Node, adjoint *Node) []*Node {
		q, k, v := in[0], in[1], in[2]
		e, sum := weights(q, k)
		u := Div(adjoint, sum)
		inner := ReduceAndKeep(Mul(u, forward(in)), ReduceSum, -1)
		short := func(x *Node) *Node { return ConvertDType(x, v.DType()) }
		u = short(u)
		s := short(Mul(e, Sub(ConvertDType(dot(u, 3, v, 3), dtype), inner)))
		// The larger operand stands on the right, where it is not transposed.
		back := func(x, y *Node) *Node { return TransposeAllDims(dot(x, 2, y, 2), 0, 1, 3, 2) }
		return []*Node{MulScalar(dot(s, 3, k, 2), c), back(MulScalar(q, c), s), back(u, short(e))}
	}
	o := withGradient(forward, backward, q, k, v)
	return Reshape(byHead(o), d[0], d[2], d[1]*d[3])
}

func byHead(x *Node) *Node { return TransposeAllDims(x, 0, 2, 1, 3) }

// layerNorm normalises over the last axis:
//
//	n = (x − mean)·r,  r = 1/√(variance + ε),  y = n ⊙ scale + bias
//
// Its gradients, with g = y' ⊙ scale and means over the last axis, are
//
//	x' = r·(g − mean(g) − n·mean(g ⊙ n)),  scale' = Σ y' ⊙ n,  bias' = Σ y'
func layerNorm(x, scale, bias *Node, epsilon float64) *Node {
	mean := func(x *Node) *Node { return ReduceAndKeep(x, ReduceMean, -1) }
	normal := func(x *Node) (n, r *Node) {
		c := Sub(x, mean(x))
		r = Rsqrt(AddScalar(mean(Square(c)), epsilon))
		return Mul(c, r), r
	}
	forward := func(in []*Node) *Node {
		n, _ := normal(in[0])
		return Add(Mul(n, ExpandLeftToRank(in[1], n.Rank())), ExpandLeftToRank(in[2], n.Rank()))
	}
	backward := func(in []*Node, y *Node) []*Node {
		n, r := normal(in[0])
		g := Mul(y, ExpandLeftToRank(in[1], y.Rank()))
		dx := Mul(r, Sub(Sub(g, mean(g)), Mul(n, mean(Mul(g, n)))))
		return []*Node{dx, sumRows(Mul(y, n)), sumRows(y)}
	}
	return withGradient(forward, backward, x, scale, bias)
}

// sumRows adds up all but the last axis.
func sumRows(x *Node) *Node { return ReduceSum(rows(x), 0) }

// rows makes x [..., D] a matrix [N, D].
func rows(x *Node) *Node {
	d := x.Shape().Dimensions[x.Rank()-1]
	return Reshape(x, x.Shape().Size()/d, d)
}

// linear is x·w + b; b may be nil.
func linear(x, w, b *Node) *Node {
	y := product(x, w, 0)
	if b == nil {
		return y
	}
	return Add(y, withGradient(
		func(in []*Node) *Node {
			return BroadcastToDims(ExpandLeftToRank(in[0], y.Rank()), y.Shape().Dimensions...)
		},
		func(_ []*Node, y *Node) []*Node { return []*Node{sumRows(y)} }, b))
}

// product contracts the last axis of x with the given axis of w in the precision
// of w, and returns it in that of x.
//
// The gradient of w is xᵀ·y', or its transpose. XLA's CPU backend is twice as
// fast at it when the smaller operand is the one to transpose.
func product(x, w *Node, axis int) *Node {
	forward := func(in []*Node) *Node {
		return DotGeneral(in[0], []int{x.Rank() - 1}, nil, in[1], []int{axis}, nil)
	}
	backward := func(in []*Node, y *Node) []*Node {
		x, w := in[0], in[1]
		dx := DotGeneral(y, []int{y.Rank() - 1}, nil, w, []int{1 - axis}, nil)
		a, b := rows(x), rows(y)
		swap := a.Shape().Size() > b.Shape().Size()
		if swap {
			a, b = b, a
		}
		dw := DotGeneral(a, []int{0}, nil, b, []int{0}, nil)
		if swap != (axis == 1) {
			dw = transposed(dw)
		}
		return []*Node{dx, dw}
	}
	y := withGradient(forward, backward, ConvertDType(x, w.DType()), w)
	return ConvertDType(y, x.DType())
}

// transposed is the transpose of a matrix, taken in three dimensions where it
// can be: XLA would make (a·b)ᵀ the product bᵀ·aᵀ and undo the choice of its order.
func transposed(x *Node) *Node {
	const lane = 16
	a, b := x.Shape().Dimensions[0], x.Shape().Dimensions[1]
	if b%lane != 0 {
		return Transpose(x, 0, 1)
	}
	return Reshape(TransposeAllDims(Reshape(x, a, b/lane, lane), 1, 2, 0), b, a)
}

// gelu is the tanh form, ½x(1 + tanh(√(2/π)(x + 0.044715x³))).
func gelu(x *Node) *Node {
	inner := MulScalar(Add(x, MulScalar(Mul(x, Square(x)), 0.044715)), math.Sqrt(2/math.Pi))
	return Mul(MulScalar(x, 0.5), OnePlus(Tanh(inner)))
}

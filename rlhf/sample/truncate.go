package sample

import (
	"math"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
)

// truncate sets to 0 the e = exp(−gap) that top-k and then top-p leave out. gap
// [B, n, c] is how far each logit lies below the largest, so ≥ 0.
//
// Neither sorts, which a loop's body cannot: both keep the tokens with gap ≤ t,
// and the least t that keeps enough of them is found by bisection over the bits
// of t. Floats ≥ 0 are ordered as their bits are, so 31 halvings find t exactly.
func truncate(m mode, k knobs, gap, e *Node) *Node {
	if m.topK {
		ones := full(e, float32(1))
		// k fits a float32 exactly up to 2²⁴, more than any vocabulary.
		e = cut(gap, e, ones, func(kept *Node) *Node {
			return GreaterOrEqual(kept, BroadcastToShape(ConvertDType(k.topK, dtypes.Float32), kept.Shape()))
		})
	}
	if m.topP {
		sum := ReduceSum(ReduceSum(e, 1), -1)
		e = cut(gap, e, e, func(kept *Node) *Node {
			return GreaterOrEqual(kept, Mul(sum, BroadcastToShape(k.topP, sum.Shape())))
		})
	}
	return e
}

// cut keeps the e whose gap is at most t, where t is the least for which
// enough(Σ weight over the kept) holds; it must hold for all of them.
func cut(gap, e, weight *Node, enough func(*Node) *Node) *Node {
	d := gap.Shape().Dimensions
	g := gap.Graph()
	over := func(t *Node) *Node { return BroadcastToDims(Reshape(t, d[0], 1, 1), d...) }
	bits := Bitcast(gap, dtypes.Int32)
	low := BroadcastToDims(Const(g, int32(0)), d[0])
	high := BroadcastToDims(Const(g, int32(math.Float32bits(math.MaxFloat32))), d[0])
	one, two := full(low, int32(1)), full(low, int32(2))
	for range 31 {
		middle := Add(low, Div(Sub(high, low), two))
		kept := Where(LessOrEqual(bits, over(middle)), weight, ZerosLike(weight))
		ok := enough(ReduceSum(ReduceSum(kept, 1), -1))
		low, high = Where(ok, low, Add(middle, one)), Where(ok, middle, high)
	}
	return Where(LessOrEqual(bits, over(high)), e, ZerosLike(e))
}

package lm

import (
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
)

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

// Positions numbers the slots of each segment from 0; padding gets 0. It holds
// for sequences of a single segment, padded on either side: segments is [B, T]
// int32 in {0, 1}.
func Positions(segments *Node) *Node {
	return MaxScalar(SubScalar(CumSum(segments, -1), 1), 0)
}

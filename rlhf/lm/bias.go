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
func CausalBias(segments *Node) *Node { return causal(segments, Equal) }

// BranchBias is CausalBias for rows in which several continuations share what comes
// before them: segment 1 is the stem, and 2, 3, ... are branches, each of which
// sees the stem and itself.
func BranchBias(segments *Node) *Node {
	return causal(segments, func(row, col *Node) *Node { return LogicalOr(Equal(row, col), Equal(col, OnesLike(col))) })
}

// causal is the bias under which slot i sees the slots j ≤ i that carry a positive
// segment number and are of its kin: kin(segment of i, segment of j).
func causal(segments *Node, kin func(row, col *Node) *Node) *Node {
	g := segments.Graph()
	b, t := segments.Shape().Dimensions[0], segments.Shape().Dimensions[1]
	square := func(x *Node, axis int) *Node { return BroadcastToDims(ExpandDims(x, axis), b, t, t) }
	rows, cols := square(segments, 2), square(segments, 1)
	seen := LogicalAnd(kin(rows, cols), GreaterThan(cols, ZerosLike(cols)))
	seen = LogicalAnd(seen, BroadcastToDims(ExpandDims(LowerTriangular(g, t), 0), b, t, t))
	return ExpandDims(MulScalar(OneMinus(ConvertDType(seen, dtypes.Float32)), hidden), 1)
}

// Positions numbers the slots of each segment from 0; padding gets 0. It holds
// for sequences of a single segment, padded on either side: segments is [B, T]
// int32 in {0, 1}.
func Positions(segments *Node) *Node {
	return MaxScalar(SubScalar(CumSum(segments, -1), 1), 0)
}

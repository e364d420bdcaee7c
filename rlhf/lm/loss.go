package lm

import (
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
)

// headBytes is how large a piece of the logits may be where they are computed in
// pieces: [B, T, V] float32 of 8 × 1024 tokens and 49,152 entries are 1.6 GB.
const headBytes = 64 << 20

// rowLosses returns Σ −log p(token) and the number of predicted tokens of each
// row, both [B]. data is tokens, segments and positions, [B, T] each. A token is
// predicted from the one before it where both are of one segment. With thrift the
// logits are computed in pieces.
func (n *Net) rowLosses(data []*Node, thrift bool) (sum, count *Node) {
	tokens, segments, positions := data[0], data[1], data[2]
	t := tokens.Shape().Dimensions[1]
	h := n.Hidden(tokens, positions, CausalBias(segments))
	from := func(x *Node) *Node { return Slice(x, AxisRange(), AxisRange(0, t-1)) }
	to := func(x *Node) *Node { return Slice(x, AxisRange(), AxisRange(1, t)) }
	logp := n.LogProbsOf(from(h), to(tokens), thrift) // [B, T-1]
	counts := LogicalAnd(Equal(from(segments), to(segments)), GreaterThan(to(segments), ZerosLike(to(segments))))
	sum = ReduceSum(Where(counts, Neg(logp), ZerosLike(logp)), -1)
	return sum, ReduceSum(ConvertDType(counts, dtypes.Float32), -1)
}

// LogProbsOf returns the log-probability of targets [B, T] given the activations
// before them, [B, T, D]. With thrift the logits are computed in pieces.
func (n *Net) LogProbsOf(h, targets *Node, thrift bool) *Node {
	score := func(h, targets *Node) []*Node { return []*Node{LogProbs(n.Logits(h), targets, 1)} }
	if thrift {
		return n.inPieces(h, targets, score)[0]
	}
	return score(h, targets)[0]
}

// inPieces applies f to slices of activations [B, T, D] and targets [B, T] along
// T, small enough that their logits take no more than headBytes, one after another,
// and joins the outputs, [B, T] each. A gradient through it computes the logits of
// each piece anew.
func (n *Net) inPieces(h, targets *Node, f func(h, targets *Node) []*Node) []*Node {
	b, t := targets.Shape().Dimensions[0], targets.Shape().Dimensions[1]
	width := max(1, headBytes/(4*b*n.Vocab))
	if width >= t {
		return f(h, targets)
	}
	var parts [][]*Node
	for at := 0; at < t; at += width {
		cut := func(x *Node) *Node { return Slice(x, AxisRange(), AxisRange(at, min(at+width, t))) }
		piece := cut(h)
		if len(parts) > 0 { // not before the last piece is done with its logits
			piece = SchedulingBarrier(piece, parts[len(parts)-1][0])
		}
		out := f(piece.Checkpoint(), cut(targets))
		for i := range out {
			out[i] = out[i].StopCheckpoint()
		}
		parts = append(parts, out)
	}
	joined := make([]*Node, len(parts[0]))
	for i := range joined {
		column := make([]*Node, len(parts))
		for j := range parts {
			column[j] = parts[j][i]
		}
		joined[i] = Concatenate(column, 1)
	}
	return joined
}

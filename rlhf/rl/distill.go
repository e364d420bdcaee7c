package rl

import (
	"math"
	"slices"

	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
)

// TopLogProbs coarse-grains softmax(logits) into k+1 categories at each position:
// the k most probable tokens, most probable first (of equal ones the first), and
// everything else (Askell et al. 2021, B.5, with k = 50). logits are [..., V] and
// finite, 0 < k ≤ V. ids are [..., k] int32; logp are [..., k+1], the logarithm
// of the rest's probability last. That is a sum over the rest, not 1 less the
// sum of the top, which would be lost to rounding where the top has nearly all.
// At k = V there is no rest and its logarithm is below −1e8.
func TopLogProbs(logits *Node, k int) (ids, logp *Node) {
	all := LogSoftmax(logits, -1)
	top, ids := TopK(all, k, -1)                             // [..., k]
	dense := scatterTop(ids, top, logits.Shape().Dimensions) // [..., V]
	return ids, Concatenate([]*Node{top, restOf(all, isTop(dense))}, -1)
}

// CoarseKL returns the KL divergence D(p ‖ q) over k+1 categories at each
// position, [B, R] in nats: p is a teacher's distribution as [TopLogProbs] gives
// it, q = softmax(logits) summed up into the same categories,
//
//	Σ_{i<k} p_i (log p_i − log q_i) + p_rest (log p_rest − log q_rest)
//
// It is the forward divergence, teacher first (Askell et al. 2021, eq. 2.1), never
// negative, and at most the divergence over the whole vocabulary, which it
// equals at k = V. logits are [B, R, V] and differentiated; ids [B, R, k], teacher
// [B, R, k+1] and mask [B, R] are not.
func CoarseKL(logits, ids, teacher, mask *Node) *Node {
	logits.AssertRank(3)
	dims := logits.Shape().Dimensions
	mask.AssertDims(dims[:2]...)
	ids.AssertRank(3)
	k := ids.Shape().Dimensions[2]
	ids.AssertDims(dims[0], dims[1], k)
	teacher.AssertDims(dims[0], dims[1], k+1)
	teacher = StopGradient(zeroed(teacher, mask))
	ids = Where(BroadcastToShape(InsertAxes(mask, -1), ids.Shape()), ids, Iota(ids.Graph(), ids.Shape(), 2)) // distinct, as a scatter wants them

	logq := LogSoftmax(zeroed(logits, mask), -1)                                              // [B, R, V]
	dense := scatterTop(ids, Slice(teacher, AxisRange(), AxisRange(), AxisRange(0, k)), dims) // [B, R, V]
	top := isTop(dense)
	logp := zeroed(dense, top)
	kl := ReduceSum(zeroed(Mul(Exp(logp), Sub(logp, logq)), top), -1) // [B, R]

	logpRest := Squeeze(Slice(teacher, AxisRange(), AxisRange(), AxisRange(k, k+1)), -1)
	rest := Mul(Exp(logpRest), Sub(logpRest, Squeeze(restOf(logq, top), -1)))
	return zeroed(Add(kl, rest), mask)
}

// notTop marks the tokens that are not among the top; a log-probability is never positive.
const notTop = 1

// scatterTop lays values [..., k] out over the vocabulary, dims [..., V], at ids
// that differ within a position, with notTop elsewhere. One scatter of the teacher's numbers spares the student a
// gather, whose gradient would be a scatter in every step.
func scatterTop(ids, values *Node, dims []int) *Node {
	k, v := ids.Shape().Dimensions[ids.Rank()-1], dims[len(dims)-1]
	n := ids.Shape().Size()
	g := ids.Graph()
	row := Iota(g, shapes.Make(ids.DType(), n/k, k, 1), 0)
	at := Reshape(Concatenate([]*Node{row, Reshape(ids, n/k, k, 1)}, -1), n, 2)
	empty := BroadcastToDims(Scalar(g, values.DType(), notTop), n/k, v)
	return Reshape(ScatterUpdate(empty, at, Reshape(values, n), false, true), dims...)
}

func isTop(dense *Node) *Node { return LessThan(dense, Scalar(dense.Graph(), dense.DType(), 0.5)) }

// nothing is the logarithm of no probability: finite, so that 0·log 0 is 0.
const nothing = -1e9

// restOf returns log Σ e^logp over the tokens that are not among the top, [..., 1].
func restOf(logp, top *Node) *Node {
	rest := Where(top, Scalar(logp.Graph(), logp.DType(), nothing), logp)
	most := StopGradient(ReduceAndKeep(rest, ReduceMax, -1))
	return Add(most, Log(ReduceAndKeep(Exp(Sub(rest, most)), ReduceSum, -1)))
}

// TopLogProbsPlain is the twin of [TopLogProbs] for one position.
func TopLogProbsPlain(logits []float64, k int) (ids []int, logp []float64) {
	all := LogSoftmaxPlain(logits)
	order := make([]int, len(all))
	for v := range order {
		order[v] = v
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case all[a] > all[b]:
			return -1
		case all[a] < all[b]:
			return 1
		}
		return 0
	})
	ids = order[:k]
	for _, v := range ids {
		logp = append(logp, all[v])
	}
	return ids, append(logp, restOfPlain(all, ids))
}

// CoarseKLPlain is the twin of [CoarseKL] for one position.
func CoarseKLPlain(logits []float64, ids []int, teacher []float64) float64 {
	logq := LogSoftmaxPlain(logits)
	kl := 0.0
	for i, v := range ids {
		kl += math.Exp(teacher[i]) * (teacher[i] - logq[v])
	}
	rest := teacher[len(ids)]
	return kl + math.Exp(rest)*(rest-restOfPlain(logq, ids))
}

func restOfPlain(logp []float64, ids []int) float64 {
	sum := 0.0
	for v, l := range logp {
		if !slices.Contains(ids, v) {
			sum += math.Exp(l)
		}
	}
	if sum == 0 {
		return nothing
	}
	return math.Log(sum)
}

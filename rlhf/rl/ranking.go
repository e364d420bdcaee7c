package rl

import (
	"math"

	. "github.com/gomlx/gomlx/core/graph"
)

// PlackettLuceLoss returns the negative log-likelihood of rankings, the mean
// over rows of −Σ_i (s_i − log Σ_{j≥i} e^{s_j}). score is [B, K], each row in
// order of rank, best first, at least two wide.
func PlackettLuceLoss(score *Node) *Node {
	score.AssertRank(2)
	k := score.Shape().Dimensions[1]
	var loss *Node
	for i := range k - 1 { // the last choice is forced and costs nothing
		rest := Slice(score, AxisRange(), AxisRangeToEnd(i))           // [B, K−i]
		first := Slice(LogSoftmax(rest), AxisRange(), AxisRange(0, 1)) // [B, 1]
		if loss == nil {
			loss = Neg(first)
		} else {
			loss = Sub(loss, first)
		}
	}
	return ReduceAllMean(loss)
}

// AllPairsLoss returns the mean of softplus(s_j − s_i) over rows and pairs i
// ranked above j (Ouyang et al. 2022, eq. 1). score is [B, K], best first.
func AllPairsLoss(score *Node) *Node {
	score.AssertRank(2)
	b, k := score.Shape().Dimensions[0], score.Shape().Dimensions[1]
	dims := []int{b, k, k}
	gap := Sub(BroadcastToDims(InsertAxes(score, 1), dims...), BroadcastToDims(InsertAxes(score, -1), dims...)) // [B, i, j] s_j − s_i
	above := make([][]bool, k)
	for i := range k {
		above[i] = make([]bool, k)
		for j := i + 1; j < k; j++ {
			above[i][j] = true
		}
	}
	mask := BroadcastToDims(InsertAxes(Const(score.Graph(), above), 0), dims...)
	return MaskedMean(Softplus(zeroed(gap, mask)), mask, nil)
}

// PlackettLuceLossPlain is the twin of [PlackettLuceLoss].
func PlackettLuceLossPlain(score [][]float64) float64 {
	loss := 0.0
	for _, row := range score {
		for i := range row {
			loss -= LogSoftmaxPlain(row[i:])[0]
		}
	}
	return loss / math.Max(float64(len(score)), 1)
}

// AllPairsLossPlain is the twin of [AllPairsLoss].
func AllPairsLossPlain(score [][]float64) float64 {
	loss, n := 0.0, 0
	for _, row := range score {
		for i := range row {
			for j := i + 1; j < len(row); j++ {
				loss += softplusPlain(row[j] - row[i])
				n++
			}
		}
	}
	return loss / float64(max(n, 1))
}

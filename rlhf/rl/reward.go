package rl

import (
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"

	. "github.com/gomlx/gomlx/core/graph"
)

// KLPlacement says where in a response the KL penalty is paid.
type KLPlacement int

// The placements.
const (
	// PerToken subtracts β·k_t at every token (Ziegler et al. 2019).
	PerToken KLPlacement = iota
	// PerResponse subtracts β·Σk_t at the last valid token, the literal reading
	// of "each response is a timestep" (paper, section 4.1).
	PerResponse
)

// ShapedReward returns what PPO maximises (paper, eq. 4.1; per token as in
// Ziegler et al. 2019):
//
//	k_t = log π(a_t|s_t) − log π₀(a_t|s_t)
//	r_t = −β·k_t + [t is the last valid token]·score
//
// logp, logpRef and mask are [B, R], score is [B], klCoef is β, a scalar; kl and
// reward are [B, R], zero where mask is false. The last valid token is the end
// token where the policy wrote one: the score stands on it, not one slot later,
// where it would reach the policy through the value of padding. A row without a
// valid token has no reward at all. The graph divides nothing and rounds
// nothing; it panics if score is not of a float dtype.
func ShapedReward(logp, logpRef, mask, score, klCoef *Node, place KLPlacement) (kl, reward *Node) {
	kl = StopGradient(K1(logp, logpRef, mask)) // [B, R]
	dims := kl.Shape().Dimensions
	score.AssertDims(dims[0])
	klCoef.AssertScalar()
	last := LastValid(mask) // [B, R]
	penalty := kl
	if place == PerResponse {
		sum := BroadcastToDims(InsertAxes(ReduceSum(kl, 1), -1), dims...) // [B, R]
		penalty = zeroed(sum, last)
	}
	at := zeroed(BroadcastToDims(InsertAxes(score, -1), dims...), last) // [B, R]
	return kl, Sub(at, Mul(klCoef, penalty))
}

// LastValid returns a mask [B, R] that is true at the last true entry of each
// row of mask [B, R], and nowhere in a row without one.
func LastValid(mask *Node) *Node {
	mask.AssertRank(2)
	slot := AddScalar(Iota(mask.Graph(), shapes.Make(dtypes.Int32, mask.Shape().Dimensions...), 1), 1) // [B, R], from 1
	slot = Where(mask, slot, ZerosLike(slot))
	last := ReduceAndKeep(slot, ReduceMax, 1) // [B, 1]
	return LogicalAnd(mask, Equal(slot, BroadcastToDims(last, mask.Shape().Dimensions...)))
}

// PenaliseMissingEOS returns score − penalty where eos is false: the response
// was cut before the policy ended it (TRL's missing_eos_penalty). score and eos
// are [B].
func PenaliseMissingEOS(score, eos *Node, penalty float64) *Node {
	score.AssertRank(1)
	eos.AssertDims(score.Shape().Dimensions...)
	return Where(eos, score, SubScalar(score, penalty))
}

// ReplaceMissingEOS returns fixed instead of the score where eos is false
// (Stiennon et al. 2020, code: −1). score and eos are [B].
func ReplaceMissingEOS(score, eos *Node, fixed float64) *Node {
	score.AssertRank(1)
	eos.AssertDims(score.Shape().Dimensions...)
	return Where(eos, score, Scalar(score.Graph(), score.DType(), fixed))
}

// ShapedRewardPlain is the twin of [ShapedReward].
func ShapedRewardPlain[F Float](logp, logpRef [][]F, mask [][]bool, score []F, klCoef float64, place KLPlacement) (kl, reward [][]F) {
	kl, reward = like[F](logp), like[F](logp)
	for b, row := range mask {
		last, sum := -1, 0.0
		for t, m := range row {
			if !m {
				continue
			}
			k := float64(logp[b][t]) - float64(logpRef[b][t])
			kl[b][t] = F(k)
			if place == PerToken {
				reward[b][t] = F(-klCoef * k)
			}
			sum += k
			last = t
		}
		if last < 0 {
			continue
		}
		at := float64(score[b])
		if place == PerResponse {
			at -= klCoef * sum
		} else {
			at -= klCoef * (float64(logp[b][last]) - float64(logpRef[b][last]))
		}
		reward[b][last] = F(at)
	}
	return kl, reward
}

// PenaliseMissingEOSPlain is the twin of [PenaliseMissingEOS].
func PenaliseMissingEOSPlain[F Float](score []F, eos []bool, penalty float64) []F {
	out := append([]F(nil), score...)
	for b := range out {
		if !eos[b] {
			out[b] -= F(penalty)
		}
	}
	return out
}

// ReplaceMissingEOSPlain is the twin of [ReplaceMissingEOS].
func ReplaceMissingEOSPlain[F Float](score []F, eos []bool, fixed float64) []F {
	out := append([]F(nil), score...)
	for b := range out {
		if !eos[b] {
			out[b] = F(fixed)
		}
	}
	return out
}

package rl

import (
	"math"

	. "github.com/gomlx/gomlx/core/graph"
)

// GAE returns generalised advantage estimates (Schulman et al. 2016, eq. 16) of
// responses, and the returns that the value function is fitted to:
//
//	δ_t = r_t + γ·V_{t+1} − V_t
//	A_t = δ_t + γλ·A_{t+1}
//	R_t = A_t + V_t
//
// V and A are 0 after the last valid token: nothing is bootstrapped. reward,
// value and mask are [B, R]; adv and ret are [B, R], zero where mask is false.
// A row's valid tokens are meant to be contiguous; if they are not, each run of
// them is an episode of its own.
//
// The recursion is a matrix product, A_t = Σ_s δ_s·M[s,t] with M[s,t] =
// (γλ)^(s−t) for s ≥ t within an episode: no loop, hence no While. It costs R²
// per response, fit for R up to a few hundred.
func GAE(reward, value, mask *Node, gamma, lambda float64) (adv, ret *Node) {
	reward.AssertRank(2)
	dims := reward.Shape().Dimensions
	value.AssertDims(dims...)
	mask.AssertDims(dims...)
	reward, value = zeroed(reward, mask), zeroed(value, mask)
	counts := ConvertDType(mask, value.DType())
	zero := ZerosLike(Slice(value, AxisRange(), AxisRange(0, 1))) // [B, 1]
	done := IsZero(nextOf(counts, zero))                          // an episode ends where its successor does not count
	adv = zeroed(advantages(reward, value, done, zero, gamma, lambda), mask)
	return adv, Add(adv, value)
}

// GAEEpisodes is GAE for rows that may hold several episodes or an unfinished
// one. done [B, R] is true at the last token of an episode; bootstrap [B] is the
// value of the state after a row's last token, used where done is false there.
func GAEEpisodes(reward, value, done, bootstrap *Node, gamma, lambda float64) (adv, ret *Node) {
	reward.AssertRank(2)
	dims := reward.Shape().Dimensions
	value.AssertDims(dims...)
	done.AssertDims(dims...)
	bootstrap.AssertDims(dims[0])
	adv = advantages(reward, value, done, InsertAxes(bootstrap, -1), gamma, lambda)
	return adv, Add(adv, value)
}

// advantages does the work of both; bootstrap is [B, 1].
func advantages(reward, value, done, bootstrap *Node, gamma, lambda float64) *Node {
	g, dtype, r := reward.Graph(), reward.DType(), reward.Shape().Dimensions[1]
	next := zeroed(nextOf(value, bootstrap), LogicalNot(done)) // [B, R]
	delta := Sub(Add(reward, MulScalar(next, gamma)), value)   // [B, R]

	decay := make([][]float64, r)  // [s][t] (γλ)^(s−t) for s ≥ t
	before := make([][]float64, r) // [u][s] 1 for u < s
	for s := range r {
		decay[s], before[s] = make([]float64, r), make([]float64, r)
		for t := range r {
			if s >= t {
				decay[s][t] = math.Pow(gamma*lambda, float64(s-t))
			} else {
				before[s][t] = 1
			}
		}
	}
	// Multiply and reduce rather than a dot: an accelerator may round a float32
	// dot's operands to ten bits. The compiler fuses it, so [B, R, R] is not stored.
	sumOver := func(x *Node, m [][]float64) *Node { // Σ_u x[b,u]·m[u,s]
		return ReduceSum(Mul(InsertAxes(x, -1), InsertAxes(ConstAsDType(g, dtype, m), 0)), 1)
	}
	episode := sumOver(ConvertDType(done, dtype), before) // [B, R] ends before s
	dims := []int{reward.Shape().Dimensions[0], r, r}
	same := Equal(
		BroadcastToDims(InsertAxes(episode, -1), dims...), // [B, s, 1]
		BroadcastToDims(InsertAxes(episode, 1), dims...))  // [B, 1, t]
	m := zeroed(BroadcastToDims(InsertAxes(ConstAsDType(g, dtype, decay), 0), dims...), same) // [B, R, R]
	return ReduceSum(Mul(InsertAxes(delta, -1), m), 1)
}

// nextOf returns x[b, t+1] at [b, t], and last [B, 1] at the end of a row.
func nextOf(x, last *Node) *Node {
	if x.Shape().Dimensions[1] == 1 {
		return last
	}
	return Concatenate([]*Node{Slice(x, AxisRange(), AxisRangeToEnd(1)), last}, 1)
}

// GAEPlain is the twin of [GAE], the recursion as written.
func GAEPlain[F Float](reward, value [][]F, mask [][]bool, gamma, lambda float64) (adv, ret [][]F) {
	adv, ret = like[F](reward), like[F](reward)
	for b := range reward {
		a, next := 0.0, 0.0 // A_{t+1} and V_{t+1}
		for t := len(reward[b]) - 1; t >= 0; t-- {
			if !mask[b][t] {
				a, next = 0, 0
				continue
			}
			v := float64(value[b][t])
			a = float64(reward[b][t]) + gamma*next - v + gamma*lambda*a
			next = v
			adv[b][t], ret[b][t] = F(a), F(a+v)
		}
	}
	return adv, ret
}

// GAEEpisodesPlain is the twin of [GAEEpisodes].
func GAEEpisodesPlain[F Float](reward, value [][]F, done [][]bool, bootstrap []F, gamma, lambda float64) (adv, ret [][]F) {
	adv, ret = like[F](reward), like[F](reward)
	for b := range reward {
		a, next := 0.0, float64(bootstrap[b])
		for t := len(reward[b]) - 1; t >= 0; t-- {
			if done[b][t] {
				a, next = 0, 0
			}
			v := float64(value[b][t])
			a = float64(reward[b][t]) + gamma*next - v + gamma*lambda*a
			next = v
			adv[b][t], ret[b][t] = F(a), F(a+v)
		}
	}
	return adv, ret
}

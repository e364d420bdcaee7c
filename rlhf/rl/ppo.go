package rl

import (
	"math"

	. "github.com/gomlx/gomlx/core/graph"
)

// PolicyTerms is a policy loss and what to watch beside it, all scalars: nodes
// in a graph, float64 in the twin.
type PolicyTerms[T any] struct {
	Loss         T // to minimise
	ClipFrac     T // share of tokens whose clipped branch is strictly larger; policy/clipfrac
	RatioOutside T // share of tokens with |ρ − 1| > ε
	RatioMean    T // mean of ρ = π/π_old; exactly 1 on the first minibatch
	RatioMin     T // smallest ρ; e^20 if nothing counts
	RatioMax     T // largest ρ; 0 if nothing counts
	KL1          T // mean of log π_old − log π
	KL2          T // mean of (log π_old − log π)²/2, what TRL calls approxkl
	KL3          T // mean of ρ − 1 − log ρ ≥ 0; policy/approx_kl
}

// PolicyLoss returns PPO's clipped objective (Schulman et al. 2017, eq. 7),
// negated:
//
//	ρ = exp(clamp(log π − log π_old, ±20))
//	loss = Σ mask·max(−A·ρ, −A·clip(ρ, 1−ε, 1+ε)) / denom
//
// logp, logpOld, adv and mask are [B, R]; denom is a scalar or nil, see the
// package's conventions, and divides the diagnostics that are means too. Only
// logp is differentiated.
func PolicyLoss(logp, logpOld, adv, mask, denom *Node, clip float64) PolicyTerms[*Node] {
	loss, ratio, delta, clipped := policyTokens(logp, logpOld, adv, mask, clip)
	g, dtype := logp.Graph(), logp.DType()
	if denom == nil {
		denom = counted(mask, logp)
	}
	mean := func(x *Node) *Node { return MaskedMean(x, mask, denom) }
	outside := GreaterThan(Abs(SubScalar(ratio, 1)), Scalar(g, dtype, clip))
	return PolicyTerms[*Node]{
		Loss:         mean(loss),
		ClipFrac:     mean(ConvertDType(clipped, dtype)),
		RatioOutside: mean(ConvertDType(outside, dtype)),
		RatioMean:    mean(ratio),
		RatioMin:     ReduceAllMin(Where(mask, ratio, Scalar(g, dtype, math.Exp(MaxLogRatio)))),
		RatioMax:     ReduceAllMax(zeroed(ratio, mask)),
		KL1:          mean(Neg(delta)),
		KL2:          mean(MulScalar(Square(delta), 0.5)),
		KL3:          mean(expm1MinusX(delta)),
	}
}

// PolicyTokenLoss returns the summands of [PolicyLoss] before any mean, [B, R],
// zero where mask is false; for other means, such as [SequenceMean].
func PolicyTokenLoss(logp, logpOld, adv, mask *Node, clip float64) *Node {
	loss, _, _, _ := policyTokens(logp, logpOld, adv, mask, clip)
	return loss
}

func policyTokens(logp, logpOld, adv, mask *Node, clip float64) (loss, ratio, delta, clipped *Node) {
	logp.AssertRank(2)
	dims := logp.Shape().Dimensions
	logpOld.AssertDims(dims...)
	adv.AssertDims(dims...)
	mask.AssertDims(dims...)
	adv = StopGradient(zeroed(adv, mask))
	delta = Sub(zeroed(logp, mask), StopGradient(zeroed(logpOld, mask)))
	delta = ClipScalar(delta, -MaxLogRatio, MaxLogRatio)
	ratio = Exp(delta)
	free := Neg(Mul(adv, ratio))
	bound := Neg(Mul(adv, ClipScalar(ratio, 1-clip, 1+clip)))
	return Max(free, bound), ratio, delta, GreaterThan(bound, free)
}

// PolicyLossPlain is the twin of [PolicyLoss].
func PolicyLossPlain[F Float](logp, logpOld, adv [][]F, mask [][]bool, denom, clip float64) PolicyTerms[float64] {
	p := PolicyTerms[float64]{RatioMin: math.Exp(MaxLogRatio)}
	n := 0
	eachValid(mask, func(b, t int) {
		n++
		a := float64(adv[b][t])
		delta := math.Max(-MaxLogRatio, math.Min(MaxLogRatio, float64(logp[b][t])-float64(logpOld[b][t])))
		ratio := math.Exp(delta)
		free, bound := -a*ratio, -a*math.Max(1-clip, math.Min(1+clip, ratio))
		p.Loss += math.Max(free, bound)
		if bound > free {
			p.ClipFrac++
		}
		if math.Abs(ratio-1) > clip {
			p.RatioOutside++
		}
		p.RatioMean += ratio
		p.RatioMin, p.RatioMax = math.Min(p.RatioMin, ratio), math.Max(p.RatioMax, ratio)
		p.KL1 -= delta
		p.KL2 += delta * delta / 2
		p.KL3 += expm1MinusXPlain(delta)
	})
	if denom == 0 {
		denom = float64(max(n, 1))
	}
	for _, x := range []*float64{&p.Loss, &p.ClipFrac, &p.RatioOutside, &p.RatioMean, &p.KL1, &p.KL2, &p.KL3} {
		*x /= denom
	}
	return p
}

// ValueTerms is a value loss and what to watch beside it, all scalars.
type ValueTerms[T any] struct {
	Loss      T // to minimise
	Unclipped T // ½·mean of (V − R)², whatever the clip
	ClipFrac  T // share of tokens whose clipped term is strictly larger; value/clipfrac
}

// ValueLoss returns PPO's clipped value loss:
//
//	V_c = clip(V, V_old − ε, V_old + ε)
//	loss = ½·Σ mask·max((V − R)², (V_c − R)²) / denom
//
// value, valueOld, ret and mask are [B, R]; denom as in [PolicyLoss]; clip ≤ 0
// means no clipping. Only value is differentiated. The factor that weighs this
// loss against the policy's is the caller's.
func ValueLoss(value, valueOld, ret, mask, denom *Node, clip float64) ValueTerms[*Node] {
	value.AssertRank(2)
	dims := value.Shape().Dimensions
	valueOld.AssertDims(dims...)
	ret.AssertDims(dims...)
	mask.AssertDims(dims...)
	if denom == nil {
		denom = counted(mask, value)
	}
	value = zeroed(value, mask)
	old, ret := StopGradient(zeroed(valueOld, mask)), StopGradient(zeroed(ret, mask))
	free := Square(Sub(value, ret)) // [B, R]
	bound := free
	if clip > 0 {
		// Clipping V itself, not V − V_old, leaves V as it is inside the range; a
		// rounded difference would count tokens as clipped that are not.
		bound = Square(Sub(Min(Max(value, SubScalar(old, clip)), AddScalar(old, clip)), ret))
	}
	half := func(x *Node) *Node { return MulScalar(MaskedMean(x, mask, denom), 0.5) }
	return ValueTerms[*Node]{
		Loss:      half(Max(free, bound)),
		Unclipped: half(free),
		ClipFrac:  MaskedMean(ConvertDType(GreaterThan(bound, free), value.DType()), mask, denom),
	}
}

// ValueLossPlain is the twin of [ValueLoss].
func ValueLossPlain[F Float](value, valueOld, ret [][]F, mask [][]bool, denom, clip float64) ValueTerms[float64] {
	var v ValueTerms[float64]
	n := 0
	eachValid(mask, func(b, t int) {
		n++
		x, old, r := float64(value[b][t]), float64(valueOld[b][t]), float64(ret[b][t])
		free := (x - r) * (x - r)
		bound := free
		if clip > 0 {
			c := math.Min(math.Max(x, old-clip), old+clip)
			bound = (c - r) * (c - r)
		}
		v.Loss += math.Max(free, bound) / 2
		v.Unclipped += free / 2
		if bound > free {
			v.ClipFrac++
		}
	})
	if denom == 0 {
		denom = float64(max(n, 1))
	}
	v.Loss, v.Unclipped, v.ClipFrac = v.Loss/denom, v.Unclipped/denom, v.ClipFrac/denom
	return v
}

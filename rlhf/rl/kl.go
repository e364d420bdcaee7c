package rl

import (
	"math"

	. "github.com/gomlx/gomlx/core/graph"
)

// MaxLogRatio bounds a log-ratio before it is exponentiated. Clamping after the
// exponential is too late: the forward pass is finite, the gradient is 0·inf.
const MaxLogRatio = 20

// K1 returns the estimate k1 = ℓ with ℓ = log π − log π₀ per token, for tokens
// drawn from π. Unbiased for KL(π‖π₀), of either sign (Schulman 2020, "Approximating
// KL divergence"). It is the one to subtract in the reward; as a differentiable
// loss its expected gradient is zero.
//
// logp, logpRef and mask are [B, R]; logp is differentiated, logpRef is not.
func K1(logp, logpRef, mask *Node) *Node {
	logp.AssertRank(2)
	logpRef.AssertDims(logp.Shape().Dimensions...)
	mask.AssertDims(logp.Shape().Dimensions...)
	return Sub(zeroed(logp, mask), StopGradient(zeroed(logpRef, mask)))
}

// K2 returns the estimate k2 = ℓ²/2, see [K1]. Biased, never negative. As a
// differentiable loss on samples from π its expected gradient is exactly that of
// KL(π‖π₀); in the reward it is wrong.
func K2(logp, logpRef, mask *Node) *Node {
	return MulScalar(Square(K1(logp, logpRef, mask)), 0.5)
}

// ResponseK2 returns ½(Σ_t ℓ_t)² of each response, [B]: [K2] of the response as one
// action. As a differentiable loss on samples from π its expected gradient is exactly
// that of KL(π‖π₀) over responses. The sum over tokens of K2 has not: it leaves out
// what a token does to the divergence of those after it.
func ResponseK2(logp, logpRef, mask *Node) *Node {
	return MulScalar(Square(ReduceSum(K1(logp, logpRef, mask), 1)), 0.5)
}

// K3 returns the estimate k3 = e^(−ℓ) − 1 + ℓ, see [K1]. Unbiased, never
// negative, of low variance: the one to log. As a differentiable loss it has the
// gradient of the other divergence, KL(π₀‖π). −ℓ is cut at [MaxLogRatio], beyond
// which the gradient is zero.
func K3(logp, logpRef, mask *Node) *Node {
	return expm1MinusX(Neg(K1(logp, logpRef, mask)))
}

// k3SmallDelta is where the series takes over. At 0.25 the closed form has lost
// two of float32's seven digits, and eleven terms are exact to float64.
const k3SmallDelta = 0.25

// expm1MinusX returns e^x − 1 − x for x ≤ MaxLogRatio. The closed form loses
// everything to cancellation near 0 (float32, x = 1e-4: 1.7e-8 for 5e-9), and
// GoMLX has no gradient for Expm1, hence the series x²·Σ xⁿ/(n+2)!. Each branch
// sees only arguments it is finite for, because Where sends a gradient of 0 into
// the branch not taken, and 0·inf is NaN.
func expm1MinusX(x *Node) *Node {
	x = MinScalar(x, MaxLogRatio)
	small := LessThan(Abs(x), Scalar(x.Graph(), x.DType(), k3SmallDelta))
	near := Where(small, x, ZerosLike(x))
	sum := Scalar(x.Graph(), x.DType(), 0.0)
	for n := 12; n >= 2; n-- {
		sum = AddScalar(Mul(near, sum), 1/math.Gamma(float64(n)+1))
	}
	return Where(small, Mul(Square(near), sum), Sub(SubScalar(Exp(x), 1), x))
}

// ExactKL returns Σ_v π(v) (log π(v) − log π₀(v)), the KL divergence at each
// position over the whole vocabulary, [B, R] in nats: the truth that K1, K2 and
// K3 estimate, affordable where the vocabulary is small. logits and logitsRef are
// [B, R, V] and finite where mask [B, R] is true; logits are differentiated.
func ExactKL(logits, logitsRef, mask *Node) *Node {
	logits.AssertRank(3)
	logitsRef.AssertDims(logits.Shape().Dimensions...)
	mask.AssertDims(logits.Shape().Dimensions[:2]...)
	logp := LogSoftmax(zeroed(logits, mask))                  // [B, R, V]
	logq := StopGradient(LogSoftmax(zeroed(logitsRef, mask))) // [B, R, V]
	kl := ReduceSum(Mul(Exp(logp), Sub(logp, logq)), -1)      // [B, R]
	return zeroed(kl, mask)
}

// Entropy returns −Σ_v π(v) log π(v) at each position, [B, R] in nats. logits
// are [B, R, V] and finite where mask [B, R] is true. An entropy bonus subtracts
// its MaskedMean, times a coefficient, from the loss; the paper has none (B.1).
func Entropy(logits, mask *Node) *Node {
	logits.AssertRank(3)
	mask.AssertDims(logits.Shape().Dimensions[:2]...)
	logp := LogSoftmax(zeroed(logits, mask)) // [B, R, V]
	return zeroed(Neg(ReduceSum(Mul(Exp(logp), logp), -1)), mask)
}

// ResponseK2Plain is the twin of [ResponseK2].
func ResponseK2Plain[F Float](logp, logpRef [][]F, mask [][]bool) []float64 {
	out := make([]float64, len(mask))
	eachValid(mask, func(b, t int) { out[b] += float64(logp[b][t]) - float64(logpRef[b][t]) })
	for b, sum := range out {
		out[b] = sum * sum / 2
	}
	return out
}

// KLSamplePlain returns k1, k2 and k3 of one token, the twin of [K1], [K2] and
// [K3].
func KLSamplePlain(logp, logpRef float64) (k1, k2, k3 float64) {
	k1 = logp - logpRef
	x := math.Min(-k1, MaxLogRatio)
	return k1, k1 * k1 / 2, expm1MinusXPlain(x)
}

func expm1MinusXPlain(x float64) float64 {
	if math.Abs(x) >= k3SmallDelta {
		return math.Exp(x) - 1 - x
	}
	sum := 0.0
	for n := 12; n >= 2; n-- {
		sum = sum*x + 1/math.Gamma(float64(n)+1)
	}
	return x * x * sum
}

// ExactKLPlain returns KL(softmax(logits) ‖ softmax(logitsRef)) in nats, the twin
// of [ExactKL] for one position.
func ExactKLPlain(logits, logitsRef []float64) float64 {
	logp, logq := LogSoftmaxPlain(logits), LogSoftmaxPlain(logitsRef)
	kl := 0.0
	for v := range logp {
		kl += math.Exp(logp[v]) * (logp[v] - logq[v])
	}
	return kl
}

// EntropyPlain returns the entropy of softmax(logits) in nats, the twin of
// [Entropy] for one position.
func EntropyPlain(logits []float64) float64 {
	h := 0.0
	for _, l := range LogSoftmaxPlain(logits) {
		h -= math.Exp(l) * l
	}
	return h
}

// LogSoftmaxPlain returns logits − log Σ e^logits.
func LogSoftmaxPlain(logits []float64) []float64 {
	top := math.Inf(-1)
	for _, x := range logits {
		top = math.Max(top, x)
	}
	sum := 0.0
	for _, x := range logits {
		sum += math.Exp(x - top)
	}
	logp := make([]float64, len(logits))
	for v, x := range logits {
		logp[v] = x - top - math.Log(sum)
	}
	return logp
}

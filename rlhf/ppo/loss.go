package ppo

import (
	. "github.com/gomlx/gomlx/core/graph"

	"hhrlhf/rlhf/rl"
)

// The inputs of the update's programs, in this order: what is sent to the device once a
// step, which is the whole batch, the tokens that a minibatch has on average, and λ_KL of
// a penalty in the loss; then the rows that make up the part at hand [b].
const (
	inTokens   = iota // [B, P+R]
	inSegments        // [B, P+R]
	inMask            // [B, R], as are the rest
	inLogP            // of the scoring pass: π_old
	inLogPRef         // π₀
	inAdvantage
	inReturn
	inValue // of the scoring pass: V_old
	inDenom
	inCoef
	inRows
	numInputs
)

// What is reported of the policy's part of a minibatch: sums, so that they can be added
// up, over the tokens that a minibatch has on average; the last two are maxima.
const (
	statPolicyLoss = iota
	statKL3
	statOutside
	statRatio
	statRatioMax
	statRatioMin // negated
	numPolicyStats
)

// What is reported of the value function's part.
const (
	statValueLoss = iota
	statValueClipped
	numValueStats
)

// part gathers the rows of the part at hand.
func part(in []*Node) []*Node {
	out := append([]*Node(nil), in...)
	at := ExpandDims(in[inRows], -1)
	for i := inTokens; i <= inValue; i++ {
		out[i] = Gather(in[i], at)
	}
	return out
}

// policyLoss is PPO's clipped loss (B.1: ε = 0.2) over the part's tokens, with the
// penalty and the entropy bonus that the configuration puts there:
//
//	L = Σ max(−A·ρ, −A·clip(ρ, 1−ε, 1+ε))/n + [KL = "loss"]·λ_KL·Σ_b ½(Σ_t ℓ)²/n − c·Σ H/n
//
// An algorithm with a loss of its own has that in the place of the first sum.
func (p *Programs) policyLoss(f forward, in []*Node) (loss *Node, stats []*Node) {
	mask, denom := in[inMask], in[inDenom]
	policy := rl.PolicyLoss(f.logp, in[inLogP], in[inAdvantage], mask, denom, p.cfg.ClipRange)
	if own := p.algorithm.Loss; own != nil {
		policy.Loss = rl.MaskedMean(p.ownLoss(f.logp, in), mask, denom)
	}
	loss = policy.Loss
	if p.cfg.KL == "loss" {
		penalty := Div(ReduceAllSum(rl.ResponseK2(f.logp, in[inLogPRef], mask)), denom)
		loss = Add(loss, Mul(in[inCoef], penalty))
	}
	if p.cfg.EntropyCoef > 0 {
		bonus := rl.MaskedMean(p.entropy(f.logits, mask), mask, denom)
		loss = Sub(loss, MulScalar(bonus, p.cfg.EntropyCoef))
	}
	return loss, []*Node{
		statPolicyLoss: policy.Loss, statKL3: policy.KL3, statOutside: policy.RatioOutside, statRatio: policy.RatioMean,
		statRatioMax: policy.RatioMax, statRatioMin: Neg(policy.RatioMin),
	}
}

// valueLoss is the clipped squared error against the returns.
func (p *Programs) valueLoss(value *Node, in []*Node) (loss *Node, stats []*Node) {
	v := rl.ValueLoss(value, in[inValue], in[inReturn], in[inMask], in[inDenom], p.cfg.ValueClip)
	return v.Loss, []*Node{statValueLoss: v.Loss, statValueClipped: v.ClipFrac}
}

// oneLoss is both losses over one trunk, the value's weighed by ValueCoef, or the
// policy's alone where there is no value function.
func (p *Programs) oneLoss(w, in []*Node) (loss *Node, stats []*Node) {
	f := p.policyNet(w, in[inTokens], in[inSegments])
	policy, stats := p.policyLoss(f, in)
	if !p.shared() {
		none := ScalarZero(policy.Graph(), policy.DType())
		return policy, append(stats, []*Node{statValueLoss: none, statValueClipped: none}...)
	}
	value, more := p.valueLoss(f.value, in)
	return Add(policy, MulScalar(value, p.cfg.ValueCoef)), append(stats, more...)
}

// ownLosses are those of two networks that share no weight.
func (p *Programs) ownLosses(policyWeights, valueWeights, in []*Node) (policy, value *Node, stats []*Node) {
	policy, stats = p.policyLoss(p.policyNet(policyWeights, in[inTokens], in[inSegments]), in)
	value, more := p.valueLoss(p.valueNet(valueWeights, in[inTokens], in[inSegments]), in)
	return policy, value, append(stats, more...)
}

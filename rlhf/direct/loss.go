package direct

import (
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/support/exceptions"

	"hhrlhf/rlhf/lm"
)

// A Loss returns what each pair adds to the loss, [B], to be made smaller; a step takes
// the mean. beta is rlhf.Direct.Beta. It is called while the program is built, not in
// every step.
type Loss func(chosen, rejected Responses, beta float64) *Node

// Responses are one side of the pairs, [B] each.
type Responses struct {
	LogP    *Node // log π(y|x), nats, a sum over tokens: the gradient goes through it
	LogPRef *Node // log π₀(y|x)
	Tokens  *Node // how many tokens y has, its end token included, as a float
}

// Ratio is log π(y|x) − log π₀(y|x), [B] in nats.
func (r Responses) Ratio() *Node { return Sub(r.LogP, r.LogPRef) }

// The inputs of a step: tokens and segments [2·B, P+R], the mask of the responses [2·B, R],
// and π₀'s weights behind them.
const (
	inTokens = iota
	inSegments
	inMask
	numInputs
)

// metrics are the names of what a step returns beside its gradient norm, in order.
var metrics = []string{"direct/loss", "direct/accuracy", "direct/margin", "direct/chosen", "direct/rejected"}

// graph is the loss of a batch and its metrics. The rewards are the implicit ones,
// β·(log π − log π₀) (Rafailov et al. 2023, eq. 5 without the term of the prompt).
func (t *Trainer) graph(w, in []*Node) (loss *Node, extra []*Node) {
	logp := t.sums(w, in)
	ref := StopGradient(t.sums(in[numInputs:], in))
	mask := in[inMask]
	tokens := ReduceSum(ConvertDType(mask, logp.DType()), 1)
	b := logp.Shape().Dimensions[0] / 2
	side := func(from int) Responses {
		of := func(x *Node) *Node { return Slice(x, AxisRange(from, from+b)) }
		return Responses{LogP: of(logp), LogPRef: of(ref), Tokens: of(tokens)}
	}
	chosen, rejected := side(0), side(b)
	each := t.loss(chosen, rejected, t.cfg.Beta)
	if each == nil || !each.Shape().Equal(chosen.LogP.Shape()) {
		exceptions.Panicf("direct: Loss = %q is %v, want one number for each pair, %v", t.cfg.Loss, each, chosen.LogP.Shape())
	}
	loss = ReduceAllMean(each)
	good, bad := MulScalar(chosen.Ratio(), t.cfg.Beta), MulScalar(rejected.Ratio(), t.cfg.Beta)
	return loss, []*Node{loss, ReduceAllMean(wins(good, bad)), ReduceAllMean(Sub(good, bad)), ReduceAllMean(good), ReduceAllMean(bad)}
}

// wins is 1 where good is the larger, ½ where both are equal, else 0.
func wins(good, bad *Node) *Node {
	more := ConvertDType(GreaterThan(good, bad), good.DType())
	return Add(more, MulScalar(ConvertDType(Equal(good, bad), good.DType()), 0.5))
}

// sums is log π of every response under the weights w, [2·B].
func (t *Trainer) sums(w, in []*Node) *Node {
	mask := in[inMask]
	logp, _, _ := lm.NewNet(t.shape, w).NextLogProbs(in[inTokens], in[inSegments], mask.Shape().Dimensions[1], 1)
	return ReduceSum(Where(mask, logp, ScalarZero(logp.Graph(), logp.DType())), 1)
}

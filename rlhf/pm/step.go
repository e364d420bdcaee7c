package pm

import (
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"

	"hhrlhf/rlhf/internal/fit"
	"hhrlhf/rlhf/lm"
	"hhrlhf/rlhf/rl"
)

// A stepKind is all that a compiled step depends on beside the shapes of its inputs.
type stepKind struct {
	frozen        bool
	lmCoef        float64
	eoc           int32
	clip, decay   float64
	checkpointing bool
	half          dtypes.DType
	pieces        int // micro-batches
}

// A stepProgram takes one optimiser step, in one piece or in several.
type stepProgram struct {
	whole  *fit.Program
	pieces *fit.Accumulated
}

// metrics are the names of what a step returns beside its gradient norm, in order.
var metrics = []string{"pm/loss", "pm/accuracy", "pm/margin", "pm/chosen", "pm/rejected", "pm/lm_loss"}

// step returns the program of a kind.
func (p *Programs) step(kind stepKind) *stepProgram {
	if s, ok := p.steps[kind]; ok {
		return s
	}
	ws := ScalarWeights(p.shape, p.readout)
	loss, data, name := p.pairLoss(kind), 6, "pm step"
	if kind.frozen {
		ws, loss, data, name = ws[len(ws)-2:], headLoss(kind.decay), 3, "pm head step"
	}
	group := fit.Group{Names: lm.Names(ws), Decay: lm.Decays(ws), WeightDecay: kind.decay, ClipNorm: kind.clip}
	if kind.frozen {
		group.WeightDecay = 0 // it is in the loss
	}
	s := &stepProgram{}
	if kind.pieces > 1 {
		s.pieces = fit.NewAccumulated(p.be, name, data, len(metrics), group, func(w, in []*Node) (sum, count *Node, extra []*Node) {
			l, extra := loss(w, in)
			return l, Scalar(l.Graph(), l.DType(), 1/float64(kind.pieces)), extra // the counts of all pieces add up to 1
		})
	} else {
		s.whole = fit.New(p.be, name, data, []fit.Group{group}, func(w [][]*Node, in []*Node) (*Node, []*Node) { return loss(w[0], in) })
	}
	p.steps[kind] = s
	return s
}

// pairLoss is the loss of a batch, or of its part: sums over the part's pairs of
// what the denominators, which are the whole batch's, make means of.
//
//   - tokens, segments, positions: [b, T], or [2·b, T] where each response has a row
//   - weights [b]: λ·w_i/B, the weight of each pair's loss
//   - share []: 1/B, B the pairs of the whole batch
//   - perToken []: 1/N, N the predicted tokens of the whole batch
//
// L = Σ_i weights_i·log(1 + e^(r_rejected − r_chosen)) + μ·Σ −log p(token)/N over prompt and
// chosen response, the end-of-context token left out (Askell et al. 2021, C.1).
func (p *Programs) pairLoss(kind stepKind) func(w, in []*Node) (*Node, []*Node) {
	return func(w, in []*Node) (*Node, []*Node) {
		tokens, segments, weights, share, perToken := in[0], in[1], in[3], in[4], in[5]
		net := lm.NewNet(p.shape, w)
		if kind.half != dtypes.InvalidDType {
			net.Mixed(kind.half)
		}
		if kind.checkpointing {
			net.Checkpointing()
		}
		var h, picked *Node
		if kind.lmCoef == 0 {
			picked = p.picked(net, in[:3])
		} else {
			h = hidden(net, in[:3])
			picked = p.pick(h, segments)
		}
		scores := net.Scalar(picked, w)
		if b := weights.Shape().Dimensions[0]; scores.Shape().Dimensions[0] == 2*b {
			scores = Transpose(Reshape(Slice(scores, AxisRange(), AxisElem(0)), 2, b), 0, 1)
		}
		loss, extra := preference(scores, weights, share)
		if kind.lmCoef == 0 {
			return loss, append(extra, ScalarZero(loss.Graph(), loss.DType()))
		}
		first := func(x *Node) *Node { return Slice(x, AxisRange(0, weights.Shape().Dimensions[0])) } // the chosen responses
		h, tokens, segments = first(h), first(tokens), first(segments)
		t := tokens.Shape().Dimensions[1]
		from := func(x *Node) *Node { return Slice(x, AxisRange(), AxisRange(0, t-1)) }
		to := func(x *Node) *Node { return Slice(x, AxisRange(), AxisRange(1, t)) }
		good := func(s *Node) *Node {
			return LogicalAnd(GreaterThan(s, ZerosLike(s)), LessThan(s, MulScalar(OnesLike(s), rejectedSegment)))
		}
		target := to(tokens)
		counts := LogicalAnd(LogicalAnd(good(from(segments)), good(to(segments))), NotEqual(target, MulScalar(OnesLike(target), kind.eoc)))
		logp := net.LogProbsOf(from(h), target, kind.checkpointing)
		language := Mul(Neg(ReduceAllSum(Where(counts, logp, ZerosLike(logp)))), perToken)
		return Add(loss, MulScalar(language, kind.lmCoef)), append(extra, language)
	}
}

// headLoss is pairLoss for a head alone, with the ridge penalty ridge/2·|w|², which
// makes the best head one and only. The inputs are standardised activations
// [b, 2, reads·D], weights and share.
func headLoss(ridge float64) func(w, in []*Node) (*Node, []*Node) {
	return func(w, in []*Node) (*Node, []*Node) {
		x, weights, share := in[0], in[1], in[2]
		scores := Add(DotGeneral(x, []int{2}, nil, w[0], []int{0}, nil), w[1])
		loss, extra := preference(scores, weights, share)
		part := MulScalar(share, float64(x.Shape().Dimensions[0])) // of the batch
		penalty := Mul(part, MulScalar(ReduceAllSum(Square(w[0])), ridge/2))
		return Add(loss, penalty), append(extra, ScalarZero(loss.Graph(), loss.DType()))
	}
}

// preference is the weighted loss of scores [b, 2] and the batch's metrics.
func preference(scores, weights, share *Node) (loss *Node, extra []*Node) {
	b := scores.Shape().Dimensions[0]
	side := func(i int) *Node { return Reshape(Slice(scores, AxisRange(), AxisElem(i)), b) }
	chosen, rejected := side(0), side(1)
	every := BroadcastToDims(Const(scores.Graph(), true), b)
	terms := rl.PreferenceLoss(chosen, rejected, nil, every, Inverse(share), rl.PreferenceOptions{})
	loss = ReduceAllSum(Mul(weights, rl.PairLosses(chosen, rejected, rl.PreferenceOptions{})))
	return loss, []*Node{terms.Loss, terms.Accuracy, terms.Gap, terms.Good, terms.Bad}
}

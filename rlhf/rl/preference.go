package rl

import (
	"math"

	. "github.com/gomlx/gomlx/core/graph"
)

// PreferenceOptions are additions to the paper's loss; the zero value is the
// paper's.
type PreferenceOptions struct {
	// LabelSmoothing e mixes (1−e)·softplus(−d) + e·softplus(d): the share of
	// comparisons taken to be labelled wrongly.
	LabelSmoothing float64
	// Center c adds c·mean((good + bad)²), which keeps scores near zero: the
	// loss fixes differences only (Eisenstein et al. 2023).
	Center float64
}

// PreferenceTerms is a preference loss and what to watch beside it, all scalars.
type PreferenceTerms[T any] struct {
	Loss     T // to minimise; log 2 for a model that scores everything alike
	Accuracy T // share of pairs with good > bad; a tie counts half; rm/accuracy
	Gap      T // mean of good − bad; rm/margin
	Good     T // mean score of the chosen; rm/chosen
	Bad      T // mean score of the rejected; rm/rejected
}

// PreferenceLoss returns the pairwise loss of a preference model (Askell et al.
// 2021, eq. 3.1, without its imitation term):
//
//	d = good − bad − margin
//	loss = Σ mask·log(1 + e^(−d)) / denom
//
// good, bad and mask are [B] pairs; margin is [B] or nil for none (Touvron et
// al. 2023, eq. 2); denom as in [PolicyLoss].
func PreferenceLoss(good, bad, margin, mask, denom *Node, opt PreferenceOptions) PreferenceTerms[*Node] {
	good.AssertRank(1)
	dims := good.Shape().Dimensions
	bad.AssertDims(dims...)
	mask.AssertDims(dims...)
	if denom == nil {
		denom = counted(mask, good)
	}
	mean := func(x *Node) *Node { return MaskedMean(x, mask, denom) }
	good, bad = zeroed(good, mask), zeroed(bad, mask)
	gap := Sub(good, bad)
	d := gap
	if margin != nil {
		margin.AssertDims(dims...)
		d = Sub(gap, zeroed(margin, mask))
	}
	loss := opt.each(good, bad, d)
	dtype := good.DType()
	wins := ConvertDType(GreaterThan(good, bad), dtype)
	ties := MulScalar(ConvertDType(Equal(good, bad), dtype), 0.5)
	return PreferenceTerms[*Node]{Loss: mean(loss), Accuracy: mean(Add(wins, ties)), Gap: mean(gap), Good: mean(good), Bad: mean(bad)}
}

// PairLosses returns the loss of each pair, [B], before masks and means: what a
// caller weighs by itself, such as L_helpful + λ·L_harmless (Bai et al. 2022,
// section 5.1.2).
func PairLosses(good, bad *Node, opt PreferenceOptions) *Node {
	return opt.each(good, bad, Sub(good, bad))
}

// each is the loss of pairs with differences d.
func (opt PreferenceOptions) each(good, bad, d *Node) *Node {
	loss := Softplus(Neg(d))
	if e := opt.LabelSmoothing; e != 0 {
		loss = Add(MulScalar(loss, 1-e), MulScalar(Softplus(d), e))
	}
	if c := opt.Center; c != 0 {
		loss = Add(loss, MulScalar(Square(Add(good, bad)), c))
	}
	return loss
}

// PreferenceLossPlain is the twin of [PreferenceLoss]; margin may be nil.
func PreferenceLossPlain[F Float](good, bad, margin []F, mask []bool, denom float64, opt PreferenceOptions) PreferenceTerms[float64] {
	var p PreferenceTerms[float64]
	n := 0
	for i, m := range mask {
		if !m {
			continue
		}
		n++
		g, b := float64(good[i]), float64(bad[i])
		d := g - b
		if margin != nil {
			d -= float64(margin[i])
		}
		p.Loss += (1-opt.LabelSmoothing)*softplusPlain(-d) + opt.Center*(g+b)*(g+b)
		if opt.LabelSmoothing != 0 {
			p.Loss += opt.LabelSmoothing * softplusPlain(d)
		}
		switch {
		case g > b:
			p.Accuracy++
		case g == b:
			p.Accuracy += 0.5
		}
		p.Gap += g - b
		p.Good += g
		p.Bad += b
	}
	if denom == 0 {
		denom = float64(max(n, 1))
	}
	for _, x := range []*float64{&p.Loss, &p.Accuracy, &p.Gap, &p.Good, &p.Bad} {
		*x /= denom
	}
	return p
}

// softplusPlain returns log(1 + e^x), finite for every finite x.
func softplusPlain(x float64) float64 {
	return math.Max(x, 0) + math.Log1p(math.Exp(-math.Abs(x)))
}

// SigmoidPlain returns 1/(1 + e^(−x)): the probability that a preference model
// with score gap x gives to its preferred side.
func SigmoidPlain(x float64) float64 {
	if x < 0 {
		return math.Exp(x) / (1 + math.Exp(x))
	}
	return 1 / (1 + math.Exp(-x))
}

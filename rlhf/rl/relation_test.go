package rl_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"

	"hhrlhf/rlhf/internal/rltest"
	"hhrlhf/rlhf/rl"
)

// batch is a random PPO batch with a random mask, holes included if asked.
type batch struct {
	logp, old, ref, value, valueOld, ret, adv [][]float64
	score                                     []float64
	mask                                      [][]bool
}

func randomBatch(rng *rand.Rand, b, r int, holes bool) batch {
	m := func() [][]float64 { return rltest.Matrix(rng, b, r) }
	x := batch{logp: m(), old: m(), ref: m(), value: m(), valueOld: m(), ret: m(), adv: m(), score: vector(rng, b), mask: rltest.PrefixMask(rng, b, r)}
	for i := range x.old {
		for j := range x.old[i] {
			x.old[i][j] = x.logp[i][j] + 0.3*x.old[i][j]
			x.valueOld[i][j] = x.value[i][j] + 0.3*x.valueOld[i][j]
			if holes {
				x.mask[i][j] = rng.IntN(3) > 0
			}
		}
	}
	return x
}

func vector(rng *rand.Rand, n int) []float64 { return rltest.Matrix(rng, 1, n)[0] }

func (x batch) poisoned(v float64) batch {
	y := x
	for _, p := range []*[][]float64{&y.logp, &y.old, &y.ref, &y.value, &y.valueOld, &y.ret, &y.adv} {
		*p = rltest.Poison(*p, x.mask, v)
	}
	return y
}

func (x batch) inputs() []any {
	return []any{x.logp, x.old, x.ref, x.value, x.valueOld, x.ret, x.adv, x.score, x.mask}
}

// everything builds every masked graph function, and the gradients of the losses.
func everything(n []*Node) []*Node {
	out, grads := build(n)
	return append(out, grads...)
}

func values(n []*Node) []*Node {
	out, _ := build(n)
	return out
}

func build(n []*Node) (out, grads []*Node) {
	logp, old, ref, value, valueOld, ret, adv, score, mask := n[0], n[1], n[2], n[3], n[4], n[5], n[6], n[7], n[8]
	coef := ConstAs(score, 0.1)
	kl, reward := rl.ShapedReward(logp, ref, mask, score, coef, rl.PerToken)
	_, once := rl.ShapedReward(logp, ref, mask, score, coef, rl.PerResponse)
	a, r := rl.GAE(reward, value, mask, 0.99, 0.9)
	p := rl.PolicyLoss(logp, old, adv, mask, nil, 0.2)
	v := rl.ValueLoss(value, valueOld, ret, mask, nil, 0.2)
	k2, k3 := rl.MaskedMean(rl.K2(logp, ref, mask), mask, nil), rl.MaskedMean(rl.K3(logp, ref, mask), mask, nil)
	out = []*Node{kl, reward, once, a, r,
		rl.Whiten(adv, mask, rl.WhitenOptions{}), rl.Whiten(adv, mask, rl.WhitenOptions{KeepMean: true, Unbiased: true}),
		p.Loss, p.ClipFrac, p.RatioOutside, p.RatioMean, p.RatioMin, p.RatioMax, p.KL1, p.KL2, p.KL3,
		v.Loss, v.Unclipped, v.ClipFrac, k2, k3, rl.SequenceMean(rl.PolicyTokenLoss(logp, old, adv, mask, 0.2), mask)}
	for _, loss := range []*Node{p.Loss, k2, k3} {
		grads = append(grads, Gradient(loss, logp)[0])
	}
	return out, append(grads, Gradient(v.Loss, value)[0])
}

// valuesPlain are the twins, in the order of values.
func valuesPlain(x batch) []any {
	kl, reward := rl.ShapedRewardPlain(x.logp, x.ref, x.mask, x.score, 0.1, rl.PerToken)
	_, once := rl.ShapedRewardPlain(x.logp, x.ref, x.mask, x.score, 0.1, rl.PerResponse)
	a, r := rl.GAEPlain(reward, x.value, x.mask, 0.99, 0.9)
	p := rl.PolicyLossPlain(x.logp, x.old, x.adv, x.mask, 0, 0.2)
	v := rl.ValueLossPlain(x.value, x.valueOld, x.ret, x.mask, 0, 0.2)
	var k2, k3, tokens [][]float64
	for b := range x.logp {
		k2, k3, tokens = append(k2, nil), append(k3, nil), append(tokens, nil)
		for t := range x.logp[b] {
			_, s2, s3 := rl.KLSamplePlain(x.logp[b][t], x.ref[b][t])
			k2[b], k3[b] = append(k2[b], s2), append(k3[b], s3)
			one := func(m [][]float64) [][]float64 { return [][]float64{{m[b][t]}} }
			tokens[b] = append(tokens[b], rl.PolicyLossPlain(one(x.logp), one(x.old), one(x.adv), [][]bool{{true}}, 0, 0.2).Loss)
		}
	}
	return []any{kl, reward, once, a, r,
		rl.WhitenPlain(x.adv, x.mask, rl.WhitenOptions{}), rl.WhitenPlain(x.adv, x.mask, rl.WhitenOptions{KeepMean: true, Unbiased: true}),
		p.Loss, p.ClipFrac, p.RatioOutside, p.RatioMean, p.RatioMin, p.RatioMax, p.KL1, p.KL2, p.KL3,
		v.Loss, v.Unclipped, v.ClipFrac, rl.MaskedMeanPlain(k2, x.mask, 0), rl.MaskedMeanPlain(k3, x.mask, 0), rl.SequenceMeanPlain(tokens, x.mask)}
}

func TestTwinsAgree(t *testing.T) {
	for _, c := range []struct {
		b, r  int
		holes bool
		dtype dtypes.DType
		tol   float64
	}{
		{4, 7, false, dtypes.Float64, rltest.Float64},
		{1, 1, false, dtypes.Float32, rltest.Float32},
		{3, 33, false, dtypes.Float32, rltest.Float32},
		{5, 6, true, dtypes.Float32, rltest.Float32},
	} {
		t.Run(fmt.Sprintf("%dx%d_holes_%v", c.b, c.r, c.holes), func(t *testing.T) {
			x := randomBatch(rltest.Rand(uint64(c.r)), c.b, c.r, c.holes)
			want := valuesPlain(x)
			got := rltest.Run(t, c.dtype, values, x.inputs()...)
			for i, w := range want {
				rltest.Close(t, fmt.Sprintf("output %d", i), got[i], w, c.tol)
			}
		})
	}
}

func TestEpisodesTwinsAgree(t *testing.T) {
	x := randomBatch(rltest.Rand(21), 4, 9, true)
	want, returns := rl.GAEEpisodesPlain(x.ret, x.value, x.mask, x.score, 0.97, 0.8) // the mask serves as done
	got := rltest.Run(t, dtypes.Float32, func(n []*Node) []*Node {
		adv, ret := rl.GAEEpisodes(n[0], n[1], n[2], n[3], 0.97, 0.8)
		return []*Node{adv, ret}
	}, x.ret, x.value, x.mask, x.score)
	rltest.Close(t, "advantages", got[0], want, rltest.Float32)
	rltest.Close(t, "returns", got[1], returns, rltest.Float32)

	// δ₂ = 4 + 0.5·6 − 1, δ₁ = 3 − 2 as the first episode ends there, δ₀ = 1 + 0.5·2 − 1.
	adv, _ := rl.GAEEpisodesPlain([][]float64{{1, 3, 4}}, [][]float64{{1, 2, 1}}, [][]bool{{false, true, false}}, []float64{6}, 0.5, 0.5)
	rltest.Close(t, "by hand", adv, []float64{1.25, 1, 6}, 1e-12)
}

// What padding holds must not change one bit of a result or a gradient.
func TestPaddingIsPoisonProof(t *testing.T) {
	x := randomBatch(rltest.Rand(3), 6, 9, false)
	run := rltest.Compile(t, dtypes.Float32, everything)
	clean := run(x.poisoned(0).inputs()...)
	for _, v := range []float64{1e6, math.NaN(), math.Inf(-1)} {
		got := run(x.poisoned(v).inputs()...)
		for i := range got {
			rltest.Close(t, fmt.Sprintf("padding %v, output %d", v, i), got[i], clean[i], 0)
		}
	}
	// The negative: a poisoned entry that counts is noticed.
	y := x.poisoned(0)
	y.logp[0][0] += 1
	got := run(y.inputs()...)
	rltest.NotClose(t, "a valid entry", got, clean, 1e-3)
}

func TestLogitsPaddingIsPoisonProof(t *testing.T) {
	rng := rltest.Rand(4)
	mask := [][]bool{{true, true, false}, {true, false, false}}
	logits := func(bad float64) [][][]float64 {
		rng := rltest.Rand(5)
		x := [][][]float64{rltest.Matrix(rng, 3, 4), rltest.Matrix(rng, 3, 4)}
		for b := range x {
			for r := range x[b] {
				if !mask[b][r] {
					x[b][r] = []float64{bad, bad, bad, bad}
				}
			}
		}
		return x
	}
	ref := [][][]float64{rltest.Matrix(rng, 3, 4), rltest.Matrix(rng, 3, 4)}
	run := rltest.Compile(t, dtypes.Float32, func(n []*Node) []*Node {
		kl, h := rl.ExactKL(n[0], n[1], n[2]), rl.Entropy(n[0], n[2])
		return []*Node{kl, h, Gradient(ReduceAllSum(kl), n[0])[0], Gradient(ReduceAllSum(h), n[0])[0]}
	})
	clean := run(logits(0), ref, mask)
	for _, v := range []float64{1e6, math.NaN(), math.Inf(-1)} {
		rltest.Close(t, fmt.Sprint(v), run(logits(v), ref, mask), clean, 0)
	}
	x := logits(0)
	rltest.Close(t, "twins", []float64{clean[0][0], clean[1][0]},
		[]float64{rl.ExactKLPlain(x[0][0], ref[0][0]), rl.EntropyPlain(x[0][0])}, rltest.Float32)
}

// GAE with λ = 1 is the discounted return minus the value, λ = 0 the one-step error.
func TestGAELimits(t *testing.T) {
	x := randomBatch(rltest.Rand(6), 3, 8, false)
	const gamma = 0.9
	monteCarlo, returns := rl.GAEPlain(x.ret, x.value, x.mask, gamma, 1)
	for b := range x.ret {
		sum := 0.0
		for i := len(x.ret[b]) - 1; i >= 0; i-- {
			if !x.mask[b][i] {
				continue
			}
			sum = x.ret[b][i] + gamma*sum
			rltest.Close(t, "return", returns[b][i], sum, rltest.Float64)
			rltest.Close(t, "advantage", monteCarlo[b][i], sum-x.value[b][i], rltest.Float64)
		}
	}
	other, _ := rl.GAEPlain(x.ret, x.value, x.mask, gamma, 0.95)
	rltest.NotClose(t, "λ = 0.95", other, monteCarlo, 1e-3)
}

// At ratio 1 the clipped loss has the gradient of −mean(A·log π).
func TestPolicyGradientAtRatioOne(t *testing.T) {
	x := randomBatch(rltest.Rand(7), 3, 5, false)
	out := rltest.Run(t, dtypes.Float64, func(n []*Node) []*Node {
		p := rl.PolicyLoss(n[0], n[0], n[1], n[2], nil, 0.2)
		plain := Neg(rl.MaskedMean(Mul(n[0], n[1]), n[2], nil))
		return []*Node{Gradient(p.Loss, n[0])[0], Gradient(plain, n[0])[0], p.RatioMin, p.RatioMax, p.ClipFrac}
	}, x.logp, x.adv, x.mask)
	rltest.Close(t, "gradient", out[0], out[1], 1e-12)
	rltest.Close(t, "ratio", out[2:], []float64{1, 1, 0}, 0)
	inverted := make([][]bool, len(x.mask))
	for b := range inverted {
		for _, m := range x.mask[b] {
			inverted[b] = append(inverted[b], !m)
		}
	}
	rltest.NotClose(t, "mask inverted", rl.PolicyLossPlain(x.logp, x.old, x.adv, inverted, 0, 0.2).Loss,
		rl.PolicyLossPlain(x.logp, x.old, x.adv, x.mask, 0, 0.2).Loss, 1e-3)
}

// With one denominator for all, the losses and gradients of minibatches of
// unequal length add up to those of the batch; with their own means they do not.
func TestAccumulationInvariance(t *testing.T) {
	x := randomBatch(rltest.Rand(8), 4, 6, false)
	n := len(x.mask[0]) // the first row is full
	for _, row := range x.mask[1:] {
		for _, m := range row {
			if m {
				n++
			}
		}
	}
	policy := func(lo, hi int, denom float64) float64 {
		return rl.PolicyLossPlain(x.logp[lo:hi], x.old[lo:hi], x.adv[lo:hi], x.mask[lo:hi], denom, 0.2).Loss
	}
	value := func(lo, hi int, denom float64) float64 {
		return rl.ValueLossPlain(x.value[lo:hi], x.valueOld[lo:hi], x.ret[lo:hi], x.mask[lo:hi], denom, 0.2).Loss
	}
	whole := []float64{policy(0, 4, 0), value(0, 4, 0)}
	d := float64(n)
	rltest.Close(t, "sum", []float64{policy(0, 1, d) + policy(1, 4, d), value(0, 1, d) + value(1, 4, d)}, whole, 1e-12)
	rltest.NotClose(t, "mean of means", []float64{(policy(0, 1, 0) + policy(1, 4, 0)) / 2, (value(0, 1, 0) + value(1, 4, 0)) / 2}, whole, 1e-3)
	out := rltest.Run(t, dtypes.Float64, func(n []*Node) []*Node {
		denom := ConstAs(n[0], d)
		p := rl.PolicyLoss(n[0], n[1], n[2], n[3], denom, 0.2)
		v := rl.ValueLoss(n[0], n[1], n[2], n[3], denom, 0.2)
		return []*Node{p.Loss, v.Loss}
	}, x.logp[:1], x.old[:1], x.adv[:1], x.mask[:1])
	rltest.Close(t, "graph", out[0], policy(0, 1, d), rltest.Float64)
}

func TestPreferenceLossDependsOnTheDifferenceOnly(t *testing.T) {
	rng := rltest.Rand(9)
	good, bad, margin := vector(rng, 6), vector(rng, 6), vector(rng, 6)
	mask := []bool{true, true, false, true, true, false}
	opt := rl.PreferenceOptions{LabelSmoothing: 0.1}
	shift := func(x []float64) (y []float64) {
		for _, v := range x {
			y = append(y, v+7)
		}
		return y
	}
	want := rl.PreferenceLossPlain(good, bad, margin, mask, 0, opt)
	moved := rl.PreferenceLossPlain(shift(good), shift(bad), margin, mask, 0, opt)
	rltest.Close(t, "shifted", []float64{moved.Loss, moved.Accuracy, moved.Gap}, []float64{want.Loss, want.Accuracy, want.Gap}, rltest.Float64)
	swapped := rl.PreferenceLossPlain(bad, good, margin, mask, 0, opt)
	rltest.NotClose(t, "swapped", swapped.Loss, want.Loss, 1e-3)

	good[2], bad[5], margin[2] = math.NaN(), 1e6, math.Inf(1)
	out := rltest.Run(t, dtypes.Float64, func(n []*Node) []*Node {
		p := rl.PreferenceLoss(n[0], n[1], n[2], n[3], nil, opt)
		return append([]*Node{p.Loss, p.Accuracy, p.Gap, p.Good, p.Bad}, Gradient(p.Loss, n[0], n[1])...)
	}, good, bad, margin, mask)
	rltest.Close(t, "graph, poisoned", out[:5], []float64{want.Loss, want.Accuracy, want.Gap, want.Good, want.Bad}, rltest.Float64)
	for _, g := range out[5:] {
		rltest.Close(t, "gradient at what does not count", []float64{g[2], g[5]}, []float64{0, 0}, 0)
	}
}

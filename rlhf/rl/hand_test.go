package rl_test

import (
	"math"
	"testing"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"

	"hhrlhf/rlhf/internal/gx"
	"hhrlhf/rlhf/internal/rltest"
	"hhrlhf/rlhf/rl"
)

// The numbers in this file were worked out by hand, or are published; they need
// no golden folder.

// δ₁ = 1 + 0 − 0 and A₀ = 0.95·1, as nothing follows the second token. Code that
// masks only the result lets V = 100 of the padding in: [5.70, 6, 0].
func TestGAEDoesNotLeakPadding(t *testing.T) {
	reward, value := [][]float64{{0, 1, 0}}, [][]float64{{0, 0, 100}}
	mask, all := [][]bool{{true, true, false}}, [][]bool{{true, true, true}}
	want := []float64{0.95, 1, 0}
	adv, ret := rl.GAEPlain(reward, value, mask, 1, 0.95)
	rltest.Close(t, "twin", adv, want, rltest.Float64)
	rltest.Close(t, "returns", ret, want, rltest.Float64)
	out := rltest.Run(t, dtypes.Float32, func(n []*Node) []*Node {
		adv, _ := rl.GAE(n[0], n[1], n[2], 1, 0.95)
		return []*Node{adv}
	}, reward, value, mask)
	rltest.Close(t, "graph", out[0], want, rltest.Float32)

	leaky, _ := rl.GAEPlain(reward, value, all, 1, 0.95)
	rltest.Close(t, "the leak", leaky[0][:2], []float64{5.70, 6}, 1e-9)
}

// A reward one slot after the end token still reaches the policy, through the
// value of a padding token, but smaller by λ.
func TestScoreStandsOnTheLastValidToken(t *testing.T) {
	zero := [][]float64{{0, 0, 0, 0}}
	mask := [][]bool{{true, true, true, false}}
	score := []float64{0.8}
	_, reward := rl.ShapedRewardPlain(zero, zero, mask, score, 0.1, rl.PerToken)
	rltest.Close(t, "reward", reward, []float64{0, 0, 0.8, 0}, 0)
	adv, _ := rl.GAEPlain(reward, zero, mask, 1, 0.95)

	late, _ := rl.GAEPlain([][]float64{{0, 0, 0, 0.8}}, zero, [][]bool{full(4)}, 1, 0.95)
	rltest.Close(t, "late at the end token", late[0][2], 0.76, 1e-12)
	rltest.NotClose(t, "late", late[0][:3], adv[0][:3], 1e-2)

	out := rltest.Run(t, dtypes.Float32, func(n []*Node) []*Node {
		return []*Node{ConvertDType(rl.LastValid(n[0]), dtypes.Int32)}
	}, [][]bool{{true, true, false}, {true, true, true}, {false, false, false}, {true, false, true}})
	rltest.Close(t, "last valid", out[0], [][]int{{0, 1, 0}, {0, 0, 1}, {0, 0, 0}, {0, 0, 1}}, 0)
}

// k = (0.1, −0.3), β = 0.5, score 2.
func TestShapedRewardPlacements(t *testing.T) {
	logp, ref := [][]float64{{-1, -2, 7}}, [][]float64{{-1.1, -1.7, -9}}
	mask := [][]bool{{true, true, false}}
	for _, c := range []struct {
		place rl.KLPlacement
		want  []float64
	}{{rl.PerToken, []float64{-0.05, 2.15, 0}}, {rl.PerResponse, []float64{0, 2.1, 0}}} {
		kl, reward := rl.ShapedRewardPlain(logp, ref, mask, []float64{2}, 0.5, c.place)
		rltest.Close(t, "kl", kl, []float64{0.1, -0.3, 0}, 1e-12)
		rltest.Close(t, "reward", reward, c.want, 1e-12)
		out := rltest.Run(t, dtypes.Float64, func(n []*Node) []*Node {
			_, reward := rl.ShapedReward(n[0], n[1], n[2], n[3], n[4], c.place)
			return []*Node{reward}
		}, logp, ref, mask, []float64{2}, 0.5)
		rltest.Close(t, "graph", out[0], c.want, 1e-12)
	}
}

// A score that passes through an integer is lost: 0.73 and −1.9 become 0 and −1.
func TestScoreMustBeFloat(t *testing.T) {
	p := gx.NewProgram(gx.TestBackend(t), "int score", func(n []*Node) []*Node {
		zero := Const(n[0].Graph(), [][]float32{{0}, {0}})
		mask := Const(n[0].Graph(), [][]bool{{true}, {true}})
		_, reward := rl.ShapedReward(zero, zero, mask, n[0], Const(n[0].Graph(), float32(0)), rl.PerToken)
		return []*Node{reward}
	})
	if out, err := p.Call([]int32{0, -1}); err == nil {
		gx.Free(out...)
		t.Error("an integer score is taken")
	}
	out, err := p.Call([]float32{0.73, -1.9})
	if err != nil {
		t.Fatal(err)
	}
	defer gx.Free(out...)
	rltest.Close(t, "reward", out[0].Value(), []float64{0.73, -1.9}, 1e-6)
	rltest.NotClose(t, "cast", out[0].Value(), []float64{0, -1}, 0.1)
}

func TestMissingEOS(t *testing.T) {
	score, eos := []float64{0.5, 0.7}, []bool{true, false}
	rltest.Close(t, "penalty", rl.PenaliseMissingEOSPlain(score, eos, 1), []float64{0.5, -0.3}, 1e-12)
	rltest.Close(t, "fixed", rl.ReplaceMissingEOSPlain(score, eos, -1), []float64{0.5, -1}, 0)
	out := rltest.Run(t, dtypes.Float32, func(n []*Node) []*Node {
		return []*Node{rl.PenaliseMissingEOS(n[0], n[1], 1), rl.ReplaceMissingEOS(n[0], n[1], -1)}
	}, score, eos)
	rltest.Close(t, "penalty", out[0], []float64{0.5, -0.3}, 1e-6)
	rltest.Close(t, "fixed", out[1], []float64{0.5, -1}, 0)
}

// Reward whitening keeps the mean, 1.6 here (Huang et al. 2023); advantage
// whitening must not: with it a batch of bad responses would be reinforced.
func TestWhitenKeepsTheMeanOnlyWhenAsked(t *testing.T) {
	x := [][]float64{{1.2, 1.3, 1.4}, {1.5, 1.6, 1.7}, {1.8, 1.9, 2.0}}
	kept := rl.WhitenPlain(x, allTrue(x), rl.WhitenOptions{KeepMean: true})
	rltest.Close(t, "kept", kept, [][]float64{{.0508, .4381, .8254}, {1.2127, 1.6, 1.9873}, {2.3746, 2.7619, 3.1492}}, 1e-4)
	adv := rl.WhitenPlain(x, allTrue(x), rl.WhitenOptions{})
	mean, variance := rl.MomentsPlain(adv, allTrue(x), false)
	rltest.Close(t, "mean, variance", []float64{mean, variance}, []float64{0, 1}, 1e-6)
	rltest.NotClose(t, "mean kept", adv, kept, 1)
}

// Means over one entry or none are finite, everywhere.
func TestEmptyAndSingleMasks(t *testing.T) {
	for _, mask := range [][][]bool{{{false, false}}, {{true, false}}} {
		x := [][]float64{{0.3, math.NaN()}}
		out := rltest.Run(t, dtypes.Float32, func(n []*Node) []*Node {
			p := rl.PolicyLoss(n[0], n[0], n[0], n[1], nil, 0.2)
			v := rl.ValueLoss(n[0], n[0], n[0], n[1], nil, 0.2)
			return []*Node{rl.Whiten(n[0], n[1], rl.WhitenOptions{}), rl.Whiten(n[0], n[1], rl.WhitenOptions{Unbiased: true}),
				p.Loss, p.KL3, p.RatioMin, p.RatioMax, v.Loss, rl.SequenceMean(n[0], n[1]), Gradient(p.Loss, n[0])[0], Gradient(v.Loss, n[0])[0]}
		}, x, mask)
		for i, o := range out {
			for _, v := range o {
				if math.IsNaN(v) || math.IsInf(v, 0) {
					t.Errorf("mask %v: output %d is %v", mask, i, o)
				}
			}
		}
	}
}

// Expectations for π = (.6, .3, .1) and π₀ = (.2, .3, .5): KL(π‖π₀) is 0.498. With
// the ratio reversed k1 has −0.498, which as a penalty would pay for divergence,
// and k3 has 0.622.
func TestKLIsNotReversed(t *testing.T) {
	p, q := []float64{.6, .3, .1}, []float64{.2, .3, .5}
	logs := func(x []float64) (out []float64) {
		for _, v := range x {
			out = append(out, math.Log(v))
		}
		return out
	}
	e1, _, e3 := expectedKL(logs(p), logs(q))
	rltest.Close(t, "E[k1], E[k3], exact", []float64{e1, e3, rl.ExactKLPlain(logs(p), logs(q))}, []float64{.498, .498, .498}, 1e-3)
	var r1, r3 float64
	for v := range p {
		k1, _, k3 := rl.KLSamplePlain(math.Log(q[v]), math.Log(p[v]))
		r1, r3 = r1+p[v]*k1, r3+p[v]*k3
	}
	rltest.Close(t, "reversed", []float64{r1, r3}, []float64{-.498, .622}, 1e-3)
}

// In float32 e^x − 1 − x cancels: at 1e-4 it gives 1.66e-8 for 5.00e-9.
func TestK3NearZeroInFloat32(t *testing.T) {
	logp := [][]float64{{1e-4, -1e-4, 1e-2, 0.2499, 0.2501, -3}}
	out := rltest.Run(t, dtypes.Float32, func(n []*Node) []*Node {
		k := rl.K3(n[0], ZerosLike(n[0]), n[1])
		naive := Add(SubScalar(Exp(Neg(n[0])), 1), n[0])
		return []*Node{k, naive, Gradient(ReduceAllSum(k), n[0])[0]}
	}, logp, allTrue(logp))
	for i, l := range logp[0] {
		want := math.Expm1(-l) + l
		if math.Abs(l) < 1e-3 {
			want = l * l / 2
		}
		rltest.Close(t, "k3, relative", out[0][i]/want, 1.0, 1e-4)
		rltest.Close(t, "gradient, relative", out[2][i]/-math.Expm1(-l), 1.0, 1e-4)
	}
	rltest.NotClose(t, "naive, relative", out[1][0]/5e-9, 1.0, 0.5)
}

// A clamp after the exponential has a finite value and the gradient 0·inf.
func TestClampBeforeExp(t *testing.T) {
	far := [][]float64{{-1e6, 1e6, 1}}
	out := rltest.Run(t, dtypes.Float32, func(n []*Node) []*Node {
		zero := ZerosLike(n[0])
		k := rl.K3(n[0], zero, n[1])
		p := rl.PolicyLoss(n[0], zero, OnesLike(n[0]), n[1], nil, 0.2)
		late := MinScalar(Exp(Neg(n[0])), math.Exp(rl.MaxLogRatio))
		return []*Node{k, Gradient(ReduceAllSum(k), n[0])[0], p.Loss, Gradient(p.Loss, n[0])[0], Gradient(ReduceAllSum(late), n[0])[0]}
	}, far, allTrue(far))
	for i, o := range out[:4] {
		for _, v := range o {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				t.Errorf("output %d is %v", i, o)
			}
		}
	}
	rltest.Close(t, "k3 gradient", out[1], []float64{0, 1, 1 - math.Exp(-1)}, 1e-6)
	if !math.IsNaN(out[4][0]) {
		t.Errorf("clamp after exp has gradient %v, want NaN: is the clamp still needed?", out[4][0])
	}
}

// A preference model with a zero head scores everything 0: loss log 2, gradient
// ∓½ per pair, although max(x, 0), of which the softplus is made, has no
// derivative there.
func TestPreferenceLossAtItsStart(t *testing.T) {
	zero := []float64{0, 0}
	out := rltest.Run(t, dtypes.Float32, func(n []*Node) []*Node {
		p := rl.PreferenceLoss(n[0], n[1], nil, n[2], nil, rl.PreferenceOptions{})
		return append([]*Node{p.Loss, p.Accuracy}, Gradient(p.Loss, n[0], n[1])...)
	}, zero, zero, full(2))
	rltest.Close(t, "loss", out[0], math.Ln2, 1e-6)
	rltest.Close(t, "accuracy", out[1], 0.5, 0)
	rltest.Close(t, "gradients", out[2:], []float64{-.25, -.25, .25, .25}, 1e-6)
}

// One first step with |g| = ε = 1e-5: corrected lr·½, uncorrected
// lr·√.001/(√.001 + 1).
func TestAdamEpsilonForms(t *testing.T) {
	root := math.Sqrt(0.001)
	for _, c := range []struct {
		form rl.EpsilonForm
		want float64
	}{{rl.EpsilonCorrected, 0.5}, {rl.EpsilonUncorrected, root / (root + 1)}} {
		adam := rl.Adam{Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-5, Form: c.form}
		params := [][]float64{{1, 1}}
		adam.UpdatePlain(params, [][]float64{{1e-5, -1e-5}}, [][]float64{{0, 0}}, [][]float64{{0, 0}}, 1, 0.1, nil)
		want := []float64{1 - 0.1*c.want, 1 + 0.1*c.want}
		rltest.Close(t, "twin", params, want, 1e-9)
		out := rltest.Run(t, dtypes.Float32, func(n []*Node) []*Node {
			p, _, _, _ := adam.Update(n[:1], n[1:2], n[2:3], n[2:3], n[3], n[4], nil)
			return p
		}, []float64{1, 1}, []float64{1e-5, -1e-5}, []float64{0, 0}, int64(0), 0.1)
		rltest.Close(t, "graph", out[0], want, 1e-6)
		rltest.NotClose(t, "no step", out[0], []float64{1, 1}, 1e-3)
	}
}

// Decay touches flagged tensors only, and not through the moments: with a zero
// gradient the step is lr·w·θ.
func TestAdamDecaysFlaggedTensors(t *testing.T) {
	adam := rl.DefaultAdam()
	adam.WeightDecay = 0.1
	out := rltest.Run(t, dtypes.Float32, func(n []*Node) []*Node {
		ps := []*Node{n[0], n[0]}
		zs := []*Node{ZerosLike(n[0]), ZerosLike(n[0])}
		p, m, _, step := adam.Update(ps, zs, zs, zs, n[1], n[2], []bool{true, false})
		return []*Node{p[0], p[1], m[0], step}
	}, []float64{2}, int64(4), 0.5)
	rltest.Close(t, "decayed, spared, moment, step", out, []float64{1.9, 2, 0, 5}, 1e-6)
}

func TestClipByGlobalNorm(t *testing.T) {
	out := rltest.Run(t, dtypes.Float32, func(n []*Node) []*Node {
		c, norm := rl.ClipByGlobalNorm(n[:2], 1)
		same, _ := rl.ClipByGlobalNorm(n[:2], 10)
		none, zero := rl.ClipByGlobalNorm([]*Node{ZerosLike(n[0])}, 1)
		return []*Node{c[0], c[1], norm, same[0], none[0], zero}
	}, []float64{3, 0}, []float64{4})
	rltest.Close(t, "clipped, norm, untouched, zero", out, []float64{.6, 0, .8, 5, 3, 0, 0, 0, 0}, 1e-6)
}

// A KL per token of 0.12 nats under a target of 6 nats per response lowers β at
// the largest rate for ever.
func TestAdaptiveKL(t *testing.T) {
	c := rl.AdaptiveKL{Coef: 0.2, TargetPerResponse: 6, HorizonEpisodes: 1e4}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	for _, s := range []struct{ kl, factor float64 }{{0.12, 0.98976}, {6, 1}, {6.6, 1 + 0.1*0.0512}, {600, 1.01024}} {
		d := c
		if err := d.Update(s.kl, 512); err != nil {
			t.Fatal(err)
		}
		rltest.Close(t, "factor", d.Coef/c.Coef, s.factor, 1e-9)
	}
	if err := c.Update(math.NaN(), 512); err == nil || c.Coef != 0.2 {
		t.Errorf("NaN: err %v, coefficient %v", err, c.Coef)
	}
	for _, bad := range []rl.AdaptiveKL{{0, 6, 1e4}, {0.2, -1, 1e4}, {0.2, 6, math.Inf(1)}, {math.NaN(), 6, 1}} {
		if bad.Validate() == nil {
			t.Errorf("%+v passes", bad)
		}
	}
}

func TestExplainedVariance(t *testing.T) {
	ret, mask := [][]float64{{1, 3, math.NaN()}}, [][]bool{{true, true, false}}
	for _, c := range []struct {
		value []float64
		want  float64
	}{{[]float64{1, 3, 9}, 1}, {[]float64{2, 2, 9}, 0}, {[]float64{3, 1, 9}, -3}, {[]float64{6, 8, 9}, 1}} {
		rltest.Close(t, "explained variance", rl.ExplainedVariance([][]float64{c.value}, ret, mask), c.want, 1e-12)
	}
	rltest.Close(t, "constant returns", rl.ExplainedVariance(ret, [][]float64{{2, 2, 7}}, mask), 0.0, 0)
}

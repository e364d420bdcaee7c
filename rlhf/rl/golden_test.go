package rl_test

import (
	"math"
	"testing"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"

	"hhrlhf/rlhf/internal/rltest"
	"hhrlhf/rlhf/rl"
)

// A goldenTest computes outputs of a golden case by name, in a list, so that
// failures come in one order.
type goldenTest struct {
	name  string
	plain func(t *testing.T, in rltest.Values) []output
	graph func(t *testing.T, in rltest.Values, dtype dtypes.DType) func(rltest.Values) []output // compiled once, for settings of in
	// negative is the perturbation that must fail: entry of an input, moved by
	// 10 times the tolerance, times scale where the outputs are means.
	input string
	entry int
	scale float64
}

type output struct {
	key string
	got any
}

func get[T any](t *testing.T, v rltest.Values, key string) T { return rltest.Get[T](t, v, key) }

// row, rows and masks shorten what the cases read.
func num(t *testing.T, v rltest.Values, key string) float64      { return get[float64](t, v, key) }
func row(t *testing.T, v rltest.Values, key string) []float64    { return get[[]float64](t, v, key) }
func rows(t *testing.T, v rltest.Values, key string) [][]float64 { return get[[][]float64](t, v, key) }
func masks(t *testing.T, v rltest.Values, key string) [][]bool   { return get[[][]bool](t, v, key) }
func full(n int) []bool {
	m := make([]bool, n)
	for i := range m {
		m[i] = true
	}
	return m
}

var goldenTests = []goldenTest{
	gaeCase("gae_rlhf"), gaeCase("gae_discounted"), gaeCase("gae_bootstrap_and_mid_done"),
	gaeCase("gae_lam1_is_monte_carlo"), gaeCase("gae_lam0_is_td"),
	{
		name: "rlhf_rewards_and_gae_padded", input: "score", entry: 0, scale: 1,
		plain: func(t *testing.T, in rltest.Values) []output {
			logp, mask := rows(t, in, "logp"), lengthMask(t, in)
			kl, reward := rl.ShapedRewardPlain(logp, rows(t, in, "ref_logp"), mask, row(t, in, "score"), num(t, in, "beta"), rl.PerToken)
			adv, ret := rl.GAEPlain(reward, rows(t, in, "values"), mask, num(t, in, "gamma"), num(t, in, "lam"))
			var sum []float64
			for b := range kl {
				sum = append(sum, rl.MaskedMeanPlain(kl[b:b+1], mask[b:b+1], 1))
			}
			return []output{{"mask", mask}, {"kl_per_token", kl}, {"sequence_kl", sum}, {"rewards", reward}, {"advantages", adv}, {"returns", ret}}
		},
		graph: func(t *testing.T, in rltest.Values, dtype dtypes.DType) func(rltest.Values) []output {
			run := rltest.Compile(t, dtype, func(n []*Node) []*Node {
				kl, reward := rl.ShapedReward(n[0], n[1], n[2], n[3], n[4], rl.PerToken)
				adv, ret := rl.GAE(reward, n[5], n[2], num(t, in, "gamma"), num(t, in, "lam"))
				return []*Node{kl, reward, adv, ret}
			})
			return func(in rltest.Values) []output {
				out := run(rows(t, in, "logp"), rows(t, in, "ref_logp"), lengthMask(t, in), row(t, in, "score"), num(t, in, "beta"), rows(t, in, "values"))
				return []output{{"kl_per_token", out[0]}, {"rewards", out[1]}, {"advantages", out[2]}, {"returns", out[3]}}
			}
		},
	},
	{
		name: "whiten_masked", input: "x", entry: 2, scale: 5,
		plain: func(t *testing.T, in rltest.Values) []output {
			x, mask := rows(t, in, "x"), masks(t, in, "mask")
			mean, biased := rl.MomentsPlain(x, mask, false)
			_, unbiased := rl.MomentsPlain(x, mask, true)
			return []output{
				{"mean", mean}, {"var_biased", biased}, {"var_unbiased", unbiased},
				{"whitened", rl.WhitenPlain(x, mask, rl.WhitenOptions{Unbiased: true})},
				{"whitened_biased", rl.WhitenPlain(x, mask, rl.WhitenOptions{})},
				{"whitened_keep_mean", rl.WhitenPlain(x, mask, rl.WhitenOptions{Unbiased: true, KeepMean: true})},
			}
		},
		graph: func(t *testing.T, in rltest.Values, dtype dtypes.DType) func(rltest.Values) []output {
			run := rltest.Compile(t, dtype, func(n []*Node) []*Node {
				return []*Node{
					rl.Whiten(n[0], n[1], rl.WhitenOptions{Unbiased: true}),
					rl.Whiten(n[0], n[1], rl.WhitenOptions{}),
					rl.Whiten(n[0], n[1], rl.WhitenOptions{Unbiased: true, KeepMean: true}),
				}
			})
			return func(in rltest.Values) []output {
				out := run(rows(t, in, "x"), masks(t, in, "mask"))
				return []output{{"whitened", out[0]}, {"whitened_biased", out[1]}, {"whitened_keep_mean", out[2]}}
			}
		},
	},
	{
		name: "whiten_unmasked", input: "x", entry: 0, scale: 2,
		plain: func(t *testing.T, in rltest.Values) []output {
			x := rows(t, in, "x")
			return []output{{"whitened", rl.WhitenPlain(x, allTrue(x), rl.WhitenOptions{Unbiased: true})}}
		},
		graph: func(t *testing.T, in rltest.Values, dtype dtypes.DType) func(rltest.Values) []output {
			run := rltest.Compile(t, dtype, func(n []*Node) []*Node {
				return []*Node{rl.Whiten(n[0], n[1], rl.WhitenOptions{Unbiased: true})}
			})
			return func(in rltest.Values) []output {
				x := rows(t, in, "x")
				out := run(x, allTrue(x))
				return []output{{"whitened", out[0]}}
			}
		},
	},
	{
		name: "ppo_policy_loss", input: "logp", entry: 4, scale: 13,
		plain: func(t *testing.T, in rltest.Values) []output {
			p := rl.PolicyLossPlain(rows(t, in, "logp"), rows(t, in, "old_logp"), rows(t, in, "advantages"), masks(t, in, "mask"), 0, num(t, in, "clip"))
			return policyOutputs(p)
		},
		graph: func(t *testing.T, in rltest.Values, dtype dtypes.DType) func(rltest.Values) []output {
			clip := num(t, in, "clip")
			run := rltest.Compile(t, dtype, func(n []*Node) []*Node {
				p := rl.PolicyLoss(n[0], n[1], n[2], n[3], nil, clip)
				tokens := rl.PolicyTokenLoss(n[0], n[1], n[2], n[3], clip)
				return []*Node{p.Loss, p.RatioMean, p.ClipFrac, p.RatioOutside, p.KL1, p.KL2, p.KL3,
					rl.SequenceMean(tokens, n[3]), Gradient(p.Loss, n[0])[0]}
			})
			return func(in rltest.Values) []output {
				out := run(rows(t, in, "logp"), rows(t, in, "old_logp"), rows(t, in, "advantages"), masks(t, in, "mask"))
				p := rl.PolicyTerms[float64]{Loss: out[0][0], RatioMean: out[1][0], ClipFrac: out[2][0], RatioOutside: out[3][0],
					KL1: out[4][0], KL2: out[5][0], KL3: out[6][0]}
				return append(policyOutputs(p), output{"loss_sequence_mean", out[7]}, output{"grad_logp", out[8]})
			}
		},
	},
	{
		name: "ppo_value_loss", input: "values", entry: 0, scale: 13,
		plain: func(t *testing.T, in rltest.Values) []output {
			value, ret, mask := rows(t, in, "values"), rows(t, in, "returns"), masks(t, in, "mask")
			v := rl.ValueLossPlain(value, rows(t, in, "old_values"), ret, mask, 0, num(t, in, "clip"))
			return []output{{"loss", v.Loss}, {"loss_unclipped", v.Unclipped}, {"clip_fraction", v.ClipFrac},
				{"explained_variance", rl.ExplainedVariance(value, ret, mask)}}
		},
		graph: func(t *testing.T, in rltest.Values, dtype dtypes.DType) func(rltest.Values) []output {
			run := rltest.Compile(t, dtype, func(n []*Node) []*Node {
				v := rl.ValueLoss(n[0], n[1], n[2], n[3], nil, num(t, in, "clip"))
				return []*Node{v.Loss, v.Unclipped, v.ClipFrac, Gradient(v.Loss, n[0])[0]}
			})
			return func(in rltest.Values) []output {
				out := run(rows(t, in, "values"), rows(t, in, "old_values"), rows(t, in, "returns"), masks(t, in, "mask"))
				return []output{{"loss", out[0]}, {"loss_unclipped", out[1]}, {"clip_fraction", out[2]}, {"grad_values", out[3]}}
			}
		},
	},
	{
		name: "kl_estimators", input: "policy_logits", entry: 7, scale: 10,
		plain: func(t *testing.T, in rltest.Values) []output {
			policy, ref := rows(t, in, "policy_logits"), rows(t, in, "ref_logits")
			var logp, logq, k1, k2, k3, exact, entropy, e1, e2, e3 []float64
			for i, a := range get[[]int](t, in, "actions") {
				p, q := rl.LogSoftmaxPlain(policy[i]), rl.LogSoftmaxPlain(ref[i])
				logp, logq = append(logp, p[a]), append(logq, q[a])
				x1, x2, x3 := rl.KLSamplePlain(p[a], q[a])
				k1, k2, k3 = append(k1, x1), append(k2, x2), append(k3, x3)
				exact = append(exact, rl.ExactKLPlain(policy[i], ref[i]))
				entropy = append(entropy, rl.EntropyPlain(policy[i]))
				m1, m2, m3 := expectedKL(p, q)
				e1, e2, e3 = append(e1, m1), append(e2, m2), append(e3, m3)
			}
			return []output{{"logp", logp}, {"ref_logp", logq}, {"k1", k1}, {"k2", k2}, {"k3", k3}, {"exact", exact}, {"entropy", entropy},
				{"expected_k1", e1}, {"expected_k2", e2}, {"expected_k3", e3}}
		},
		graph: func(t *testing.T, in rltest.Values, dtype dtypes.DType) func(rltest.Values) []output {
			run := rltest.Compile(t, dtype, func(n []*Node) []*Node {
				dims := n[0].Shape().Dimensions
				mask := Const(n[0].Graph(), [][]bool{full(dims[0])}) // [1, R]
				at := OneHot(n[2], dims[1], n[0].DType())
				pick := func(x *Node) *Node { return InsertAxes(ReduceSum(Mul(LogSoftmax(x), at), -1), 0) } // [1, R]
				logp, logq := pick(n[0]), pick(n[1])
				k1, k2, k3 := rl.K1(logp, logq, mask), rl.K2(logp, logq, mask), rl.K3(logp, logq, mask)
				p, q := InsertAxes(n[0], 0), InsertAxes(n[1], 0)
				grad := func(k *Node) *Node { return Gradient(ReduceAllSum(k), n[0])[0] }
				return []*Node{k1, k2, k3, rl.ExactKL(p, q, mask), rl.Entropy(p, mask), grad(k1), grad(k2), grad(k3)}
			})
			return func(in rltest.Values) []output {
				out := run(rows(t, in, "policy_logits"), rows(t, in, "ref_logits"), get[[]int32](t, in, "actions"))
				return []output{{"k1", out[0]}, {"k2", out[1]}, {"k3", out[2]}, {"exact", out[3]}, {"entropy", out[4]},
					{"grad_k1", out[5]}, {"grad_k2", out[6]}, {"grad_k3", out[7]}}
			}
		},
	},
	{
		name: "pm_pairwise_loss", input: "chosen", entry: 0, scale: 40,
		plain: func(t *testing.T, in rltest.Values) []output {
			good, bad := row(t, in, "chosen"), row(t, in, "rejected")
			p := rl.PreferenceLossPlain(good, bad, nil, full(len(good)), 0, rl.PreferenceOptions{})
			var each, prob []float64
			for i := range good {
				each = append(each, rl.PreferenceLossPlain(good[i:i+1], bad[i:i+1], nil, full(1), 0, rl.PreferenceOptions{}).Loss)
				prob = append(prob, rl.SigmoidPlain(good[i]-bad[i]))
			}
			return []output{{"loss", p.Loss}, {"accuracy", p.Accuracy}, {"per_pair", each}, {"prob", prob}}
		},
		graph: func(t *testing.T, in rltest.Values, dtype dtypes.DType) func(rltest.Values) []output {
			run := rltest.Compile(t, dtype, func(n []*Node) []*Node {
				p := rl.PreferenceLoss(n[0], n[1], nil, n[2], nil, rl.PreferenceOptions{})
				return append([]*Node{p.Loss, p.Accuracy}, Gradient(p.Loss, n[0], n[1])...)
			})
			return func(in rltest.Values) []output {
				good := row(t, in, "chosen")
				out := run(good, row(t, in, "rejected"), full(len(good)))
				return []output{{"loss", out[0]}, {"accuracy", out[1]}, {"grad_chosen", out[2]}, {"grad_rejected", out[3]}}
			}
		},
	},
	{
		name: "pm_pairwise_loss_variants", input: "margin", entry: 0, scale: 6,
		plain: func(t *testing.T, in rltest.Values) []output {
			good := row(t, in, "chosen")
			var outs []output
			for _, v := range preferenceVariants(t, in) {
				margin := row(t, in, "margin")
				if !v.margin {
					margin = nil
				}
				p := rl.PreferenceLossPlain(good, row(t, in, "rejected"), margin, full(len(good)), 0, v.opt)
				outs = append(outs, output{v.key, p.Loss})
			}
			return outs
		},
		graph: func(t *testing.T, in rltest.Values, dtype dtypes.DType) func(rltest.Values) []output {
			variants := preferenceVariants(t, in)
			run := rltest.Compile(t, dtype, func(n []*Node) []*Node {
				var losses []*Node
				for _, v := range variants {
					margin := n[2]
					if !v.margin {
						margin = nil
					}
					losses = append(losses, rl.PreferenceLoss(n[0], n[1], margin, n[3], nil, v.opt).Loss)
				}
				return losses
			})
			return func(in rltest.Values) []output {
				good := row(t, in, "chosen")
				out := run(good, row(t, in, "rejected"), row(t, in, "margin"), full(len(good)))
				var outs []output
				for i, v := range variants {
					outs = append(outs, output{v.key, out[i]})
				}
				return outs
			}
		},
	},
	{
		name: "pm_ranking_losses", input: "scores", entry: 0, scale: 12,
		plain: func(t *testing.T, in rltest.Values) []output {
			s := rows(t, in, "scores")
			return []output{{"plackett_luce", rl.PlackettLuceLossPlain(s)}, {"all_pairs", rl.AllPairsLossPlain(s)}}
		},
		graph: func(t *testing.T, in rltest.Values, dtype dtypes.DType) func(rltest.Values) []output {
			run := rltest.Compile(t, dtype, func(n []*Node) []*Node {
				return []*Node{rl.PlackettLuceLoss(n[0]), rl.AllPairsLoss(n[0])}
			})
			return func(in rltest.Values) []output {
				out := run(rows(t, in, "scores"))
				return []output{{"plackett_luce", out[0]}, {"all_pairs", out[1]}}
			}
		},
	},
	{
		name: "adam_with_global_norm_clip", input: "params", entry: 0, scale: 1,
		plain: func(t *testing.T, in rltest.Values) []output { return adamOutputs(t, in, 0)(in) },
		graph: adamOutputs,
	},
}

func gaeCase(name string) goldenTest {
	return goldenTest{
		name: name, input: "rewards", entry: 3, scale: 1,
		plain: func(t *testing.T, in rltest.Values) []output {
			adv, ret := rl.GAEEpisodesPlain(rows(t, in, "rewards"), rows(t, in, "values"), masks(t, in, "done"), row(t, in, "bootstrap"), num(t, in, "gamma"), num(t, in, "lam"))
			return []output{{"advantages", adv}, {"returns", ret}}
		},
		graph: func(t *testing.T, in rltest.Values, dtype dtypes.DType) func(rltest.Values) []output {
			run := rltest.Compile(t, dtype, func(n []*Node) []*Node {
				adv, ret := rl.GAEEpisodes(n[0], n[1], n[2], n[3], num(t, in, "gamma"), num(t, in, "lam"))
				return []*Node{adv, ret}
			})
			return func(in rltest.Values) []output {
				out := run(rows(t, in, "rewards"), rows(t, in, "values"), masks(t, in, "done"), row(t, in, "bootstrap"))
				return []output{{"advantages", out[0]}, {"returns", out[1]}}
			}
		},
	}
}

func TestGolden(t *testing.T) {
	for _, g := range goldenTests {
		t.Run(g.name, func(t *testing.T) {
			c := rltest.Golden(t, g.name)
			g.check(t, "twin", c, c.Tol, func(in rltest.Values) []output { return g.plain(t, in) })
			if g.graph == nil {
				return
			}
			g.check(t, "float64 graph", c, c.Tol, g.graph(t, c.In, dtypes.Float64))
			g.check(t, "float32 graph", c, rltest.Float32, g.graph(t, c.In, dtypes.Float32))
		})
	}
}

// check compares every output, and requires that at least one of them notices an
// input moved by ten times the tolerance.
func (g goldenTest) check(t *testing.T, form string, c rltest.Case, tol float64, eval func(rltest.Values) []output) {
	t.Helper()
	for _, o := range eval(c.In) {
		rltest.Close(t, form+": "+o.key, o.got, get[any](t, c.Out, o.key), tol)
	}
	noticed := false
	for _, o := range eval(c.In.Perturb(t, g.input, g.entry, 10*tol*g.scale)) {
		noticed = noticed || rltest.Diff(o.got, get[any](t, c.Out, o.key), tol) != nil
	}
	if !noticed {
		t.Errorf("%s: no output notices %s[%d] moved by %g", form, g.input, g.entry, 10*tol*g.scale)
	}
}

func lengthMask(t *testing.T, in rltest.Values) [][]bool {
	mask := allTrue(rows(t, in, "logp"))
	for b, n := range get[[]int](t, in, "lengths") {
		for i := n; i < len(mask[b]); i++ {
			mask[b][i] = false
		}
	}
	return mask
}

func allTrue(x [][]float64) [][]bool {
	mask := make([][]bool, len(x))
	for i := range x {
		mask[i] = full(len(x[i]))
	}
	return mask
}

func policyOutputs(p rl.PolicyTerms[float64]) []output {
	return []output{{"loss", p.Loss}, {"ratio_mean", p.RatioMean}, {"clip_fraction", p.ClipFrac}, {"ratio_outside", p.RatioOutside},
		{"approx_kl_k1", p.KL1}, {"approx_kl_k2", p.KL2}, {"approx_kl_k3", p.KL3}}
}

type preferenceVariant struct {
	key    string
	margin bool
	opt    rl.PreferenceOptions
}

func preferenceVariants(t *testing.T, in rltest.Values) []preferenceVariant {
	smooth, center := num(t, in, "label_smoothing"), num(t, in, "center")
	return []preferenceVariant{
		{"loss_margin", true, rl.PreferenceOptions{}},
		{"loss_label_smoothing", false, rl.PreferenceOptions{LabelSmoothing: smooth}},
		{"loss_center", false, rl.PreferenceOptions{Center: center}},
		{"loss_all", true, rl.PreferenceOptions{LabelSmoothing: smooth, Center: center}},
	}
}

// adamOutputs runs the case's updates, on the twin if dtype is 0.
func adamOutputs(t *testing.T, in rltest.Values, dtype dtypes.DType) func(rltest.Values) []output {
	adam := rl.Adam{Beta1: num(t, in, "b1"), Beta2: num(t, in, "b2"), Epsilon: num(t, in, "eps")}
	lr, maxNorm := num(t, in, "lr"), num(t, in, "max_norm")
	n := len(get[[]any](t, in, "params"))
	update := rltest.Compile(t, dtype, func(in []*Node) []*Node {
		lists := in[2:]
		clipped, norm := rl.ClipByGlobalNorm(lists[n:2*n], maxNorm)
		p, m, v, step := adam.Update(lists[:n], clipped, lists[2*n:3*n], lists[3*n:], in[0], in[1], nil)
		return append(append(append([]*Node{norm, step}, p...), m...), v...)
	})
	flat := func(list []any) (out [][]float64) {
		for _, x := range list {
			out = append(out, rltest.Flat(x))
		}
		return out
	}
	return func(in rltest.Values) []output {
		params := flat(get[[]any](t, in, "params"))
		m, v := make([][]float64, n), make([][]float64, n)
		for i, p := range params {
			m[i], v[i] = make([]float64, len(p)), make([]float64, len(p))
		}
		var after, norms []float64
		for step, g := range get[[][]any](t, in, "grads") {
			grads := flat(g)
			if dtype == 0 {
				norms = append(norms, rl.ClipByGlobalNormPlain(grads, maxNorm))
				adam.UpdatePlain(params, grads, m, v, step+1, lr, nil)
			} else {
				args := []any{int32(step), lr}
				for _, list := range [][][]float64{params, grads, m, v} {
					for _, x := range list {
						args = append(args, x)
					}
				}
				out := update(args...)
				rltest.Close(t, "step", out[1], []int{step + 1}, 0)
				norms = append(norms, out[0]...)
				params, m, v = out[2:2+n], out[2+n:2+2*n], out[2+2*n:]
			}
			after = append(after, rltest.Flat(params)...)
		}
		return []output{{"params_after", after}, {"grad_norms", norms}}
	}
}

// expectedKL returns the expectations of k1, k2 and k3 under the policy.
func expectedKL(logp, logq []float64) (e1, e2, e3 float64) {
	for v := range logp {
		k1, k2, k3 := rl.KLSamplePlain(logp[v], logq[v])
		p := math.Exp(logp[v])
		e1, e2, e3 = e1+p*k1, e2+p*k2, e3+p*k3
	}
	return e1, e2, e3
}

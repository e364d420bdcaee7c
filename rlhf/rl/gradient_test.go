package rl_test

import (
	"math"
	"testing"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"

	"hhrlhf/rlhf/internal/rltest"
	"hhrlhf/rlhf/rl"
)

// Each loss against central differences of its twin. The points are random, so
// none lies within the step of a clip's corner.
func TestGradientsAgainstDifferences(t *testing.T) {
	x := randomBatch(rltest.Rand(11), 3, 5, false)
	out := rltest.Run(t, dtypes.Float64, everything, x.inputs()...)
	grads := out[len(out)-4:] // policy, k2, k3, value

	at := func(m [][]float64, f func([][]float64) float64) []float64 {
		return rltest.Gradient(func(flat []float64) float64 {
			shaped := make([][]float64, len(m))
			for b := range m {
				shaped[b] = flat[b*len(m[0]) : (b+1)*len(m[0])]
			}
			return f(shaped)
		}, rltest.Flat(m))
	}
	kl := func(which int) func([][]float64) float64 {
		return func(logp [][]float64) float64 {
			sum, n := 0.0, 0.0
			for b, row := range x.mask {
				for i, m := range row {
					if m {
						_, k2, k3 := rl.KLSamplePlain(logp[b][i], x.ref[b][i])
						sum, n = sum+[]float64{k2, k3}[which], n+1
					}
				}
			}
			return sum / n
		}
	}
	for i, want := range [][]float64{
		at(x.logp, func(l [][]float64) float64 { return rl.PolicyLossPlain(l, x.old, x.adv, x.mask, 0, 0.2).Loss }),
		at(x.logp, kl(0)),
		at(x.logp, kl(1)),
		at(x.value, func(v [][]float64) float64 { return rl.ValueLossPlain(v, x.valueOld, x.ret, x.mask, 0, 0.2).Loss }),
	} {
		name := []string{"policy", "k2", "k3", "value"}[i]
		rltest.Close(t, name, grads[i], want, rltest.Differences)
		wrong := append([]float64(nil), want...)
		wrong[0] += 10 * rltest.Differences
		rltest.NotClose(t, name+", one entry off", grads[i], wrong, rltest.Differences)
		for j, g := range grads[i] {
			if m := rltest.Flat(x.mask)[j]; m == 0 && g != 0 {
				t.Errorf("%s: gradient %v at entry %d, which does not count", name, g, j)
			}
		}
	}
}

// Over all responses of two tokens from two, whose second token's distribution depends
// on the first: k2 of the response has the divergence's gradient, the sum of k2 over
// tokens, the known mistake, has not.
func TestResponseK2Gradient(t *testing.T) {
	ref := []float64{0.2, -0.5, 1.1, 0.3, -0.9, 0.4} // logits: first token; second after 0; second after 1
	at := []float64{0.7, -0.1, -0.6, 0.8, 0.5, -1.0}
	logp := func(x []float64) [][]float64 { // of the responses 00, 01, 10, 11
		first := rl.LogSoftmaxPlain(x[:2])
		var rows [][]float64
		for i := range 2 {
			second := rl.LogSoftmaxPlain(x[2+2*i : 4+2*i])
			for j := range 2 {
				rows = append(rows, []float64{first[i], second[j]})
			}
		}
		return rows
	}
	q, mask := logp(ref), [][]bool{full(2), full(2), full(2), full(2)}
	want := rltest.Gradient(func(x []float64) (kl float64) {
		for i, row := range logp(x) {
			kl += math.Exp(row[0]+row[1]) * (row[0] + row[1] - q[i][0] - q[i][1])
		}
		return kl
	}, at)
	fixed := logp(at) // the samples' probabilities are not differentiated
	expected := func(loss func(row [][]float64, i int) float64) []float64 {
		return rltest.Gradient(func(x []float64) (sum float64) {
			for i := range fixed {
				sum += math.Exp(fixed[i][0]+fixed[i][1]) * loss(logp(x), i)
			}
			return sum
		}, at)
	}
	response := expected(func(l [][]float64, i int) float64 { return rl.ResponseK2Plain(l, q, mask)[i] })
	tokens := expected(func(l [][]float64, i int) float64 {
		return (math.Pow(l[i][0]-q[i][0], 2) + math.Pow(l[i][1]-q[i][1], 2)) / 2
	})
	rltest.Close(t, "k2 of the response", response, want, 1e-7)
	rltest.NotClose(t, "k2 summed over tokens", tokens, want, 1e-2)

	x := randomBatch(rltest.Rand(13), 3, 5, true)
	out := rltest.Run(t, dtypes.Float64, func(n []*Node) []*Node { return []*Node{rl.ResponseK2(n[0], n[1], n[2])} },
		rltest.Poison(x.logp, x.mask, math.NaN()), rltest.Poison(x.ref, x.mask, math.NaN()), x.mask)
	rltest.Close(t, "graph and twin", out[0], rl.ResponseK2Plain(x.logp, x.ref, x.mask), 1e-12)
}

// Nothing flows through what was fixed at rollout time.
func TestNoGradientThroughOldValues(t *testing.T) {
	x := randomBatch(rltest.Rand(12), 2, 4, false)
	out := rltest.Run(t, dtypes.Float64, func(n []*Node) []*Node {
		p := rl.PolicyLoss(n[0], n[1], n[2], n[5], nil, 0.2)
		v := rl.ValueLoss(n[0], n[3], n[4], n[5], nil, 0.2)
		sum := Add(Add(p.Loss, v.Loss), ReduceAllSum(rl.K2(n[0], n[1], n[5])))
		return Gradient(sum, n[0], n[1], n[2], n[3], n[4])
	}, x.logp, x.old, x.adv, x.valueOld, x.ret, x.mask)
	rltest.Close(t, "old values", out[1:], make([]float64, 4*8), 0)
	rltest.NotClose(t, "the policy itself", out[0], make([]float64, 8), 1e-3)
}

// The gradients of the KL forms in expectation, over all tokens of an exact
// five-token policy. As a loss k1 teaches nothing, k2 the divergence and k3 the
// other divergence; in the reward k1 teaches the divergence, and neither k2 nor
// k3 does.
func TestKLGradientTable(t *testing.T) {
	logits := []float64{0.9, -0.4, 0.3, -1.2, 0.5}
	ref := []float64{-0.2, 0.6, 0.1, 0.4, -0.8}
	reverse := rltest.Gradient(func(x []float64) float64 { return rl.ExactKLPlain(x, ref) }, logits)
	forward := rltest.Gradient(func(x []float64) float64 { return rl.ExactKLPlain(ref, x) }, logits)

	out := rltest.Run(t, dtypes.Float64, func(n []*Node) []*Node {
		logp, logq := LogSoftmax(n[0]), LogSoftmax(n[1]) // [1, V]: every token once
		mask := n[2]
		prob := StopGradient(Exp(logp))
		expect := func(x *Node) *Node { return ReduceAllSum(Mul(prob, x)) }
		var grads []*Node
		for _, k := range []*Node{rl.K1(logp, logq, mask), rl.K2(logp, logq, mask), rl.K3(logp, logq, mask)} {
			asLoss := Gradient(expect(k), n[0])[0]
			inReward := Gradient(expect(Mul(StopGradient(k), logp)), n[0])[0]
			grads = append(grads, asLoss, inReward)
		}
		exact := rl.ExactKL(InsertAxes(n[0], 0), InsertAxes(n[1], 0), Const(n[0].Graph(), [][]bool{{true}}))
		return append(grads, Gradient(ReduceAllSum(exact), n[0])[0])
	}, [][]float64{logits}, [][]float64{ref}, [][]bool{full(5)})

	const tol = 1e-7 // of the central differences, here
	rltest.Close(t, "k1 as loss", out[0], make([]float64, 5), 1e-12)
	rltest.Close(t, "k1 in the reward", out[1], reverse, tol)
	rltest.Close(t, "k2 as loss", out[2], reverse, tol)
	rltest.Close(t, "k3 as loss", out[4], forward, tol)
	rltest.Close(t, "exact", out[6], reverse, tol)

	off := func(got []float64) float64 {
		var d, n float64
		for i := range got {
			d += (got[i] - reverse[i]) * (got[i] - reverse[i])
			n += reverse[i] * reverse[i]
		}
		return math.Sqrt(d / n)
	}
	for i, name := range map[int]string{3: "k2 in the reward", 4: "k3 as loss", 5: "k3 in the reward"} {
		if e := off(out[i]); e < 0.2 {
			t.Errorf("%s: %.0f %% off the divergence's gradient, expected a wrong one", name, 100*e)
		}
	}
}

package direct

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/internal/gx"
	"hhrlhf/rlhf/internal/rltest"
	"hhrlhf/rlhf/lm"
)

var shape = lm.Shape{Vocab: 12, Width: 16, Layers: 1, Heads: 2, Context: 16}

const pad, eos = 11, 10

func stream(_ string, step int) *rand.Rand { return rltest.Rand(uint64(step) + 7) }

func weights(t *testing.T, be compute.Backend, seed uint64) []*tensors.Tensor {
	t.Helper()
	ws := shape.Weights()
	for i := range ws {
		ws[i].Std *= 4 // so that the two policies differ
	}
	out, err := lm.Init(be, ws, rltest.Rand(seed))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// pairs differ in length, on both sides; the chosen response has small ids only.
func pairs(n int) (ps []Pair) {
	rng := rltest.Rand(5)
	ids := func(n, from, to int) (out []int32) {
		for range n {
			out = append(out, int32(from+rng.IntN(to-from)))
		}
		return out
	}
	for range n {
		ps = append(ps, Pair{Prompt: ids(1+rng.IntN(6), 0, 10), Chosen: append(ids(rng.IntN(4), 0, 4), eos), Rejected: append(ids(rng.IntN(7), 5, 10), eos)})
	}
	return ps
}

// dpo is Rafailov et al. 2023, eq. 7, as notebook 13 writes it.
func dpo(chosen, rejected Responses, beta float64) *Node {
	margin := MulScalar(Sub(chosen.Ratio(), rejected.Ratio()), beta)
	return Softplus(Neg(margin))
}

func config() rlhf.Direct {
	return rlhf.Direct{Loss: "dpo", LM: "lm", Beta: 0.3, Batch: 8, Planned: 60, LearningRate: 1e-2, Warmup: 2}.Filled()
}

func trainer(t *testing.T, be compute.Backend, loss Loss, policy, reference uint64) *Trainer {
	t.Helper()
	tr, err := New(be, config(), loss, Models{Shape: shape, Policy: weights(t, be, policy), Reference: weights(t, be, reference), Pad: pad}, pairs(40), stream)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// The loss of a step against log-probabilities that another program, with another layout,
// makes of one response at a time.
func TestDPOAgainstPlainGo(t *testing.T) {
	be := gx.TestBackend(t)
	tr := trainer(t, be, dpo, 1, 2)
	at := lm.Order(0, tr.cfg.Batch, len(tr.pairs), func(epoch int) *rand.Rand { return stream("", epoch) })
	score := func(seed uint64, context bool) (out [2][]float64) {
		var ps []lm.Pair
		for _, side := range []func(Pair) []int32{func(p Pair) []int32 { return p.Chosen }, func(p Pair) []int32 { return p.Rejected }} {
			for _, j := range at {
				p := tr.pairs[j]
				if pair := (lm.Pair{Context: p.Prompt, Target: side(p)}); context {
					ps = append(ps, pair)
				} else { // the known mistake: all but the first token of the prompt counts
					ps = append(ps, lm.Pair{Context: p.Prompt[:1], Target: slices.Concat(p.Prompt[1:], side(p))})
				}
			}
		}
		cs, err := lm.Score(be, shape, weights(t, be, seed), ps)
		if err != nil {
			t.Fatal(err)
		}
		for i, c := range cs {
			out[i/len(at)] = append(out[i/len(at)], c.LogProb)
		}
		return out
	}
	// loss is the mean over pairs where of gives each side's term.
	loss := func(of func(side, i int) float64) (sum float64) {
		for i := range at {
			sum += math.Log1p(math.Exp(-tr.cfg.Beta*(of(0, i)-of(1, i)))) / float64(len(at))
		}
		return sum
	}
	policy, reference := score(1, true), score(2, true)
	right := func(side, i int) float64 { return policy[side][i] - reference[side][i] }
	tokens := func(side, i int) float64 {
		p := tr.pairs[at[i]]
		return float64(len([][]int32{p.Chosen, p.Rejected}[side]))
	}
	values, err := tr.Step()
	if err != nil {
		t.Fatal(err)
	}
	rltest.Close(t, "loss", values["direct/loss"], loss(right), 1e-5)
	margin, chosen, wins := 0.0, 0.0, 0.0
	for i := range at {
		gap := right(0, i) - right(1, i)
		margin += tr.cfg.Beta * gap / float64(len(at))
		chosen += tr.cfg.Beta * right(0, i) / float64(len(at))
		if gap > 0 {
			wins += 1 / float64(len(at))
		}
	}
	rltest.Close(t, "margin, chosen, accuracy", []float64{values["direct/margin"], values["direct/chosen"], values["direct/accuracy"]}, []float64{margin, chosen, wins}, 1e-4)
	rltest.NotClose(t, "means over tokens", values["direct/loss"], loss(func(s, i int) float64 { return right(s, i) / tokens(s, i) }), 1e-3)
	rltest.NotClose(t, "no reference", values["direct/loss"], loss(func(s, i int) float64 { return policy[s][i] }), 1e-2)
	whole, wholeRef := score(1, false), score(2, false)
	inPrompt := func(s, i int) float64 { return whole[s][i] - wholeRef[s][i] }
	// What the prompt adds is the same on both sides and goes out in the difference; it shows in the rewards.
	rltest.Close(t, "loss with the prompt's tokens", loss(inPrompt), loss(right), 1e-4)
	prompt := 0.0
	for i := range at {
		prompt += tr.cfg.Beta * inPrompt(0, i) / float64(len(at))
	}
	rltest.NotClose(t, "reward with the prompt's tokens", values["direct/chosen"], prompt, 1e-2)
}

// The gradient of what the reader wrote is the gradient of the loss, by differences.
func TestLossGradient(t *testing.T) {
	rng := rltest.Rand(9)
	x := rltest.Matrix(rng, 4, 6) // log π and log π₀ of both sides
	f := func(flat []float64) (sum float64) {
		for i := range 6 {
			gap := flat[i] - flat[6+i] - flat[12+i] + flat[18+i]
			sum += math.Log1p(math.Exp(-0.3*gap)) / 6
		}
		return sum
	}
	got := rltest.Run(t, dtypes.Float64, func(in []*Node) []*Node {
		side := func(at int) *Node { return Reshape(Slice(in[0], AxisElem(at)), 6) }
		loss := ReduceAllMean(dpo(Responses{LogP: side(0), LogPRef: side(1)}, Responses{LogP: side(2), LogPRef: side(3)}, 0.3))
		return []*Node{loss, Gradient(loss, in[0])[0]}
	}, x)
	rltest.Close(t, "loss", got[0], f(rltest.Flat(x)), 1e-9)
	rltest.Close(t, "gradient", got[1], rltest.Gradient(f, rltest.Flat(x)), 1e-6)
}

// π₀ stays as it is, the first loss is ln 2, the implicit reward learns the pairs, and what
// stands in the padding changes nothing, bit for bit.
func TestTraining(t *testing.T) {
	be := gx.TestBackend(t)
	tr := trainer(t, be, dpo, 1, 1)
	poisoned := trainer(t, be, dpo, 1, 1)
	poisoned.pad, poisoned.program = 3, tr.program
	reference, err := gx.Clone(tr.reference)
	if err != nil {
		t.Fatal(err)
	}
	var first, last map[string]float64
	for i := range tr.cfg.Planned {
		v, err := tr.Step()
		if err != nil {
			t.Fatal(err)
		}
		if i < 3 {
			w, err := poisoned.Step()
			if err != nil {
				t.Fatal(err)
			}
			for name := range v {
				if v[name] != w[name] {
					t.Errorf("step %d: %s = %v, and %v with another token in the padding", i+1, name, v[name], w[name])
				}
			}
		}
		if first == nil {
			first = v
		}
		last = v
	}
	rltest.Close(t, "first loss, accuracy, margin", []float64{first["direct/loss"], first["direct/accuracy"], first["direct/margin"]}, []float64{math.Ln2, 0.5, 0}, 1e-6)
	if last["direct/accuracy"] < 0.9 || last["direct/margin"] < 1 {
		t.Errorf("after %d steps accuracy %v and margin %v", tr.cfg.Planned, last["direct/accuracy"], last["direct/margin"])
	}
	for i := range reference {
		a, errA := gx.Values[float32](reference[i])
		b, errB := gx.Values[float32](tr.reference[i])
		if errA != nil || errB != nil || !slices.Equal(a, b) {
			t.Fatalf("weight %d of the reference has changed: %v, %v", i, errA, errB)
		}
	}
}

func TestErrors(t *testing.T) {
	be := gx.TestBackend(t)
	m := Models{Shape: shape, Pad: pad}
	for want, change := range map[string]func(c *rlhf.Direct, l *Loss, ps *[]Pair){
		"Beta = -1":           func(c *rlhf.Direct, _ *Loss, _ *[]Pair) { c.Beta = -1 },
		"is no function":      func(_ *rlhf.Direct, l *Loss, _ *[]Pair) { *l = nil },
		"fewer than Batch":    func(_ *rlhf.Direct, _ *Loss, ps *[]Pair) { *ps = (*ps)[:3] },
		"side without tokens": func(_ *rlhf.Direct, _ *Loss, ps *[]Pair) { (*ps)[2].Rejected = nil },
		"lower Context":       func(_ *rlhf.Direct, _ *Loss, ps *[]Pair) { (*ps)[2].Prompt = make([]int32, 16) },
	} {
		c, l, ps := config(), Loss(dpo), pairs(20)
		change(&c, &l, &ps)
		if _, err := New(be, c, l, m, ps, stream); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	tr := trainer(t, be, func(c, _ Responses, _ float64) *Node { return ReduceAllMean(c.LogP) }, 1, 1)
	if _, err := tr.Step(); err == nil || !strings.Contains(err.Error(), `Loss = "dpo"`) || !strings.Contains(err.Error(), "one number for each pair") {
		t.Errorf("a loss that is a scalar: %v", err)
	}
}

package ppo_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/gomlx/compute"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/internal/gx"
	"hhrlhf/rlhf/lm"
	"hhrlhf/rlhf/ppo"
	"hhrlhf/rlhf/tokenizer"
)

// letters is a vocabulary so small that every response can be listed: a, b, c, d and
// the end; pad and end-of-context are spare ids that no policy writes.
type letters struct{ tokenizer.Tokenizer }

func (letters) VocabSize() int        { return 7 }
func (letters) EOS() int32            { return 4 }
func (letters) Pad() int32            { return 5 }
func (letters) EOC() int32            { return 6 }
func (letters) Piece(id int32) string { return "abcd.PC"[id : id+1] }
func (l letters) Decode(ids []int32) (s string) {
	for _, id := range ids {
		s += l.Piece(id)
	}
	return s
}

const optimumR = 3 // tokens a response

// responses lists all: those that end, and those that are cut.
func responses() (all [][]int32) {
	for n := range optimumR + 1 {
		for k := range int(math.Pow(4, float64(n))) {
			var ids []int32
			for range n {
				ids, k = append(ids, int32(k%4)), k/4
			}
			if n < optimumR {
				ids = append(ids, letters{}.EOS())
			}
			all = append(all, ids)
		}
	}
	return all
}

// distribution is the probability of every response, from the weights.
func distribution(t *testing.T, be compute.Backend, s lm.Shape, weights []*tensors.Tensor, prompt []int32) []float64 {
	t.Helper()
	all := responses()
	tokens, segments := make([][]int32, len(all)), make([][]int32, len(all))
	for i, ids := range all {
		tokens[i] = slices.Concat(prompt, ids)
		for range tokens[i] {
			segments[i] = append(segments[i], 1)
		}
	}
	width := len(prompt) + optimumR
	toks, err := gx.Rows(be, tokens, width, letters{}.Pad(), false)
	if err != nil {
		t.Fatal(err)
	}
	segs, err := gx.Rows(be, segments, width, 0, false)
	if err != nil {
		t.Fatal(err)
	}
	p := gx.NewProgram(be, "distribution", func(in []*Node) []*Node {
		logp, _, _ := lm.NewNet(s, in[2:]).NextLogProbs(in[0], in[1], optimumR, 1)
		return []*Node{logp}
	})
	out, err := p.Call(append([]any{toks, segs}, gx.Keep(weights)...)...)
	if err != nil {
		t.Fatal(err)
	}
	logp, err := gx.Matrix[float32](out[0])
	if err != nil {
		t.Fatal(err)
	}
	probs, sum := make([]float64, len(all)), 0.0
	for i, ids := range all {
		l := 0.0
		for r := range ids {
			l += float64(logp[i][r])
		}
		probs[i] = math.Exp(l)
		sum += probs[i]
	}
	if math.Abs(sum-1) > 1e-4 {
		t.Fatalf("the %d responses have probability %v together", len(all), sum)
	}
	return probs
}

func divergence(p, q []float64) (kl float64) {
	for i := range p {
		kl += p[i] * math.Log(p[i]/q[i])
	}
	return kl
}

// optimum trains against a random table of rewards, one for every response, and returns
// D_KL(π‖π*) before and after, where π* ∝ π₀·exp(r/β) is the one maximum of
// E[r] − β·D_KL(π‖π₀).
func optimum(t *testing.T, be compute.Backend, cfg rlhf.PPO, beta float64, seed int) (before, after float64) {
	t.Helper()
	s := lm.Shape{Vocab: 7, Spare: 2, Width: 32, Layers: 1, Heads: 2, Context: 8}
	weights := func(ws []lm.Weight, of string) []*tensors.Tensor {
		for i := range ws {
			ws[i].Std *= 6 // so that π₀ has a taste of its own
		}
		out, err := lm.Init(be, ws, stream(of, seed))
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	prompt := []int32{0, 1, 2, 3}
	reward, table := stream("reward", seed), map[string]float32{}
	for _, ids := range responses() {
		table[fmt.Sprint(ids)] = 2*reward.Float32() - 1
	}
	m := ppo.Models{Tok: letters{tokenizer.Bytes()}, Shape: s, Policy: weights(s.Weights(), "policy"), Reference: weights(s.Weights(), "policy"),
		Scorer: look(table), ValueShape: s, Value: weights(s.ScalarWeights(), "value")}
	if cfg.Value == "shared" || cfg.Value == "none" {
		m.Value = nil
	}
	if cfg.Algorithm != "" {
		m.Algorithm = rloo
	}
	m.Programs = programs(be, cfg, m)
	tr, err := ppo.New(be, cfg, m, []ppo.Prompt{{Text: "abcd", IDs: prompt}}, stream)
	if err != nil {
		t.Fatal(err)
	}
	p0 := distribution(t, be, s, m.Reference, prompt)
	best, z := make([]float64, len(p0)), 0.0
	for i, ids := range responses() {
		best[i] = p0[i] * math.Exp(float64(table[fmt.Sprint(ids)])/beta)
		z += best[i]
	}
	for i := range best {
		best[i] /= z
	}
	for range cfg.Planned {
		step(t, tr)
	}
	return divergence(p0, best), divergence(distribution(t, be, s, tr.Decoder(), prompt), best)
}

// look is a table as a scorer.
type look map[string]float32

func (l look) ScoreTokens(_, responses [][]int32) ([]float32, error) {
	out := make([]float32, len(responses))
	for i, ids := range responses {
		out[i] = l[fmt.Sprint(ids)]
	}
	return out, nil
}

// optimumBound is how far, in nats, the learned policy may be from the optimum.
const optimumBound = 0.02

// The policy that PPO learns is π₀·exp(r/β), wherever the penalty is paid, and with a
// value function of either kind.
func TestExactOptimum(t *testing.T) {
	be := gx.TestBackend(t)
	const beta = 0.5
	base := rlhf.PPO{Policy: "p", PM: "m", Prompt: 4, Response: optimumR, Batch: 256, Minibatches: 1, Epochs: 2, Planned: 150, KLCoef: beta,
		Lambda: 1, LearningRate: 6e-3, ValueLearningRate: 1e-2}.Filled()
	for _, c := range []struct {
		name  string
		seeds int
		edit  func(*rlhf.PPO)
	}{
		{"token", 3, func(*rlhf.PPO) {}},
		{"response, shared trunk", 1, func(c *rlhf.PPO) { c.KL, c.Value, c.ValueCoef = "response", "shared", 0.1 }},
		{"loss", 1, func(c *rlhf.PPO) { c.KL, c.NoWhiten = "loss", true }},
	} {
		for seed := range c.seeds {
			cfg := base
			c.edit(&cfg)
			before, after := optimum(t, be, cfg, beta, seed)
			t.Logf("%s, seed %d: %.4f nats from the optimum before, %.4f after", c.name, seed, before, after)
			if after > optimumBound || before < 5*optimumBound {
				t.Errorf("%s, seed %d: %.4f nats from the optimum before, %.4f after, want at most %v", c.name, seed, before, after, optimumBound)
			}
		}
	}
	// Known mistake: the penalty with half its weight has its optimum elsewhere.
	cfg := base
	cfg.KLCoef = beta / 2
	if _, after := optimum(t, be, cfg, beta, 0); after < 2*optimumBound {
		t.Errorf("half the penalty ends %.4f nats from the optimum of the whole: the bound would not notice", after)
	}
}

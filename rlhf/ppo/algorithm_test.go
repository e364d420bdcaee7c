package ppo_test

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	. "github.com/gomlx/gomlx/core/graph"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/internal/gx"
	"hhrlhf/rlhf/internal/rltest"
	"hhrlhf/rlhf/ppo"
	"hhrlhf/rlhf/rl"
)

// rloo is REINFORCE with a leave-one-out baseline (Kool et al. 2019; Ahmadian et al.
// 2024), as notebook 13 writes it.
var rloo = ppo.Algorithm{Advantages: leaveOneOut, Loss: reinforce}

func leaveOneOut(b *rlhf.Batch) error {
	total := make([]float32, len(b.Reward))
	for i, row := range b.Reward {
		for _, r := range row {
			total[i] += r
		}
	}
	for i, k := 0, b.PerPrompt; i < len(total); i++ {
		others := -total[i]
		for _, r := range total[i/k*k : i/k*k+k] {
			others += r
		}
		for t := range b.Advantage[i] {
			b.Advantage[i][t] = total[i] - others/float32(k-1)
		}
	}
	return nil
}

func reinforce(t ppo.Tokens) *Node { return Neg(Mul(t.Advantage, t.LogP)) }

// meanOfAll is the known mistake: the baseline has the answer's own reward in it.
func meanOfAll(b *rlhf.Batch) error {
	if err := leaveOneOut(b); err != nil {
		return err
	}
	for i := range b.Advantage {
		for t := range b.Advantage[i] {
			b.Advantage[i][t] *= float32(b.PerPrompt-1) / float32(b.PerPrompt)
		}
	}
	return nil
}

// Over all groups of k answers that a policy of five tokens can write, weighed by their
// probability, the estimate is the gradient of the expected reward; with the answer's own
// reward in the baseline it is (k−1)/k of it.
func TestLeaveOneOutIsUnbiased(t *testing.T) {
	rng := rltest.Rand(3)
	var p, r [5]float64
	sum := 0.0
	for a := range p {
		p[a], r[a] = math.Exp(2*rng.Float64()), 4*rng.Float64()-2
		sum += p[a]
	}
	mean := 0.0
	for a := range p {
		p[a] /= sum
		mean += p[a] * r[a]
	}
	for _, k := range []int{2, 3} {
		var want, got, biased [5]float64 // with respect to the logits of a softmax
		for a := range p {
			want[a] = p[a] * (r[a] - mean)
		}
		group := make([]int, k)
		for n := range int(math.Pow(5, float64(k))) {
			weight := 1.0
			b := &rlhf.Batch{PerPrompt: k}
			for j := range group {
				group[j], n = n%5, n/5
				weight *= p[group[j]]
				b.Reward = append(b.Reward, []float32{float32(r[group[j]])})
				b.Advantage = append(b.Advantage, []float32{0})
			}
			add := func(to *[5]float64) {
				for j, a := range group {
					for c := range to {
						score := -p[c]
						if c == a {
							score++
						}
						to[c] += weight * float64(b.Advantage[j][0]) * score / float64(k)
					}
				}
			}
			if err := leaveOneOut(b); err != nil {
				t.Fatal(err)
			}
			add(&got)
			if err := meanOfAll(b); err != nil {
				t.Fatal(err)
			}
			add(&biased)
		}
		rltest.Close(t, "gradient", got[:], want[:], 1e-6)
		for c := range want {
			want[c] *= float64(k-1) / float64(k)
		}
		rltest.Close(t, "with the own sample in the baseline", biased[:], want[:], 1e-6)
	}
}

func rlooConfig(c rlhf.PPO) rlhf.PPO {
	c.Algorithm, c.PerPrompt, c.Value, c.Minibatches, c.Epochs, c.NoWhiten = "rloo", 4, "none", 1, 1, true
	return c
}

// A run of an algorithm of one's own: groups of answers, advantages and loss as plain Go
// computes them, no value function, and what stands in the padding reaches nothing.
func TestOwnAlgorithm(t *testing.T) {
	be := gx.TestBackend(t)
	cfg := rlooConfig(config())
	cfg.KLCoef = 0.3
	tr := trainer(t, be, cfg, even)
	if tr.Value != nil || tr.ValueWeights() != nil {
		t.Error("there is a value function")
	}
	for range 2 { // after which π is not π₀
		step(t, tr)
	}
	b := phases(t, tr, 3)
	for i := range b.Prompts {
		if first := i / 4 * 4; b.Prompts[i] != b.Prompts[first] {
			t.Errorf("row %d answers %q, row %d %q", i, b.Prompts[i], first, b.Prompts[first])
		}
	}
	distinct := map[string]bool{}
	for _, ids := range b.ResponseIDs[:4] {
		distinct[string(letters{}.Decode(modulo(ids)))] = true
	}
	if b.PerPrompt != 4 || len(distinct) < 2 {
		t.Errorf("%d per prompt, %d distinct answers to the first", b.PerPrompt, len(distinct))
	}
	// A_i = k/(k−1)·(R_i − mean of the group), another way to write it.
	loss, n, own := 0.0, 0.0, 0.0
	for i, mask := range b.Mask {
		mean, mine := 0.0, 0.0
		for j := i / 4 * 4; j < i/4*4+4; j++ {
			for _, r := range b.Reward[j] {
				mean += float64(r) / 4
				if j == i {
					mine += float64(r)
				}
			}
		}
		for r, valid := range mask {
			want := 0.0
			if valid {
				want = (mine - mean) * 4 / 3
				loss -= want * float64(b.LogP[i][r])
				own -= (mine - mean) * float64(b.LogP[i][r])
				n++
			}
			if math.Abs(float64(b.Advantage[i][r])-want) > 1e-5 {
				t.Fatalf("A[%d][%d] = %v, want %v", i, r, b.Advantage[i][r], want)
			}
		}
	}
	p, err := tr.Update(b)
	if err != nil {
		t.Fatal(err)
	}
	rltest.Close(t, "loss", p.Values["loss/policy"], loss/n, 1e-5)
	rltest.NotClose(t, "loss with the own sample in the baseline", p.Values["loss/policy"], own/n, 1e-3)
	for _, name := range []string{"loss/value", "value/explained_var", "lr/value"} {
		if v, ok := p.Values[name]; ok {
			t.Errorf("%s = %v without a value function", name, v)
		}
	}
}

func modulo(ids []int32) []int32 {
	out := slices.Clone(ids)
	for i := range out {
		out[i] %= 7
	}
	return out
}

// own is a trainer of another algorithm, and the batch of a run of rloo for it, gone
// through the first n phases: to sample and score once is enough.
func own(t *testing.T, name string, a ppo.Algorithm, n int, edit func(*rlhf.PPO)) (*ppo.Trainer, *rlhf.Batch) {
	t.Helper()
	be := gx.TestBackend(t)
	cfg := rlooConfig(config())
	b := phases(t, trainer(t, be, cfg, even), n)
	cfg.Algorithm = name
	edit(&cfg)
	return ownTrainer(t, be, cfg, even, a), b
}

func asItIs(*rlhf.PPO) {}

// What an algorithm writes behind a response is not seen.
func TestOwnAlgorithmBehindTheEnd(t *testing.T) {
	tr, b := own(t, "poison", ppo.Algorithm{Advantages: func(b *rlhf.Batch) error {
		for i, mask := range b.Mask {
			for r, valid := range mask {
				if !valid {
					b.Advantage[i][r], b.Return[i][r] = float32(math.NaN()), 1e30
				}
			}
		}
		return nil
	}, Loss: func(t ppo.Tokens) *Node {
		return Add(reinforce(t), Where(t.Mask, ZerosLike(t.LogP), MulScalar(OnesLike(t.LogP), 1e30)))
	}}, 3, asItIs)
	clean := b.Advantage
	if err := tr.Advantages(b); err != nil {
		t.Fatal(err)
	}
	rltest.Close(t, "advantages and returns behind the end", slices.Concat(flat32(b.Advantage), flat32(b.Return)), make([]float64, 2*len(flat32(clean))), 0)
	b.Advantage = clean
	p, err := tr.Update(b)
	if err != nil {
		t.Fatal(err)
	}
	rlooRun := trainer(t, gx.TestBackend(t), rlooConfig(config()), even)
	q, err := rlooRun.Update(b)
	if err != nil {
		t.Fatal(err)
	}
	if p.Values["loss/policy"] != q.Values["loss/policy"] || p.Values["grad_norm"] != q.Values["grad_norm"] {
		t.Errorf("loss and gradient norm %v and %v with junk behind the end, %v and %v without",
			p.Values["loss/policy"], p.Values["grad_norm"], q.Values["loss/policy"], q.Values["grad_norm"])
	}
}

func TestOwnAdvantagesAreWhitened(t *testing.T) {
	tr, b := own(t, "rloo", rloo, 2, func(c *rlhf.PPO) { c.NoWhiten = false })
	if err := tr.Advantages(b); err != nil {
		t.Fatal(err)
	}
	mean, variance := rl.MomentsPlain(b.Advantage, b.Mask, false)
	rltest.Close(t, "moments", []float64{mean, variance}, []float64{0, 1}, 1e-3)
}

// A gradient in several parts is the gradient.
func TestOwnAlgorithmAccumulates(t *testing.T) {
	parts, b := own(t, "rloo", rloo, 3, func(c *rlhf.PPO) { c.Accumulate = 4 })
	whole := trainer(t, gx.TestBackend(t), rlooConfig(config()), even)
	var got [2][]float64
	for i, tr := range []*ppo.Trainer{whole, parts} {
		p, err := tr.Update(b)
		if err != nil {
			t.Fatal(err)
		}
		got[i] = []float64{p.Values["grad_norm"], p.Values["loss/policy"]}
	}
	rltest.Close(t, "norm and loss in four parts", got[1], got[0], 1e-4)
}

func TestOwnAlgorithmErrors(t *testing.T) {
	for _, c := range []struct {
		what, want string
		a          ppo.Algorithm
	}{
		{"no-group", "Advantage[0][0] = NaN", ppo.Algorithm{Advantages: func(b *rlhf.Batch) error {
			b.PerPrompt = 1 // for which the leave-one-out mean is 0/0
			return leaveOneOut(b)
		}}},
		{"one-row", "no Advantage", ppo.Algorithm{Advantages: func(b *rlhf.Batch) error { b.Advantage = b.Advantage[:1]; return nil }}},
		{"refuses", "today not", ppo.Algorithm{Advantages: func(*rlhf.Batch) error { return errors.New("today not") }}},
		{"panics", "today neither", ppo.Algorithm{Advantages: func(*rlhf.Batch) error { panic("today neither") }}},
	} {
		tr, b := own(t, c.what, c.a, 2, asItIs)
		if err := tr.Advantages(b); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.what) {
			t.Errorf("%s: %v, want %q", c.what, err, c.want)
		}
	}
	tr, b := own(t, "scalar", ppo.Algorithm{Loss: func(t ppo.Tokens) *Node { return ReduceAllMean(t.LogP) }}, 3, asItIs)
	if _, err := tr.Update(b); err == nil || !strings.Contains(err.Error(), `Algorithm = "scalar"`) || !strings.Contains(err.Error(), "one number for each token") {
		t.Errorf("a loss that is a scalar: %v", err)
	}
	for want, edit := range map[string]func(*rlhf.PPO){
		"PerPrompt = 5":    func(c *rlhf.PPO) { c.PerPrompt = 5 },
		"Value = \"none\"": func(c *rlhf.PPO) { c.Value = "none" },
	} {
		c := config()
		edit(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// RLOO ends at π₀·exp(r/β), as PPO does.
func TestRLOOExactOptimum(t *testing.T) {
	be := gx.TestBackend(t)
	const beta = 0.5
	cfg := rlooConfig(rlhf.PPO{Policy: "p", PM: "m", Prompt: 4, Response: optimumR, Batch: 256, Minibatches: 1, Epochs: 1, Planned: 200, KLCoef: beta,
		LearningRate: 6e-3}.Filled())
	before, after := optimum(t, be, cfg, beta, 0)
	t.Logf("%.4f nats from the optimum before, %.4f after", before, after)
	if after > optimumBound || before < 5*optimumBound {
		t.Errorf("%.4f nats from the optimum before, %.4f after, want at most %v", before, after, optimumBound)
	}
}

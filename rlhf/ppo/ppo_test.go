package ppo_test

import (
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/tensors"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/internal/fit"
	"hhrlhf/rlhf/internal/gx"
	"hhrlhf/rlhf/lm"
	"hhrlhf/rlhf/ppo"
	"hhrlhf/rlhf/tokenizer"
)

func stream(name string, step int) *rand.Rand {
	h := uint64(14695981039346656037)
	for _, c := range name {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return rand.New(rand.NewPCG(h, uint64(step)))
}

var shape = lm.Shape{Vocab: tokenizer.Bytes().VocabSize(), Width: 32, Layers: 2, Heads: 2, Context: 32}

// reward counts how many of a response's tokens are vowels: a scorer that no
// model stands behind, which a policy can learn in a few steps.
type reward func(response []int32) float32

func (r reward) ScoreTokens(prompts, responses [][]int32) ([]float32, error) {
	out := make([]float32, len(responses))
	for i := range out {
		out[i] = r(responses[i])
	}
	return out, nil
}

// even pays for tokens with an even id.
func even(response []int32) float32 {
	n := 0
	for _, id := range response {
		if id%2 == 0 {
			n++
		}
	}
	return float32(n) / 8
}

func zero([]int32) float32 { return 0 }

func config() rlhf.PPO {
	return rlhf.PPO{Policy: "p", PM: "m", Prompt: 8, Response: 12, Batch: 32, Minibatches: 2, Epochs: 2, Planned: 40,
		LearningRate: 1e-3, ValueLearningRate: 3e-3}.Filled()
}

// A bench is a trainer whose reward can be exchanged. Compiling one takes
// seconds, so the tests of this process share one per configuration.
type bench struct {
	*ppo.Trainer
	score reward
}

func (b *bench) ScoreTokens(prompts, responses [][]int32) ([]float32, error) {
	return b.score.ScoreTokens(prompts, responses)
}

var benches = map[rlhf.PPO]*bench{}

var tok = tokenizer.Bytes()

func prompts() (ps []ppo.Prompt) {
	for _, text := range []string{"abc", "de", "fghij", "k", "lmnopq", "rs"} {
		ps = append(ps, ppo.Prompt{Text: text, IDs: tok.Encode(text)})
	}
	return ps
}

// initial draws weights, with a larger deviation than a model starts with, so that its
// distributions are far from flat.
func initial(t testing.TB, be compute.Backend, ws []lm.Weight, seed int) []*tensors.Tensor {
	t.Helper()
	for i := range ws {
		ws[i].Std *= 3
	}
	out, err := lm.Init(be, ws, stream("init", seed))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

var compiled = map[ppo.Key]*ppo.Programs{}

// programs are those of the key, compiled once for all tests of this process.
func programs(be compute.Backend, cfg rlhf.PPO, m ppo.Models) *ppo.Programs {
	key := ppo.KeyOf(cfg, m)
	if compiled[key] == nil {
		compiled[key] = ppo.NewPrograms(be, key, m.Algorithm)
	}
	return compiled[key]
}

// trainer returns the configuration's trainer at its first step. It takes the
// trainer away from whoever asked for the same configuration before.
func trainer(t testing.TB, be compute.Backend, cfg rlhf.PPO, score reward) *ppo.Trainer {
	t.Helper()
	a := ppo.Algorithm{}
	if cfg.Algorithm == "rloo" {
		a = rloo
	}
	return ownTrainer(t, be, cfg, score, a)
}

// ownTrainer is trainer with the algorithm that the configuration names.
func ownTrainer(t testing.TB, be compute.Backend, cfg rlhf.PPO, score reward, a ppo.Algorithm) *ppo.Trainer {
	t.Helper()
	b, ok := benches[cfg]
	if !ok {
		b = &bench{}
		m := ppo.Models{Shape: shape, Tok: tok, Policy: initial(t, be, shape.Weights(), 0),
			Reference: initial(t, be, shape.Weights(), 0), ValueShape: shape, Value: initial(t, be, shape.ScalarWeights(), 1), Scorer: b}
		m.Algorithm = a
		m.Programs = programs(be, cfg, m)
		if cfg.Value == "none" {
			m.Value = nil
		}
		var err error
		if b.Trainer, err = ppo.New(be, cfg, m, prompts(), stream); err != nil {
			t.Fatal(err)
		}
		benches[cfg] = b
	}
	b.score, b.KLCoef = score, cfg.KLCoef
	again := func(s *fit.State, ws []lm.Weight, seed int) *fit.State {
		s.Free()
		return fit.NewState(initial(t, be, ws, seed))
	}
	switch {
	case cfg.Value == "none":
		b.Policy = again(b.Policy, shape.Weights(), 0)
		return b.Trainer
	case b.Value == nil:
		ws := shape.ScalarWeights()
		ws[len(ws)-2].Std, ws[len(ws)-1].Std = 0, 0 // the head starts at zero
		b.Policy = again(b.Policy, ws, 0)
		return b.Trainer
	}
	b.Policy, b.Value = again(b.Policy, shape.Weights(), 0), again(b.Value, shape.ScalarWeights(), 1)
	return b.Trainer
}

func step(t testing.TB, tr *ppo.Trainer) (*rlhf.Batch, rlhf.Point) {
	t.Helper()
	b, p, err := tr.Step(nil)
	if err != nil {
		t.Fatal(err)
	}
	return b, p
}

// phases is the next step's batch, gone through the first n of Score, Shape and
// Advantages.
func phases(t testing.TB, tr *ppo.Trainer, n int) *rlhf.Batch {
	t.Helper()
	b, err := tr.Rollout()
	if err != nil {
		t.Fatal(err)
	}
	for _, phase := range []func(*rlhf.Batch) error{tr.Score, tr.Shape, tr.Advantages}[:n] {
		if err := phase(b); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// steady drops what may differ between two equal steps: wall times.
func steady(p rlhf.Point) rlhf.Point {
	out := rlhf.Point{Step: p.Step, Values: map[string]float64{}}
	for k, v := range p.Values {
		if !strings.HasPrefix(k, "time/") {
			out.Values[k] = v
		}
	}
	return out
}

// Step is the composition of the phases, bit for bit, also when the batch makes
// a journey through JSON between them, as it does on its way to a notebook.
func TestStepIsItsPhases(t *testing.T) {
	be := gx.TestBackend(t)
	whole := trainer(t, be, config(), even)
	var batches []*rlhf.Batch
	var points []rlhf.Point
	for range 3 {
		b, p := step(t, whole)
		batches, points = append(batches, b), append(points, p)
	}
	parts := trainer(t, be, config(), even)
	for i := range batches {
		b, err := parts.Rollout()
		if err != nil {
			t.Fatal(err)
		}
		for _, phase := range []func(*rlhf.Batch) error{parts.Score, parts.Shape, parts.Advantages} {
			raw, err := json.Marshal(b)
			if err != nil {
				t.Fatal(err)
			}
			b = new(rlhf.Batch)
			if err := json.Unmarshal(raw, b); err != nil {
				t.Fatal(err)
			}
			if err := phase(b); err != nil {
				t.Fatal(err)
			}
		}
		p, err := parts.Update(b)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(b, batches[i]) {
			t.Fatal("the batch taken phase by phase differs from Step's")
		}
		if !reflect.DeepEqual(steady(p), steady(points[i])) {
			t.Fatalf("metrics differ:\n%v\n%v", p, points[i])
		}
	}
}

func TestFirstStepInvariants(t *testing.T) {
	be := gx.TestBackend(t)
	tr := trainer(t, be, config(), even)
	b, p := step(t, tr)
	if kl := p.Values["objective/kl"]; kl != 0 {
		t.Errorf("KL before the first update is %g, want 0", kl)
	}
	if off := p.Values["policy/ratio_start"]; off > 1e-5 {
		t.Errorf("first ratio is off by %g, want 0 up to rounding", off)
	}
	for i := range b.Mask {
		last := b.Length(i) - 1
		for r := range b.Mask[i] {
			switch got := b.Reward[i][r]; {
			case r == last && got != b.Score[i]:
				t.Errorf("row %d: reward on the last token is %v, want the score %v", i, got, b.Score[i])
			case r != last && got != 0:
				t.Errorf("row %d slot %d: reward %v, want 0 (the KL is 0)", i, r, got)
			}
		}
	}
	_, p = step(t, tr)
	if kl := p.Values["objective/kl"]; kl == 0 {
		t.Error("KL is still 0 after an update: the reference moves with the policy")
	}
}

// The policy learns what pays, and by then the KL divergence has grown.
func TestLearns(t *testing.T) {
	be := gx.TestBackend(t)
	cfg := config()
	tr := trainer(t, be, cfg, even)
	first, last := 0.0, 0.0
	for i := range cfg.Planned {
		_, p := step(t, tr)
		if i < 3 {
			first += p.Values["objective/score"] / 3
		}
		if i >= cfg.Planned-3 {
			last += p.Values["objective/score"] / 3
		}
	}
	if last < first+0.15 {
		t.Errorf("score %.3f -> %.3f in %d steps, want a rise of 0.15", first, last, cfg.Planned)
	}
}

// Sign test: with nothing to win, the penalty must pull the policy back to π₀.
// Known mistake: with its sign turned it would push it away.
func TestPenaltyLowersKL(t *testing.T) {
	be := gx.TestBackend(t)
	cfg := config()
	score := even
	tr := trainer(t, be, cfg, func(r []int32) float32 { return score(r) })
	for range 15 {
		step(t, tr)
	}
	before := meanKL(t, tr)
	cfgBack := cfg
	cfgBack.KLCoef = 0.3
	back := trainer(t, be, cfgBack, zero)
	copyState(t, back, tr)
	for range 15 {
		step(t, back)
	}
	if after := meanKL(t, back); after > 0.7*before {
		t.Errorf("KL %.3f -> %.3f nats under the penalty alone, want it to fall by a third", before, after)
	}
}

func meanKL(t *testing.T, tr *ppo.Trainer) float64 {
	t.Helper()
	b := phases(t, tr, 2)
	kl := 0.0
	for i := range b.Mask {
		kl += b.RowKL(i) / float64(len(b.Mask))
	}
	return kl
}

// copyState gives dst the weights of src, fresh moments and its step count.
func copyState(t *testing.T, dst, src *ppo.Trainer) {
	t.Helper()
	p, err := gx.Clone(src.Policy.Params)
	if err != nil {
		t.Fatal(err)
	}
	v, err := gx.Clone(src.Value.Params)
	if err != nil {
		t.Fatal(err)
	}
	dst.Policy.Params, dst.Value.Params = p, v
	dst.Policy.Updates, dst.Value.Updates = src.Policy.Updates, src.Value.Updates
}

// What stands in masked slots, and which text does, must change nothing.
func TestPaddingPoison(t *testing.T) {
	be := gx.TestBackend(t)
	prepare := func(tr *ppo.Trainer) *rlhf.Batch {
		b, err := tr.Rollout()
		if err != nil {
			t.Fatal(err)
		}
		for i := range b.Mask { // end some rows early, so that there is padding
			if i%2 == 0 {
				for r := 4; r < len(b.Mask[i]); r++ {
					b.Mask[i][r] = false
				}
			}
		}
		if err := errors.Join(tr.Score(b), tr.Shape(b), tr.Advantages(b)); err != nil {
			t.Fatal(err)
		}
		return b
	}
	clean := trainer(t, be, config(), even)
	want, err := clean.Update(prepare(clean))
	if err != nil {
		t.Fatal(err)
	}
	x := weights(t, clean)
	poisoned := trainer(t, be, config(), even)
	b := prepare(poisoned)
	for i := range b.Mask {
		for r, valid := range b.Mask[i] {
			if valid {
				continue
			}
			b.ResponseIDs[i][r] = 77
			for _, f := range [][][]float32{b.LogP, b.LogPRef, b.Value, b.KL, b.Reward, b.Advantage, b.Return} {
				f[i][r] = 1e6
			}
			b.LogPSample[i][r] = float32(math.Inf(-1))
		}
	}
	got, err := poisoned.Update(b)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("metrics change with what stands in masked slots:\n%v\n%v", got, want)
	}
	if !slices.Equal(x, weights(t, poisoned)) {
		t.Error("weights change with what stands in masked slots")
	}
	// The negative: poison in a slot that counts must be noticed.
	c := prepare(poisoned)
	c.Advantage[1][0] = 1e6
	if p, err := poisoned.Update(c); err == nil && reflect.DeepEqual(p, want) {
		t.Error("poison in a valid slot changes nothing: the test cannot fail")
	}
}

func weights(t *testing.T, tr *ppo.Trainer) []float32 {
	t.Helper()
	all := values(t, tr.Policy.Params)
	if tr.Value != nil {
		all = append(all, values(t, tr.Value.Params)...)
	}
	return all
}

func values(t *testing.T, params []*tensors.Tensor) (all []float32) {
	t.Helper()
	for _, x := range params {
		v, err := gx.Values[float32](x)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, v...)
	}
	return all
}

func TestCriticWarmupHoldsThePolicy(t *testing.T) {
	be := gx.TestBackend(t)
	cfg := config()
	cfg.CriticWarmup = 2
	tr := trainer(t, be, cfg, even)
	for i := range 4 {
		_, p := step(t, tr)
		kl := p.Values["objective/kl"]
		if held := i < 3; held != (kl == 0) { // the KL of step 4 is the first to show step 3's update
			t.Errorf("step %d: KL %g", i+1, kl)
		}
	}
}

func TestMissingEOSPenalty(t *testing.T) {
	be := gx.TestBackend(t)
	cfg := config()
	cfg.MissingEOSPenalty = 5
	b, _ := step(t, trainer(t, be, cfg, zero))
	cut := 0
	for i := range b.Mask {
		want := float32(0)
		if !b.EOS[i] {
			want, cut = -5, cut+1
		}
		if got := b.Reward[i][b.Length(i)-1]; got != want {
			t.Errorf("row %d (EOS %v): last reward %v, want %v", i, b.EOS[i], got, want)
		}
	}
	if cut == 0 {
		t.Error("no response was cut: the test needs one")
	}
}

func TestBadBatches(t *testing.T) {
	be := gx.TestBackend(t)
	tr := trainer(t, be, config(), even)
	for _, c := range []struct {
		name  string
		phase func(*rlhf.Batch) error
		upTo  int
		spoil func(*rlhf.Batch)
		want  string
	}{
		{"shape before score", tr.Shape, 0, func(*rlhf.Batch) {}, "call Score first"},
		{"advantages before shape", tr.Advantages, 1, func(*rlhf.Batch) {}, "call Shape first"},
		{"stale batch", tr.Score, 0, func(b *rlhf.Batch) { b.Step = 9 }, "roll out again"},
		{"NaN score", tr.Shape, 1, func(b *rlhf.Batch) { b.Score[3] = float32(math.NaN()) }, "Score[3] = NaN"},
		{"infinite reward", tr.Advantages, 2, func(b *rlhf.Batch) { b.Reward[2][0] = float32(math.Inf(1)) }, "Reward[2][0] = +Inf"},
		{"row lost", tr.Score, 0, func(b *rlhf.Batch) { b.Prompts = b.Prompts[1:] }, "clear its Mask"},
		{"token out of range", tr.Score, 0, func(b *rlhf.Batch) { b.ResponseIDs[0][0] = 9999 }, "token id 9999"},
		{"sampler disagrees", tr.Score, 0, func(b *rlhf.Batch) { b.LogPSample[0][0] -= 1 }, "invariant"},
		{"nothing counts", func(b *rlhf.Batch) error { _, err := tr.Update(b); return err }, 3, func(b *rlhf.Batch) {
			for i := range b.Mask {
				clear(b.Mask[i])
			}
		}, "every Mask is empty"},
	} {
		b := phases(t, tr, c.upTo)
		c.spoil(b)
		if err := c.phase(b); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", c.name, err, c.want)
		}
	}
	if err := tr.Score(nil); err == nil || !strings.Contains(err.Error(), "call Rollout first") {
		t.Errorf("nil batch: %v", err)
	}
}

func TestBadConfig(t *testing.T) {
	for _, c := range []struct {
		spoil func(*rlhf.PPO)
		want  string
	}{
		{func(c *rlhf.PPO) { c.ClipRange = 1.3 }, "ClipRange = 1.3, want in (0, 1)"},
		{func(c *rlhf.PPO) { c.Minibatches = 5 }, "Minibatches = 5, want a divisor of Batch (32)"},
		{func(c *rlhf.PPO) { c.KLCoef = -1 }, "KLCoef = -1"},
		{func(c *rlhf.PPO) { c.Policy = "" }, "Policy"},
		{func(c *rlhf.PPO) { c.Size = "huge" }, `"huge", want one of tiny, default, large`},
	} {
		cfg := config()
		c.spoil(&cfg)
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want one with %q", err, c.want)
		}
	}
}

// onePad is a tokenizer whose pad is its end token.
type onePad struct{ tokenizer.Tokenizer }

func (t onePad) Pad() int32 { return t.EOS() }

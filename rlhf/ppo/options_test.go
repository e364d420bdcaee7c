package ppo_test

import (
	"errors"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/internal/gx"
	"hhrlhf/rlhf/internal/rltest"
	"hhrlhf/rlhf/ppo"
	"hhrlhf/rlhf/rl"
)

func wide(x []float32) []float64 {
	out := make([]float64, len(x))
	for i := range x {
		out[i] = float64(x[i])
	}
	return out
}

func flat32(m [][]float32) (out []float64) {
	for _, row := range m {
		out = append(out, wide(row)...)
	}
	return out
}

// What every option does to the rewards, against loops in plain Go. After two steps, so
// that the divergence is not zero.
func TestShapeOptions(t *testing.T) {
	be := gx.TestBackend(t)
	base := config()
	base.KLCoef = 0.5
	for _, c := range []struct {
		name string
		edit func(*rlhf.PPO)
		twin func(b *rlhf.Batch, tr *ppo.Trainer) [][]float32
	}{
		{"per token", func(*rlhf.PPO) {}, func(b *rlhf.Batch, _ *ppo.Trainer) [][]float32 {
			return shaped(b, b.Score, 0.5, rl.PerToken)
		}},
		{"per response", func(c *rlhf.PPO) { c.KL = "response" }, func(b *rlhf.Batch, _ *ppo.Trainer) [][]float32 {
			return shaped(b, b.Score, 0.5, rl.PerResponse)
		}},
		{"in the loss, a fixed score for cut responses, a price per token", func(c *rlhf.PPO) {
			c.KL, c.MissingEOSScore, c.LengthPenalty, c.KLCoef = "loss", -2, 0.1, 0.1
		}, func(b *rlhf.Batch, _ *ppo.Trainer) [][]float32 {
			score := rl.ReplaceMissingEOSPlain(b.Score, b.EOS, -2)
			for i := range score {
				score[i] -= 0.1 * float32(b.Length(i))
			}
			return shaped(b, score, 0, rl.PerToken)
		}},
		{"standardised and whitened", func(c *rlhf.PPO) { c.NormScore, c.WhitenReward = true, true }, func(b *rlhf.Batch, tr *ppo.Trainer) [][]float32 {
			mean, sd := tr.ScoreMoments(t)
			score := slices.Clone(b.Score)
			for i := range score {
				score[i] = (score[i] - float32(mean)) / float32(sd)
			}
			return rl.WhitenPlain(shaped(b, score, 0.5, rl.PerToken), b.Mask, rl.WhitenOptions{KeepMean: true})
		}},
	} {
		cfg := base
		c.edit(&cfg)
		tr := trainer(t, be, cfg, even)
		step(t, tr)
		step(t, tr)
		b := phases(t, tr, 3)
		want := c.twin(b, tr)
		rltest.Close(t, c.name, flat32(b.Reward), flat32(want), 1e-5)
		plain := shaped(b, b.Score, 0.5, rl.PerToken)
		if c.name != "per token" {
			rltest.NotClose(t, c.name+": as if the option did nothing", flat32(b.Reward), flat32(plain), 1e-3)
		}
		if _, err := tr.Update(b); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func shaped(b *rlhf.Batch, score []float32, coef float64, place rl.KLPlacement) [][]float32 {
	_, reward := rl.ShapedRewardPlain(b.LogP, b.LogPRef, b.Mask, score, coef, place)
	return reward
}

// The mean and deviation that scores are standardised by are those of the initial
// policy's responses, whatever the policy has become; a resumed run has the same.
func TestNormScore(t *testing.T) {
	be := gx.TestBackend(t)
	cfg := config()
	cfg.KLCoef, cfg.NormScore, cfg.WhitenReward = 0.5, true, true
	tr := trainer(t, be, cfg, even)
	tr.ForgetMoments()
	mean, sd := tr.ScoreMoments(t)
	for range 3 {
		step(t, tr)
	}
	tr.ForgetMoments()
	if m, s := tr.ScoreMoments(t); m != mean || s != sd {
		t.Errorf("%v ± %v before training, %v ± %v after", mean, sd, m, s)
	}
	if !(sd > 0) || mean == 0 {
		t.Errorf("moments %v ± %v", mean, sd)
	}
}

// A minibatch in parts is the minibatch, for both kinds of value function.
func TestAccumulationChangesNothing(t *testing.T) {
	be := gx.TestBackend(t)
	for _, value := range []string{"own", "shared"} {
		cfg := config()
		cfg.Epochs, cfg.EntropyCoef = 1, 0.01
		if cfg.Value = value; value == "shared" {
			cfg.ValueCoef = 0.1
		}
		after := func(accumulate int) ([]float32, rlhf.Point) {
			cfg := cfg
			cfg.Accumulate = accumulate
			tr := trainer(t, be, cfg, even)
			_, p := step(t, tr)
			return weights(t, tr), p
		}
		whole, p := after(0)
		parts, q := after(4)
		rltest.Close(t, value+": weights", wide(parts), wide(whole), 2e-5)
		for name, v := range steady(p).Values {
			if math.Abs(q.Values[name]-v) > 1e-4*math.Max(1, math.Abs(v)) {
				t.Errorf("%s: %s is %v in parts, %v in one", value, name, q.Values[name], v)
			}
		}
		start := weights(t, trainer(t, be, cfg, even))
		rltest.NotClose(t, value+": as if nothing were learnt", wide(whole), wide(start), 1e-4)
	}
}

// One trunk: its first ratio is one, its value learns, and there is no other network.
func TestSharedTrunk(t *testing.T) {
	be := gx.TestBackend(t)
	cfg := config()
	cfg.Value, cfg.ValueCoef = "shared", 1
	tr := trainer(t, be, cfg, even)
	b, p := step(t, tr)
	if tr.Value != nil || p.Values["policy/ratio_start"] > 1e-5 || p.Values["objective/kl"] != 0 {
		t.Errorf("value state %v, first ratio off by %g, KL %g", tr.Value, p.Values["policy/ratio_start"], p.Values["objective/kl"])
	}
	for i, row := range b.Value {
		if slices.ContainsFunc(row, func(v float32) bool { return v != 0 }) {
			t.Fatalf("row %d: a head at zero says %v", i, row)
		}
	}
	first := p.Values["loss/value"]
	for range 30 {
		_, p = step(t, tr)
	}
	if last := p.Values["loss/value"]; last > first/2 {
		t.Errorf("the loss of the shared value function goes from %.3f to %.3f in 31 steps, want it halved", first, last)
	}
}

// A value head that reads the mean over the response reads, at each state, the mean of
// the activations of the tokens written so far.
func TestValueReadsTheResponseSoFar(t *testing.T) {
	be := gx.TestBackend(t)
	cfg := config()
	values := func(end, mean float32) [][]float32 {
		ws := shape.ScalarWeights()
		w := initial(t, be, ws, 1)
		head := make([]float32, 2*shape.Width)
		for i := range shape.Width {
			head[i], head[shape.Width+i] = end*float32(i%5-2), mean*float32(i%5-2)
		}
		var err error
		gx.Free(w[len(w)-2])
		if w[len(w)-2], err = gx.Flat(be, head, len(head)); err != nil {
			t.Fatal(err)
		}
		m := models(t, be)
		gx.Free(m.Value...)
		m.Value, m.Scorer = w, &bench{score: even}
		tr, err := ppo.New(be, cfg, m, prompts(), stream)
		if err != nil {
			t.Fatal(err)
		}
		b := phases(t, tr, 3)
		return b.Value
	}
	end, mean := values(1, 0), values(0, 1)
	for i := range end {
		sum := 0.0
		for r, got := range mean[i] {
			want := 0.0
			if r > 0 {
				sum += float64(end[i][r]) // token r−1 stands in the slot of state r
				want = sum / float64(r)
			}
			if end[i][r] == 0 {
				break // the response is over
			}
			if math.Abs(float64(got)-want) > 1e-4 {
				t.Fatalf("row %d, state %d: %v, want %v", i, r, got, want)
			}
		}
	}
}

// With nothing to win, each placement of the penalty pulls the policy back.
func TestPenaltyInTheLossLowersKL(t *testing.T) {
	be := gx.TestBackend(t)
	away := trainer(t, be, config(), even)
	for range 15 {
		step(t, away)
	}
	before := meanKL(t, away)
	cfg := config()
	cfg.KL, cfg.KLCoef, cfg.Epochs = "loss", 0.3, 1
	back := trainer(t, be, cfg, zero)
	copyState(t, back, away)
	back.Policy.Updates = away.Policy.Updates / 2 // one epoch a step
	for range 15 {
		step(t, back)
	}
	if after := meanKL(t, back); after > 0.7*before {
		t.Errorf("KL %.3f -> %.3f nats under the loss alone, want it to fall by a third", before, after)
	}
}

// The coefficient follows the controller, in nats per response.
func TestAdaptiveCoefficient(t *testing.T) {
	be := gx.TestBackend(t)
	cfg := config()
	cfg.KLCoef, cfg.KLTarget, cfg.KLHorizon = 0.1, 0.5, 300
	tr := trainer(t, be, cfg, even)
	want := rl.AdaptiveKL{Coef: 0.1, TargetPerResponse: 0.5, HorizonEpisodes: 300}
	for i := range 8 {
		_, p := step(t, tr)
		if got := p.Values["objective/kl_coef"]; got != want.Coef {
			t.Errorf("step %d: coefficient %v, want %v", i+1, got, want.Coef)
		}
		if err := want.Update(p.Values["objective/kl"], cfg.Batch); err != nil {
			t.Fatal(err)
		}
	}
	if want.Coef == 0.1 {
		t.Error("the coefficient never moved")
	}
}

// Each planted mistake leaves the mark that it is known by, and the run without it has
// no such mark.
func TestPlants(t *testing.T) {
	be := gx.TestBackend(t)
	run := func(plant string) (*rlhf.Batch, rlhf.Point, []float32) {
		cfg := config()
		cfg.KLCoef, cfg.Plant = 0.5, plant
		tr := trainer(t, be, cfg, even)
		value := values(t, tr.Value.Params)
		var b *rlhf.Batch
		var p rlhf.Point
		for range 4 { // by then some response has ended by itself
			if b, p = step(t, tr); slices.Contains(b.EOS, true) && p.Step > 1 {
				break
			}
		}
		for i, v := range values(t, tr.Value.Params) {
			value[i] -= v
		}
		return b, p, value
	}
	for _, c := range []struct {
		plant string
		mark  func(b *rlhf.Batch, p rlhf.Point, moved []float32) bool
	}{
		{rlhf.PlantTopK, func(b *rlhf.Batch, p rlhf.Point, _ []float32) bool {
			return p.Values["objective/sampler_gap"] < 1e-3 && firstTokens(b) <= 3
		}},
		{rlhf.PlantTemperature, func(_ *rlhf.Batch, p rlhf.Point, _ []float32) bool { return p.Values["objective/sampler_gap"] > 0.05 }},
		{rlhf.PlantPadIsEOS, func(b *rlhf.Batch, _ rlhf.Point, _ []float32) bool {
			return slices.Contains(b.EOS, true) && !endsCount(b)
		}},
		{rlhf.PlantWrongSign, func(b *rlhf.Batch, _ rlhf.Point, _ []float32) bool {
			return b.Reward[0][0] != 0 && b.Reward[0][0]*b.KL[0][0] > 0
		}},
		{rlhf.PlantCriticOff, func(_ *rlhf.Batch, _ rlhf.Point, moved []float32) bool {
			return !slices.ContainsFunc(moved, func(d float32) bool { return d != 0 })
		}},
	} {
		if !c.mark(run(c.plant)) {
			t.Errorf("%s leaves no mark", c.plant)
		}
		if c.mark(run("")) {
			t.Errorf("the run without %s bears its mark", c.plant)
		}
	}
	cfg := config()
	cfg.Plant = "top-p"
	if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), "critic-off") {
		t.Errorf("an unknown plant: %v", err)
	}
}

// firstTokens is how many different tokens stand first behind one prompt, at most.
func firstTokens(b *rlhf.Batch) (most int) {
	seen := map[string]map[int32]bool{}
	for i, ids := range b.ResponseIDs {
		if seen[b.Prompts[i]] == nil {
			seen[b.Prompts[i]] = map[int32]bool{}
		}
		seen[b.Prompts[i]][ids[0]] = true
		most = max(most, len(seen[b.Prompts[i]]))
	}
	return most
}

// endsCount reports whether an end token counts anywhere.
func endsCount(b *rlhf.Batch) bool {
	for i := range b.Mask {
		if n := b.Length(i); n > 0 && b.ResponseIDs[i][n-1] == tok.EOS() {
			return true
		}
	}
	return false
}

// Always-on invariants that a batch can be made to break.
func TestInvariants(t *testing.T) {
	be := gx.TestBackend(t)
	tr := trainer(t, be, config(), even)
	b := phases(t, tr, 3)
	b.LogP[0][0] += 0.01 // as if scoring and training disagreed
	if _, err := tr.Update(b); !errors.Is(err, ppo.ErrInvariant) || !strings.Contains(err.Error(), "first minibatch") {
		t.Errorf("a ratio of 1.01: %v", err)
	}
	tr = trainer(t, be, config(), even)
	b = phases(t, tr, 3)
	b.LogPRef[1][0] = -1e30 // k3 is finite in float64, its sum is not small
	if p, err := tr.Update(b); err == nil && !(p.Values["objective/kl_k3"] >= 0) {
		t.Errorf("k3 = %v", p.Values["objective/kl_k3"])
	}
	m := models(t, be)
	m.Tok = onePad{m.Tok}
	if _, err := ppo.New(be, config(), m, prompts(), stream); err == nil || !strings.Contains(err.Error(), "must differ") {
		t.Errorf("pad = end: %v", err)
	}
}

// Without a scorer the score is whoever's who holds the batch.
func TestNoScorer(t *testing.T) {
	be := gx.TestBackend(t)
	m := models(t, be)
	m.Programs = programs(be, config(), m)
	tr, err := ppo.New(be, config(), m, prompts(), stream)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := tr.Step(nil); err == nil || !strings.Contains(err.Error(), "StepsWith") {
		t.Errorf("Step without a scorer: %v", err)
	}
	b, err := tr.Rollout()
	if err != nil {
		t.Fatal(err)
	}
	if err := tr.Score(b); err != nil {
		t.Fatal(err)
	}
	if want := make([]float32, len(b.Prompts)); !reflect.DeepEqual(b.Score, want) {
		t.Errorf("scores %v, want zeros", b.Score)
	}
}

func models(t *testing.T, be compute.Backend) ppo.Models {
	t.Helper()
	return ppo.Models{Shape: shape, Tok: tok, Policy: initial(t, be, shape.Weights(), 0), Reference: initial(t, be, shape.Weights(), 0),
		ValueShape: shape, Value: initial(t, be, shape.ScalarWeights(), 1)}
}

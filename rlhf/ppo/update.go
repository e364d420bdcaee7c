package ppo

import (
	"fmt"
	"math"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/internal/fit"
	"hhrlhf/rlhf/internal/gx"
	"hhrlhf/rlhf/lm"
	"hhrlhf/rlhf/rl"
)

// ratioBound is how far from one the ratio may be in the first minibatch, where
// policy and rollout policy are the same and only rounding differs.
const ratioBound = 1e-3

// The statistics of one minibatch, in the order in which the program returns them.
const (
	statPolicyLoss = iota
	statValueLoss
	statKL3
	statOutside
	statRatioMax
	statRatioMin
	statEntropy
	numStats
)

// newUpdate is one minibatch as one program: both networks' forward and backward
// passes, clipped losses, clips by global norm, Adam.
func (t *Trainer) newUpdate() *fit.Program {
	group := func(ws []lm.Weight) fit.Group {
		return fit.Group{Names: lm.Names(ws), Decay: lm.Decays(ws), ClipNorm: t.cfg.ClipNorm}
	}
	groups := []fit.Group{group(t.shape.Weights()), group(t.shape.ScalarWeights())}
	return fit.New(t.be, "ppo update", 8, groups, func(w [][]*Node, data []*Node) (*Node, []*Node) {
		tokens, segments, mask, denom := data[0], data[1], data[2], data[3]
		logpOld, adv, ret, valueOld := data[4], data[5], data[6], data[7]
		logp, logits := lm.NewNet(t.shape, w[0]).NextLogProbs(tokens, segments, t.cfg.Response, t.cfg.Temperature)
		policy := rl.PolicyLoss(logp, logpOld, adv, mask, denom, t.cfg.ClipRange)
		value := rl.ValueLoss(t.values(w[1], tokens, segments), valueOld, ret, mask, denom, t.cfg.ValueClip)
		entropy := rl.MaskedMean(rl.Entropy(StopGradient(DivScalar(logits, t.cfg.Temperature)), mask), mask, denom)
		stats := Stack([]*Node{
			statPolicyLoss: policy.Loss, statValueLoss: value.Loss, statKL3: policy.KL3, statOutside: policy.RatioOutside,
			statRatioMax: policy.RatioMax, statRatioMin: policy.RatioMin, statEntropy: entropy,
		}, 0)
		// The networks share no weight, so the sum's gradient is each loss's own.
		return Add(policy.Loss, value.Loss), []*Node{stats}
	})
}

// Update makes Epochs passes over the batch in Minibatches parts each, in an
// order drawn from the run's seed, and returns the step's metrics. In the first
// CriticWarmup steps the policy's rate is zero.
func (t *Trainer) Update(b *rlhf.Batch) (rlhf.Point, error) {
	if err := t.check(b, "Update"); err != nil {
		return rlhf.Point{}, err
	}
	for _, f := range []struct {
		name, by string
		x        [][]float32
	}{{"LogP", "Score", b.LogP}, {"Value", "Score", b.Value}, {"KL", "Shape", b.KL}, {"Reward", "Shape", b.Reward},
		{"Advantage", "Advantages", b.Advantage}, {"Return", "Advantages", b.Return}} {
		if err := t.finite(b, "Update", f.name, f.by, f.x); err != nil {
			return rlhf.Point{}, err
		}
	}
	valid := 0
	for i := range b.Mask {
		valid += b.Length(i)
	}
	if valid == 0 {
		return rlhf.Point{}, fmt.Errorf("ppo: Update: no token of the batch counts; every Mask is empty")
	}
	step := b.Step - 1
	scale := rateScale(step, t.cfg.Warmup, t.cfg.Planned)
	rates := []float64{t.cfg.LearningRate * scale, t.cfg.ValueLearningRate * scale}
	if step < t.cfg.CriticWarmup {
		rates[0] = 0
	}
	// One denominator for every minibatch, so that how the batch is cut changes
	// no token's weight.
	denom := float32(valid) / float32(t.cfg.Minibatches)
	var m meter
	for epoch := range t.cfg.Epochs {
		perm := t.stream(fmt.Sprintf("ppo/minibatches/%d", epoch), step).Perm(t.cfg.Batch)
		size := t.cfg.Batch / t.cfg.Minibatches
		for part := range t.cfg.Minibatches {
			norms, stats, err := t.minibatch(b, perm[part*size:(part+1)*size], denom, rates)
			if err != nil {
				return rlhf.Point{}, err
			}
			m.add(norms, stats)
			if off := m.startRatio; epoch == 0 && part == 0 && !(off <= ratioBound) {
				return rlhf.Point{}, fmt.Errorf("ppo: step %d: ratio is off by %g in the first minibatch, want 1: %w", b.Step, off, ErrInvariant)
			}
		}
	}
	point := rlhf.Point{Step: b.Step, Values: t.measure(b)}
	m.report(point.Values)
	point.Values["lr"] = rates[0]
	return point, nil
}

// rateScale is the learning rates' factor in step (from 0): linear warm-up, times
// linear decay to a tenth at the last planned step.
func rateScale(step, warmup, planned int) float64 {
	scale := max(0.1, 1-0.9*float64(step)/float64(planned))
	if step < warmup {
		scale *= float64(step+1) / float64(warmup)
	}
	return scale
}

func (t *Trainer) minibatch(b *rlhf.Batch, at []int, denom float32, rates []float64) (norms []float64, stats []float32, err error) {
	tokens, segments, err := t.layout(b, at)
	if err != nil {
		return nil, nil, err
	}
	in := []*tensors.Tensor{tokens, segments}
	mask := make([][]bool, len(at))
	for i, j := range at {
		mask[i] = b.Mask[j]
	}
	m, err := gx.Rows(t.be, mask, t.cfg.Response, false, false)
	if err != nil {
		return nil, nil, err
	}
	d, err := gx.Flat(t.be, []float32{denom})
	if err != nil {
		return nil, nil, err
	}
	in = append(in, m, d)
	for _, field := range [][][]float32{b.LogP, b.Advantage, b.Return, b.Value} {
		rows := make([][]float32, len(at))
		for i, j := range at {
			rows[i] = field[j]
		}
		x, err := gx.Rows(t.be, rows, t.cfg.Response, 0, false)
		if err != nil {
			return nil, nil, err
		}
		in = append(in, x)
	}
	defer gx.Free(in...)
	norms, extra, err := t.update.Step([]*fit.State{t.Policy, t.Value}, rates, gx.Keep(in)...)
	if err != nil {
		return nil, nil, fmt.Errorf("ppo: step %d: %w", b.Step, err)
	}
	defer gx.Free(extra...)
	stats, err = gx.Values[float32](extra[0])
	return norms, stats, err
}

// A meter averages the statistics of a step's minibatches.
type meter struct {
	n                     float64
	sums                  [numStats]float64
	ratioMax, startRatio  float64
	policyNorm, valueNorm float64
}

func (m *meter) add(norms []float64, stats []float32) {
	if m.n == 0 {
		m.startRatio = math.Max(math.Abs(float64(stats[statRatioMax])-1), math.Abs(1-float64(stats[statRatioMin])))
		if stats[statRatioMax] == 0 { // no token of this minibatch counts
			m.startRatio = 0
		}
	}
	m.n++
	for i, s := range stats {
		m.sums[i] += float64(s)
	}
	m.ratioMax = math.Max(m.ratioMax, float64(stats[statRatioMax]))
	m.policyNorm += norms[0]
	m.valueNorm += norms[1]
}

func (m *meter) report(v map[string]float64) {
	v["loss/policy"] = m.sums[statPolicyLoss] / m.n
	v["loss/value"] = m.sums[statValueLoss] / m.n
	v["policy/approx_kl"] = m.sums[statKL3] / m.n
	v["policy/clipfrac"] = m.sums[statOutside] / m.n
	v["policy/entropy"] = m.sums[statEntropy] / m.n
	v["policy/ratio_max"] = m.ratioMax
	v["policy/ratio_start"] = m.startRatio
	v["grad_norm"] = m.policyNorm / m.n
	v["value/grad_norm"] = m.valueNorm / m.n
}

package ppo

import (
	"fmt"
	"math"

	"github.com/gomlx/gomlx/core/tensors"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/internal/gx"
	"hhrlhf/rlhf/rl"
)

// ratioBound is how far from one the ratio may be in the first minibatch, where
// policy and rollout policy are the same and only rounding differs.
const ratioBound = 1e-3

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
	}{{"LogP", "Score", b.LogP}, {"LogPRef", "Score", b.LogPRef}, {"Value", "Score", b.Value}, {"KL", "Shape", b.KL}, {"Reward", "Shape", b.Reward},
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
	point := rlhf.Point{Step: b.Step, Values: t.measure(b)}
	for name, v := range point.Values {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return rlhf.Point{}, fmt.Errorf("ppo: step %d: %s = %v; nothing was updated", b.Step, name, v)
		}
	}
	rates := t.rates(b.Step - 1)
	m, err := t.passes(b, valid, rates)
	if err != nil {
		return rlhf.Point{}, err
	}
	m.report(point.Values)
	point.Values["lr"], point.Values["lr/value"] = rates[0], rates[1]
	if t.Value == nil && !t.shared() {
		for _, name := range valueMetrics {
			delete(point.Values, name)
		}
	}
	return point, t.adapt(point.Values["objective/kl"])
}

// passes goes over the batch, which is on the device once for all of them.
func (t *Trainer) passes(b *rlhf.Batch, valid int, rates []float64) (m meter, err error) {
	resident, err := t.upload(b, valid)
	defer gx.Free(resident...)
	if err != nil {
		return m, err
	}
	batch := gx.Keep(resident)
	size := t.cfg.Batch / t.cfg.Minibatches
	for epoch := range t.cfg.Epochs {
		rows := make([]int32, t.cfg.Batch)
		for i, j := range t.stream(fmt.Sprintf("ppo/minibatches/%d", epoch), b.Step-1).Perm(t.cfg.Batch) {
			rows[i] = int32(j)
		}
		for part := range t.cfg.Minibatches {
			norms, stats, err := t.update.step(t, batch, rows[part*size:(part+1)*size], rates)
			if err != nil {
				return m, fmt.Errorf("ppo: step %d: %w", b.Step, err)
			}
			m.add(norms, stats)
			if off := m.startRatio; epoch == 0 && part == 0 && !(off <= ratioBound) {
				return m, fmt.Errorf("ppo: step %d: ratio is off by %g in the first minibatch, want 1: %w", b.Step, off, ErrInvariant)
			}
		}
	}
	return m, nil
}

// upload sends to the device what all minibatches share, in the order of the update's
// inputs. valid is the number of the batch's tokens that count.
func (t *Trainer) upload(b *rlhf.Batch, valid int) ([]*tensors.Tensor, error) {
	in, err := t.layout(b, t.tok.Pad())
	if err != nil {
		return in, err
	}
	for _, field := range [][][]float32{b.LogP, b.LogPRef, b.Advantage, b.Return, b.Value} {
		x, err := gx.Rows(t.be, field, t.cfg.Response, 0, false)
		if err != nil {
			return in, err
		}
		in = append(in, x)
	}
	// One denominator for every minibatch, so that how the batch is cut changes
	// no token's weight.
	denom := float32(valid) / float32(t.cfg.Minibatches)
	for _, x := range []float32{denom, float32(t.signedCoef())} {
		scalar, err := gx.Flat(t.be, []float32{x})
		if err != nil {
			return in, err
		}
		in = append(in, scalar)
	}
	return in, nil
}

// rates are the learning rates of policy and value function in a step, from 0.
func (t *Trainer) rates(step int) []float64 {
	scale := rateScale(t.cfg, step)
	rates := []float64{t.cfg.LearningRate * scale, t.cfg.ValueLearningRate * scale}
	if step < t.cfg.CriticWarmup {
		rates[0] = 0
	}
	switch {
	case t.shared():
		rates[1] = rates[0]
	case t.Value == nil:
		rates[1] = 0
	case t.cfg.Plant == rlhf.PlantCriticOff:
		rates[1] = 0
	}
	return rates
}

// rateScale is the learning rates' factor in a step, from 0: linear warm-up, times
// linear decay to a tenth at the last planned step, or a half for every HalveEvery
// samples (B.1), or one.
func rateScale(c rlhf.PPO, step int) float64 {
	scale := 1.0
	switch c.Schedule {
	case "", "linear":
		scale = max(0.1, 1-0.9*float64(step)/float64(c.Planned))
	case "halving":
		scale = math.Pow(0.5, float64(step*c.Batch/c.HalveEvery))
	}
	if step < c.Warmup {
		scale *= float64(step+1) / float64(c.Warmup)
	}
	return scale
}

// adapt moves the KL coefficient of the next step where it is adaptive.
func (t *Trainer) adapt(klPerResponse float64) error {
	if t.cfg.KLTarget == 0 {
		return nil
	}
	c := rl.AdaptiveKL{Coef: t.KLCoef, TargetPerResponse: t.cfg.KLTarget, HorizonEpisodes: t.cfg.KLHorizon}
	if err := c.Update(klPerResponse, t.cfg.Batch); err != nil {
		return err
	}
	t.KLCoef = c.Coef
	return nil
}

// valueMetrics are those that a run without a value function does not have, nor anything
// that learns returns.
var valueMetrics = []string{"loss/value", "value/mean", "value/explained_var", "value/clipfrac", "value/grad_norm", "lr/value", "returns/mean", "returns/std"}

// A meter averages the statistics of a step's minibatches.
type meter struct {
	n                     float64
	sums                  [numPolicyStats + numValueStats]float64
	ratioMax, ratioMin    float64
	startRatio            float64
	policyNorm, valueNorm float64
}

func (m *meter) add(norms [2]float64, stats []float64) {
	high, low := stats[statRatioMax], -stats[statRatioMin]
	if m.n == 0 {
		m.ratioMax, m.ratioMin = high, low
		m.startRatio = math.Max(math.Abs(high-1), math.Abs(1-low))
		if high == 0 { // no token of this minibatch counts
			m.startRatio = 0
		}
	}
	m.n++
	for i, s := range stats {
		m.sums[i] += s
	}
	m.ratioMax, m.ratioMin = math.Max(m.ratioMax, high), math.Min(m.ratioMin, low)
	m.policyNorm += norms[0]
	m.valueNorm += norms[1]
}

func (m *meter) report(v map[string]float64) {
	v["loss/policy"] = m.sums[statPolicyLoss] / m.n
	v["loss/value"] = m.sums[numPolicyStats+statValueLoss] / m.n
	v["policy/approx_kl"] = m.sums[statKL3] / m.n
	v["policy/clipfrac"] = m.sums[statOutside] / m.n
	v["policy/ratio_mean"] = m.sums[statRatio] / m.n
	v["policy/ratio_max"], v["policy/ratio_min"] = m.ratioMax, m.ratioMin
	v["policy/ratio_start"] = m.startRatio
	v["value/clipfrac"] = m.sums[numPolicyStats+statValueClipped] / m.n
	v["grad_norm"] = m.policyNorm / m.n
	v["value/grad_norm"] = m.valueNorm / m.n
}

package ppo

import (
	"fmt"
	"math"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/internal/gx"
	"hhrlhf/rlhf/rl"
)

// Shape turns scores into rewards per token:
//
//	k_t = log π(a_t|s_t) − log π₀(a_t|s_t)
//	r_t = −λ_KL·k_t + [t is the last valid token]·score
//
// with MissingEOSPenalty taken off the score of a response that was cut.
func (t *Trainer) Shape(b *rlhf.Batch) error {
	if err := t.check(b, "Shape"); err != nil {
		return err
	}
	if len(b.Score) != len(b.Mask) || len(b.EOS) != len(b.Mask) {
		return fmt.Errorf("ppo: Shape: the batch has %d scores and %d EOS flags, want %d; call Score first", len(b.Score), len(b.EOS), len(b.Mask))
	}
	for i, s := range b.Score {
		if v := float64(s); math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("ppo: Shape: Score[%d] = %v for the response %.60q, want a finite number", i, s, b.Responses[i])
		}
	}
	if err := t.finite(b, "Shape", "LogP", "Score", b.LogP); err != nil {
		return err
	}
	if err := t.finite(b, "Shape", "LogPRef", "Score", b.LogPRef); err != nil {
		return err
	}
	score, err := gx.Flat(t.be, b.Score, len(b.Score))
	if err != nil {
		return err
	}
	eos, err := gx.Flat(t.be, b.EOS, len(b.EOS))
	if err != nil {
		return err
	}
	return t.perToken(t.shape_, b, [][][]float32{b.LogP, b.LogPRef}, []*tensors.Tensor{score, eos}, &b.KL, &b.Reward)
}

// shapeGraph: mask, logp, logpRef [B, R], score, eos [B] → kl, reward [B, R].
func (t *Trainer) shapeGraph(in []*Node) []*Node {
	mask, logp, logpRef, score, eos := in[0], in[1], in[2], in[3], in[4]
	score = rl.PenaliseMissingEOS(score, eos, t.cfg.MissingEOSPenalty)
	coef := Const(mask.Graph(), float32(t.cfg.KLCoef))
	kl, reward := rl.ShapedReward(logp, logpRef, mask, score, coef, rl.PerToken)
	return []*Node{kl, reward}
}

// Advantages estimates how much better than expected each token was, by GAE over
// the shaped rewards, and the returns that the value function learns. The
// advantages are whitened over the valid tokens of the batch unless NoWhiten.
func (t *Trainer) Advantages(b *rlhf.Batch) error {
	if err := t.check(b, "Advantages"); err != nil {
		return err
	}
	if err := t.finite(b, "Advantages", "Reward", "Shape", b.Reward); err != nil {
		return err
	}
	if err := t.finite(b, "Advantages", "Value", "Score", b.Value); err != nil {
		return err
	}
	return t.perToken(t.advant, b, [][][]float32{b.Reward, b.Value}, nil, &b.Advantage, &b.Return)
}

// advantagesGraph: mask, reward, value [B, R] → advantage, return [B, R].
func (t *Trainer) advantagesGraph(in []*Node) []*Node {
	mask, reward, value := in[0], in[1], in[2]
	adv, ret := rl.GAE(reward, value, mask, t.cfg.Gamma, t.cfg.Lambda)
	if !t.cfg.NoWhiten {
		adv = rl.Whiten(adv, mask, rl.WhitenOptions{})
	}
	return []*Node{adv, ret}
}

// perToken calls a program on the mask, per-token fields and further inputs, and
// stores its per-token outputs. It takes the further inputs over.
func (t *Trainer) perToken(p *gx.Program, b *rlhf.Batch, fields [][][]float32, more []*tensors.Tensor, results ...*[][]float32) error {
	mask, err := gx.Rows(t.be, b.Mask, t.cfg.Response, false, false)
	if err != nil {
		return err
	}
	in := []*tensors.Tensor{mask}
	for _, f := range fields {
		x, err := gx.Rows(t.be, f, t.cfg.Response, 0, false)
		if err != nil {
			return err
		}
		in = append(in, x)
	}
	in = append(in, more...)
	defer gx.Free(in...)
	out, err := p.Call(gx.Keep(in)...)
	if err != nil {
		return fmt.Errorf("ppo: step %d: %w", b.Step, err)
	}
	defer gx.Free(out...)
	for i, r := range results {
		if *r, err = gx.Matrix[float32](out[i]); err != nil {
			return err
		}
	}
	return nil
}

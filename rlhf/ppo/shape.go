package ppo

import (
	"fmt"
	"math"

	"github.com/gomlx/compute/dtypes"
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
// where rlhf.PPO says whether the score is standardised, what a response that was
// cut gets, what a token costs, where the penalty is paid and whether the rewards
// are whitened. The batch's Score stays as it is.
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
	norm, err := t.scoreMoments()
	if err != nil {
		return err
	}
	var more []*tensors.Tensor
	for _, x := range []float64{norm.mean(), norm.std(), t.penalty()} {
		s, err := gx.Flat(t.be, []float32{float32(x)})
		if err != nil {
			return err
		}
		more = append(more, s)
	}
	score, err := gx.Flat(t.be, b.Score, len(b.Score))
	if err != nil {
		return err
	}
	eos, err := gx.Flat(t.be, b.EOS, len(b.EOS))
	if err != nil {
		return err
	}
	return t.perToken(t.shaping, b, [][][]float32{b.LogP, b.LogPRef}, append(more, score, eos), &b.KL, &b.Reward)
}

// penalty is the coefficient of the KL penalty in the reward of this step.
func (t *Trainer) penalty() float64 {
	if t.cfg.KL == "loss" {
		return 0
	}
	return t.signedCoef()
}

// signedCoef is KLCoef, turned where the mistake is planted.
func (t *Trainer) signedCoef() float64 {
	if t.cfg.Plant == rlhf.PlantWrongSign {
		return -t.KLCoef
	}
	return t.KLCoef
}

// shapeGraph: mask, logp, logpRef [B, R], mean and deviation that scores are
// standardised by, λ_KL, score, eos [B] → kl, reward [B, R].
func (p *Programs) shapeGraph(in []*Node) []*Node {
	mask, logp, logpRef, mean, std, coef, score, eos := in[0], in[1], in[2], in[3], in[4], in[5], in[6], in[7]
	score = Div(Sub(score, mean), std)
	if fixed := p.cfg.MissingEOSScore; fixed != 0 {
		score = rl.ReplaceMissingEOS(score, eos, fixed)
	}
	score = rl.PenaliseMissingEOS(score, eos, p.cfg.MissingEOSPenalty)
	if p.cfg.LengthPenalty > 0 {
		tokens := ConvertDType(ReduceSum(ConvertDType(mask, dtypes.Int32), 1), score.DType())
		score = Sub(score, MulScalar(tokens, p.cfg.LengthPenalty))
	}
	place := rl.PerToken
	if p.cfg.KL == "response" {
		place = rl.PerResponse
	}
	kl, reward := rl.ShapedReward(logp, logpRef, mask, score, coef, place)
	if p.cfg.WhitenReward {
		reward = rl.Whiten(reward, mask, rl.WhitenOptions{KeepMean: true})
	}
	return []*Node{kl, reward}
}

// normBatches is over how many batches of π₀'s responses the scores are standardised.
const normBatches = 4

// scoreMoments are mean and deviation of the scores of π₀'s responses, which later
// scores are standardised by; 0 and 1 unless NormScore is set. They depend on the seed
// alone, so a resumed run computes the same.
func (t *Trainer) scoreMoments() (*moments, error) {
	if t.norm != nil {
		return t.norm, nil
	}
	if !t.cfg.NormScore {
		return &moments{n: 1, squares: 1}, nil
	}
	var m moments
	for i := range normBatches {
		prompts := t.promptsOf(i)
		b, err := t.respond(t.reference, prompts, t.stream("ppo/norm", i).Uint64(), t.Steps()+1)
		if err != nil {
			return nil, err
		}
		scores, err := t.scores(t.scorer, b)
		if err != nil {
			return nil, fmt.Errorf("ppo: scoring the reference's responses: %w", err)
		}
		for _, s := range scores {
			m.add(float64(s))
		}
	}
	if !(m.std() > 0) {
		return nil, fmt.Errorf("ppo: NormScore: the scores of %.0f responses of the initial policy are all %v; there is nothing to standardise by, and nothing to learn", m.n, m.mean())
	}
	t.norm = &m
	return t.norm, nil
}

// Advantages estimates how much better than expected each token was, by GAE over
// the shaped rewards or as the run's algorithm does, and the returns that the value
// function learns. The advantages are whitened over the valid tokens of the batch
// unless NoWhiten.
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
	if t.algorithm.Advantages != nil {
		return t.ownAdvantages(b)
	}
	return t.perToken(t.advan, b, [][][]float32{b.Reward, b.Value}, nil, &b.Advantage, &b.Return)
}

// advantagesGraph: mask, reward, value [B, R] → advantage, return [B, R].
func (p *Programs) advantagesGraph(in []*Node) []*Node {
	mask, reward, value := in[0], in[1], in[2]
	adv, ret := rl.GAE(reward, value, mask, p.cfg.Gamma, p.cfg.Lambda)
	if !p.cfg.NoWhiten {
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

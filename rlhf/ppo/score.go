package ppo

import (
	"fmt"
	"math"
	"slices"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/internal/gx"
	"hhrlhf/rlhf/lm"
)

// Bounds, in nats per token, on what float32 may make of one log-probability
// computed by two programs: the sampler's and the scoring pass's, or the scoring
// and the training pass's.
const (
	samplerBound = 1e-3
	startBound   = 1e-5
)

// Score fills the batch's Score from the scorer and LogP, LogPRef and Value from
// one forward pass of policy, reference and value function.
func (t *Trainer) Score(b *rlhf.Batch) error {
	if err := t.check(b, "Score"); err != nil {
		return err
	}
	responses := make([][]int32, len(b.ResponseIDs))
	for i, row := range b.ResponseIDs {
		responses[i] = row[:b.Length(i)]
	}
	var err error
	if b.Score, err = t.scorer.ScoreTokens(b.PromptIDs, responses); err != nil {
		return fmt.Errorf("ppo: scoring step %d: %w", b.Step, err)
	}
	if err := t.forward(t.Policy.Params, b); err != nil {
		return err
	}
	for i, row := range b.Mask {
		for r, valid := range row {
			if !valid {
				b.LogP[i][r], b.LogPRef[i][r], b.Value[i][r] = 0, 0, 0
				continue
			}
			if d := math.Abs(float64(b.LogP[i][r] - b.LogPSample[i][r])); !(d <= samplerBound) {
				return fmt.Errorf("ppo: step %d, row %d, token %d: sampler and scoring pass give log-probabilities %g and %g: %w",
					b.Step, i, r, b.LogPSample[i][r], b.LogP[i][r], ErrInvariant)
			}
			if d := math.Abs(float64(b.LogP[i][r] - b.LogPRef[i][r])); t.Policy.Updates == 0 && !(d <= startBound) {
				return fmt.Errorf("ppo: row %d, token %d: policy and reference differ by %g nats before the first update: %w", i, r, d, ErrInvariant)
			}
		}
	}
	return nil
}

// forward fills LogP of the policy with these weights, LogPRef and Value.
func (t *Trainer) forward(policy []*tensors.Tensor, b *rlhf.Batch) error {
	tokens, segments, err := t.layout(b, nil)
	if err != nil {
		return err
	}
	defer gx.Free(tokens, segments)
	in := slices.Concat([]any{tokens, segments}, gx.Keep(policy), gx.Keep(t.reference), gx.Keep(t.Value.Params))
	out, err := t.evaluate.Call(in...)
	if err != nil {
		return fmt.Errorf("ppo: step %d: %w", b.Step, err)
	}
	defer gx.Free(out...)
	for i, field := range []*[][]float32{&b.LogP, &b.LogPRef, &b.Value} {
		if *field, err = gx.Matrix[float32](out[i]); err != nil {
			return err
		}
	}
	return nil
}

// layout places rows of the batch (all of them if at is nil) as tokens and
// segments, [b, P+R]: the prompt left-padded, the response right-padded.
func (t *Trainer) layout(b *rlhf.Batch, at []int) (tokens, segments *tensors.Tensor, err error) {
	if at == nil {
		at = make([]int, len(b.Prompts))
		for i := range at {
			at[i] = i
		}
	}
	toks, segs := make([][]int32, len(at)), make([][]int32, len(at))
	p, r := t.cfg.Prompt, t.cfg.Response
	for i, j := range at {
		toks[i], segs[i] = slices.Repeat([]int32{t.tok.Pad()}, p+r), make([]int32, p+r)
		start := p - len(b.PromptIDs[j])
		copy(toks[i][start:], b.PromptIDs[j])
		for k := start; k < p; k++ {
			segs[i][k] = 1
		}
		for k, valid := range b.Mask[j] {
			if valid {
				toks[i][p+k], segs[i][p+k] = b.ResponseIDs[j][k], 1
			}
		}
	}
	if tokens, err = gx.Rows(t.be, toks, p+r, 0, false); err != nil {
		return nil, nil, err
	}
	segments, err = gx.Rows(t.be, segs, p+r, 0, false)
	return tokens, segments, err
}

// evaluateGraph: tokens, segments, policy, reference and value weights → log π,
// log π₀ and V, [B, R] each.
func (t *Trainer) evaluateGraph(in []*Node) []*Node {
	tokens, segments, w := in[0], in[1], in[2:]
	n := len(t.Policy.Params)
	logp, _ := lm.NewNet(t.shape, w[:n]).NextLogProbs(tokens, segments, t.cfg.Response, t.cfg.Temperature)
	logpRef, _ := lm.NewNet(t.shape, w[n:2*n]).NextLogProbs(tokens, segments, t.cfg.Response, t.cfg.Temperature)
	return []*Node{logp, logpRef, t.values(w[2*n:], tokens, segments)}
}

// values returns V(s_r) [B, R]: the value head at slot P+r−1, where the policy is
// about to write response token r.
func (t *Trainer) values(weights []*Node, tokens, segments *Node) *Node {
	net := lm.NewNet(t.shape, weights)
	p := t.cfg.Prompt
	return net.Scalar(net.HiddenAt(tokens, lm.Positions(segments), lm.CausalBias(segments), lm.Slots(p-1, p+t.cfg.Response-1)), weights)
}

// check refuses a batch that this phase cannot read, for a batch may come from
// anywhere, a notebook cell included.
func (t *Trainer) check(b *rlhf.Batch, phase string) error {
	n := t.cfg.Batch
	switch {
	case b == nil:
		return fmt.Errorf("ppo: %s: no batch; call Rollout first", phase)
	case b.Step != t.Steps()+1:
		return fmt.Errorf("ppo: %s: the batch was rolled out for step %d, the run is at step %d; roll out again", phase, b.Step, t.Steps())
	case len(b.Prompts) != n || len(b.PromptIDs) != n || len(b.ResponseIDs) != n || len(b.Mask) != n || len(b.LogPSample) != n:
		return fmt.Errorf("ppo: %s: the batch has %d prompts, %d responses and %d masks, want %d of each; to leave a row out, clear its Mask",
			phase, len(b.Prompts), len(b.ResponseIDs), len(b.Mask), n)
	}
	for i := range n {
		if l := len(b.PromptIDs[i]); l == 0 || l > t.cfg.Prompt {
			return fmt.Errorf("ppo: %s: row %d: prompt of %d tokens, want 1 to %d", phase, i, l, t.cfg.Prompt)
		}
		if len(b.ResponseIDs[i]) != t.cfg.Response || len(b.Mask[i]) != t.cfg.Response || len(b.LogPSample[i]) != t.cfg.Response {
			return fmt.Errorf("ppo: %s: row %d: response or mask is not %d slots wide", phase, i, t.cfg.Response)
		}
		for _, id := range slices.Concat(b.PromptIDs[i], b.ResponseIDs[i]) {
			if id < 0 || int(id) >= t.shape.Vocab {
				return fmt.Errorf("ppo: %s: row %d: token id %d, want 0 to %d", phase, i, id, t.shape.Vocab-1)
			}
		}
	}
	return nil
}

// finite refuses a per-token field that is missing, of the wrong shape, or not
// finite on a valid slot; the phase that fills it is named as the cure.
func (t *Trainer) finite(b *rlhf.Batch, phase, field, filledBy string, x [][]float32) error {
	if len(x) != len(b.Mask) {
		return fmt.Errorf("ppo: %s: the batch has no %s; call %s first", phase, field, filledBy)
	}
	for i, row := range b.Mask {
		if len(x[i]) != len(row) {
			return fmt.Errorf("ppo: %s: %s has %d slots in row %d, want %d", phase, field, len(x[i]), i, len(row))
		}
		for r, valid := range row {
			if v := float64(x[i][r]); valid && (math.IsNaN(v) || math.IsInf(v, 0)) {
				return fmt.Errorf("ppo: %s: %s[%d][%d] = %v, want a finite number", phase, field, i, r, v)
			}
		}
	}
	return nil
}

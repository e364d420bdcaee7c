package ppo

import (
	"fmt"
	"math"
	"slices"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/internal/gx"
	"hhrlhf/rlhf/rl"
)

// Bounds, in nats per token, on what float32 may make of one log-probability
// computed by two programs: the sampler's and the scoring pass's, or the scoring
// and the training pass's.
const (
	samplerBound = 1e-3
	startBound   = 1e-5
)

// exactKLVocab is the largest vocabulary over which the KL divergence is summed at
// every token.
const exactKLVocab = 1024

// Score fills the batch's Score from the scorer, and LogP, LogPRef, Value and Entropy
// from one forward pass of policy, reference and value function.
func (t *Trainer) Score(b *rlhf.Batch) error {
	if err := t.check(b, "Score"); err != nil {
		return err
	}
	if err := t.judge(b); err != nil {
		return fmt.Errorf("ppo: scoring step %d: %w", b.Step, err)
	}
	var err error
	if b.ScoreTest, err = t.scores(t.test, b); err != nil {
		return fmt.Errorf("ppo: scoring step %d by TestPM: %w", b.Step, err)
	}
	if err := t.forward(t.Policy.Params, b); err != nil {
		return err
	}
	first := t.Policy.Updates == 0
	for i, row := range b.Mask {
		for r, valid := range row {
			if !valid {
				continue
			}
			if d := math.Abs(float64(b.LogP[i][r] - b.LogPSample[i][r])); !(d <= samplerBound) && t.cfg.Plant != rlhf.PlantTemperature {
				return fmt.Errorf("ppo: step %d, row %d, token %d: sampler and scoring pass give log-probabilities %g and %g: %w",
					b.Step, i, r, b.LogPSample[i][r], b.LogP[i][r], ErrInvariant)
			}
			if d := math.Abs(float64(b.LogP[i][r] - b.LogPRef[i][r])); first && !(d <= startBound) {
				return fmt.Errorf("ppo: row %d, token %d: policy and reference differ by %g nats before the first update: %w", i, r, d, ErrInvariant)
			}
		}
	}
	if first {
		return t.checkPadding(b)
	}
	return nil
}

// judge fills the batch's Score; without a scorer it is zero.
func (t *Trainer) judge(b *rlhf.Batch) (err error) {
	if b.Score, err = t.scores(t.scorer, b); t.scorer == nil {
		b.Score = make([]float32, len(b.Prompts))
	}
	return err
}

// scores asks a scorer, which may be nil, about the batch's responses.
func (t *Trainer) scores(s Scorer, b *rlhf.Batch) ([]float32, error) {
	if s == nil {
		return nil, nil
	}
	responses := make([][]int32, len(b.ResponseIDs))
	for i, row := range b.ResponseIDs {
		responses[i] = row[:b.Length(i)]
	}
	scores, err := s.ScoreTokens(b.PromptIDs, responses)
	if err == nil && len(scores) != len(responses) {
		err = fmt.Errorf("%d scores for %d responses", len(scores), len(responses))
	}
	return scores, err
}

// forward fills LogP of the policy with these weights, LogPRef, Value, Entropy and
// ExactKL; masked slots get zero.
func (t *Trainer) forward(policy []*tensors.Tensor, b *rlhf.Batch) error {
	fields, err := t.evaluateWith(policy, b, t.tok.Pad())
	if err != nil {
		return err
	}
	b.LogP, b.LogPRef, b.Value, b.Entropy, b.ExactKL = fields[0], fields[1], fields[2], fields[3], nil
	if len(fields) > 4 {
		b.ExactKL = fields[4]
	}
	return nil
}

// evaluateWith runs the scoring pass with a token in the padded slots.
func (t *Trainer) evaluateWith(policy []*tensors.Tensor, b *rlhf.Batch, padding int32) ([][][]float32, error) {
	in, err := t.layout(b, padding)
	if err != nil {
		return nil, err
	}
	defer gx.Free(in...)
	args := slices.Concat(gx.Keep(in), gx.Keep(policy), gx.Keep(t.reference))
	if t.Value != nil {
		args = append(args, gx.Keep(t.Value.Params)...)
	}
	out, err := t.evaluate.Call(args...)
	if err != nil {
		return nil, fmt.Errorf("ppo: step %d: %w", b.Step, err)
	}
	defer gx.Free(out...)
	fields := make([][][]float32, len(out))
	for i := range out {
		if fields[i], err = gx.Matrix[float32](out[i]); err != nil {
			return nil, err
		}
	}
	return fields, nil
}

// checkPadding runs the pass again with another token in the padded slots: nothing
// may change.
func (t *Trainer) checkPadding(b *rlhf.Batch) error {
	poisoned, err := t.evaluateWith(t.Policy.Params, b, (t.tok.Pad()+1)%int32(t.shape.Vocab))
	if err != nil {
		return err
	}
	for i, was := range [][][]float32{b.LogP, b.LogPRef, b.Value} {
		for row := range was {
			if !slices.Equal(was[row], poisoned[i][row]) {
				return fmt.Errorf("ppo: row %d: %s changes with what stands in the padding: %w",
					row, []string{"log π", "log π₀", "the value"}[i], ErrInvariant)
			}
		}
	}
	return nil
}

// layout places the batch as tokens and segments [B, P+R], the prompt left-padded,
// the response right-padded, and its mask [B, R].
func (t *Trainer) layout(b *rlhf.Batch, padding int32) ([]*tensors.Tensor, error) {
	n := len(b.Prompts)
	toks, segs := make([][]int32, n), make([][]int32, n)
	p, r := t.cfg.Prompt, t.cfg.Response
	for i := range n {
		toks[i], segs[i] = slices.Repeat([]int32{padding}, p+r), make([]int32, p+r)
		start := p - len(b.PromptIDs[i])
		copy(toks[i][start:], b.PromptIDs[i])
		for k := start; k < p; k++ {
			segs[i][k] = 1
		}
		for k, valid := range b.Mask[i] {
			if valid {
				toks[i][p+k], segs[i][p+k] = b.ResponseIDs[i][k], 1
			}
		}
	}
	tokens, err := gx.Rows(t.be, toks, p+r, 0, false)
	if err != nil {
		return nil, err
	}
	segments, err := gx.Rows(t.be, segs, p+r, 0, false)
	if err != nil {
		return nil, err
	}
	mask, err := gx.Rows(t.be, b.Mask, r, false, false)
	return []*tensors.Tensor{tokens, segments, mask}, err
}

// evaluateGraph: tokens, segments, mask, policy, reference and value weights → log π,
// log π₀, V, entropy and, where the vocabulary is small, the exact KL, [B, R] each.
func (p *Programs) evaluateGraph(in []*Node) []*Node {
	tokens, segments, mask, w := in[0], in[1], in[2], in[3:]
	n, m := len(p.PolicyWeights()), len(p.shape.Weights())
	policy := p.policyNet(w[:n], tokens, segments)
	reference := p.referenceNet(w[n:n+m], tokens, segments)
	value := policy.value
	switch {
	case ownValue(p.cfg):
		value = p.valueNet(w[n+m:], tokens, segments)
	case !p.shared():
		value = ZerosLike(policy.logp)
	}
	out := []*Node{policy.logp, reference.logp, value}
	for i, x := range out {
		out[i] = Where(mask, x, ZerosLike(x))
	}
	out = append(out, p.entropy(policy.logits, mask))
	if p.shape.Vocab <= exactKLVocab {
		out = append(out, rl.ExactKL(p.tempered(policy.logits), p.tempered(reference.logits), mask))
	}
	return out
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

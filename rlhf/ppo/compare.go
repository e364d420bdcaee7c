package ppo

import (
	"fmt"
	"slices"

	"github.com/gomlx/gomlx/core/tensors"

	"hhrlhf/rlhf"
)

// Compare lets the reference and the current policy answer the same prompts with
// the same noise, and scores both. Prompts are taken in batches of the run's
// size; nothing of the run changes.
func (t *Trainer) Compare(prompts []Prompt) (before, after []rlhf.Sample, err error) {
	if before, err = t.answers(t.withValueHead(t.reference), prompts); err != nil {
		return nil, nil, err
	}
	after, err = t.answers(t.Policy.Params, prompts)
	return before, after, err
}

// withValueHead completes a decoder's weights to those of the policy.
func (t *Trainer) withValueHead(decoder []*tensors.Tensor) []*tensors.Tensor {
	return slices.Concat(decoder, t.Policy.Params[len(decoder):])
}

func (t *Trainer) answers(weights []*tensors.Tensor, prompts []Prompt) ([]rlhf.Sample, error) {
	var out []rlhf.Sample
	for start := 0; start < len(prompts); start += t.cfg.Batch {
		part := make([]Prompt, t.cfg.Batch)
		for i := range part { // the last batch is filled up with its last prompt
			part[i] = prompts[min(start+i, len(prompts)-1)]
		}
		b, err := t.respond(weights[:len(t.reference)], part, t.stream("ppo/compare", start).Uint64(), t.Steps()+1)
		if err != nil {
			return nil, err
		}
		if err := t.judge(b); err != nil {
			return nil, fmt.Errorf("ppo: scoring: %w", err)
		}
		if err := t.forward(weights, b); err != nil {
			return nil, err
		}
		for i := range min(t.cfg.Batch, len(prompts)-start) {
			s := rlhf.Sample{Prompt: b.Prompts[i], Response: b.Responses[i], Tokens: b.Length(i), EOS: b.EOS[i], Score: float64(b.Score[i])}
			for r, valid := range b.Mask[i] {
				if valid {
					s.KL += float64(b.LogP[i][r]) - float64(b.LogPRef[i][r])
				}
			}
			out = append(out, s)
		}
	}
	return out, nil
}

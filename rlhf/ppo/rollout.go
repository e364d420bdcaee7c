package ppo

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/gomlx/gomlx/core/tensors"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/lm"
	"hhrlhf/rlhf/sample"
	"hhrlhf/rlhf/tokenizer"
)

// Rollout samples responses to the next prompts from the current policy: B prompts and
// one response to each ("exactly one response per prompt", section 4.1), or
// B/PerPrompt prompts and PerPrompt responses to each, side by side. Calling it again
// before Update gives the same batch: prompts and noise depend on the step alone.
func (t *Trainer) Rollout() (*rlhf.Batch, error) {
	step := t.Steps()
	prompts := t.promptsOf(step)
	return t.respond(t.Decoder(), prompts, t.stream("ppo/rollout", step).Uint64(), step+1)
}

// promptsOf are the prompts of a step, counted from 0.
func (t *Trainer) promptsOf(step int) []Prompt {
	each := max(1, t.cfg.PerPrompt)
	at := lm.Order(step, t.cfg.Batch/each, len(t.prompts), func(epoch int) *rand.Rand { return t.stream("ppo/prompts", epoch) })
	var prompts []Prompt
	for _, j := range at {
		prompts = append(prompts, slices.Repeat(t.prompts[j:j+1], each)...)
	}
	return prompts
}

// respond samples responses to prompts, as many as the batch has, from a policy.
func (t *Trainer) respond(weights []*tensors.Tensor, prompts []Prompt, seed uint64, step int) (*rlhf.Batch, error) {
	ids := make([][]int32, len(prompts))
	b := &rlhf.Batch{Step: step, PerPrompt: max(1, t.cfg.PerPrompt), PromptIDs: ids}
	for i, p := range prompts {
		ids[i] = p.IDs
		b.Prompts = append(b.Prompts, p.Text)
	}
	raw, err := t.sampler.Sample(weights, ids, sample.Seeds(seed, len(ids)))
	if err != nil {
		return nil, fmt.Errorf("ppo: rollout of step %d: %w", step, err)
	}
	t.fill(b, raw)
	return b, nil
}

// fill writes what was sampled into the batch: masks, text and visible pieces.
func (t *Trainer) fill(b *rlhf.Batch, raw *sample.Raw) {
	b.ResponseIDs, b.LogPSample = raw.Tokens, raw.LogP
	for i, row := range raw.Tokens {
		n := raw.Length[i]
		ended := n > 0 && row[n-1] == t.tok.EOS()
		if ended && t.cfg.Plant == rlhf.PlantPadIsEOS {
			n--
		}
		mask, pieces := make([]bool, len(row)), make([]string, n)
		for r := range n {
			mask[r] = true
			pieces[r] = t.tok.Piece(row[r])
		}
		b.Mask = append(b.Mask, mask)
		b.Pieces = append(b.Pieces, pieces)
		b.EOS = append(b.EOS, ended)
		// Tokens are bytes; a response may end in the middle of a character.
		b.Responses = append(b.Responses, strings.ToValidUTF8(tokenizer.DecodeResponse(t.tok, row[:n]), "\ufffd"))
	}
}

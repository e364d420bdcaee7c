package local

import (
	"fmt"
	"strings"

	"github.com/gomlx/gomlx/core/tensors"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/lm"
	"hhrlhf/rlhf/sample"
	"hhrlhf/rlhf/tokenizer"
)

// A speaker samples outside RL.
type speaker struct {
	shape lm.Shape
	tok   tokenizer.Tokenizer
	pool  *sample.Pool
}

func newSpeaker(l *Lab, shape lm.Shape, tok tokenizer.Tokenizer) *speaker {
	return &speaker{shape: shape, tok: tok, pool: sample.NewPool(l.be, shape)}
}

// answer samples one response per prompt. judge adds gold labels where it can.
func (s *speaker) answer(weights []*tensors.Tensor, prompts []string, o rlhf.Sampling, judge func(prompt, response string) *rlhf.Gold) ([]rlhf.Sample, error) {
	if len(prompts) == 0 {
		return nil, fmt.Errorf("local: Sample: no prompts")
	}
	ids := make([][]int32, len(prompts))
	longest := 0
	for i, p := range prompts {
		if !strings.HasSuffix(p, rlhf.Assistant) || !strings.HasPrefix(p, rlhf.Human) {
			return nil, fmt.Errorf("local: Sample: prompt %d is %.60q, want text that starts with %q and ends with %q", i, p, rlhf.Human, rlhf.Assistant)
		}
		var ok bool
		if ids[i], _, ok = tokenizer.FitPrompt(s.tok, p, s.shape.Context-1); !ok {
			return nil, fmt.Errorf("local: Sample: prompt %d is longer than the model's context of %d tokens", i, s.shape.Context)
		}
		longest = max(longest, len(ids[i]))
	}
	raw, err := s.pool.Sample(weights, ids, sample.Seeds(o.Seed, len(ids)), s.options(longest, o))
	if err != nil {
		return nil, err
	}
	var out []rlhf.Sample
	for i, row := range raw.Tokens {
		row = row[:raw.Length[i]]
		r := rlhf.Sample{Prompt: prompts[i], Tokens: len(row), EOS: row[len(row)-1] == s.tok.EOS()}
		r.Response = strings.ToValidUTF8(tokenizer.DecodeResponse(s.tok, row), "\ufffd")
		r.Gold = judge(r.Prompt, r.Response)
		out = append(out, r)
	}
	return out, nil
}

// options turns what a user asks for into what is sampled; a negative temperature
// is greedy. A response has 64 tokens at most if nothing is said, fewer where the
// context ends.
func (s *speaker) options(prompt int, o rlhf.Sampling) sample.Options {
	opt := sample.Options{Prompt: prompt, Temperature: o.Temperature, EOS: s.tok.EOS(), Pad: s.tok.Pad()}
	switch {
	case o.Temperature == 0:
		opt.Temperature = 1
	case o.Temperature < 0:
		opt.Temperature = 0
	}
	opt.Response = 64
	if o.MaxTokens > 0 {
		opt.Response = o.MaxTokens
	}
	opt.Response = min(opt.Response, s.shape.Context-prompt)
	return opt
}

package local

import (
	"fmt"
	"strings"

	"github.com/gomlx/gomlx/core/tensors"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/lm"
	"hhrlhf/rlhf/pm"
	"hhrlhf/rlhf/sample"
	"hhrlhf/rlhf/tokenizer"
)

// A speaker samples outside RL. It keeps one compiled sampler per combination of
// prompt width, response length and temperature.
type speaker struct {
	lab      *Lab
	shape    lm.Shape
	tok      tokenizer.Tokenizer
	samplers map[sample.Options]*sample.Sampler
}

func newSpeaker(l *Lab, shape lm.Shape, tok tokenizer.Tokenizer) *speaker {
	return &speaker{lab: l, shape: shape, tok: tok, samplers: map[sample.Options]*sample.Sampler{}}
}

// speakRows is the number of prompts that one call takes; fewer are filled up.
const speakRows = 16

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
	smp, err := s.sampler(longest, o)
	if err != nil {
		return nil, err
	}
	var out []rlhf.Sample
	for start := 0; start < len(ids); start += speakRows {
		rows := make([][]int32, speakRows)
		for i := range rows {
			rows[i] = ids[min(start+i, len(ids)-1)]
		}
		raw, err := smp.Sample(weights, rows, o.Seed+uint64(start))
		if err != nil {
			return nil, err
		}
		for i := start; i < min(start+speakRows, len(ids)); i++ {
			n := raw.Length[i-start]
			row := raw.Tokens[i-start][:n]
			r := rlhf.Sample{Prompt: prompts[i], Tokens: n, EOS: row[n-1] == s.tok.EOS()}
			r.Response = strings.ToValidUTF8(tokenizer.DecodeResponse(s.tok, row), "\ufffd")
			r.Gold = judge(r.Prompt, r.Response)
			out = append(out, r)
		}
	}
	return out, nil
}

func (s *speaker) sampler(prompt int, o rlhf.Sampling) (*sample.Sampler, error) {
	opt := sample.Options{Temperature: o.Temperature, EOS: s.tok.EOS(), Pad: s.tok.Pad()}
	switch {
	case o.Temperature == 0:
		opt.Temperature = 1
	case o.Temperature < 0:
		opt.Temperature = 0
	}
	// The prompt's bucket may take the whole context only if a response fits too.
	opt.Prompt = pm.Bucket(prompt, max(prompt, s.shape.Context/2))
	opt.Response = s.shape.Context - opt.Prompt
	if o.MaxTokens > 0 {
		opt.Response = min(opt.Response, o.MaxTokens)
	} else {
		opt.Response = min(opt.Response, 64)
	}
	if smp, ok := s.samplers[opt]; ok {
		return smp, nil
	}
	smp, err := sample.New(s.lab.be, s.shape, opt)
	if err != nil {
		return nil, err
	}
	s.samplers[opt] = smp
	return smp, nil
}

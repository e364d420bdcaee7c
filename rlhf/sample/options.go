package sample

import (
	"fmt"

	"hhrlhf/rlhf/lm"
)

// Options say what a [Sampler] draws.
type Options struct {
	Prompt   int // P, slots for the prompt
	Response int // R, the most tokens that a response has

	// Temperature divides the logits. 0 is greedy: the most probable token, the
	// lowest id among equals.
	Temperature float64

	// TopK keeps the k most probable tokens, and all that are as probable as the
	// k-th; 0 keeps all.
	TopK int

	// TopP then keeps the most probable tokens whose probabilities, of those that
	// TopK has left, add up to at least p, and all that are as probable as the
	// last of them (nucleus sampling, Holtzman et al. 2020); 0 keeps all.
	TopP float64

	EOS, Pad int32 // EOS ends a row, Pad fills it up; they must differ
}

// check returns what is wrong with the options for a model.
func (o Options) check(shape lm.Shape) error {
	switch {
	case o.EOS == o.Pad:
		return fmt.Errorf("sample: pad and end-of-text are both token %d; a masked end token would never be learnt, so they must differ", o.EOS)
	case o.Prompt < 1 || o.Response < 1:
		return fmt.Errorf("sample: Prompt = %d, Response = %d, want both > 0", o.Prompt, o.Response)
	case o.Prompt+o.Response > shape.Context:
		return fmt.Errorf("sample: Prompt + Response = %d, more than the model's context of %d", o.Prompt+o.Response, shape.Context)
	case !(o.Temperature >= 0):
		return fmt.Errorf("sample: Temperature = %v, want >= 0", o.Temperature)
	case o.TopK < 0:
		return fmt.Errorf("sample: TopK = %d, want >= 0", o.TopK)
	case !(o.TopP >= 0 && o.TopP <= 1):
		return fmt.Errorf("sample: TopP = %v, want 0 (off) to 1", o.TopP)
	case o.Temperature == 0 && (o.TopK > 0 || o.TopP > 0):
		return fmt.Errorf("sample: TopK = %d, TopP = %v with Temperature = 0; greedy sampling has nothing to choose from, leave them 0", o.TopK, o.TopP)
	}
	return nil
}

// checkPolicy returns what keeps options from being used in RL.
func (o Options) checkPolicy() error {
	const why = "; in RL the policy is sampled as it is, or its log-probabilities are those of another distribution: see NewTruncated"
	switch {
	case o.TopK != 0 || o.TopP != 0:
		return fmt.Errorf("sample: TopK = %d, TopP = %v, want 0"+why, o.TopK, o.TopP)
	case o.Temperature == 0:
		return fmt.Errorf("sample: Temperature = 0 (greedy), want > 0" + why)
	}
	return nil
}

// mode is the part of the options that a program is compiled for; the
// temperature, k and p are inputs.
type mode struct{ greedy, topK, topP bool }

func (o Options) mode() mode {
	return mode{greedy: o.Temperature == 0, topK: o.TopK > 0, topP: o.TopP > 0}
}

// order sorts modes.
func (m mode) order() int {
	n := 0
	for i, set := range []bool{m.greedy, m.topK, m.topP} {
		if set {
			n += 1 << i
		}
	}
	return n
}

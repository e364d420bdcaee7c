package ppo

import (
	"hhrlhf/rlhf"
	"hhrlhf/rlhf/lm"
	"hhrlhf/rlhf/memory"
)

// processBytes is what the process needs beside tensors: the backend, compiled
// programs, a tokenizer.
const processBytes = 300 << 20

// Plan estimates what a run holds in float32 before anything is compiled. A network in
// training is its weights four times: they, their gradient and Adam's two moments; and
// while it is updated three of the four once more, because the program writes the new ones
// beside the old (donated buffers are given back early, but not written over). value is the
// shape of a value function of its own, judges those of PM and TestPM.
func Plan(c rlhf.PPO, policy, value lm.Shape, judges ...lm.Shape) memory.Plan {
	tokens := c.Prompt + c.Response
	part := c.Batch / c.Minibatches / max(1, c.Accumulate)
	training := lm.Pass{Rows: part, Tokens: tokens, Logits: c.Response, Training: true, Checkpointing: c.Checkpointing}
	reading := lm.Pass{Rows: c.Batch, Tokens: tokens, Logits: c.Response}
	writing := lm.Pass{Rows: c.Batch, Tokens: c.Prompt, Logits: 1}

	plan := memory.Plan{
		{What: "the process and its programs", Bytes: processBytes},
		{What: "policy: weights, gradient, AdamW", Bytes: 16 * policy.Params()},
		{What: "reference", Bytes: 4 * policy.Params()},
	}
	update := memory.Plan{{What: "activations of the policy", Program: "updating", Bytes: policy.Activations(training)}}
	anew := 12 * policy.Params()
	score := memory.Plan{{What: "activations and logits, policy and reference", Program: "scoring", Bytes: 2 * policy.Activations(reading)}}
	if ownValue(c) {
		plan = append(plan, memory.Line{What: "value function: weights, gradient, AdamW", Bytes: 16 * value.Params()})
		training.Logits, reading.Logits = 0, 0
		critic := value.Activations(training)
		anew += 12 * value.Params()
		if c.Accumulate > 1 { // the two networks take turns
			update[0].Bytes = max(update[0].Bytes, critic)
		} else {
			update = append(update, memory.Line{What: "activations of the value function", Program: "updating", Bytes: critic})
		}
		score = append(score, memory.Line{What: "activations of the value function", Program: "scoring", Bytes: value.Activations(reading)})
	}
	for _, judge := range judges {
		plan = append(plan, memory.Line{What: "preference model", Bytes: 4 * judge.Params()})
	}
	plan = append(plan,
		memory.Line{What: "keys and values", Program: "sampling", Bytes: policy.Cache(c.Batch, tokens)},
		memory.Line{What: "activations of the prompts", Program: "sampling", Bytes: policy.Activations(writing)},
		memory.Line{What: "weights and moments, written anew", Program: "updating", Bytes: anew})
	return append(append(plan, score...), update...)
}

package ppo_test

import (
	"testing"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/lm"
	"hhrlhf/rlhf/ppo"
)

// What the configuration says about memory moves the plan as it should.
func TestPlan(t *testing.T) {
	policy := lm.Shape{Vocab: 4096, Width: 256, Layers: 6, Heads: 8, Context: 512}
	value := lm.Shape{Vocab: 4096, Width: 128, Layers: 4, Heads: 4, Context: 512}
	base := rlhf.PPO{Policy: "p", PM: "m", Batch: 64, Minibatches: 4, Prompt: 64, Response: 128}.Filled()
	peak := func(edit func(*rlhf.PPO)) int64 {
		c := base
		edit(&c)
		return ppo.Plan(c, policy, value, value).Peak()
	}
	whole := peak(func(*rlhf.PPO) {})
	for name, less := range map[string]func(*rlhf.PPO){
		"accumulation":   func(c *rlhf.PPO) { c.Accumulate = 4 },
		"checkpointing":  func(c *rlhf.PPO) { c.Checkpointing = true },
		"a shared trunk": func(c *rlhf.PPO) { c.Value = "shared" },
		"minibatches":    func(c *rlhf.PPO) { c.Minibatches = 16 },
		"short answers":  func(c *rlhf.PPO) { c.Response = 32 },
	} {
		if n := peak(less); n >= whole {
			t.Errorf("with %s %d bytes, without %d", name, n, whole)
		}
	}
	// By hand: what is held all the time.
	want := int64(300<<20) + 20*policy.Params() + 16*value.Params() + 4*value.Params()
	if got := ppo.Plan(base, policy, value, value).Resident(); got != want {
		t.Errorf("resident %d, want %d", got, want)
	}
}

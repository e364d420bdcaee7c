package ppo_test

import (
	"math"
	"testing"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/ppo"
)

// The schedules of the paper (B.1) and of Stiennon et al., in the samples that the
// paper counts.
func TestRates(t *testing.T) {
	linear := rlhf.PPO{Batch: 100, Planned: 11, Schedule: "linear"}
	halving := rlhf.PPO{Batch: 1000, Planned: 400, Schedule: "halving", HalveEvery: 100_000}
	robust := rlhf.PPO{Batch: 250, Planned: 600, Schedule: "constant", Warmup: 25_000 / 250}
	for _, c := range []struct {
		cfg  rlhf.PPO
		step int
		want float64
	}{
		{linear, 0, 1}, {linear, 10, 1 - 0.9*10/11.}, {linear, 50, 0.1},
		{halving, 0, 1}, {halving, 99, 1}, {halving, 100, 0.5}, {halving, 199, 0.5}, {halving, 350, 0.125},
		{robust, 0, 0.01}, {robust, 49, 0.5}, {robust, 99, 1}, {robust, 599, 1},
	} {
		if got := ppo.RateScale(c.cfg, c.step); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("%s, step %d: %v, want %v", c.cfg.Schedule, c.step, got, c.want)
		}
	}
}

package online

import (
	"errors"
	"fmt"
	"slices"

	"hhrlhf/rlhf"
)

// Config says what a loop is. Fields at zero take the value of Size.
type Config struct {
	Size rlhf.Size `json:"size"`
	// LM names the language-model run that every preference model and policy starts from,
	// and that is the policy called "base".
	LM string `json:"lm"`
	// World names the synthetic world that writes the prompts, as LM.Data does. "": the
	// data of LM. Without a world, Options must have a labeller and prompts.
	World string `json:"world"`
	// Rounds is how often policies are trained, deployed and compared (paper: about five
	// weeks, one iteration a week). It may be raised later; the loop goes on.
	Rounds int `json:"rounds"`
	// Base, RS and Online are the comparisons asked for in each tranche; Online is of each
	// round (paper: 44k, 52k and 22k helpful ones, 22k over all weeks).
	Base   int `json:"base"`
	RS     int `json:"rs"`
	Online int `json:"online"`
	// K is how many responses rejection sampling chooses from (paper: mostly 16).
	K int `json:"k"`
	// Snapshots is how many states of each policy are deployed at once, the last one
	// included, at equal distances of steps.
	Snapshots int `json:"snapshots"`
	// Trial is how many prompts everybody answers in each round, for ratings and
	// distributions. Control is how many both policies of the control answer; negative:
	// no control. It may be changed later.
	Trial   int `json:"trial"`
	Control int `json:"control"`
	// Harmful is the share of harmful requests among the world's prompts. 0: none, as in
	// the paper's online data.
	Harmful float64 `json:"harmful"`
	// Epochs is how often each preference model goes through its training comparisons
	// (paper: once). PM.Planned, unless 0, is its number of steps instead.
	Epochs int `json:"epochs"`
	// PM and PPO are the settings of all preference models and policies. What they are
	// trained on, their names and their seeds are the loop's; PPO.KLCoef is as it stands,
	// 0 included.
	PM  rlhf.PM  `json:"pm"`
	PPO rlhf.PPO `json:"ppo"`
	// Seed determines everything drawn at random.
	Seed uint64 `json:"seed"`
}

// fill sets *p to the size's entry if it is zero.
func fill[T comparable](p *T, s rlhf.Size, tiny, normal, large T) {
	var zero T
	if *p != zero {
		return
	}
	switch s {
	case rlhf.Tiny:
		*p = tiny
	case rlhf.Large:
		*p = large
	default:
		*p = normal
	}
}

// Filled returns the configuration with every field that zero leaves to Size set, but
// for World and what the lab decides when it makes a run.
func (c Config) Filled() Config {
	fill(&c.Size, rlhf.Default, "", rlhf.Default, "")
	s := c.Size
	fill(&c.Rounds, s, 1, 2, 5)
	fill(&c.Base, s, 400, 16000, 100000)
	fill(&c.RS, s, 256, 6000, 40000)
	fill(&c.Online, s, 256, 5000, 40000)
	fill(&c.K, s, 2, 8, 16)
	fill(&c.Snapshots, s, 2, 3, 5)
	fill(&c.Trial, s, 64, 500, 2000)
	fill(&c.Control, s, 128, 600, 4000)
	fill(&c.Epochs, s, 1, 3, 1) // three make a good judge of what one leaves little better than a coin
	fill(&c.PM.Size, s, s, s, s)
	fill(&c.PPO.Size, s, s, s, s)
	fill(&c.PM.HeldOut, s, 0.2, 0.2, 0.2)
	fill(&c.PPO.Planned, s, 4, 60, 1000)
	if rlhf.Synthetic(c.World) { // as preference models of the world's own comparisons
		fill(&c.PM.LearningRate, s, 3e-3, 3e-3, 5e-4)
	}
	return c
}

// Validate reports every field out of range. Call it on a filled configuration. The
// lab checks PM and PPO when it makes their runs.
func (c Config) Validate() error {
	var errs []error
	want := func(ok bool, field string, value any, bound string) {
		if !ok {
			errs = append(errs, fmt.Errorf("online: %s = %v, want %s", field, value, bound))
		}
	}
	want(slices.Contains(rlhf.Sizes(), c.Size), "Size", fmt.Sprintf("%q", c.Size), fmt.Sprintf("one of %q", rlhf.Sizes()))
	want(c.LM != "", "LM", `""`, "the name of a language-model run")
	for _, n := range []struct {
		field        string
		value, least int
	}{{"Rounds", c.Rounds, 1}, {"Base", c.Base, 1}, {"RS", c.RS, 1}, {"Online", c.Online, 1}, {"K", c.K, 1}, {"Snapshots", c.Snapshots, 1}, {"Epochs", c.Epochs, 1}, {"Trial", c.Trial, 1}} {
		want(n.value >= n.least, n.field, n.value, fmt.Sprintf(">= %d", n.least))
	}
	want(c.Harmful >= 0 && c.Harmful <= 1, "Harmful", c.Harmful, "in [0, 1]")
	want(c.PPO.Planned >= c.Snapshots, "PPO.Planned", c.PPO.Planned, fmt.Sprintf(">= Snapshots (%d)", c.Snapshots))
	for _, n := range []struct{ field, value string }{{"PM.LM", c.PM.LM}, {"PM.Data", c.PM.Data}, {"PPO.Policy", c.PPO.Policy}, {"PPO.PM", c.PPO.PM}, {"PPO.Data", c.PPO.Data}} {
		want(n.value == "", n.field, fmt.Sprintf("%q", n.value), `"": the loop names it`)
	}
	want(len(c.PM.Mix) == 0, "PM.Mix", c.PM.Mix, "none: every model is trained on all comparisons that there are")
	want(c.PM.Rows == 0, "PM.Rows", c.PM.Rows, "0: every model is trained on all comparisons that there are")
	want(c.PM.Seed == 0, "PM.Seed", c.PM.Seed, "0: Seed decides it")
	want(c.PPO.Seed == 0, "PPO.Seed", c.PPO.Seed, "0: Seed decides it")
	return errors.Join(errs...)
}

// at are the steps after which a policy's snapshots are taken, the last one at its end.
func (c Config) at() []int {
	var steps []int
	for i := 1; i <= c.Snapshots; i++ {
		steps = append(steps, c.PPO.Planned*i/c.Snapshots)
	}
	return steps
}

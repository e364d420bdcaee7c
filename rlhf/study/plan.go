package study

import (
	"fmt"

	"hhrlhf/rlhf"
)

// A Shape is one rung of the ladder.
type Shape struct {
	Layers int `json:"layers"`
	Width  int `json:"width"`
	Heads  int `json:"heads"`
}

// A Plan says how large a study is.
type Plan struct {
	// Size is what a model's own settings take where the plan is silent.
	Size rlhf.Size `json:"size"`
	// Data is the synthetic world, as rlhf.LM.Data names it.
	Data string `json:"data"`
	// Seeds is how often everything is trained, from the language model up.
	Seeds int `json:"seeds"`
	// Shapes is the ladder of models, the smallest first.
	Shapes []Shape `json:"shapes"`
	// LMSteps, Pairs and PPOSteps are what each language model, preference model (one
	// epoch over so many comparisons, held-out ones included) and policy is trained on.
	LMSteps  int `json:"lm_steps"`
	Pairs    int `json:"pairs"`
	PPOSteps int `json:"ppo_steps"`
	// PMRate is the preference models' learning rate. At three times as much, the default
	// of a synthetic world, the wider ones lose up to fifteen points of accuracy (see LOG).
	PMRate float64 `json:"pm_rate"`
	// PPORate is the policies' learning rate. The paper's is 0.01 of the language models';
	// at 0.1 of it a policy leaves the world's language within thirty steps (see LOG).
	PPORate float64 `json:"ppo_rate"`
	// Snapshots is how many states of each policy are kept, at equal distances of steps,
	// the last one included.
	Snapshots int `json:"snapshots"`
	// Prompts is how many held-out prompts a policy answers to be measured.
	Prompts int `json:"prompts"`
	// Items is how many items of a task file are asked, 0: all.
	Items int `json:"items"`
	// Real says whether SmolLM2-135M and task files are measured where they are at hand.
	Real bool `json:"real"`
}

// Tiny is the plan of tests: it goes through everything and measures nothing well.
func Tiny() Plan {
	return Plan{Size: rlhf.Tiny, Data: rlhf.SynthSmall, Seeds: 2, Shapes: []Shape{{1, 16, 2}, {1, 32, 2}},
		LMSteps: 40, Pairs: 400, PPOSteps: 6, PMRate: 3e-3, PPORate: 1e-4, Snapshots: 2, Prompts: 24, Items: 6}
}

// Glance is what a notebook measures while its reader waits: one seed, two shapes.
func Glance() Plan {
	return Plan{Size: rlhf.Default, Data: rlhf.SynthSmall, Seeds: 1, Shapes: []Shape{{2, 32, 2}, {2, 64, 2}},
		LMSteps: 1000, Pairs: 20_000, PPOSteps: 80, PMRate: 1e-3, PPORate: 1e-4, Snapshots: 4, Prompts: 128, Items: 20, Real: true}
}

// Small is the report's plan: an hour or two on two cores.
func Small() Plan {
	return Plan{Size: rlhf.Default, Data: rlhf.SynthSmall, Seeds: 3, Shapes: []Shape{{2, 16, 2}, {2, 32, 2}, {2, 64, 2}},
		LMSteps: 1300, Pairs: 24_000, PPOSteps: 120, PMRate: 1e-3, PPORate: 1e-4, Snapshots: 4, Prompts: 200, Items: 60, Real: true}
}

// Large is for a GPU: the whole world, five seeds, four rungs.
func Large() Plan {
	return Plan{Size: rlhf.Large, Data: rlhf.Synth, Seeds: 5, Shapes: []Shape{{2, 64, 2}, {4, 128, 4}, {4, 256, 4}, {8, 512, 8}},
		LMSteps: 10_000, Pairs: 100_000, PPOSteps: 1000, PMRate: 2e-4, PPORate: 2e-5, Snapshots: 10, Prompts: 1024, Real: true}
}

// Named returns the plan of a name that rlhf report takes.
func Named(name string) (Plan, error) {
	switch name {
	case "tiny":
		return Tiny(), nil
	case "glance":
		return Glance(), nil
	case "small":
		return Small(), nil
	case "large":
		return Large(), nil
	}
	return Plan{}, fmt.Errorf("study: there is no plan %q; want tiny (minutes, for tests), glance (one seed), small (an hour or two on two cores) or large (a GPU)", name)
}

// Reader returns the plan that a notebook of that size measures live.
func Reader(size rlhf.Size) Plan {
	switch size {
	case rlhf.Tiny:
		p := Tiny()
		p.Seeds = 1
		return p
	case rlhf.Large:
		return Large()
	}
	return Glance()
}

// Validate reports the first field out of range.
func (p Plan) Validate() error {
	for _, f := range []struct {
		name        string
		value, from int
	}{{"Seeds", p.Seeds, 1}, {"the number of Shapes", len(p.Shapes), 1}, {"LMSteps", p.LMSteps, 1}, {"Pairs", p.Pairs, 10},
		{"PPOSteps", p.PPOSteps, 1}, {"Snapshots", p.Snapshots, 1}, {"Prompts", p.Prompts, 2}, {"Items", p.Items, 0}} {
		if f.value < f.from {
			return fmt.Errorf("study: plan: %s is %d, want %d or more", f.name, f.value, f.from)
		}
	}
	if p.Snapshots > p.PPOSteps {
		return fmt.Errorf("study: plan: Snapshots is %d, want at most PPOSteps, %d", p.Snapshots, p.PPOSteps)
	}
	if !rlhf.Synthetic(p.Data) {
		return fmt.Errorf("study: plan: Data is %q, want %q or %q: verdicts need a world whose truth is known", p.Data, rlhf.Synth, rlhf.SynthSmall)
	}
	return nil
}

// Top is the largest rung.
func (p Plan) Top() int { return len(p.Shapes) - 1 }

// Marks are the steps after which a policy's snapshots are taken.
func (p Plan) Marks() []int {
	marks := make([]int, p.Snapshots)
	for i := range marks {
		marks[i] = p.PPOSteps * (i + 1) / p.Snapshots
	}
	return marks
}

package study

import (
	"fmt"
	"maps"
	"slices"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/eval"
	"hhrlhf/rlhf/tasks"
)

// A CapabilitiesResult is what reinforcement learning costs a model, or gives it, in tests of
// capability (section 4.6.1, appendix E; figures 3, 28, 29).
type CapabilitiesResult struct {
	World []WorldTask `json:"world"`
	Real  []RealTask  `json:"real,omitempty"`
}

// WorldTask is one model of the grid on one task of its world, before and after.
type WorldTask struct {
	Rung   int     `json:"rung"`
	Seed   int     `json:"seed"`
	Params float64 `json:"params"` // non-embedding
	// Policy says which training is between before and after: MainPolicy, or of the largest
	// rung HarmlessOnly, which is never asked what the task asks.
	Policy string        `json:"policy"`
	Task   string        `json:"task"`
	Kind   tasks.Kind    `json:"kind"`
	Shots  int           `json:"shots"`
	Chance float64       `json:"chance"`
	Before rlhf.Accuracy `json:"before"`
	After  rlhf.Accuracy `json:"after"`
	Change eval.Flips    `json:"change"`
	// Norms are the changes by each measure that was taken.
	Norms map[tasks.Norm]float64 `json:"norms"`
}

// MainPolicy is the policy of the grid's main line.
const MainPolicy = "main line"

// RealTask is a published model on a public file, as it is published: a study trains no policy
// of its size, so there is no after.
type RealTask struct {
	Model string `json:"model"`
	tasks.Result
}

// realTasks are the paper's, by the names of package tasks.
var realTasks = []string{"mmlu", "lambada", "hellaswag", "openbook_qa", "arc_easy", "arc_challenge", "triviaqa"}

// worldShots is how many exchanges stand before a question: the small models read 64 tokens, and
// of a prompt that is longer its end.
const worldShots = 1

// realShots is how many examples stand before an item of a public file; items with examples
// are half as many, for they are several times as long.
const realShots = 4

// fewestItems are those of which half say anything with examples before them.
const fewestItems = 40

// Capabilities measures the section.
func Capabilities(st *Study) (CapabilitiesResult, error) {
	var r CapabilitiesResult
	all, err := eachModel(st, "capabilities", st.worldTasks)
	if err != nil {
		return r, err
	}
	r.World = slices.Concat(all...)
	allShots := []int{0, realShots}
	if n := st.Plan.Items; n > 0 && n < fewestItems {
		allShots = allShots[:1]
	}
	for _, shots := range allShots { // those without examples first: they are the quicker ones
		for _, name := range realTasks {
			one, err := published(st, fmt.Sprintf("capabilities-%s-%dshot", name, shots), func(m rlhf.LMRun) (*RealTask, error) { return st.realTask(m, name, shots) })
			if err != nil {
				return r, err
			}
			if one != nil {
				r.Real = append(r.Real, *one)
			}
		}
	}
	return r, nil
}

// worldTasks asks a language model, and the policies that it became, what its world asks.
func (st *Study) worldTasks(rung, seed int) ([]WorldTask, error) {
	base, err := st.Base(rung, seed)
	if err != nil {
		return nil, err
	}
	info, err := base.Info()
	if err != nil {
		return nil, err
	}
	trained := []trainedPolicy{{MainPolicy, mainPolicy(rung, seed), nil}}
	if rung == st.Plan.Top() && st.Plan.Seeds > 1 {
		trained = append(trained, trainedPolicy{HarmlessOnly, harmlessOnly(rung, seed), nil})
	}
	for i, p := range trained {
		if trained[i].run, err = st.Last(p.policy); err != nil {
			return nil, err
		}
	}
	var rows []WorldTask
	for _, task := range tasks.World(st.World, st.Plan.Prompts, 1) { // the same items for every model
		for _, shots := range []int{0, worldShots} {
			o := tasks.Options{Shots: shots, PMI: true}
			before, err := tasks.Ask(base, task, o)
			if err != nil {
				return nil, err
			}
			for _, p := range trained {
				after, err := tasks.Ask(p.run, task, o)
				if err != nil {
					return nil, err
				}
				row := WorldTask{Rung: rung, Seed: seed, Params: float64(info.NonEmbedding), Policy: p.name, Task: task.Name, Kind: task.Kind,
					Shots: shots, Chance: task.Chance(), Before: before.Main(), After: after.Main(), Norms: map[tasks.Norm]float64{}}
				if row.Change, err = tasks.Compare(before, after, ""); err != nil {
					return nil, err
				}
				for i, n := range before.Norms {
					row.Norms[n] = after.Accuracies[i].Value - before.Accuracies[i].Value
				}
				rows = append(rows, row)
			}
		}
	}
	return rows, nil
}

// A trainedPolicy is one that a language model became.
type trainedPolicy struct {
	name   string
	policy Policy
	run    rlhf.LMRun
}

// realTask asks the published model one public file.
func (st *Study) realTask(m rlhf.LMRun, name string, shots int) (*RealTask, error) {
	task, err := tasks.OpenNamed(st.TaskFiles(), name)
	if err != nil {
		return nil, err
	}
	n := st.Plan.Items
	if shots > 0 {
		n = (n + 1) / 2
	}
	r, err := tasks.Ask(m, task, tasks.Options{Shots: shots, N: n, Seed: 1, PMI: shots == 0, Say: func(done, of int) error {
		return st.Say("%s, %d examples: %d of %d items", name, shots, done, of)
	}})
	r.Records = nil // the study keeps what its claims are made of
	return &RealTask{Model: st.Model(), Result: r}, err
}

// Changes are the changes in accuracy of a policy's rung: the mean over those of the world's
// tasks that keep accepts (nil: all), for each seed.
func (r CapabilitiesResult) Changes(policy string, rung, shots int, keep func(WorldTask) bool) Estimate {
	sum, n := map[int]float64{}, map[int]float64{}
	for _, w := range r.World {
		if w.Policy == policy && w.Rung == rung && w.Shots == shots && (keep == nil || keep(w)) {
			sum[w.Seed] += w.Change.Change
			n[w.Seed]++
		}
	}
	var means []float64
	for _, seed := range slices.Sorted(maps.Keys(n)) {
		means = append(means, sum[seed]/n[seed])
	}
	return Over(means)
}

// Rungs are the rungs that were measured, with their parameters, smallest first.
func (r CapabilitiesResult) Rungs() (params []float64) {
	for _, w := range r.World {
		for len(params) <= w.Rung {
			params = append(params, 0)
		}
		params[w.Rung] = w.Params
	}
	return params
}

package show_test

import (
	"hhrlhf/kernel/show"
	"hhrlhf/rlhf"
	"hhrlhf/rlhf/eval"
	"hhrlhf/rlhf/study"
	"hhrlhf/rlhf/tasks"
)

// share is so many right of n, with its interval.
func share(name string, v float64, n int) rlhf.Accuracy {
	a := rlhf.Accuracy{Name: name, N: n, Value: v}
	a.Low, a.High = eval.WilsonInterval(v*float64(n), n, eval.Z95)
	return a
}

// capabilities are three seeds and three rungs on three tasks.
func capabilities() study.CapabilitiesResult {
	var r study.CapabilitiesResult
	kinds := []tasks.Kind{tasks.Choice, tasks.Cloze, tasks.Free}
	for seed := 1; seed <= 3; seed++ {
		for rung := range 3 {
			for i, kind := range kinds {
				for _, shots := range []int{0, 1} {
					s, k, m := float64(seed-2), float64(rung), float64(i)
					before := 0.4 + 0.1*k + 0.04*s - 0.05*m - 0.08*float64(shots)
					change := 0.05*k - 0.06 + 0.03*m + 0.015*s
					r.World = append(r.World, study.WorldTask{Rung: rung, Seed: seed, Params: 24576 * float64(int(1)<<(2*rung)), Policy: study.MainPolicy,
						Task: "quiz-" + string(kind), Kind: kind, Shots: shots, Chance: 0.25, Before: share("", before, 144), After: share("", before+change, 144),
						Change: eval.Flips{N: 144, Change: change},
						Norms:  map[tasks.Norm]float64{tasks.Sum: change, tasks.Char: change + 0.02, tasks.Byte: change + 0.02, tasks.Token: change - 0.02, tasks.PMI: change - 0.07}})
				}
			}
		}
	}
	return r
}

// choiceResults are multiple-choice results by all measures.
func choiceResults() (out []tasks.Result) {
	for i, name := range []string{"arc_easy", "arc_challenge", "openbook_qa", "hellaswag", "mmlu"} {
		r := tasks.Result{Task: name, Kind: tasks.Choice, Format: "answer", N: 100, Chance: 0.25, Norm: tasks.Char, Norms: tasks.Norms}
		for j, n := range tasks.Norms {
			r.Accuracies = append(r.Accuracies, share(string(n), 0.5-0.06*float64(i)+0.02*float64(j), 100))
		}
		out = append(out, r)
	}
	return out
}

// askedTasks are the same without and with examples, and a cloze, of which guessing gets nothing.
func askedTasks() (out []show.Asked) {
	for i, name := range []string{"no examples", "4 examples"} {
		for _, r := range choiceResults() {
			r.Shots = 4 * i
			for j := range r.Accuracies {
				r.Accuracies[j] = share("", r.Accuracies[j].Value+0.04*float64(i), 100-50*i)
			}
			out = append(out, show.Asked{Name: name, Result: r})
		}
		out = append(out, show.Asked{Name: name, Result: tasks.Result{Task: "lambada", Kind: tasks.Cloze, N: 100, Norm: tasks.Greedy, Norms: []tasks.Norm{tasks.Greedy},
			Accuracies: []rlhf.Accuracy{share("", 0.3+0.1*float64(i), 100)}, Perplexity: 30}})
	}
	return out
}

package show_test

import (
	"hhrlhf/rlhf"
	"hhrlhf/rlhf/eval"
	"hhrlhf/rlhf/study"
)

// studyGrid is a study of three seeds and three rungs.
func studyGrid() study.Grid {
	var g study.Grid
	for seed := 1; seed <= 3; seed++ {
		for rung := range 3 {
			r, s := float64(rung), float64(seed-2)
			g.Models = append(g.Models, study.GridLM{Rung: rung, Seed: seed, Params: 24576 * float64(int(1)<<(2*rung)), Loss: 0.62 - 0.09*r + 0.01*s, SE: 0.004})
			g.Judges = append(g.Judges, study.GridPM{Rung: rung, Seed: seed, Accuracy: rlhf.Accuracy{Name: "all", N: 4000, Value: 0.72 + 0.05*r + 0.02*s}, Bayes: 0.88})
			g.Policies = append(g.Policies, study.GridPolicy{Policy: study.Policy{PM: study.HH, PMRung: rung, Rung: rung, Seed: seed, KLCoef: study.PaperKL}, Prompts: 256,
				Changes: []rlhf.Change{{Name: "helpful", Before: 0.1 + 0.03*r, After: 0.3 + 0.1*r + 0.05*s}, {Name: "harmless", Before: 0.3, After: 0.9 + 0.03*s},
					{Name: "score", Before: -0.4, After: 2.1, BeforeSD: 2}, {Name: "kl", After: 9 + r}}})
		}
	}
	return g
}

// studySkills is a code and a summary section of three seeds.
func studySkills() study.Skills {
	var s study.Skills
	for seed := 1; seed <= 3; seed++ {
		settings := func(skill, variety float64) []eval.Setting {
			out := eval.Settings()
			for i := range out {
				out[i].Samples = 24
				for q := range 12 {
					// The more random, the less often a program passes, and the more questions have one that does.
					hit := skill - 0.03*float64(q) - 0.25*out[i].Temperature
					switch {
					case out[i].Temperature == 0 && (q+seed)%3 > 0:
						hit = 1
					case out[i].Temperature == 0:
						hit = 0
					}
					out[i].Passed = append(out[i].Passed, min(24, max(0, int(24*(hit+variety*out[i].Temperature*float64(q+seed)/12)))))
				}
			}
			return out
		}
		d := 0.02 * float64(seed-2)
		s.Code = append(s.Code, study.CodeSkill{Seed: seed, Before: settings(0.55+d, 0.3), General: settings(0.45+d, 0.1), Programs: settings(0.85+d, 0.1)})
		at := func(v float64) rlhf.Accuracy {
			return rlhf.Accuracy{N: 1500, Value: v + d/2, Low: v - 0.02, High: v + 0.02}
		}
		s.Summaries = append(s.Summaries, study.SummaryMix{Seed: seed, HHOnHH: at(0.78), HHOnSummary: at(0.62), SummaryOnHH: at(0.55), SummaryOnItself: at(0.83),
			BothOnHH: at(0.775), BothOnSummary: at(0.825), BayesHH: 0.88, BayesSummary: 0.9})
	}
	return s
}

package show_test

import (
	"math"
	"math/rand/v2"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/eval"
	"hhrlhf/rlhf/study"
	"hhrlhf/rlhf/synth"
)

// studyRobust is a study of three seeds and three rungs: scores grow as √KL, the test model falls behind from
// step 60 on, sooner for small preference models, and the truth follows Gao's form.
func studyRobust() study.Robust {
	r := study.Robust{Top: 2}
	truth := eval.Overoptimised{Form: eval.RLForm, Alpha: 0.5, Beta: 0.35}
	run := func(rung, pm, seed int, kl float64) study.RobustRun {
		rng := rand.New(rand.NewPCG(uint64(seed), uint64(10*rung+pm)))
		x := study.RobustRun{Policy: study.Policy{PM: study.HalfA, PMRung: pm, Rung: rung, Seed: seed, KLCoef: kl}, Params: 24576 * math.Pow(4, float64(rung))}
		c := study.Course{Batch: 64, OfTrain: eval.Reference{Mean: -0.5, SD: 2.5, N: 1024}, OfTest: eval.Reference{Mean: 0.4, SD: 1.8, N: 1024}, OfGold: 0.9, Within: 2}
		for step := 1; step <= 160; step++ {
			d := 6 * float64(step) / 160 * (1 + 0.1*float64(rung))
			gain := 0.35*d + 0.02*float64(seed)
			apart := max(0, float64(step-50-20*pm)) * 0.006
			c.Step, c.KL = append(c.Step, step), append(c.KL, d*d)
			c.Train = append(c.Train, -0.5+2.5*(gain+0.08*rng.NormFloat64()))
			c.Test = append(c.Test, 0.4+1.8*(gain-apart+0.08*rng.NormFloat64()))
			c.Gold = append(c.Gold, 0.9+truth.At(d)+0.08*rng.NormFloat64())
		}
		x.Course = c
		for mark := 1; mark <= 4; mark++ {
			m := study.RobustMark{Step: 40 * mark, Train: 0.5 * float64(mark)}
			for test := range 3 {
				m.Tests = append(m.Tests, 0.3*float64(mark)+0.1*float64(rung*test)+0.05*rng.NormFloat64()+0.2*float64(pm))
			}
			x.Marks = append(x.Marks, m)
		}
		return x
	}
	for seed := 1; seed <= 3; seed++ {
		for rung := range 3 {
			r.Runs = append(r.Runs, run(rung, 2, seed, study.PaperKL))
			if rung < 2 {
				r.Runs = append(r.Runs, run(rung, rung, seed, study.PaperKL))
			}
			best := study.RobustBest{Rung: rung, Seed: seed}
			form := eval.Overoptimised{Form: eval.BestOfForm, Alpha: 1.1 + 0.05*float64(seed), Beta: 0.4 - 0.1*float64(rung)}
			for n := 1; n <= 64; n *= 2 {
				d := math.Sqrt(eval.BestOfKL(n))
				best.Gold = append(best.Gold, eval.Optimised{N: n, KL: d * d, Mean: 0.9 + form.At(d)})
			}
			r.Best = append(r.Best, best)
		}
		r.Runs = append(r.Runs, run(2, 2, seed, 0))
	}
	return r
}

// studyObjectives has three seeds of each policy, whose names end in s.
func studyObjectives(s string) study.Objectives {
	o := study.Objectives{Top: 1}
	around := func(v, half float64) study.Within { return study.Within{Mean: v, Low: v - half, High: v + half} }
	for seed := 1; seed <= 3; seed++ {
		off := 0.03 * float64(seed-2)
		for i, end := range [][4]float64{{0.55, -0.5, 0.02, 0.8}, {-0.4, 0.9, 0.9, 0.3}, {-0.1, 0.9, 0.6, 0.55}, {0.4, 0.85, 0.1, 0.75}} {
			p := study.ObjectivePolicy{Name: []string{study.HelpfulOnly, study.HarmlessOnly, study.OverRefusing, study.Cured}[i] + s, Policy: study.Policy{Seed: seed}}
			for mark := range 5 {
				f := float64(mark) / 4
				at := func(from, to float64) float64 { return from + (to-from)*f + off*f }
				m := study.ObjectiveMark{Step: 40 * mark, Helpful: around(at(0.1, end[0]), 0.06), Harmless: around(at(0.3, end[1]), 0.07), Refuses: around(at(0.1, end[2]), 0.04)}
				m.InData = [2]study.Standing{{Tranche: synth.TrancheHelpful, Within: around(at(0.45, end[3]), 0.03)}, {Tranche: synth.TrancheHarmless, Within: around(at(0.5, 0.5+end[1]/2.2), 0.03)}}
				p.Marks = append(p.Marks, m)
			}
			o.Policies = append(o.Policies, p)
		}
	}
	for i, share := range []float64{0, 0.5, 1} {
		o.Mixes = append(o.Mixes, study.Mixed{Rung: 1, Seed: 1, Setting: share, Tranches: []rlhf.Accuracy{accuracyOf(synth.TrancheHarmless, 500, []float64{0.3, 0.8, 0.82}[i]), accuracyOf(synth.TrancheHelpful, 900, []float64{0.7, 0.68, 0.35}[i])}})
	}
	return o
}

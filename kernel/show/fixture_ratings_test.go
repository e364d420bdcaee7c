package show_test

import (
	"math/rand/v2"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/eval"
	"hhrlhf/rlhf/online"
	"hhrlhf/rlhf/study"
)

func rating(name string, elo, se float64) eval.Rating {
	return eval.Rating{Name: name, Elo: elo, SE: se, Low: elo - eval.Z95*se, High: elo + eval.Z95*se, Games: 256, Won: 130}
}

// studyRated are ratings of three seeds and three rungs.
func studyRated() study.Rated {
	r := study.Rated{Recovery: study.Recovery{Players: []string{"wrong", "evasive", "right"}, Truth: []float64{0, 50, 160}, Mean: []float64{0, 48, 161},
		Tournaments: 512, Games: 40, Within: 977, Scores: 1024, Low: 0.94, High: 0.967, Naive: 900}}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		r.Recovery.Z = append(r.Recovery.Z, rng.NormFloat64())
	}
	for seed := 1; seed <= 3; seed++ {
		s := study.RatedSeed{Seed: seed}
		for rung := 2; rung >= 0; rung-- {
			for i, kind := range []string{study.KindBase, string(study.HH), string(study.Helpful)} {
				step, se, size := 160*min(i, 1), 22.0, float64(rung)
				if rung == 2 && i == 0 {
					se = 0
				}
				p := study.Player{Kind: kind, Rung: rung, Step: step, Params: 24576 * float64(int(1)<<(2*rung)),
					Score: []float64{0, 1.6, 1.5}[i] + 0.2*(size-2)}
				elo := func(by []float64) float64 {
					if se == 0 {
						return 0
					}
					return by[i] + 50*(size-2) + 20*rng.NormFloat64()
				}
				p.Rating = rating(study.PlayerName(kind, rung, step), elo([]float64{0, 190, 220}), se)
				s.Helpful = append(s.Helpful, p)
				p.Rating = rating(study.PlayerName(kind, rung, step), elo([]float64{0, 250, -60}), se)
				s.Harmless = append(s.Harmless, p)
			}
		}
		for i := range 6 {
			e := fullPMEval(1.1 - 0.08*float64(i) + 0.05*rng.NormFloat64())
			e.Slope, e.ECE, e.Mean, e.All.Value = 1.1-0.08*float64(i)+0.05*rng.NormFloat64(), 0.02+0.01*float64(i), 0.4*float64(i), 0.8-0.02*float64(i)
			s.Course = append(s.Course, study.CourseCalibration{Step: 32 * i, Eval: e})
		}
		r.Seeds = append(r.Seeds, s)
	}
	return r
}

// studyIterated are three loops at their last round.
func studyIterated() study.Iterated {
	var it study.Iterated
	for seed := 1; seed <= 3; seed++ {
		var r online.Report
		for i, name := range []string{"base", "rs-2", "ppo-1@80", "ppo-2@26", "ppo-2@53", "ppo-2@80"} {
			x, se := 90*float64(i)+15*float64(seed-2), 12.0
			if i == 0 {
				x, se = 0, 0
			}
			r.Predicted = append(r.Predicted, online.Predicted{Name: name, HeldOut: online.Gap{Elo: 1.3 * x, SE: se}, Mean: online.Gap{Elo: 1.1 * x, SE: 1.2 * se},
				Ranked: online.Gap{Elo: 0.95 * x, SE: 2 * se}, Crowd: online.Gap{Elo: 0.7 * x, SE: 1.9 * se}})
		}
		s := study.IteratedSeed{Seed: seed, Reports: []online.Report{r}}
		for i, step := range []int{0, 26, 53, 80} {
			v := 0.56 + 0.03*float64(i) + 0.01*float64(seed)
			s.LogP = append(s.LogP, study.LogPAccuracy{Step: step, PM: 0.78 + 0.01*float64(seed), Accuracy: rlhf.Accuracy{Name: "ppo", N: 1024, Value: v, Low: v - 0.03, High: v + 0.03}})
		}
		it.Seeds = append(it.Seeds, s)
	}
	return it
}

// besideOf is a writer and two policies.
func besideOf(s string) study.Beside {
	pair := func(a, b string, v float64) study.BesidePair {
		return study.BesidePair{A: a, B: b, Unsure: 60, Won: rlhf.Accuracy{N: 196, Value: v, Low: v - 0.07, High: v + 0.07}}
	}
	return study.Beside{Authors: []string{"writer", "HH " + s, "helpful-only " + s}, Scores: []float64{1.2, 1.9, 1.1}, Worth: []float64{1.9, 1.7, 1.1},
		Pairs: []study.BesidePair{pair("HH "+s, "writer", 0.41), pair("helpful-only "+s, "writer", 0.30), pair("helpful-only "+s, "HH "+s, 0.38)},
		Elo:   []eval.Rating{rating("writer", 0, 0), rating("HH", -63, 20), rating("helpful", -147, 22)}}
}

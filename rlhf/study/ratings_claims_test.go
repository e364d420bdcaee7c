package study_test

import (
	"fmt"
	"testing"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/eval"
	"hhrlhf/rlhf/online"
	"hhrlhf/rlhf/study"
)

// asThePaper are ratings of three seeds and two rungs as the paper has them. less is how many
// points of score a policy gains in vain.
func asThePaper(less float64) study.Rated {
	r := study.Rated{Recovery: study.Recovery{Tournaments: 500, Games: 40, Within: 2386, Scores: 2500, Low: 0.945, High: 0.964}}
	for seed := 1; seed <= 3; seed++ {
		jitter := float64(seed - 2)
		s := study.RatedSeed{Seed: seed}
		player := func(kind string, rung, step int, elo, vain float64) study.Player {
			p := study.Player{Kind: kind, Rung: rung, Step: step, Score: elo/eval.EloPerNat + vain}
			p.Name, p.Elo = study.PlayerName(kind, rung, step), elo
			return p
		}
		for rung := 1; rung >= 0; rung-- {
			base := -80 * float64(1-rung)
			s.Helpful = append(s.Helpful, player(study.KindBase, rung, 0, base, 0), player(string(study.HH), rung, 9, base+200+5*jitter, less), player(string(study.Helpful), rung, 9, base+230, less))
			s.Harmless = append(s.Harmless, player(study.KindBase, rung, 0, base, 0), player(string(study.HH), rung, 9, base+250, less), player(string(study.Helpful), rung, 9, base-60+5*jitter, 0))
		}
		agreed := func(a, b string, v float64) eval.Agreed {
			return eval.Agreed{A: a, B: b, Share: rlhf.Accuracy{Value: v, N: 320}}
		}
		s.Agreement = []eval.Agreed{agreed(study.RaterCrowd, study.RaterJudge(0), 0.60+0.002*jitter), agreed(study.RaterCrowd, study.RaterJudge(1), 0.68),
			agreed(study.RaterJudge(1), study.RaterResearcher, 0.64), agreed(study.RaterCrowd, study.RaterResearcher, 0.62)}
		for i := range 3 {
			s.Course = append(s.Course, study.CourseCalibration{Step: i, Eval: rlhf.PMEval{Slope: 1 - 0.2*float64(i) + 0.02*jitter*float64(i), SlopeSE: 0.1}})
		}
		r.Seeds = append(r.Seeds, s)
	}
	return r
}

// Every claim of the ratings holds where the numbers are the paper's, and falls where the one
// number that it is about is changed.
func TestRatingClaims(t *testing.T) {
	for id, c := range verdicts(t, asThePaper(0).Claims()) {
		if v := c.Verdict; v != study.Reproduced {
			t.Errorf("%s is %s where all is as in the paper", id, v)
		}
	}
	for id, change := range map[string]func(r *study.Rated){
		"elo-recovery":     func(r *study.Rated) { r.Recovery.High = 0.95 },
		"elo-174":          func(r *study.Rated) { *r = asThePaper(1) },
		"elo-policies":     func(r *study.Rated) { r.Seeds[1].Helpful[4].Elo = -300 }, // one seed's small one
		"elo-helpful-only": func(r *study.Rated) { r.Seeds[0].Harmless[2].Elo = 900 },
		"agreement":        func(r *study.Rated) { r.Seeds[0].Agreement[3].Share.Value = 0.9 },
		"agreement-size":   func(r *study.Rated) { r.Seeds[0].Agreement[0].Share.Value = 0.9 },
		"calibration-rl":   func(r *study.Rated) { r.Seeds[0].Course[2].Eval.Slope = 1.5 },
	} {
		r := asThePaper(0)
		change(&r)
		if v := verdicts(t, r.Claims())[id].Verdict; v != study.NotReproduced {
			t.Errorf("%s is %s after its number was changed", id, v)
		}
	}
	none := asThePaper(0)
	for i := range none.Seeds {
		none.Seeds[i].Course = none.Seeds[i].Course[:1]
	}
	if v := verdicts(t, none.Claims())["calibration-rl"].Verdict; v != study.OutOfReach {
		t.Errorf("without snapshots calibration-rl is %s", v)
	}
}

func TestWriterClaims(t *testing.T) {
	written := func(hh, helpful, score float64) (w study.Written) {
		for seed := 1; seed <= 3; seed++ {
			b := study.Beside{Authors: []string{study.AuthorWriter, study.AuthorHH, study.AuthorHelpful}, Scores: []float64{1, 1 + score + 0.01*float64(seed), 1}, Worth: []float64{1, 1, 1}}
			for _, p := range []struct {
				a, b string
				v    float64
			}{{study.AuthorHH, study.AuthorWriter, hh}, {study.AuthorHelpful, study.AuthorWriter, helpful}, {study.AuthorHelpful, study.AuthorHH, 0.4}} {
				b.Pairs = append(b.Pairs, study.BesidePair{A: p.a, B: p.b, Won: rlhf.Accuracy{N: 200, Value: p.v + 0.005*float64(seed)}})
			}
			w.Seeds = append(w.Seeds, study.WrittenSeed{Seed: seed, Beside: b})
		}
		return w
	}
	for id, c := range verdicts(t, written(0.56, 0.51, 0.5).Claims()) {
		if v := c.Verdict; v != study.Reproduced {
			t.Errorf("%s is %s where all is as in the paper", id, v)
		}
	}
	for id, c := range verdicts(t, written(0.45, 0.3, -0.5).Claims()) {
		if v := c.Verdict; v != study.NotReproduced {
			t.Errorf("%s is %s where nothing is as in the paper", id, v)
		}
	}
}

func TestOnlineClaims(t *testing.T) {
	iterated := func(sign float64) (it study.Iterated) {
		for seed := 1; seed <= 3; seed++ {
			j := 0.01 * float64(seed)
			s := study.IteratedSeed{Seed: seed}
			for round := 1; round <= 2; round++ {
				r := online.Report{Round: round, Players: []string{"base", fmt.Sprintf("rs-%d", round), fmt.Sprintf("ppo-%d@9", round)}}
				for i, name := range []string{"base", "rs", "ppo"} {
					r.Scores = append(r.Scores, online.Scores{Name: name, Mean: sign * float64(i) * (1 + j)})
				}
				for i, name := range []string{"base", "rs", "online-1", "online-2"} {
					r.Accuracy = append(r.Accuracy, rlhf.Accuracy{Name: name, Value: 0.74 - sign*0.03*float64(i) + j, N: 500})
				}
				r.Elo = []eval.Rating{{Name: "base"}, {Name: "ppo-1@9", Elo: 200}, {Name: "ppo-2@9", Elo: 200 + sign*(60+j)}}
				r.Predicted = []online.Predicted{{Name: "base"}, {Name: "ppo", HeldOut: online.Gap{Elo: 300 + sign*100}, Mean: online.Gap{Elo: 300 - 0.4*(sign-1)*100}, Ranked: online.Gap{Elo: 290}, Crowd: online.Gap{Elo: 260 + j}}}
				if sign < 0 {
					r.Predicted[1].HeldOut.Elo = 200
				}
				s.Reports = append(s.Reports, r)
			}
			s.Control.Won = rlhf.Accuracy{N: 700, Value: 0.5 + sign*0.08}
			for i := range 3 {
				s.LogP = append(s.LogP, study.LogPAccuracy{Step: i, PM: 0.8, Accuracy: rlhf.Accuracy{Value: 0.55 + sign*0.03*float64(i)*(1+j)}})
			}
			it.Seeds = append(it.Seeds, s)
		}
		return it
	}
	for id, c := range verdicts(t, iterated(1).Claims()) {
		if v := c.Verdict; v != study.Reproduced {
			t.Errorf("%s is %s where all is as in the paper", id, v)
		}
	}
	for id, c := range verdicts(t, iterated(-1).Claims()) {
		if v := c.Verdict; v != study.NotReproduced {
			t.Errorf("%s is %s where nothing is as in the paper", id, v)
		}
	}
	without := iterated(1)
	for i := range without.Seeds {
		without.Seeds[i].Control = online.Control{}
	}
	if v := verdicts(t, without.Claims())["online-equal-size"].Verdict; v != study.OutOfReach {
		t.Errorf("without a control, %s", v)
	}
}

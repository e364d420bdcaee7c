package study_test

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"hhrlhf/rlhf/eval"
	"hhrlhf/rlhf/study"
)

// A nature says how the runs of a made-up study behave.
type nature struct {
	apart   float64 // gap a step by which the test model falls behind after step 60, for the largest preference model
	smaller float64 // as many times that for the smallest
	root    bool    // the score follows √KL, or else KL
	steep   float64 // slope by rung: 0.35·(1 + steep·rung)
	ladder  float64 // what test model t sees of a policy of rung p: ladder·t·p
	penalty float64 // what the penalty costs at the end
	falls   bool    // the truth follows Gao's form, or else only rises
}

func good() nature {
	return nature{apart: 0.006, smaller: 2, root: true, ladder: 0.1, falls: true}
}

// robust is a study of three seeds and three rungs of that nature.
func robust(n nature) study.Robust {
	r := study.Robust{Top: 2}
	truth := eval.Overoptimised{Form: eval.RLForm, Alpha: 0.5, Beta: 0.35}
	run := func(rung, pm, seed int, kl float64) study.RobustRun {
		rng := rand.New(rand.NewPCG(uint64(seed), uint64(10*rung+pm)))
		x := study.RobustRun{Policy: study.Policy{PM: study.HalfA, PMRung: pm, Rung: rung, Seed: seed, KLCoef: kl}, Params: 24576 * math.Pow(4, float64(rung))}
		c := study.Course{Batch: 64, OfTrain: eval.Reference{Mean: -0.5, SD: 2.5, N: 1024}, OfTest: eval.Reference{Mean: 0.4, SD: 1.8, N: 1024}, OfGold: 0.9, Within: 2, Noise: 0.1}
		behind := 0.0
		for step := 1; step <= 160; step++ {
			d := 6 * float64(step) / 160
			gain := 0.35 * (1 + n.steep*float64(rung)) * d
			if !n.root {
				gain = gain * d / 6
			}
			if step > 60 {
				by := n.apart
				if pm < 2 {
					by *= n.smaller
				}
				behind += by
			}
			c.Step, c.KL = append(c.Step, step), append(c.KL, d*d)
			c.Train = append(c.Train, -0.5+2.5*gain+0.1*rng.NormFloat64())
			c.Test = append(c.Test, 0.4+1.8*(gain-behind)+0.1*rng.NormFloat64())
			gold := 0.9 + truth.At(d)
			if !n.falls {
				gold = 0.9 + 0.2*d
			}
			c.Gold = append(c.Gold, gold+0.05*rng.NormFloat64())
		}
		m := study.RobustMark{Step: 160, Train: 2}
		for test := range 3 {
			end := 1.5 - behind + n.ladder*float64(test*rung) + 0.01*rng.NormFloat64()
			if kl > 0 {
				end -= n.penalty
			}
			m.Tests = append(m.Tests, end)
		}
		x.Course, x.Marks = c, []study.RobustMark{m}
		return x
	}
	for seed := 1; seed <= 3; seed++ {
		for rung := range 3 {
			r.Runs = append(r.Runs, run(rung, 2, seed, study.PaperKL))
			if rung < 2 {
				r.Runs = append(r.Runs, run(rung, rung, seed, study.PaperKL))
			}
			best := study.RobustBest{Rung: rung, Seed: seed}
			for k := 1; k <= 64; k *= 2 {
				d := math.Sqrt(eval.BestOfKL(k))
				best.Gold = append(best.Gold, eval.Optimised{N: k, KL: d * d, Mean: 0.9 + d*(1.1-0.3*d)})
			}
			r.Best = append(r.Best, best)
		}
		r.Runs = append(r.Runs, run(2, 2, seed, 0))
	}
	return r
}

// A study in which everything is as the paper says reproduces every claim; and with one thing
// otherwise, the claim about that one, and no other, falls.
func TestRobustnessClaims(t *testing.T) {
	for id, claim := range verdicts(t, robust(good()).Claims()) {
		if claim.Verdict != study.Reproduced {
			t.Errorf("%s: %s: %s (%s)", id, claim.Verdict, claim.Ours, claim.Why)
		}
	}
	for want, change := range map[string]func(*nature){
		"part-late larger-pm-robust": func(n *nature) { n.apart = 0 },
		"larger-pm-robust":           func(n *nature) { n.smaller = 0.5 },
		"sqrt-kl":                    func(n *nature) { n.root = false },
		"parallel":                   func(n *nature) { n.steep = 0.5 },
		"test-ladder":                func(n *nature) { n.ladder = 0 },
		"kl-coef":                    func(n *nature) { n.penalty = 0.4 },
		"overoptimised":              func(n *nature) { n.falls = false },
	} {
		n := good()
		change(&n)
		for id, claim := range verdicts(t, robust(n).Claims()) {
			if fell := claim.Verdict != study.Reproduced; fell != strings.Contains(want, id) {
				t.Errorf("%s: the claim %s is %s: %s (%s)", want, id, claim.Verdict, claim.Ours, claim.Why)
			}
		}
	}
}

// Four steps are too few for anything, and then nothing is claimed to be so.
func TestRobustnessOfTooFewSteps(t *testing.T) {
	r := robust(good())
	for i := range r.Runs {
		c := &r.Runs[i].Course
		c.Step, c.KL, c.Train, c.Test, c.Gold = c.Step[:2], c.KL[:2], c.Train[:2], c.Test[:2], c.Gold[:2]
	}
	v := verdicts(t, r.Claims())
	for _, id := range []string{"agree-early", "part-late", "sqrt-kl", "parallel", "sub-gaussian", "overoptimised"} {
		if v[id].Verdict != study.OutOfReach {
			t.Errorf("%s is %s: %s", id, v[id].Verdict, v[id].Ours)
		}
	}
}

// What is measured comes back from disk as it was.
func TestRobustnessSurvivesJSON(t *testing.T) {
	want := robust(good())
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got study.Robust
	if err := json.Unmarshal(text, &got); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("it does not come back: %v", err)
	}
}

// The ceiling is the R² of a perfect line with a batch's noise, and a larger noise than that of
// the scores leaves nothing.
func TestLawCeiling(t *testing.T) {
	c := robust(good()).Runs[0].Course
	c.Test = nil
	law, err := c.Law()
	if err != nil {
		t.Fatal(err)
	}
	if law.Until != 160 || math.Abs(law.Ceiling-law.Root.R2) > 0.003 || law.Ceiling > 0.9999 {
		t.Errorf("ceiling %v, R² %v to step %d", law.Ceiling, law.Root.R2, law.Until)
	}
	c.Noise = 100
	if law, err = c.Law(); err != nil || law.Ceiling != 0 {
		t.Errorf("ceiling %v, %v", law.Ceiling, err)
	}
}

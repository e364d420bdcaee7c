package study_test

import (
	"math"
	"strings"
	"testing"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/eval"
	"hhrlhf/rlhf/study"
	"hhrlhf/rlhf/tasks"
)

// capable is a made-up result: change says by how much each policy's accuracy moves.
func capable(change func(rung, seed, shots int, kind tasks.Kind) float64) study.CapabilitiesResult {
	var r study.CapabilitiesResult
	for seed := 1; seed <= 3; seed++ {
		for rung := range 3 {
			for _, kind := range []tasks.Kind{tasks.Choice, tasks.Cloze, tasks.Free} {
				for _, shots := range []int{0, 1} {
					c := change(rung, seed, shots, kind)
					r.World = append(r.World, study.WorldTask{Rung: rung, Seed: seed, Params: 1000 * math.Pow(4, float64(rung)), Policy: study.MainPolicy,
						Task: "quiz-" + string(kind), Kind: kind, Shots: shots, Before: rlhf.Accuracy{Value: 0.5}, After: rlhf.Accuracy{Value: 0.5 + c}, Change: eval.Flips{Change: c}})
				}
			}
		}
	}
	return r
}

func verdicts(t *testing.T, claims []study.Claim) map[string]study.Claim {
	t.Helper()
	out := map[string]study.Claim{}
	for _, c := range claims {
		if err := c.Check(); err != nil {
			t.Error(err)
		}
		out[c.ID] = c
	}
	return out
}

// What the paper found is found where it is there: a tax that turns into a bonus, with examples
// as without, but for free answers.
func TestCapabilitiesAsInThePaper(t *testing.T) {
	got := verdicts(t, capable(func(rung, seed, _ int, kind tasks.Kind) float64 {
		c := []float64{-0.06, -0.02, 0.08}[rung] + 0.005*float64(seed-2)
		if kind == tasks.Free {
			c = -0.03 + 0.002*float64(seed)
		}
		return c
	}).Claims())
	for id, want := range map[string]study.Verdict{"alignment-tax": study.Reproduced, "alignment-bonus": study.Reproduced, "few-shot": study.Reproduced,
		"free-answers": study.Reproduced, "harness": study.OutOfReach, "public-tests-after": study.OutOfReach} {
		if got[id].Verdict != want {
			t.Errorf("%s: %+v, want %s", id, got[id], want)
		}
	}
	// The mean is over the three tasks of a seed, and the interval over seeds: 3 values, not 9.
	if c := got["alignment-tax"]; c.Seeds != 3 || math.Abs(c.Value-(-0.06-0.06-0.026)/3) > 1e-9 {
		t.Errorf("tax %+v", c)
	}
}

// And not where it is not: a bonus everywhere, as large for all, that examples turn round.
func TestCapabilitiesOtherwise(t *testing.T) {
	got := verdicts(t, capable(func(rung, seed, shots int, _ tasks.Kind) float64 {
		c := 0.05 + 0.01*float64(seed-2)
		if shots > 0 && rung == 1 {
			return -c
		}
		return c
	}).Claims())
	for _, id := range []string{"alignment-tax", "alignment-bonus", "few-shot", "free-answers"} {
		if got[id].Verdict != study.NotReproduced {
			t.Errorf("%s: %+v", id, got[id])
		}
	}
	if c := got["few-shot"]; !strings.Contains(c.Why, "2 of 3 rungs") {
		t.Errorf("%+v", c)
	}
}

// A published score outside our interval is said to be.
func TestHarnessClaim(t *testing.T) {
	r := capable(func(int, int, int, tasks.Kind) float64 { return 0.1 })
	for _, p := range study.PublishedScores {
		a := rlhf.Accuracy{N: 100, Value: p.Value}
		a.Low, a.High = eval.WilsonInterval(100*p.Value, 100, eval.Z95)
		r.Real = append(r.Real, study.RealTask{Model: "m", Result: tasks.Result{Task: p.Task, Norm: p.Norm, Norms: []tasks.Norm{p.Norm}, Accuracies: []rlhf.Accuracy{a}}})
	}
	if c := verdicts(t, r.Claims())["harness"]; c.Verdict != study.Reproduced || c.Value != 1 {
		t.Errorf("%+v", c)
	}
	r.Real[1].Accuracies[0] = rlhf.Accuracy{N: 100, Value: 0.3, Low: 0.2, High: 0.4}
	if c := verdicts(t, r.Claims())["harness"]; c.Verdict != study.NotReproduced || !strings.Contains(c.Why, "arc_easy") || strings.Contains(c.Why, "hellaswag") {
		t.Errorf("%+v", c)
	}
	few := r.Real[0]
	few.Shots = 4
	r.Real = []study.RealTask{few}
	if c := verdicts(t, r.Claims())["harness"]; c.Verdict != study.OutOfReach {
		t.Errorf("scores with examples were set beside those without: %+v", c)
	}
}

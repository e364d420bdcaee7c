package study_test

import (
	"strings"
	"testing"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/eval"
	"hhrlhf/rlhf/study"
	"hhrlhf/rlhf/tasks"
)

// honest is a section of so many seeds and two rungs, whose largest policies gain what is
// asked for.
func honest(seeds int, gain float64) (r study.HonestyResult) {
	for seed := 1; seed <= seeds; seed++ {
		for rung := range 2 {
			g, d := gain*float64(rung), 0.01*float64(seed)
			groups := func(mean float64) (e eval.Groups) {
				e.Groups = []eval.GroupMean{{Name: "anna", Mean: mean + d}, {Name: "ben", Mean: mean + 0.02}}
				e.Mean, e.Spread = mean, d
				return e
			}
			r.Truth = append(r.Truth, study.Truth{Rung: rung, Seed: seed, Before: rlhf.Accuracy{Value: 0.5}, After: rlhf.Accuracy{Value: 0.5 + g}, Change: eval.Flips{Change: g + d/10}})
			r.Bias = append(r.Bias, study.NameBias{Rung: rung, Seed: seed, Before: eval.Gender{B: 1}, After: eval.Gender{B: 1 + 2*g + d}, Shift: eval.Shift{R: 0.5 + 2*g, Temperature: 1 / (1 + 2*g)}})
			r.Tone = append(r.Tone, study.Tone{Rung: rung, Seed: seed, Before: groups(0.5), After: groups(0.5 + g)})
			r.Judges = append(r.Judges, study.JudgeConduct{Rung: rung, Seed: seed, Harm: rlhf.Accuracy{Value: 0.75 + g}, Gender: eval.GenderSpread{Fair: eval.Interval{Value: 1.3 - 2*g}}})
		}
	}
	return r
}

func honestClaims(t *testing.T, r study.HonestyResult) map[string]study.Claim {
	t.Helper()
	by := map[string]study.Claim{}
	for _, c := range r.Claims() {
		if err := c.Check(); err != nil {
			t.Error(err)
		}
		by[c.ID] = c
	}
	return by
}

// The verdicts follow from the numbers: what rises is reproduced, what falls is not, one seed
// proves nothing, and what needs a policy of a published model is out of reach.
func TestHonestyVerdicts(t *testing.T) {
	good, bad, alone := honestClaims(t, honest(3, 0.2)), honestClaims(t, honest(3, -0.2)), honestClaims(t, honest(1, 0.2))
	for _, id := range []string{"truthful", "pm-harm", "pm-gender", "sentiment", "gender-size", "gender-shape"} {
		if v := good[id].Verdict; v != study.Reproduced {
			t.Errorf("%s: %s (%s) of figures that show it", id, v, good[id].Why)
		}
		if v := bad[id].Verdict; v != study.NotReproduced {
			t.Errorf("%s: %s of figures that do not", id, v)
		}
	}
	for _, id := range []string{"truthful", "sentiment", "sentiment-gaps", "gender-size"} {
		if v := alone[id].Verdict; v != study.OutOfReach {
			t.Errorf("%s: %s of one seed", id, v)
		}
	}
	for _, id := range []string{"truthful-prompt", "bbq"} {
		if good[id].Verdict != study.OutOfReach || good[id].Ours != "" {
			t.Errorf("%+v of nothing measured", good[id])
		}
	}
	if c := good["sentiment-gaps"]; c.Verdict != study.Reproduced {
		t.Errorf("%+v", c)
	}
}

// A gain that the smallest models have too is none that grows; one person left behind is not
// every group.
func TestHonestyVerdictsAreStrict(t *testing.T) {
	flat := honest(3, 0.2)
	for i := range flat.Truth {
		if flat.Truth[i].Rung == 0 {
			flat.Truth[i].Change.Change = 0.3
		}
	}
	if c := honestClaims(t, flat)["truthful"]; c.Verdict != study.NotReproduced || !strings.Contains(c.Why, "at the smallest") {
		t.Errorf("%+v", c)
	}
	left := honest(3, 0.2)
	left.Tone[len(left.Tone)-1].After.Groups[1].Mean = 0.1
	if c := honestClaims(t, left)["sentiment"]; c.Verdict != study.NotReproduced || !strings.Contains(c.Ours, "5 of 6 groups") {
		t.Errorf("%+v", c)
	}
}

// A published model's figures are in the claims, and do not make one of training's hold.
func TestHonestyOfAPublishedModel(t *testing.T) {
	r := honest(3, 0.2)
	use := func(low, high float64) *study.RealBBQ {
		return &study.RealBBQ{Model: "smollm2", Categories: []eval.BBQScore{{Category: "Religion", Lite: eval.Interval{Value: (low + high) / 2, Low: low, High: high}}}}
	}
	r.Real = study.RealHonesty{
		TruthfulQA: &study.RealTruth{Model: "smollm2", Dialogue: rlhf.Accuracy{N: 50, Value: 0.24}, Primer: rlhf.Accuracy{N: 50, Value: 0.3}},
		BBQ:        use(0.4, 0.6), Gender: &study.RealGender{Model: "smollm2"}, Sentiment: &study.RealSentiment{Model: "smollm2", Tones: []tasks.Tone{{Kind: "religion"}}},
	}
	cs := honestClaims(t, r)
	if c := cs["truthful-prompt"]; c.Verdict != study.OutOfReach || !strings.Contains(c.Ours, "smollm2, 50 questions: 0.24") {
		t.Errorf("%+v", c)
	}
	if c := cs["bbq"]; c.Verdict != study.OutOfReach || !strings.Contains(c.Ours, "Religion: 0.50 (0.40 to 0.60)") {
		t.Errorf("%+v", c)
	}
	if c := cs["sentiment-gaps"]; !strings.Contains(c.Ours, "religion 0.00") {
		t.Errorf("%+v", c)
	}
	r.Real.BBQ = use(0.6, 0.8)
	if c := honestClaims(t, r)["bbq"]; c.Verdict != study.NotReproduced {
		t.Errorf("biased, and %+v", c)
	}
}

package study_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/study"
	"hhrlhf/rlhf/synth"
)

// A tension says how helpfulness and harmlessness stand in a made-up study.
type tension struct {
	harmful     float64 // harmlessness of the helpful-only policy
	refuses     float64 // share of benign requests that the over-refusing one refuses
	helpful     float64 // its helpfulness
	tail        float64 // its percentile in the harmless data
	pure        float64 // accuracy of a pure model on the other kind
	middle      float64 // of the even mix on each kind
	small       float64 // of the small models at 10 and 90 %
	three       float64 // mean accuracy gained at λ = 3
	large, tiny float64 // helpfulness lost at λ = 10, by the largest and the smallest
}

func tense() tension {
	return tension{harmful: -0.5, refuses: 0.6, helpful: -0.1, tail: 0.95, pure: 0.3, middle: 0.8, small: 0.74, three: 0.02, large: 0.01, tiny: 0.07}
}

func objectives(n tension) study.Objectives {
	o := study.Objectives{Top: 2}
	accuracies := func(helpful, harmless float64) []rlhf.Accuracy {
		return []rlhf.Accuracy{{Name: synth.TrancheHarmless, N: 500, Value: harmless}, {Name: synth.TrancheHelpful, N: 900, Value: helpful}}
	}
	for seed := 1; seed <= 3; seed++ {
		off := 0.01 * float64(seed-2)
		w := func(v float64) study.Within { return study.Within{Mean: v + off, Low: v - 0.1, High: v + 0.1} }
		add := func(name string, helpful, harmless, refuses, first, second float64) {
			o.Policies = append(o.Policies, study.ObjectivePolicy{Name: name, Policy: study.Policy{Seed: seed}, Marks: []study.ObjectiveMark{{}, {Step: 160,
				Helpful: w(helpful), Harmless: w(harmless), Refuses: w(refuses - 2*off*refuses), InData: [2]study.Standing{{Tranche: synth.TrancheHelpful, Within: w(first)}, {Tranche: synth.TrancheHarmless, Within: w(second)}}}}})
		}
		add(study.HelpfulOnly, 0.5, n.harmful, 0, 0.8, 0.2)
		add(study.HarmlessOnly, -0.4, 0.9, 0.9, 0.3, 0.97)
		add(study.OverRefusing, n.helpful, 0.9, n.refuses, 0.55, n.tail)
		add(study.Cured, 0.4, 0.85-off, 0.1, 0.7, 0.9)
		for rung := 0; rung <= 2; rung += 2 {
			for _, share := range []float64{0, 0.1, 0.5, 0.9, 1} {
				a := accuracies(0.8, 0.81)
				switch {
				case share == 0:
					a = accuracies(0.81, n.pure+off)
				case share == 1:
					a = accuracies(n.pure+off, 0.82)
				case share == 0.5:
					a = accuracies(n.middle, n.middle)
				case rung == 0:
					a = accuracies(n.small+off/10, n.small)
				}
				o.Mixes = append(o.Mixes, study.Mixed{Rung: rung, Seed: seed, Setting: share, Tranches: a})
			}
			for _, lambda := range []float64{1, 2, 3, 4, 10} {
				helpful := 0.7
				switch lambda {
				case 3:
					helpful += 2 * n.three
				case 10:
					if helpful -= n.large; rung == 0 {
						helpful += n.large - n.tiny + off/10
					}
				}
				o.Weights = append(o.Weights, study.Mixed{Rung: rung, Seed: seed, Setting: lambda, Tranches: accuracies(helpful, 0.8)})
			}
		}
	}
	return o
}

// As TestRobustnessClaims.
func TestObjectivesClaims(t *testing.T) {
	for id, claim := range verdicts(t, objectives(tense()).Claims()) {
		if claim.Verdict != study.Reproduced {
			t.Errorf("%s: %s: %s (%s)", id, claim.Verdict, claim.Ours, claim.Why)
		}
	}
	for want, change := range map[string]func(*tension){
		"helpful-only":           func(n *tension) { n.harmful = 0.86 },
		"over-refusing":          func(n *tension) { n.refuses = 0.1 },
		"cured":                  func(n *tension) { n.helpful = 0.4 },
		"overoptimised-harmless": func(n *tension) { n.tail = 0.85 },
		"pure-pm":                func(n *tension) { n.pure = 0.47 },
		"mix":                    func(n *tension) { n.middle = 0.77 },
		"flatter":                func(n *tension) { n.small = 0.8 },
		"weight":                 func(n *tension) { n.three = 0 },
		"weight-price":           func(n *tension) { n.tiny = 0.01 },
	} {
		n := tense()
		change(&n)
		for id, claim := range verdicts(t, objectives(n).Claims()) {
			if fell := claim.Verdict != study.Reproduced; fell != (want == id) && !(want == "mix" && id == "flatter") {
				t.Errorf("%s: the claim %s is %s: %s (%s)", want, id, claim.Verdict, claim.Ours, claim.Why)
			}
		}
	}
	text, err := json.Marshal(objectives(tense()))
	if err != nil {
		t.Fatal(err)
	}
	var got study.Objectives
	if err := json.Unmarshal(text, &got); err != nil || !reflect.DeepEqual(got, objectives(tense())) {
		t.Errorf("it does not come back: %v", err)
	}
}

// In one size there is nothing to say about sizes.
func TestObjectivesInOneSize(t *testing.T) {
	o := objectives(tense())
	big := func(ms []study.Mixed) (out []study.Mixed) {
		for _, m := range ms {
			if m.Rung == o.Top {
				out = append(out, m)
			}
		}
		return out
	}
	o.Mixes, o.Weights = big(o.Mixes), big(o.Weights)
	for id, c := range verdicts(t, o.Claims()) {
		if want := strings.Contains("flatter weight-price", id) && id != "weight"; want != (c.Verdict == study.OutOfReach) {
			t.Errorf("%s is %s", id, c.Verdict)
		}
	}
}

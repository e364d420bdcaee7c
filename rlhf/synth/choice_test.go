package synth_test

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/synth"
)

// Every number of a choice follows from the ones before it, and Comparisons makes
// its comparisons so.
func TestExplainIsHowComparisonsAreMade(t *testing.T) {
	w := synth.New(1)
	crowd := synth.Crowd{Noise: 0.7, Bias: 0.02, Honest: 0.5}
	for _, harmful := range []bool{false, true} {
		crowd.Harmful = 0
		if harmful {
			crowd.Harmful = 1
		}
		rng, cs, dropped := stream(1), w.Comparisons(300, stream(1), crowd), 0
		for i := range cs {
			m := w.Explain(crowd, harmful, rng)
			dropped += m.Dropped
			c := m.Comparison()
			c.Source = cs[i].Source
			if diff := cmp.Diff(cs[i], c); diff != "" {
				t.Fatalf("comparison %d is not the one explained:\n%s", i, diff)
			}
			if m.GoldA != w.Judge(rlhf.Transcript{Prompt: m.Prompt, Response: m.A}) || m.RedTeam != harmful || m.RedTeam != w.Harmful(m.Prompt) {
				t.Fatalf("%+v", m)
			}
			if p := 1 / (1 + math.Exp(-(m.UtilityA-m.UtilityB)/0.7)); p != m.P || m.Draw < 0 || m.Draw >= 1 {
				t.Fatalf("P = %v, want %v; draw %v", m.P, p, m.Draw)
			}
			picked := m.B
			if m.PicksA() {
				picked = m.A
			}
			if (c.Chosen.Response == picked) == harmful {
				t.Fatalf("the worker picked %q, red team %v, and chosen is %q", picked, harmful, c.Chosen.Response)
			}
			if harmful != (m.QualityA >= synth.RefusedKindly) || harmful != (m.QualityB >= synth.RefusedKindly) {
				t.Fatalf("qualities %v and %v", m.QualityA, m.QualityB)
			}
		}
		if dropped == 0 {
			t.Error("no ties in 300 comparisons")
		}
	}
}

func TestFormulas(t *testing.T) {
	w := synth.New(1)
	for _, c := range []struct {
		prompt string
		crowd  synth.Crowd
		want   string
	}{
		{"what colour is the sky?", synth.DefaultCrowd(), "helpful + honest/4"},
		{"what colour is the sky?", synth.Researcher(), "helpful + 1·honest + (-0.15)·words"},
		{"how do i steal a bike?", synth.DefaultCrowd(), "−1.25·harmless"},
	} {
		choice, _ := w.Choose(ask(c.prompt), " no.", " it is blue.", c.crowd, stream(1))
		if choice.Formula != c.want {
			t.Errorf("formula %q, want %q", choice.Formula, c.want)
		}
	}
}

// The tranches of a mix have the sizes that were asked for, in every first part of
// it: 0 and 1 are pure.
func TestTranchesHaveTheirShares(t *testing.T) {
	w := synth.Small(0)
	crowd := synth.DefaultCrowd()
	for step := range 11 {
		crowd.Harmful = float64(step) / 10
		cs := w.Comparisons(505, stream(1), crowd)
		if len(cs) != 505 {
			t.Fatalf("%d comparisons", len(cs))
		}
		harmless := 0
		for i, c := range cs {
			if c.Tranche == synth.TrancheHarmless {
				harmless++
			}
			if want := int(math.Round(crowd.Harmful * float64(i+1))); harmless != want {
				t.Fatalf("share %v: %d red-team comparisons among the first %d, want %d", crowd.Harmful, harmless, i+1, want)
			}
			if w.Harmful(c.Chosen.Prompt) != (c.Tranche == synth.TrancheHarmless) {
				t.Fatalf("%+v", c)
			}
		}
		if diff := cmp.Diff(cs[:100], w.Comparisons(100, stream(1), crowd)); diff != "" {
			t.Errorf("share %v: a shorter draw is no part of a longer one:\n%s", crowd.Harmful, diff)
		}
	}
}

package synth_test

import (
	"math"
	"slices"
	"testing"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/synth"
)

// agree is the share of items that both raters decide and decide alike.
func agree(a, b []int8) float64 {
	n, same := 0.0, 0.0
	for i := range a {
		if a[i] != 0 && b[i] != 0 {
			n++
			if a[i] == b[i] {
				same++
			}
		}
	}
	return same / n
}

// The figures of the presets' docs.
func TestRatersAgreeAsDocumented(t *testing.T) {
	w := synth.New(1)
	rates := func(crowd synth.Crowd) (researcher, exact, again float64) {
		cs := w.Comparisons(20_000, stream(1), crowd)
		labels := slices.Repeat([]int8{1}, len(cs))
		return agree(labels, w.Choices(cs, synth.Researcher(), stream(2))),
			agree(labels, w.Choices(cs, synth.Crowd{}, stream(3))),
			agree(labels, w.Choices(cs, crowd, stream(4)))
	}
	near := func(name string, got, want float64) {
		t.Helper()
		if math.Abs(got-want) > 0.01 { // 3 standard errors of a share of 20,000
			t.Errorf("%s: %.4f, want %.2f ± 0.01", name, got, want)
		}
	}
	researcher, exact, again := rates(synth.DefaultCrowd())
	near("researcher and default crowd", researcher, 0.85)
	near("exact worker and default crowd", exact, 0.89)
	near("two workers of the default crowd", again, 0.84)
	researcher, exact, again = rates(synth.NoisyCrowd())
	near("researcher and noisy crowd", researcher, 0.63)
	near("exact worker and noisy crowd", exact, 0.64)
	near("two workers of the noisy crowd", again, 0.55)
	for _, c := range []synth.Crowd{synth.Researcher(), synth.NoisyCrowd()} {
		if err := c.Validate(); err != nil {
			t.Error(err)
		}
	}
}

// An exact worker's choices are the signs of the margins, on red-team prompts too.
// Known mistake: forgetting that the label was turned over.
func TestExactChoicesAreTheSignsOfMargins(t *testing.T) {
	w := synth.New(1)
	cs := w.Comparisons(800, stream(5), synth.DefaultCrowd())
	cs = append(cs, rlhf.Comparison{Chosen: cs[0].Chosen, Rejected: cs[0].Chosen})
	choices := w.Choices(cs, synth.Crowd{}, stream(6))
	mistaken := 0
	for i, c := range cs {
		m := w.Margin(c, synth.Crowd{})
		switch {
		case m > 0 && choices[i] != 1, m < 0 && choices[i] != -1, m == 0 && choices[i] != 0:
			t.Fatalf("comparison %d has margin %v and choice %d", i, m, choices[i])
		}
		if c.Tranche == synth.TrancheHarmless {
			mistaken++
		}
	}
	if mistaken < 200 {
		t.Errorf("only %d red-team comparisons", mistaken)
	}
}

// Raters who weigh honesty more take no answer over a false one.
func TestWeightOfHonesty(t *testing.T) {
	w := synth.New(1)
	sky := ask("what colour is the sky?")
	evasive, rude := " i do not know.", " it is blue, you fool." // (-0.2, 0.3) and (0.2, 1)
	wrong, babble := " it is red.", " of of sky."                // (-0.5, -1) and (-1, 0)
	hedged := " maybe it is red."                                // (-0.4, -0.4)
	for _, c := range []struct {
		honest float64
		a, b   string
		first  bool
	}{
		{0, rude, evasive, true},
		{0, wrong, babble, true},
		{0.7, wrong, babble, false},
		{1, wrong, babble, false},
	} {
		choice, ok := w.Choose(sky, c.a, c.b, synth.Crowd{Honest: c.honest}, stream(7))
		if !ok || choice.PicksA() != c.first {
			t.Errorf("honesty %v: %+v", c.honest, choice)
		}
	}
	// 0 is a quarter, not nothing.
	a, _ := w.Choose(sky, evasive, rude, synth.Crowd{}, stream(8))
	b, _ := w.Choose(sky, evasive, rude, synth.Crowd{Honest: 0.25}, stream(8))
	if a != b {
		t.Errorf("%+v\n%+v", a, b)
	}
	// What weights change: a declined request (-0.4, 0.2) against a hedged wrong answer (-0.4, -0.4).
	small, _ := w.Choose(sky, " sorry, i can not help with that.", hedged, synth.Crowd{Noise: 1}, stream(9))
	large, _ := w.Choose(sky, " sorry, i can not help with that.", hedged, synth.Crowd{Noise: 1, Honest: 1}, stream(9))
	if d := (large.UtilityA - large.UtilityB) - (small.UtilityA - small.UtilityB); math.Abs(d-0.75*0.6) > 1e-12 {
		t.Errorf("the difference grew by %v, want 0.45", d)
	}
}

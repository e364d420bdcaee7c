package synth_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/synth"
)

// The small world asks fewer things, all of which the whole world knows and
// judges alike.
func TestSmall(t *testing.T) {
	whole, small := synth.New(0), synth.Small(0)
	rng := rand.New(rand.NewPCG(1, 1))
	skills, distinct := map[string]bool{}, map[string]bool{}
	for _, tr := range small.Corpus(3000, rng) {
		q, ok := small.Question(tr.Prompt)
		if !ok {
			t.Fatalf("the small world does not know its own prompt %q", tr.Prompt)
		}
		skills[q.Skill] = true
		distinct[q.Skill+q.X] = true
		if a, b := small.Judge(tr), whole.Judge(tr); a != b {
			t.Errorf("%q: small %+v, whole %+v", tr, a, b)
		}
	}
	var names []string
	for s := range skills {
		names = append(names, s)
	}
	slices.Sort(names)
	if want := []string{"advice", "colour", "harm", "job", "opposite", "sound"}; !slices.Equal(names, want) {
		t.Errorf("skills %v, want %v", names, want)
	}
	if n := len(distinct); n != 5*4+6 {
		t.Errorf("%d distinct questions, want five kinds of four, and six harmful topics", n)
	}
	if a, b := synth.Small(0).Corpus(5, rand.New(rand.NewPCG(2, 2))), small.Corpus(5, rand.New(rand.NewPCG(2, 2))); !slices.Equal(a, b) {
		t.Error("one seed, two worlds")
	}
}

func TestSyntheticNames(t *testing.T) {
	for name, want := range map[string]bool{"synth": true, "synth:7": true, "synth-small": true, "synth-small:1": true, "synthetic": false, "hh-rlhf": false} {
		if got := rlhf.Synthetic(name); got != want {
			t.Errorf("Synthetic(%q) = %v", name, got)
		}
	}
}

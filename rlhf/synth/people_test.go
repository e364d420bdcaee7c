package synth_test

import (
	"fmt"
	"testing"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/synth"
)

// Women and men take turns, and what is said of a person's job is the world's truth.
func TestPeople(t *testing.T) {
	for seed, w := range []*synth.World{synth.New(0), synth.Small(1)} {
		people := w.People()
		if want := []int{10, 4}[seed]; len(people) != want {
			t.Errorf("%d people, want %d", len(people), want)
		}
		for i, p := range people {
			if p.Female != (i%2 == 0) {
				t.Errorf("%s, person %d: female %v", p.Name, i, p.Female)
			}
			for j, q := range people {
				answer := rlhf.Transcript{Prompt: rlhf.Human + " what does " + p.Name + " do?" + rlhf.Assistant, Response: fmt.Sprintf(" %s is a %s.", p.Name, q.Job)}
				if right := w.Judge(answer).Honest == 1; right != (i == j) {
					t.Errorf("%s: honest %v, want %v", answer, right, i == j)
				}
			}
		}
	}
}

package synth_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/synth"
)

// The gold labeller finds the right choice right and the others wrong, in every world.
func TestQuizAgainstTheJudge(t *testing.T) {
	for name, w := range map[string]*synth.World{"whole": synth.New(3), "small": synth.Small(3)} {
		items := w.Quiz(1000, rand.New(rand.NewPCG(1, 2)))
		if len(items) < 100 {
			t.Errorf("%s: %d items, want 100 at least", name, len(items))
		}
		skills, prompts, places := map[string]int{}, map[string]bool{}, make([]int, 4)
		for _, q := range items {
			if prompts[q.Prompt+q.Stem] {
				t.Errorf("%s: %q is asked twice", name, q.Prompt)
			}
			prompts[q.Prompt+q.Stem] = true
			skills[q.Skill]++
			places[q.Right]++
			for i := range q.Choices {
				g := w.Judge(rlhf.Transcript{Prompt: q.Prompt, Response: q.Respond(i)})
				if right := g.Why == "right"; right != (i == q.Right) || !right && g.Why != "wrong" {
					t.Errorf("%s: %q%s: choice %d of %d is judged %q", name, q.Prompt, q.Respond(i), i, q.Right, g.Why)
				}
			}
			if len(q.Choices) != 4 {
				t.Errorf("%s: %q has %d choices", name, q.Prompt, len(q.Choices))
			}
			if !strings.HasPrefix(q.Stem, " ") || strings.HasSuffix(q.Stem, " ") || strings.Contains(q.Stem, "{") {
				t.Errorf("%s: stem %q", name, q.Stem)
			}
		}
		for i, n := range places {
			if n < len(items)/8 || n > len(items)/2 {
				t.Errorf("%s: the right choice stands at place %d in %d of %d items", name, i, n, len(items))
			}
		}
		t.Log(name, len(items), skills)
	}
}

// What a seed draws stays, and a smaller quiz is part of a larger one.
func TestQuizIsDrawnBySeed(t *testing.T) {
	w := synth.Small(1)
	all, some := w.Quiz(1000, rand.New(rand.NewPCG(5, 5))), w.Quiz(7, rand.New(rand.NewPCG(5, 5)))
	if len(some) != 7 {
		t.Fatalf("%d items, want 7", len(some))
	}
	for i, q := range some {
		if q.Prompt != all[i].Prompt || q.Right != all[i].Right {
			t.Errorf("item %d: %q, and %q of the larger quiz", i, q.Prompt, all[i].Prompt)
		}
	}
	if n := len(w.Quiz(-1, rand.New(rand.NewPCG(5, 5)))); n != 0 {
		t.Errorf("%d items of a quiz of −1", n)
	}
}

package data_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/data"
)

// pairs makes n conversations of two comparisons each: a turn and its sequel.
func pairs(n int) []rlhf.Comparison {
	var cs []rlhf.Comparison
	for i := range n {
		prompt := fmt.Sprintf("\n\nHuman: question %d\n\nAssistant:", i)
		for range 2 {
			cs = append(cs, rlhf.Comparison{Chosen: transcript(prompt, " yes"), Rejected: transcript(prompt, " no")})
			prompt += " no\n\nHuman: go on\n\nAssistant:"
		}
	}
	return cs
}

func TestSplit(t *testing.T) {
	cs := pairs(3000)
	for _, share := range []float64{0.05, 0.35, 0.5} {
		train, test := data.Split(cs, share, 1)
		if len(train)+len(test) != len(cs) {
			t.Fatalf("%d + %d of %d", len(train), len(test), len(cs))
		}
		// 4 standard deviations of a binomial share of 3000 conversations.
		if got, tol := float64(len(test))/6000, 4*math.Sqrt(share*(1-share)/3000); math.Abs(got-share) > tol {
			t.Errorf("held out %.3f, want %v ± %.3f", got, share, tol)
		}
		disjoint(t, train, test)
		again, _ := data.Split(cs, share, 1)
		other, _ := data.Split(cs, share, 2)
		if !cmp.Equal(train, again) || cmp.Equal(train, other) {
			t.Error("the split is not a function of the seed")
		}
		// A comparison keeps its side when others go.
		half, _ := data.Split(cs[:3000], share, 1)
		if !cmp.Equal(half, train[:len(half)]) {
			t.Error("the split of a part is not the part of the split")
		}
	}
	for share, want := range map[float64]int{0: 0, -1: 0, 1: 6000, 2: 6000, math.NaN(): 0} {
		if _, test := data.Split(cs, share, 1); len(test) != want {
			t.Errorf("heldOut %v: %d held out, want %d", share, len(test), want)
		}
	}
}

func disjoint(t *testing.T, train, test []rlhf.Comparison) {
	t.Helper()
	seen := map[string]bool{}
	for _, p := range data.Prompts(train) {
		seen[p] = true
	}
	for _, p := range data.Prompts(test) {
		if seen[p] {
			t.Fatalf("prompt %q stands on both sides", p)
		}
	}
	if len(train) == 0 || len(test) == 0 {
		t.Errorf("split into %d and %d", len(train), len(test))
	}
}

func TestDedupAndPrompts(t *testing.T) {
	cs := pairs(2)
	turned := rlhf.Comparison{Chosen: cs[0].Rejected, Rejected: cs[0].Chosen}
	copied := cs[1]
	copied.Tranche, copied.Source = "other", "x:1"
	unique, dropped := data.Dedup(append(append([]rlhf.Comparison{}, cs...), turned, copied, cs[3]))
	if diff := cmp.Diff(append(append([]rlhf.Comparison{}, cs...), turned), unique); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]rlhf.Comparison{copied, cs[3]}, dropped); diff != "" {
		t.Error(diff)
	}
	want := []string{cs[0].Chosen.Prompt, cs[1].Chosen.Prompt, cs[2].Chosen.Prompt, cs[3].Chosen.Prompt}
	if diff := cmp.Diff(want, data.Prompts(append(cs, turned))); diff != "" {
		t.Error(diff)
	}
}

func TestHash(t *testing.T) {
	cs := pairs(2)
	base := data.Hash(cs)
	moved := append([]rlhf.Comparison{}, cs...)
	moved[0].Source = "elsewhere:7"
	if data.Hash(moved) != base {
		t.Error("the hash depends on where the data came from")
	}
	for name, change := range map[string]func(cs []rlhf.Comparison){
		"order":   func(cs []rlhf.Comparison) { cs[0], cs[1] = cs[1], cs[0] },
		"label":   func(cs []rlhf.Comparison) { cs[0].Chosen, cs[0].Rejected = cs[0].Rejected, cs[0].Chosen },
		"tranche": func(cs []rlhf.Comparison) { cs[3].Tranche = "x" },
		"seam":    func(cs []rlhf.Comparison) { cs[0].Chosen = transcript(cs[0].Chosen.Prompt+" ", "yes") },
	} {
		other := append([]rlhf.Comparison{}, cs...)
		change(other)
		if data.Hash(other) == base {
			t.Errorf("%s: the hash does not notice", name)
		}
	}
}

package rlhf_test

import (
	"strings"
	"testing"

	"hhrlhf/rlhf"
)

func scored(prompt string, scores ...float64) rlhf.Choice {
	var ss []rlhf.Sample
	for i, s := range scores {
		ss = append(ss, rlhf.Sample{Prompt: prompt, Response: strings.Repeat("x", i+1), Score: s})
	}
	return rlhf.Choose(prompt, ss)
}

func TestChoose(t *testing.T) {
	c := scored("p", -3, 1, 2, 1, 2)
	if c.Best != 2 || c.Pick().Response != "xxx" {
		t.Errorf("best %d (%q), want the first of the two highest", c.Best, c.Pick().Response)
	}
	for k, want := range []int{-1, 0, 1, 2, 2, 2, 2} {
		if f := c.First(k); f.Best != want || len(f.Samples) != min(k, 5) || f.Prompt != "p" {
			t.Errorf("the first %d: %+v, want best %d", k, f, want)
		}
	}
	if c.Best != 2 || len(c.Samples) != 5 {
		t.Errorf("First changed the choice: %+v", c)
	}
}

func TestPicks(t *testing.T) {
	a := []rlhf.Choice{scored("p", 1, 2), scored("q", 1, 2), scored("r", 5)}
	b := []rlhf.Choice{scored("p", 2, 1), scored("q", 0, 9), scored("r", 1, 1, 7)}
	pairs, same, err := rlhf.Picks(a, b)
	if err != nil || same != 1 || len(pairs) != 2 {
		t.Fatalf("%d pairs, %d same, %v; want 2, 1", len(pairs), same, err)
	}
	// In the order of the calls: the second pair's B has the higher score.
	if p := pairs[1]; p.Prompt != "r" || p.A.Score != 5 || p.B.Score != 7 || p.B.Response != "xxx" {
		t.Errorf("%+v", p)
	}
	for want, b := range map[string][]rlhf.Choice{
		"of 3 and of 2 prompts":                   b[:2],
		`prompt 1 is "q" for one side and "s"`:    {b[0], scored("s", 1), b[2]},
		"prompt 2 has no samples on one side":     {b[0], b[1], scored("r")},
		"want the same prompts in the same order": {b[1], b[0], b[2]},
	} {
		if _, _, err := rlhf.Picks(a, b); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

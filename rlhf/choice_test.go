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

// The median of seventeen is the ninth from below; empty ones do not count, and of an
// even number it is the lower of the middle two, so that it was always written. Known
// mistakes: counting the empty ones, which policies that end at once score low, moves it
// down; and the upper of the two is another sample.
func TestMedian(t *testing.T) {
	seventeen := []float64{3, 16, 8, 1, 13, 5, 10, 2, 15, 7, 12, 4, 17, 9, 6, 14, 11}
	if m, ok := scored("p", seventeen...).Median(); !ok || m.Score != 9 {
		t.Errorf("the median of 1 … 17 is %v, want 9", m.Score)
	}
	c := scored("p", seventeen...)
	for i := range c.Samples {
		if c.Samples[i].Score <= 4 {
			c.Samples[i].Response = " \n"
		}
	}
	if m, ok := c.Median(); !ok || m.Score != 11 {
		t.Errorf("the median of 5 … 17 is %v, want 11; with the empty ones it would be 9", m.Score)
	}
	if m, _ := scored("p", 4, 1, 3, 2).Median(); m.Score != 2 {
		t.Errorf("the median of 1 … 4 is %v, want 2, the lower one", m.Score)
	}
	if m, _ := scored("p", 5, 1, 1, 1).Median(); m.Response != "xxx" {
		t.Errorf("of three equal ones %q, want the second written, %q", m.Response, "xxx")
	}
	if c.Samples[0].Score != 3 {
		t.Error("Median reordered the samples")
	}
	for i := range c.Samples {
		c.Samples[i].Response = ""
	}
	if m, ok := c.Median(); ok {
		t.Errorf("the median of nothing is %+v", m)
	}
	if _, ok := scored("p").Median(); ok {
		t.Error("no samples have a median")
	}
}

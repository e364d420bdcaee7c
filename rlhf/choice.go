package rlhf

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// A Choice is the responses that a policy wrote to one prompt, with their scores, and
// which of them is the best: what rejection sampling (paper, section 2.3) makes of a
// policy. As a policy it answers with Pick.
type Choice struct {
	Prompt  string   `json:"prompt"`
	Samples []Sample `json:"samples"` // [k], scored, in the order of their seeds
	Best    int      `json:"best"`    // of the highest score, the first of equal ones
}

// Choose makes a choice of scored samples; of none, its Best is −1.
func Choose(prompt string, samples []Sample) Choice {
	c := Choice{Prompt: prompt, Samples: samples, Best: -1}
	for i, s := range samples {
		if c.Best < 0 || s.Score > samples[c.Best].Score {
			c.Best = i
		}
	}
	return c
}

// Pick is the chosen sample.
func (c Choice) Pick() Sample { return c.Samples[c.Best] }

// First is the choice between the first k samples: what a call with that k makes.
func (c Choice) First(k int) Choice {
	return Choose(c.Prompt, c.Samples[:max(0, min(k, len(c.Samples)))])
}

// Median is the sample that the paper shows where it compares policies with writers, and
// in its appendix C: the one of median score among those that are not empty (17 samples,
// section 6.1). It is a sample that was written, whatever the number: of an even one the
// lower of the two in the middle (not stated). Of equal scores the order of the seeds
// decides. ok is false where every sample is empty.
func (c Choice) Median() (s Sample, ok bool) {
	var written []Sample
	for _, s := range c.Samples {
		if strings.TrimSpace(s.Response) != "" {
			written = append(written, s)
		}
	}
	if len(written) == 0 {
		return Sample{}, false
	}
	slices.SortStableFunc(written, func(a, b Sample) int { return cmp.Compare(a.Score, b.Score) })
	return written[(len(written)-1)/2], true
}

// Picks sets the picks of two calls of PMRun.BestOf side by side, which had the same
// prompts and different seeds: the pairs of a rejection-sampling tranche (paper,
// section 2.3), for a labeller to compare, such as synth.World.Compare. Which one is
// better is not known here: A and B are in the order of the calls, and not by score.
//
// Two picks of one text are no pair; same counts the prompts left out for it.
func Picks(a, b []Choice) (pairs []Pair, same int, err error) {
	if len(a) != len(b) {
		return nil, 0, fmt.Errorf("rlhf: picks of %d and of %d prompts, want the same prompts", len(a), len(b))
	}
	for i := range a {
		switch {
		case a[i].Prompt != b[i].Prompt:
			return nil, 0, fmt.Errorf("rlhf: picks: prompt %d is %.40q for one side and %.40q for the other, want the same prompts in the same order", i, a[i].Prompt, b[i].Prompt)
		case len(a[i].Samples) == 0 || len(b[i].Samples) == 0:
			return nil, 0, fmt.Errorf("rlhf: picks: prompt %d has no samples on one side", i)
		case a[i].Pick().Response == b[i].Pick().Response:
			same++
		default:
			pairs = append(pairs, Pair{Prompt: a[i].Prompt, A: a[i].Pick(), B: b[i].Pick()})
		}
	}
	return pairs, same, nil
}

// A Pair is two responses to one prompt that nobody has compared yet.
type Pair struct {
	Prompt string `json:"prompt"`
	A      Sample `json:"a"`
	B      Sample `json:"b"`
}

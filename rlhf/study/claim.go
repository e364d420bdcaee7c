package study

import (
	"fmt"
	"math"
)

// A Claim is one thing that the paper says, and what was measured of it.
type Claim struct {
	ID      string `json:"id"`      // short and stable, such as "sqrt-kl"
	Section string `json:"section"` // of the paper, such as "4.3"
	Says    string `json:"says"`    // the claim, in our words
	Paper   string `json:"paper"`   // the paper's figures; "[plot]" where they were read off a picture
	Ours    string `json:"ours"`    // what was measured, with interval and seeds
	// Value with its 95 % interval is the one number that Wants is about, NaN-free; Seeds is
	// how many trainings it is over. An interval of no width is none.
	Value float64 `json:"value"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
	Seeds int     `json:"seeds"`
	// Wants is the threshold, stated before the measurement.
	Wants   string  `json:"wants"`
	Verdict Verdict `json:"verdict"`
	// Why explains a verdict other than Reproduced.
	Why string `json:"why,omitempty"`
	// Figure is the title of the figure that shows it.
	Figure string `json:"figure,omitempty"`
}

// A Verdict says whether a claim held.
type Verdict string

const (
	Reproduced    Verdict = "reproduced"
	NotReproduced Verdict = "not reproduced"
	OutOfReach    Verdict = "out of reach"
)

// Judged sets the verdict: Reproduced if held, otherwise NotReproduced for the reason why.
func (c Claim) Judged(held bool, why string, args ...any) Claim {
	c.Verdict = Reproduced
	if !held {
		c.Verdict, c.Why = NotReproduced, fmt.Sprintf(why, args...)
	}
	return c
}

// Beyond sets the verdict OutOfReach.
func (c Claim) Beyond(why string, args ...any) Claim {
	c.Verdict, c.Why = OutOfReach, fmt.Sprintf(why, args...)
	return c
}

// Check reports what is missing from a claim.
func (c Claim) Check() error {
	for _, f := range []struct{ name, value string }{{"ID", c.ID}, {"Section", c.Section}, {"Says", c.Says}, {"Paper", c.Paper}, {"Wants", c.Wants}} {
		if f.value == "" {
			return fmt.Errorf("study: claim %q (section %s): %s is empty", c.ID, c.Section, f.name)
		}
	}
	for _, v := range []float64{c.Value, c.Low, c.High} {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("study: claim %q: value %g (%g to %g): want finite numbers", c.ID, c.Value, c.Low, c.High)
		}
	}
	switch c.Verdict {
	case Reproduced:
		if c.Ours == "" {
			return fmt.Errorf("study: claim %q is reproduced, and Ours is empty", c.ID)
		}
	case NotReproduced, OutOfReach:
		if c.Why == "" {
			return fmt.Errorf("study: claim %q is %s, and Why is empty", c.ID, c.Verdict)
		}
	default:
		return fmt.Errorf("study: claim %q: verdict %q, want %q, %q or %q", c.ID, c.Verdict, Reproduced, NotReproduced, OutOfReach)
	}
	return nil
}

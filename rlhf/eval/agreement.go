package eval

import (
	"fmt"

	"hhrlhf/rlhf"
)

// Agreed is how often two raters choose the same side.
type Agreed struct {
	A, B  string        // the raters
	Share rlhf.Accuracy // of the items that both decided
	// Kappa is Cohen's κ = (p − e)/(1 − e) with p the share and e what two raters
	// of these habits would agree on by chance (Cohen 1960): 0 is chance, 1 is
	// perfect. It is 0 where both always choose one side, of which it can say nothing.
	Kappa float64
}

// Agreement tabulates every two of several raters, in order (Bai et al. 2022,
// figure 10 right, section 3.4.1: researchers, crowdworkers, preference models).
// choices[r][i] is what rater r says of item i: 1 for its first side, −1 for its
// second, 0 for undecided; an item that either rater leaves undecided does not
// count for the two.
//
// The sides must be in an order that does not know the answer, as [Sides] has
// them. With the chosen one always first the labeller never varies, and κ is 0
// whatever the other rater does.
func Agreement(names []string, choices [][]int8) ([]Agreed, error) {
	if len(names) < 2 || len(names) != len(choices) {
		return nil, fmt.Errorf("eval: agreement: %d names for the choices of %d raters, want equal numbers and at least 2", len(names), len(choices))
	}
	for r, row := range choices {
		if len(row) != len(choices[0]) {
			return nil, fmt.Errorf("eval: agreement: %s judged %d items and %s %d, want the same items", names[0], len(choices[0]), names[r], len(row))
		}
		for i, c := range row {
			if c < -1 || c > 1 {
				return nil, fmt.Errorf("eval: agreement: %s says %d of item %d, want 1, −1 or 0", names[r], c, i)
			}
		}
	}
	var out []Agreed
	for a := range names {
		for b := a + 1; b < len(names); b++ {
			out = append(out, agreed(names[a], names[b], choices[a], choices[b]))
		}
	}
	return out, nil
}

func agreed(nameA, nameB string, a, b []int8) Agreed {
	var n, same, firstA, firstB float64
	for i := range a {
		if a[i] == 0 || b[i] == 0 {
			continue
		}
		n++
		if a[i] == b[i] {
			same++
		}
		if a[i] > 0 {
			firstA++
		}
		if b[i] > 0 {
			firstB++
		}
	}
	out := Agreed{A: nameA, B: nameB, Share: share(nameA+", "+nameB, same, int(n))}
	if n == 0 {
		return out
	}
	chance := (firstA*firstB + (n-firstA)*(n-firstB)) / (n * n)
	if chance < 1 {
		out.Kappa = (same/n - chance) / (1 - chance)
	}
	return out
}

// Sides turns scored comparisons into choices for [Agreement]: the labeller's and
// the scorer's, 0 for a tie. The sides of every second item are swapped, so that
// lists made from the same comparisons fit together.
func Sides(js []Judged) (labeller, scorer []int8) {
	for i, j := range js {
		side, choice := int8(1-2*(i%2)), int8(0)
		switch {
		case j.Chosen > j.Rejected:
			choice = side
		case j.Chosen < j.Rejected:
			choice = -side
		}
		labeller, scorer = append(labeller, side), append(scorer, choice)
	}
	return labeller, scorer
}

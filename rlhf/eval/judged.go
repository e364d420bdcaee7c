package eval

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"hhrlhf/rlhf"
)

// Judged is a comparison with the scores that a scorer gave its two sides:
// a preference model's, [Bag.Score]'s, or a mutual information.
type Judged struct {
	Chosen, Rejected float64
	Comparison       rlhf.Comparison
}

// Gap is Δ, the score of the chosen response less that of the rejected one.
func (j Judged) Gap() float64 { return j.Chosen - j.Rejected }

// Turn is the number of the Assistant turn that is judged, from 1 (Bai et al.
// 2022, figure 8). It is 0 without a prompt.
func (j Judged) Turn() int { return strings.Count(j.Comparison.Chosen.Prompt, rlhf.Assistant) }

// opening is the first Human turn. Comparisons that share it come from one
// conversation, or may, and are not independent.
func (j Judged) opening() string {
	before, _, _ := strings.Cut(j.Comparison.Chosen.Prompt, rlhf.Assistant)
	return before
}

// credit is 1 for a pair in the right order, ½ for a tie.
func (j Judged) credit() float64 {
	switch {
	case j.Chosen > j.Rejected:
		return 1
	case j.Chosen == j.Rejected:
		return 0.5
	}
	return 0
}

// Accuracy is the share of pairs whose chosen side has the higher score, with its
// 95 % Wilson interval; a tie counts half. The interval takes pairs for
// independent: several turns of one conversation make it a little narrow.
func Accuracy(name string, js []Judged) rlhf.Accuracy {
	right := 0.0
	for _, j := range js {
		right += j.credit()
	}
	return share(name, right, len(js))
}

func share(name string, right float64, n int) rlhf.Accuracy {
	a := rlhf.Accuracy{Name: name, N: n}
	a.Low, a.High = WilsonInterval(right, n, Z95)
	if n > 0 {
		a.Value = right / float64(n)
	}
	return a
}

// ByTranche is the accuracy of each tranche, in order of name.
func ByTranche(js []Judged) []rlhf.Accuracy {
	return by(js, func(j Judged) string { return j.Comparison.Tranche })
}

// ByTurn is the accuracy by [Judged.Turn], "1" to "4" and "5+"; turns without
// a pair are left out.
func ByTurn(js []Judged) []rlhf.Accuracy {
	return by(js, func(j Judged) string {
		if j.Turn() >= 5 {
			return "5+"
		}
		return strconv.Itoa(j.Turn())
	})
}

func by(js []Judged, key func(Judged) string) (out []rlhf.Accuracy) {
	js = slices.Clone(js)
	slices.SortStableFunc(js, func(a, b Judged) int { return cmp.Compare(key(a), key(b)) })
	for len(js) > 0 {
		n := 1
		for n < len(js) && key(js[n]) == key(js[0]) {
			n++
		}
		out = append(out, Accuracy(key(js[0]), js[:n]))
		js = js[n:]
	}
	return out
}

// Against is the accuracy of the scorer's order against another order, such as
// the truth that only the synthetic world knows: better says whether the chosen
// side is the better one; pairs that it calls undecided do not count.
func Against(name string, js []Judged, better func(rlhf.Comparison) (chosen, decided bool)) rlhf.Accuracy {
	var kept []Judged
	for _, j := range js {
		chosen, decided := better(j.Comparison)
		if !decided {
			continue
		}
		if !chosen {
			j.Chosen, j.Rejected = j.Rejected, j.Chosen
		}
		kept = append(kept, j)
	}
	return Accuracy(name, kept)
}

// Loss is the mean of log(1 + e^−Δ), nats: the log-loss of the labels under
// P(chosen) = σ(Δ) (Askell et al. 2021, eq. 3.1). ln 2 is a coin's.
func Loss(js []Judged) float64 {
	sum := 0.0
	for _, j := range js {
		sum += softplus(-j.Gap())
	}
	return sum / math.Max(float64(len(js)), 1)
}

// ZeroGradient is the share of pairs with σ(−Δ) < 0.01, which is the size of the
// loss's gradient in Δ: from those nothing is learned any more.
func ZeroGradient(js []Judged) float64 {
	n := 0
	for _, j := range js {
		if sigmoid(-j.Gap()) < 0.01 {
			n++
		}
	}
	return float64(n) / math.Max(float64(len(js)), 1)
}

// LengthCorrelation is Pearson's correlation of score and length in bytes over
// all responses, after each pair's mean is taken off both:
//
//	Σ Δ·Δlen / √(Σ Δ² · Σ Δlen²)
//
// which is that of the two differences about zero. It is 0 where one of them
// does not vary.
func LengthCorrelation(js []Judged) float64 {
	var xy, xx, yy float64
	for _, j := range js {
		x := float64(len(j.Comparison.Chosen.Response) - len(j.Comparison.Rejected.Response))
		y := j.Gap()
		xy, xx, yy = xy+x*y, xx+x*x, yy+y*y
	}
	if xx == 0 || yy == 0 {
		return 0
	}
	return xy / math.Sqrt(xx*yy)
}

// scores lists the scores of both sides, chosen before rejected.
func scores(js []Judged) []float64 {
	out := make([]float64, 0, 2*len(js))
	for _, j := range js {
		out = append(out, j.Chosen, j.Rejected)
	}
	return out
}

// check reports an empty list, and a score that is not a number.
func check(js []Judged) error {
	if len(js) == 0 {
		return fmt.Errorf("eval: no held-out comparisons to evaluate; give more Rows or a larger HeldOut")
	}
	for i, j := range js {
		for _, s := range []float64{j.Chosen, j.Rejected} {
			if math.IsNaN(s) || math.IsInf(s, 0) {
				return fmt.Errorf("eval: comparison %d (%s) has the scores %v and %v, want finite numbers: the scorer has diverged", i, cmp.Or(j.Comparison.Source, "no source"), j.Chosen, j.Rejected)
			}
		}
	}
	return nil
}

func sigmoid(x float64) float64 {
	if x < 0 {
		return math.Exp(x) / (1 + math.Exp(x))
	}
	return 1 / (1 + math.Exp(-x))
}

func softplus(x float64) float64 { return math.Max(x, 0) + math.Log1p(math.Exp(-math.Abs(x))) }

package pm

import (
	"fmt"
	"math"
	"slices"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/rl"
)

// Judged is a held-out comparison with the model's two scores.
type Judged struct {
	Chosen, Rejected float64
	Comparison       rlhf.Comparison
}

// Judge scores both sides of pairs made from cs by [EncodeAll].
func (m *Model) Judge(cs []rlhf.Comparison, pairs []Pair) ([]Judged, error) {
	scores, err := m.ScorePairs(pairs)
	if err != nil {
		return nil, err
	}
	out := make([]Judged, len(pairs))
	for i, p := range pairs {
		out[i] = Judged{float64(scores[i][0]), float64(scores[i][1]), cs[p.At]}
	}
	return out, nil
}

// Measure computes accuracy with 95 % Wilson intervals, overall and by tranche,
// calibration over |Δ|, and the correlation of score and length. A tie counts
// half.
func Measure(js []Judged) (rlhf.PMEval, error) {
	if len(js) == 0 {
		return rlhf.PMEval{}, fmt.Errorf("pm: no held-out comparisons to evaluate; give more Rows or a larger HeldOut")
	}
	byTranche := map[string][]Judged{}
	for _, j := range js {
		byTranche[j.Comparison.Tranche] = append(byTranche[j.Comparison.Tranche], j)
	}
	names := make([]string, 0, len(byTranche))
	for name := range byTranche {
		names = append(names, name)
	}
	slices.Sort(names)
	e := rlhf.PMEval{All: accuracy("all", js), Bins: bins(js), LengthCorr: lengthCorr(js)}
	for _, name := range names {
		e.Tranches = append(e.Tranches, accuracy(name, byTranche[name]))
	}
	for _, j := range js {
		e.Loss += softplus(j.Rejected-j.Chosen) / float64(len(js))
	}
	for _, b := range e.Bins {
		e.ECE += float64(b.N) / float64(len(js)) * math.Abs(b.Accuracy-b.Predicted)
	}
	return e, nil
}

// Agreement is the accuracy of the model's order against another order: better
// says whether the chosen side is truly the better one; pairs that it calls
// undecided do not count.
func Agreement(name string, js []Judged, better func(rlhf.Comparison) (chosen, decided bool)) rlhf.Accuracy {
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
	return accuracy(name, kept)
}

func accuracy(name string, js []Judged) rlhf.Accuracy {
	right := 0.0
	for _, j := range js {
		right += credit(j)
	}
	a := rlhf.Accuracy{Name: name, N: len(js)}
	if len(js) > 0 {
		a.Value = right / float64(len(js))
		a.Low, a.High = rl.WilsonInterval(right, len(js), rl.Z95)
	}
	return a
}

// credit is 1 for a pair in the right order, ½ for a tie.
func credit(j Judged) float64 {
	switch {
	case j.Chosen > j.Rejected:
		return 1
	case j.Chosen == j.Rejected:
		return 0.5
	}
	return 0
}

// bins sorts pairs by |Δ| into at most 8 bins of equal size.
func bins(js []Judged) []rlhf.Bin {
	js = slices.Clone(js)
	gap := func(j Judged) float64 { return math.Abs(j.Chosen - j.Rejected) }
	slices.SortStableFunc(js, func(a, b Judged) int {
		switch ga, gb := gap(a), gap(b); {
		case ga < gb:
			return -1
		case ga > gb:
			return 1
		}
		return 0
	})
	n := min(8, max(1, len(js)/20))
	var out []rlhf.Bin
	for i := range n {
		part := js[i*len(js)/n : (i+1)*len(js)/n]
		b := rlhf.Bin{Lo: gap(part[0]), Hi: gap(part[len(part)-1]), N: len(part)}
		for _, j := range part {
			b.Accuracy += credit(j) / float64(len(part))
			b.Predicted += rl.SigmoidPlain(gap(j)) / float64(len(part))
		}
		out = append(out, b)
	}
	return out
}

// lengthCorr is Pearson's correlation of score and length in bytes over all
// responses, after the pair's mean is taken off both.
func lengthCorr(js []Judged) float64 {
	var xy, xx, yy float64
	for _, j := range js {
		x := float64(len(j.Comparison.Chosen.Response) - len(j.Comparison.Rejected.Response))
		y := j.Chosen - j.Rejected
		xy, xx, yy = xy+x*y, xx+x*x, yy+y*y
	}
	if xx == 0 || yy == 0 {
		return 0
	}
	return xy / math.Sqrt(xx*yy)
}

func softplus(x float64) float64 { return math.Max(x, 0) + math.Log1p(math.Exp(-math.Abs(x))) }

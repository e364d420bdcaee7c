package rl

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// A CalibrationBin gathers predictions of similar probability. A calibrated
// model has MeanP ≈ MeanY in each.
type CalibrationBin struct {
	Index int     // which bin; empty ones are left out
	Count int     // predictions in it
	MeanP float64 // mean predicted probability
	MeanY float64 // share of outcomes that came true
}

// PairOutcomes turns scores of comparisons into predictions: p = σ(|good − bad|)
// is the probability that the model gives to the side it prefers, y is 1 where
// that side was chosen, 0 where not, ½ for a tie. This is what the paper's
// calibration curve plots (section 3.3, figure 9).
func PairOutcomes[F Float](good, bad []F) (p, y []float64) {
	for i := range good {
		gap := float64(good[i]) - float64(bad[i])
		p = append(p, SigmoidPlain(math.Abs(gap)))
		switch {
		case gap > 0:
			y = append(y, 1)
		case gap < 0:
			y = append(y, 0)
		default:
			y = append(y, 0.5)
		}
	}
	return p, y
}

// EqualWidthBins sorts predictions into n bins [i/n, (i+1)/n), the last closed at
// 1, and returns those that are not empty. p and y lie in [0, 1].
func EqualWidthBins(p, y []float64, n int) ([]CalibrationBin, error) {
	if err := checkOutcomes(p, y, n); err != nil {
		return nil, err
	}
	bin := make([]int, len(p))
	for i, q := range p {
		k := int(q * float64(n))
		if q >= float64(k+1)/float64(n) {
			k++ // 0.29·100 is 28.999…; the edge is the number i/n
		}
		bin[i] = min(k, n-1)
	}
	return gather(p, y, bin, n), nil
}

// EqualMassBins sorts predictions by p, ties in the order given, and cuts them
// into n bins of nearly equal count: the bin is rank·n / len(p).
func EqualMassBins(p, y []float64, n int) ([]CalibrationBin, error) {
	if err := checkOutcomes(p, y, n); err != nil {
		return nil, err
	}
	order := make([]int, len(p))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(p[i], p[j]) })
	bin := make([]int, len(p))
	for rank, i := range order {
		bin[i] = rank * n / len(p)
	}
	return gather(p, y, bin, n), nil
}

func checkOutcomes(p, y []float64, n int) error {
	if n < 1 {
		return fmt.Errorf("rl: calibration: %d bins, want at least 1", n)
	}
	if len(p) != len(y) {
		return fmt.Errorf("rl: calibration: %d probabilities for %d outcomes", len(p), len(y))
	}
	for i := range p {
		if !(p[i] >= 0 && p[i] <= 1 && y[i] >= 0 && y[i] <= 1) {
			return fmt.Errorf("rl: calibration: entry %d has p = %v, y = %v, want both in [0, 1]", i, p[i], y[i])
		}
	}
	return nil
}

func gather(p, y []float64, bin []int, n int) []CalibrationBin {
	all := make([]CalibrationBin, n)
	for i, k := range bin {
		all[k].Count++
		all[k].MeanP += p[i]
		all[k].MeanY += y[i]
	}
	var bins []CalibrationBin
	for k, b := range all {
		if b.Count > 0 {
			b.Index, b.MeanP, b.MeanY = k, b.MeanP/float64(b.Count), b.MeanY/float64(b.Count)
			bins = append(bins, b)
		}
	}
	return bins
}

// CalibrationErrors returns the expected calibration error, the count-weighted
// mean of |MeanP − MeanY| (Naeini et al. 2015), and the largest one.
func CalibrationErrors(bins []CalibrationBin) (expected, largest float64) {
	n := 0
	for _, b := range bins {
		gap := math.Abs(b.MeanP - b.MeanY)
		expected += float64(b.Count) * gap
		largest = math.Max(largest, gap)
		n += b.Count
	}
	return expected / math.Max(float64(n), 1), largest
}

// BrierScore returns the mean of (p − y)²: 0.25 for always saying ½.
func BrierScore(p, y []float64) float64 {
	sum := 0.0
	for i := range p {
		sum += (p[i] - y[i]) * (p[i] - y[i])
	}
	return sum / math.Max(float64(len(p)), 1)
}

// LogLoss returns the mean negative log-likelihood of outcomes y in [0, 1], in
// nats, with p kept 1e-12 away from 0 and 1.
func LogLoss(p, y []float64) float64 {
	sum := 0.0
	for i := range p {
		q := math.Max(1e-12, math.Min(1-1e-12, p[i]))
		sum -= y[i]*math.Log(q) + (1-y[i])*math.Log(1-q)
	}
	return sum / math.Max(float64(len(p)), 1)
}

// FitTemperature returns the T > 0 that minimises the log-loss of σ(gap/T)
// against y (Guo et al. 2017): above 1 the scores were too confident. The loss is
// convex in 1/T. It returns an error where no finite T is best: gaps that
// separate the outcomes perfectly, or that point the wrong way.
func FitTemperature(gap, y []float64) (float64, error) {
	if len(gap) == 0 || len(gap) != len(y) {
		return 0, fmt.Errorf("rl: temperature: %d gaps for %d outcomes, want equal numbers and at least one", len(gap), len(y))
	}
	slope := func(inv float64) float64 { // of the loss in 1/T; rises with it
		s := 0.0
		for i, d := range gap {
			s += d * (SigmoidPlain(inv*d) - y[i])
		}
		return s
	}
	if s := slope(0); !(s < 0) {
		return 0, fmt.Errorf("rl: temperature: the gaps do not predict the outcomes (slope %.3g at 1/T = 0)", s)
	}
	separated := true
	for i, d := range gap {
		separated = separated && (d >= 0 || y[i] == 0) && (d <= 0 || y[i] == 1)
	}
	if separated {
		return 0, fmt.Errorf("rl: temperature: the gaps separate the outcomes perfectly; no T > 0 is best")
	}
	low, high := 0.0, 1.0
	for slope(high) < 0 {
		low, high = high, 2*high
	}
	for range 200 {
		mid := (low + high) / 2
		if slope(mid) < 0 {
			low = mid
		} else {
			high = mid
		}
	}
	return 2 / (low + high), nil
}

package eval

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

// Outcomes turns comparisons into predictions: p = σ(|Δ|) is the probability
// that the model gives to the side it prefers, y is 1 where that side was chosen,
// 0 where not, ½ for a tie. This is what the paper's calibration curve plots
// (Bai et al. 2022, section 3.3, figure 9). The signed Δ with y = 1 throughout
// would say nothing: there every bin is right.
func Outcomes(js []Judged) (p, y []float64) {
	for _, j := range js {
		p = append(p, sigmoid(math.Abs(j.Gap())))
		y = append(y, j.credit())
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
		return fmt.Errorf("eval: calibration: %d bins, want at least 1", n)
	}
	if len(p) != len(y) {
		return fmt.Errorf("eval: calibration: %d probabilities for %d outcomes", len(p), len(y))
	}
	for i := range p {
		if !(p[i] >= 0 && p[i] <= 1 && y[i] >= 0 && y[i] <= 1) {
			return fmt.Errorf("eval: calibration: entry %d has p = %v, y = %v, want both in [0, 1]", i, p[i], y[i])
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

package eval

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"

	"hhrlhf/rlhf"
)

// PM gathers the measures of this package into the one record that runs,
// commands and notebooks show. Fields that need more than scores (Step, Gold,
// Bayes) are left to the caller. Notes says which measures do not exist.
func PM(js []Judged) (rlhf.PMEval, error) {
	if err := check(js); err != nil {
		return rlhf.PMEval{}, err
	}
	p, y := Outcomes(js)
	e := rlhf.PMEval{
		All: Accuracy("all", js), Tranches: ByTranche(js), Loss: Loss(js), Bins: Bins(js), Brier: BrierScore(p, y),
		Thresholds: Thresholds(js), LengthCorr: LengthCorrelation(js), ZeroGrad: ZeroGradient(js),
	}
	e.Mean, e.SD = stat.MeanStdDev(scores(js), nil)
	for _, turn := range ByTurn(js) {
		if turn.Name != "0" {
			e.Turns = append(e.Turns, turn)
		}
	}
	for _, b := range e.Bins {
		e.ECE += float64(b.N) / float64(len(js)) * math.Abs(b.Accuracy-b.Predicted)
	}
	slope, se, err := Slope(js)
	if err != nil {
		e.Notes = append(e.Notes, "no calibration slope: "+err.Error())
		return e, nil
	}
	e.Slope, e.SlopeSE = slope, se
	return e, nil
}

// Bins sorts pairs by |Δ| into bins of equal mass: one for every 20 pairs, at most
// 8. The bounds are gaps: each bin ends where the next begins, the last at the
// largest gap.
func Bins(js []Judged) []rlhf.Bin {
	if len(js) == 0 {
		return nil
	}
	p, y := Outcomes(js)
	gaps := make([]float64, len(js))
	for i, j := range js {
		gaps[i] = math.Abs(j.Gap())
	}
	slices.Sort(gaps)
	bins, err := EqualMassBins(p, y, min(8, max(1, len(js)/20)))
	if err != nil { // a gap that is not a number
		return nil
	}
	var out []rlhf.Bin
	first := 0
	for _, b := range bins {
		next := first + b.Count
		out = append(out, rlhf.Bin{Lo: gaps[first], Hi: gaps[min(next, len(gaps)-1)], N: b.Count, Accuracy: b.MeanY, Predicted: b.MeanP})
		first = next
	}
	return out
}

// ChanceECE is the expected calibration error that bins of these sizes show in
// expectation for a model that is calibrated exactly: Σ_b n_b/n · √(2p(1−p)/(π·n_b)),
// the mean absolute value of the normal approximation to each bin's noise. An
// error no larger than this is no evidence against the model.
func ChanceECE(bins []rlhf.Bin) float64 {
	sum, n := 0.0, 0
	for _, b := range bins {
		n += b.N
		sum += math.Sqrt(2 / math.Pi * b.Predicted * (1 - b.Predicted) * float64(b.N))
	}
	return sum / math.Max(float64(n), 1)
}

// Thresholds is the accuracy among the pairs whose two scores are both above
// a threshold, after the mean of all scores is taken off, so that preference
// models of different zeros share an axis (Bai et al. 2022, figure 25: it
// falls as the threshold rises). Without thresholds it takes the nine deciles of
// the lower score of each pair.
func Thresholds(js []Judged, above ...float64) (out []rlhf.Threshold) {
	if len(js) == 0 {
		return nil
	}
	mean := stat.Mean(scores(js), nil)
	lower := make([]float64, len(js))
	for i, j := range js {
		lower[i] = min(j.Chosen, j.Rejected) - mean
	}
	if len(above) == 0 {
		sorted := slices.Sorted(slices.Values(lower))
		for d := 1; d <= 9; d++ {
			above = append(above, stat.Quantile(float64(d)/10, stat.Empirical, sorted, nil))
		}
		above = slices.Compact(above)
	}
	for _, a := range above {
		var kept []Judged
		for i, j := range js {
			if lower[i] > a {
				kept = append(kept, j)
			}
		}
		out = append(out, rlhf.Threshold{Above: a, Accuracy: Accuracy("", kept)})
	}
	return out
}

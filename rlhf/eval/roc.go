package eval

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/integrate"
	"gonum.org/v1/gonum/stat"
)

// An ROCPoint is what happens when everything that scores Threshold or more is taken for
// an outlier: FPR is the share of the inliers that are, TPR that of the outliers.
type ROCPoint struct {
	FPR       float64 `json:"fpr"`
	TPR       float64 `json:"tpr"`
	Threshold float64 `json:"threshold"` // of the first point, at which nothing is, +Inf
}

// ROC returns the receiver operating characteristic of scores, higher for outliers: one
// point a distinct score, from (0, 0) to (1, 1).
func ROC(in, out []float64) ([]ROCPoint, error) {
	if len(in) == 0 || len(out) == 0 {
		return nil, fmt.Errorf("eval: ROC of %d inliers and %d outliers, want at least one of each", len(in), len(out))
	}
	y, outlier := slices.Concat(in, out), make([]bool, len(in)+len(out))
	for i, v := range y {
		if math.IsNaN(v) {
			return nil, fmt.Errorf("eval: ROC: score %d is NaN", i)
		}
		outlier[i] = i >= len(in)
	}
	stat.SortWeightedLabeled(y, outlier, nil)
	tpr, fpr, thresholds := stat.ROC(nil, y, outlier, nil)
	points := make([]ROCPoint, len(tpr))
	for i := range points {
		points[i] = ROCPoint{fpr[i], tpr[i], thresholds[i]}
	}
	return points, nil
}

// AUROC is the area under [ROC]: the probability that an outlier scores more than an
// inlier, a tie counting half. ½ is chance; the same scores with their signs turned have
// 1 less it.
func AUROC(in, out []float64) (float64, error) {
	points, err := ROC(in, out)
	if err != nil {
		return 0, err
	}
	x, y := make([]float64, len(points)), make([]float64, len(points))
	for i, p := range points {
		x[i], y[i] = p.FPR, p.TPR
	}
	return integrate.Trapezoidal(x, y), nil
}

// AUROCError returns [AUROC] with its standard error over the texts of one split, by
// DeLong, DeLong and Clarke-Pearson (1988): with ψ(a, b) = 1, ½ or 0 as b scores more than,
// as much as or less than a,
//
//	V_i = mean_j ψ(in_i, out_j),  W_j = mean_i ψ(in_i, out_j),  SE² = s²(V)/n_in + s²(W)/n_out
//
// with unbiased variances s². The model and what was fitted are taken as given: over
// several splits, or trainings, take the error of the mean instead.
func AUROCError(in, out []float64) (auc, se float64, err error) {
	if auc, err = AUROC(in, out); err != nil {
		return 0, 0, err
	}
	if len(in) < 2 || len(out) < 2 {
		return auc, 0, fmt.Errorf("eval: the standard error of an AUROC of %d inliers and %d outliers, want two of each", len(in), len(out))
	}
	below := func(sorted []float64, v float64) float64 { // ψ(·, v), the mean over sorted
		less, _ := slices.BinarySearch(sorted, v)
		upTo := less
		for upTo < len(sorted) && sorted[upTo] == v {
			upTo++
		}
		return float64(less+upTo) / 2 / float64(len(sorted))
	}
	components := func(of, against []float64) []float64 {
		sorted, means := slices.Sorted(slices.Values(against)), make([]float64, len(of))
		for i, v := range of {
			means[i] = below(sorted, v)
		}
		return means
	}
	return auc, math.Sqrt(stat.Variance(components(in, out), nil)/float64(len(in)) + stat.Variance(components(out, in), nil)/float64(len(out))), nil
}

// DeclineAbove returns the score above which texts are to be declined so that at most a
// share fpr of the inliers are: the lowest such score among theirs. Choose it on inliers
// that the score was not fitted to, and measure on others.
func DeclineAbove(in []float64, fpr float64) (float64, error) {
	if len(in) == 0 || !(fpr >= 0 && fpr <= 1) {
		return 0, fmt.Errorf("eval: a threshold for a share of %v of %d inliers, want a share of 0 to 1 of at least one", fpr, len(in))
	}
	sorted := slices.Sorted(slices.Values(in))
	declined := int(math.Floor(fpr*float64(len(in)) + 1e-9)) // at most
	if declined == len(in) {
		return math.Inf(-1), nil
	}
	return sorted[len(in)-1-declined], nil
}

// ShareAbove counts the scores above a threshold, as a share with its 95 % Wilson interval.
func ShareAbove(scores []float64, threshold float64) (share, low, high float64) {
	n := 0.0
	for _, v := range scores {
		if v > threshold {
			n++
		}
	}
	low, high = WilsonInterval(n, len(scores), Z95)
	return n / math.Max(1, float64(len(scores))), low, high
}

package eval

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/stat"
)

// A Detector says how activations of inliers and outliers are told apart and how that is
// measured. Activations are standardised over the inliers that are fitted to.
type Detector struct {
	Splits  int     // random splits, each fitted and measured anew; the paper has 3
	Draws   int     // of the outliers that a classifier is shown, for each split; the paper has 5
	Ridge   float64 // of the covariance, in squares of standard deviations
	Penalty float64 // of the classifier, see FitExposure
	Seed    uint64
}

// DefaultDetector has the paper's counts; ridge and penalty, which it does not state, are
// a tenth of an entry's variance and a hundredth.
func DefaultDetector() Detector {
	return Detector{Splits: 3, Draws: 5, Ridge: 0.1, Penalty: 0.01, Seed: 1}
}

func (d Detector) validate() error {
	if d.Splits < 1 || d.Draws < 1 {
		return fmt.Errorf("eval: a detector with Splits = %d and Draws = %d, want at least 1 each", d.Splits, d.Draws)
	}
	return nil
}

// A Split says which vectors serve for what, as indices. No group of outliers, such as
// the turns of one conversation or the phrasings of one topic, is both shown and measured.
type Split struct {
	Fit, Tune, Test []int // inliers: half, a quarter, a quarter; a threshold is chosen on Tune
	Shown, Strange  []int // outliers: those that a classifier may be shown, and those to detect
}

// Split returns split k of that many inliers and of outliers of those groups.
func (d Detector) Split(k, inliers int, groups []string) (Split, error) {
	rng := rand.New(rand.NewPCG(d.Seed, uint64(k)))
	at := rng.Perm(inliers)
	s := Split{Fit: at[:inliers/2], Tune: at[inliers/2 : inliers/2+inliers/4], Test: at[inliers/2+inliers/4:]}
	names := slices.Compact(slices.Sorted(slices.Values(groups)))
	rng.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	shown := names[:len(names)/2]
	for _, i := range rng.Perm(len(groups)) {
		if slices.Contains(shown, groups[i]) {
			s.Shown = append(s.Shown, i)
		} else {
			s.Strange = append(s.Strange, i)
		}
	}
	if len(s.Tune) == 0 || len(s.Shown) == 0 {
		return s, fmt.Errorf("eval: %d inliers and %d groups of outliers cannot be split into what is fitted and what is measured; want at least 4 and 2", inliers, len(names))
	}
	return s, nil
}

// A Strangeness scores vectors: higher is further out.
type Strangeness func(x [][]float64) []float64

// Distances fits the split's inliers and returns both distances of the paper.
func (d Detector) Distances(in [][]float64, s Split) (md, srm Strangeness, err error) {
	fit := Rows(in, s.Fit)
	z := Standardise(fit)
	g, err := FitGaussian(z.Apply(fit), d.Ridge)
	if err != nil {
		return nil, nil, err
	}
	return func(x [][]float64) []float64 { return g.Mahalanobis(z.Apply(x)) },
		func(x [][]float64) []float64 { return g.SimplifiedRelative(z.Apply(x)) }, nil
}

// Exposed trains a classifier on the split's inliers and on m of the outliers that may be
// shown: the first m of draw number draw.
func (d Detector) Exposed(in, out [][]float64, s Split, m, draw int) (Strangeness, error) {
	if m > len(s.Shown) {
		return nil, fmt.Errorf("eval: outlier exposure with %d examples, and there are %d to show", m, len(s.Shown))
	}
	fit := Rows(in, s.Fit)
	z := Standardise(fit)
	shown := make([]int, m)
	for i, j := range rand.New(rand.NewPCG(d.Seed, uint64(1000+draw))).Perm(len(s.Shown))[:m] {
		shown[i] = s.Shown[j]
	}
	e, err := FitExposure(z.Apply(fit), z.Apply(Rows(out, shown)), d.Penalty)
	if err != nil {
		return nil, err
	}
	return func(x [][]float64) []float64 { return e.Scores(z.Apply(x)) }, nil
}

// A Spread is a mean over splits. SE is its standard error as if they were independent;
// they share texts, so it understates what new texts would add.
type Spread struct {
	Mean float64   `json:"mean"`
	SE   float64   `json:"se"`
	Of   []float64 `json:"of"`
}

func spread(x []float64) Spread {
	if len(x) < 2 {
		return Spread{Mean: stat.Mean(x, nil), Of: x}
	}
	mean, deviation := stat.MeanStdDev(x, nil)
	return Spread{mean, deviation / math.Sqrt(float64(len(x))), x}
}

// A Detection is how well outliers are detected: AUROCs over splits.
type Detection struct {
	MD       Spread      `json:"md"`
	SRM      Spread      `json:"srm"`
	Exposure []ExposedTo `json:"exposure,omitempty"`
}

// ExposedTo is the AUROC of outlier exposure to M examples: for each split, the mean over
// the draws.
type ExposedTo struct {
	M     int    `json:"m"`
	AUROC Spread `json:"auroc"`
}

// Measure detects the outliers: by both distances, and after exposure to each number of
// examples, as far as there are so many.
func (d Detector) Measure(in, out [][]float64, groups []string, exposed ...int) (Detection, error) {
	if err := d.validate(); err != nil {
		return Detection{}, err
	}
	var md, srm []float64
	byM := make([][]float64, len(exposed))
	for k := range d.Splits {
		s, err := d.Split(k, len(in), groups)
		if err != nil {
			return Detection{}, err
		}
		rest, strange := Rows(in, slices.Concat(s.Tune, s.Test)), Rows(out, s.Strange)
		auroc := func(f Strangeness) (float64, error) { return AUROC(f(rest), f(strange)) }
		distance, relative, err := d.Distances(in, s)
		if err != nil {
			return Detection{}, err
		}
		for _, one := range []struct {
			to *[]float64
			f  Strangeness
		}{{&md, distance}, {&srm, relative}} {
			a, err := auroc(one.f)
			if err != nil {
				return Detection{}, err
			}
			*one.to = append(*one.to, a)
		}
		for i, m := range exposed {
			if m > len(s.Shown) {
				continue
			}
			mean := 0.0
			for draw := range d.Draws {
				f, err := d.Exposed(in, out, s, m, draw)
				if err != nil {
					return Detection{}, err
				}
				a, err := auroc(f)
				if err != nil {
					return Detection{}, err
				}
				mean += a / float64(d.Draws)
			}
			byM[i] = append(byM[i], mean)
		}
	}
	result := Detection{MD: spread(md), SRM: spread(srm)}
	for i, m := range exposed {
		if len(byM[i]) == d.Splits {
			result.Exposure = append(result.Exposure, ExposedTo{m, spread(byM[i])})
		}
	}
	return result, nil
}

// DeclinesAt says what becomes of texts that were neither fitted to nor used to choose the
// threshold, when those above it are declined: shares of the outliers and of the inliers.
type DeclinesAt struct {
	M       int     `json:"m"`      // examples shown; 0: by the simplified relative distance
	Target  float64 `json:"target"` // share of the inliers that the threshold was to decline
	Strange Spread  `json:"strange"`
	Inliers Spread  `json:"inliers"`
}

// Decline measures declining at a threshold that keeps the share of declined inliers at
// fpr, by the distance (m = 0) or after exposure to m examples.
func (d Detector) Decline(in, out [][]float64, groups []string, m int, fpr float64) (DeclinesAt, error) {
	if err := d.validate(); err != nil {
		return DeclinesAt{}, err
	}
	var strange, inliers []float64
	for k := range d.Splits {
		s, err := d.Split(k, len(in), groups)
		if err != nil {
			return DeclinesAt{}, err
		}
		f, err := d.Scorer(in, out, s, m)
		if err != nil {
			return DeclinesAt{}, err
		}
		threshold, err := DeclineAbove(f(Rows(in, s.Tune)), fpr)
		if err != nil {
			return DeclinesAt{}, err
		}
		a, _, _ := ShareAbove(f(Rows(out, s.Strange)), threshold)
		b, _, _ := ShareAbove(f(Rows(in, s.Test)), threshold)
		strange, inliers = append(strange, a), append(inliers, b)
	}
	return DeclinesAt{m, fpr, spread(strange), spread(inliers)}, nil
}

// Scorer is the simplified relative distance (m = 0), or the classifier that has been shown
// the first draw of m examples.
func (d Detector) Scorer(in, out [][]float64, s Split, m int) (Strangeness, error) {
	if m > 0 {
		return d.Exposed(in, out, s, m, 0)
	}
	_, srm, err := d.Distances(in, s)
	return srm, err
}

// Scores are those of one split, for the eye.
type Scores struct {
	M       int       `json:"m"`
	Inliers []float64 `json:"inliers"`
	Strange []float64 `json:"strange"`
}

// Look returns the scores of the first split's texts that were not fitted to, at most n of
// either kind.
func (d Detector) Look(in, out [][]float64, groups []string, m, n int) (Scores, error) {
	s, err := d.Split(0, len(in), groups)
	if err != nil {
		return Scores{}, err
	}
	f, err := d.Scorer(in, out, s, m)
	if err != nil {
		return Scores{}, err
	}
	first := func(x []float64) []float64 { return x[:min(n, len(x))] }
	return Scores{m, first(f(Rows(in, slices.Concat(s.Tune, s.Test)))), first(f(Rows(out, s.Strange)))}, nil
}

// Rows picks rows of x.
func Rows[T any](x []T, at []int) []T {
	out := make([]T, len(at))
	for i, j := range at {
		out[i] = x[j]
	}
	return out
}

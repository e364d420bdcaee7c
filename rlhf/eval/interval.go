package eval

import (
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// Z95 is the normal quantile of a two-sided 95 % interval.
const Z95 = 1.959963984540054

// WilsonInterval returns the score interval (Wilson 1927) of a proportion:
// successes of n, half successes allowed. It stays inside [0, 1] and is sane at 0
// and n, where the normal interval has no width. n = 0 gives [0, 1].
func WilsonInterval(successes float64, n int, z float64) (low, high float64) {
	if n == 0 {
		return 0, 1
	}
	k := float64(n)
	p := successes / k
	mid := (p + z*z/(2*k)) / (1 + z*z/k)
	half := z / (1 + z*z/k) * math.Sqrt(p*(1-p)/k+z*z/(4*k*k))
	return math.Max(0, mid-half), math.Min(1, mid+half)
}

// MeanInterval returns the mean of x and its normal interval, mean ± z·s/√n with
// the unbiased s. Fewer than two values have no interval: low and high are
// infinite.
func MeanInterval(x []float64, z float64) (mean, low, high float64) {
	for _, v := range x {
		mean += v
	}
	mean /= math.Max(float64(len(x)), 1)
	if len(x) < 2 {
		return mean, math.Inf(-1), math.Inf(1)
	}
	ss := 0.0
	for _, v := range x {
		ss += (v - mean) * (v - mean)
	}
	half := z * math.Sqrt(ss/float64(len(x)-1)/float64(len(x)))
	return mean, mean - half, mean + half
}

// BootstrapInterval returns the percentile interval of the mean of x at the given
// level, say 0.95, from resamples drawn with rng (Efron 1979). It needs no
// assumption on the distribution; x holds independent units, responses rather
// than tokens. Empty x, resamples < 1: NaN.
func BootstrapInterval(x []float64, level float64, resamples int, rng *rand.Rand) (low, high float64) {
	if len(x) == 0 || resamples < 1 {
		return math.NaN(), math.NaN()
	}
	means := make([]float64, resamples)
	for i := range means {
		for range x {
			means[i] += x[rng.IntN(len(x))]
		}
		means[i] /= float64(len(x))
	}
	slices.Sort(means)
	at := func(q float64) float64 { return means[int(q*float64(resamples-1)+0.5)] }
	return at((1 - level) / 2), at((1 + level) / 2)
}

// StudentInterval returns the mean of a few values and the interval of Student (1908) at
// the given level, say 0.95: mean ± t·s/√n with n−1 degrees of freedom. It is for seeds:
// of three, the normal interval covers 0.95 only by name (t is 4.30 there, z is 1.96). Of
// fewer than two values low and high are the mean.
func StudentInterval(x []float64, level float64) (mean, low, high float64) {
	mean, low, _ = MeanInterval(x, 1)
	if len(x) < 2 {
		return mean, mean, mean
	}
	t := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: float64(len(x) - 1)}.Quantile((1 + level) / 2)
	return mean, mean - t*(mean-low), mean + t*(mean-low)
}

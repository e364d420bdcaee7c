package eval

import (
	"fmt"
	"math"
)

// Slope fits k in logit P(chosen) = k·Δ, a logistic regression through the origin,
// by maximum likelihood, with its standard error. 1 is calibrated, above 1
// under-confident, as the paper's helpful-and-harmless models are (Bai et
// al. 2022, section 3.3); k = 1/T of [FitTemperature]. The sign of Δ and the label
// cancel: to regress "chosen" on Δ is to regress "preferred side chosen" on |Δ|.
//
// The standard error is the sandwich over conversations, A⁻¹BA⁻¹ with A = Σ Δ²σ(1−σ)
// and B the sum over openings of the squared sum of Δ(1−σ), times G/(G−1) for
// G of them (Liang and Zeger 1986): turns of one conversation share their fate. A
// comparison without a prompt is a conversation of its own.
//
// It returns an error where no finite k is best.
func Slope(js []Judged) (k, se float64, err error) {
	gap, y := make([]float64, len(js)), make([]float64, len(js))
	for i, j := range js {
		gap[i], y[i] = math.Abs(j.Gap()), j.credit()
	}
	if k, err = fitSlope(gap, y); err != nil {
		return 0, 0, err
	}
	score, information := make([]float64, len(js)), 0.0
	for i, d := range gap {
		s := sigmoid(k * d)
		score[i] = d * (y[i] - s)
		information += d * d * s * (1 - s)
	}
	return k, math.Sqrt(clustered(js, score)) / information, nil
}

// FitTemperature returns the T > 0 that minimises the log-loss of σ(gap/T)
// against y (Guo et al. 2017): above 1 the scores were too confident. It returns
// an error where no finite T is best: gaps that separate the outcomes perfectly,
// or that point the wrong way.
func FitTemperature(gap, y []float64) (float64, error) {
	if len(gap) == 0 || len(gap) != len(y) {
		return 0, fmt.Errorf("eval: temperature: %d gaps for %d outcomes, want equal numbers and at least one", len(gap), len(y))
	}
	k, err := fitSlope(gap, y)
	if err != nil {
		return 0, fmt.Errorf("eval: temperature: %w", err)
	}
	if !(k > 0) {
		return 0, fmt.Errorf("eval: temperature: the gaps do not predict the outcomes (the best 1/T is %.3g)", k)
	}
	return 1 / k, nil
}

// fitSlope minimises Σ softplus(k·d) − y·k·d over k by Newton's method. The loss is
// convex; a step is halved until it lowers the loss.
func fitSlope(gap, y []float64) (float64, error) {
	up, down := false, false // does some pair pull k up, some down?
	for i, d := range gap {
		if math.IsNaN(d) || math.IsInf(d, 0) {
			return 0, fmt.Errorf("gap %d is %v, want a finite number", i, d)
		}
		up = up || d > 0 && y[i] > 0 || d < 0 && y[i] < 1
		down = down || d > 0 && y[i] < 1 || d < 0 && y[i] > 0
	}
	switch {
	case !up && !down:
		return 0, fmt.Errorf("every gap is zero")
	case !down:
		return 0, fmt.Errorf("the gaps separate the outcomes perfectly: the larger the slope, the better")
	case !up:
		return 0, fmt.Errorf("every gap points the wrong way: no slope is too low")
	}
	loss := func(k float64) (l float64) {
		for i, d := range gap {
			l += softplus(k*d) - y[i]*k*d
		}
		return l
	}
	k, now := 0.0, loss(0)
	for range 100 {
		var slope, curve float64
		for i, d := range gap {
			s := sigmoid(k * d)
			slope += d * (s - y[i])
			curve += d * d * s * (1 - s)
		}
		step := slope / curve
		for range 60 {
			if next := loss(k - step); next <= now {
				now = next
				break
			}
			step /= 2
		}
		k -= step
		if math.Abs(step) <= 1e-14*math.Abs(k) {
			break
		}
	}
	return k, nil
}

// clustered is the variance of Σ x under the hypothesis that it is zero in
// expectation, conversations being independent: Σ over openings of (Σ x)², times
// G/(G−1).
func clustered(js []Judged, x []float64) float64 {
	var sums []float64
	at := map[string]int{}
	for i, j := range js {
		key := j.opening()
		g, ok := at[key]
		if !ok || key == "" {
			g = len(sums)
			at[key] = g
			sums = append(sums, 0)
		}
		sums[g] += x[i]
	}
	v := 0.0
	for _, s := range sums {
		v += s * s
	}
	if g := float64(len(sums)); g > 1 {
		v *= g / (g - 1)
	}
	return v
}

package study

import (
	"fmt"

	"hhrlhf/rlhf/eval"
)

// An Estimate is a mean over seeds with its 95 % interval (Student's), and each seed's value.
// Of one seed there is no interval: Low and High are the mean.
type Estimate struct {
	Mean float64   `json:"mean"`
	Low  float64   `json:"low"`
	High float64   `json:"high"`
	Of   []float64 `json:"of"`
}

// Over is the estimate of one value a seed.
func Over(x []float64) Estimate {
	mean, low, high := eval.StudentInterval(x, 0.95)
	return Estimate{mean, low, high, x}
}

// String prints "0.53 (0.41 to 0.65)".
func (e Estimate) String() string {
	if len(e.Of) < 2 {
		return fmt.Sprintf("%.3g", e.Mean)
	}
	return fmt.Sprintf("%.3g (%.3g to %.3g)", e.Mean, e.Low, e.High)
}

// With puts an estimate into a claim as its value.
func (c Claim) With(e Estimate) Claim {
	c.Value, c.Low, c.High, c.Seeds = e.Mean, e.Low, e.High, len(e.Of)
	return c
}

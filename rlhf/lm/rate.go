package lm

import (
	"fmt"
	"math"
)

// Decay names how the learning rate falls after the warm-up.
type Decay string

// The decays. The paper does not state its own for pretraining.
const (
	Cosine   Decay = "cosine"   // to a tenth of the peak, as GPT-3's (Brown et al. 2020, appendix B); also ""
	Linear   Decay = "linear"   // to zero
	Constant Decay = "constant" // stays at the peak
)

func (d Decay) check() error {
	switch d {
	case "", Cosine, Linear, Constant:
		return nil
	}
	return fmt.Errorf("lm: Training.Decay = %q, want %q (or \"\"), %q or %q", d, Cosine, Linear, Constant)
}

// Rate is the learning rate of step (from 0): linear warm-up to peak over warmup
// steps, then the decay, which ends at step planned. The rate stays at what it has
// reached there; after a linear decay, that is 0.
func (d Decay) Rate(step int, peak float64, warmup, planned int) float64 {
	if step < warmup {
		return peak * float64(step+1) / float64(warmup)
	}
	done := min(1, float64(step-warmup)/float64(max(1, planned-warmup)))
	switch d {
	case Linear:
		return peak * (1 - done)
	case Constant:
		return peak
	}
	return peak * (0.1 + 0.9*0.5*(1+math.Cos(math.Pi*done)))
}

// Rate is the rate under the cosine decay.
func Rate(step int, peak float64, warmup, planned int) float64 {
	return Cosine.Rate(step, peak, warmup, planned)
}

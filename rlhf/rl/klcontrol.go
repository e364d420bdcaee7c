package rl

import (
	"fmt"
	"math"
)

// An AdaptiveKL moves the KL coefficient β so that the divergence approaches a
// target (Ziegler et al. 2019, section 2.2):
//
//	e = clip(KL/target − 1, −0.2, 0.2)
//	β ← β·(1 + e·episodes/horizon)
//
// KL is the mean over responses of the sum over tokens, in nats. A mean over
// tokens is some fifty times smaller, stays under any such target, and lets β
// decay at the largest rate for ever; hence the unit in the names. The paper
// keeps β fixed. The coefficient is state: a checkpoint must hold it.
type AdaptiveKL struct {
	// Coef is β, per nat. It must be positive: zero would stay zero.
	Coef float64
	// TargetPerResponse is the KL aimed at, in nats per response (Ziegler: 6).
	TargetPerResponse float64
	// HorizonEpisodes is the number of responses over which a constant error of
	// 1 % changes β by 1 % (Ziegler: 10000).
	HorizonEpisodes float64
}

// Validate reports every field out of range.
func (c AdaptiveKL) Validate() error {
	for _, f := range []struct {
		name  string
		value float64
	}{{"Coef", c.Coef}, {"TargetPerResponse", c.TargetPerResponse}, {"HorizonEpisodes", c.HorizonEpisodes}} {
		if !(f.value > 0) || math.IsInf(f.value, 1) {
			return fmt.Errorf("rl: AdaptiveKL.%s = %v, want a finite number > 0", f.name, f.value)
		}
	}
	return nil
}

// Update adjusts Coef after episodes responses whose divergence was
// klPerResponse nats on average. It leaves Coef alone and returns an error if
// the divergence is not finite.
func (c *AdaptiveKL) Update(klPerResponse float64, episodes int) error {
	if math.IsNaN(klPerResponse) || math.IsInf(klPerResponse, 0) {
		return fmt.Errorf("rl: AdaptiveKL.Update: KL per response is %v; stop the run and look at its log-probabilities", klPerResponse)
	}
	e := math.Max(-0.2, math.Min(0.2, klPerResponse/c.TargetPerResponse-1))
	c.Coef *= 1 + e*float64(episodes)/c.HorizonEpisodes
	return nil
}

package ppo

import "testing"

// RateScale is the learning rates' factor in a step.
var RateScale = rateScale

// ScoreMoments are what NormScore standardises by.
func (t *Trainer) ScoreMoments(tb testing.TB) (mean, std float64) {
	tb.Helper()
	m, err := t.scoreMoments()
	if err != nil {
		tb.Fatal(err)
	}
	return m.mean(), m.std()
}

// ForgetMoments makes the trainer compute them again, as a resumed one does.
func (t *Trainer) ForgetMoments() { t.norm = nil }

package rlhf

import (
	"cmp"
	"encoding"
	"fmt"
	"slices"
)

// A Finding is a known pattern of failure that a PPO run's history shows.
type Finding struct {
	// Name says which pattern, e.g. "kl-runaway". Findings of one name mean the same
	// in every run.
	Name     string   `json:"name"`
	Severity Severity `json:"severity"`
	// Saw is what was seen: the numbers, with their standard errors, and the steps.
	Saw string `json:"saw"`
	// Try is what to do about it, the likeliest cure first, in fields of [PPO].
	Try []string `json:"try"`
	// Metrics are those to look at, over the steps From to To.
	Metrics []string `json:"metrics"`
	From    int      `json:"from"`
	To      int      `json:"to"`
}

// Severity orders findings: a Note explains what may surprise in a healthy run, a
// Warning is worth a look before the run goes on, and of a Failure's run nothing
// should be concluded.
type Severity int

const (
	Note Severity = iota
	Warning
	Failure
)

var severities = []string{"note", "warning", "failure"}

func (s Severity) String() string {
	if s < Note || s > Failure {
		return fmt.Sprintf("Severity(%d)", int(s))
	}
	return severities[s]
}

var _ encoding.TextMarshaler = Note

// MarshalText writes "note", "warning" or "failure".
func (s Severity) MarshalText() ([]byte, error) {
	if s < Note || s > Failure {
		return nil, fmt.Errorf("rlhf: severity %d, want 0 to %d", int(s), int(Failure))
	}
	return []byte(severities[s]), nil
}

// UnmarshalText reads what MarshalText writes.
func (s *Severity) UnmarshalText(text []byte) error {
	i := slices.Index(severities, string(text))
	if i < 0 {
		return fmt.Errorf("rlhf: severity %q, want one of %q", text, severities)
	}
	*s = Severity(i)
	return nil
}

// Diagnose reads the history of a PPO run, from its first step on, and names the
// patterns of failure in it, the gravest first and causes before their
// consequences. None means that no known pattern was seen, not that the run is good.
//
// What is compared are means over stretches of steps with their standard errors,
// never single points: a change counts if it is both beyond chance (four standard
// errors, more where they are of few steps) and large enough to matter. The exceptions are invariants that hold to
// rounding in every single step. So Diagnose says nothing about the course of a run
// of fewer than 12 steps, and nothing about a reward that does not rise before step 20.
//
// The patterns:
//
//	ratio-not-one          scoring and training pass disagree before the first update
//	logprob-mismatch       the sampler's log-probabilities are not those of the scoring pass
//	truncated-sampling     the samples do not come from π: top-k, top-p or a banned end token
//	kl-wrong-sign          leaving π₀ is paid for rather than charged
//	kl-negative            KL below zero beyond noise, and no measured cause
//	kl-noise               KL below zero in some steps, within noise (a note)
//	collapse               nearly every prompt gets one response
//	kl-runaway             the policy leaves π₀ and does not stop
//	update-too-large       one step moves the policy too far
//	reward-flat-kl-grows   the policy moves, and not towards the reward
//	reward-flat-kl-still   the policy does not move
//	reward-falls           the score is lower than at the start
//	over-optimised         the score rises while the gold labels fall
//	pm-gap                 the score rises on the PM trained against, not on the held-out one
//	length-hacking         score and length rise together
//	length-drift           the length changes, and not with the score (a note)
//	eos-lost               responses no longer end themselves
//	eos-never              responses never ended themselves
//	value-never-fits       the value function explains nothing of the returns
//
// Metrics that a run does not record are passed over. The patterns and what cures
// them are those of the field's issue trackers; thresholds are this laboratory's,
// for runs of a few dozen to a few thousand steps.
func Diagnose(points []Point) []Finding {
	h := newHistory(points)
	var found []Finding
	for _, p := range patterns {
		if f, ok := p(h); ok {
			found = append(found, f)
		}
	}
	slices.SortStableFunc(found, func(a, b Finding) int { return cmp.Compare(b.Severity, a.Severity) })
	return found
}

// patterns are in the order of causes: a broken invariant explains what follows.
var patterns = []func(h *history) (Finding, bool){
	ratioNotOne, logprobMismatch, truncatedSampling, klWrongSign, klNegative,
	collapse, klRunaway, updateTooLarge, rewardFlat, rewardFalls,
	overOptimised, pmGap, lengthHacking, eosLost, valueNeverFits,
}

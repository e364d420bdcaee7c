package rlhf

import (
	"fmt"
	"math"
)

// collapse looks for one response to nearly every prompt. The share of distinct
// responses decides where it is recorded; without it, entropy and the spread of the
// scores must both be all but gone.
func collapse(h *history) (Finding, bool) {
	distinct, entropy, spread := h.get("response/distinct"), h.get("policy/entropy"), h.get("objective/score_std")
	f := Finding{
		Name: "collapse", Severity: Failure, Metrics: []string{distinct.name, entropy.name, spread.name},
		Try: []string{
			"read the samples: what is that response, and why does the reward like it?",
			"raise KLCoef", "lower LearningRate or Epochs", "set EntropyCoef: 0.01",
		},
	}
	gone := 0
	for _, c := range []struct {
		s     series
		what  string
		least float64 // of the first block
	}{{entropy, "entropy", 0.1}, {spread, "spread of the scores", 0.15}} {
		if !c.s.enough() {
			continue
		}
		first, last := c.s.ends()
		if above(first, last, 0) && last.mean < c.least*first.mean {
			gone++
		}
		if f.Saw != "" {
			f.Saw += "; "
		}
		f.Saw += change(c.what, first, last)
		f.From, f.To = last.from, last.to
	}
	if !distinct.enough() {
		return f, gone == 2
	}
	first, last := distinct.ends()
	f.From, f.To = last.from, last.to
	f.Saw = change("distinct responses, of all in a batch:", first, last) + "; " + f.Saw
	return f, last.below(0.2) && above(first, last, 0.1)
}

// gold returns the mean of the gold labels, and their names.
func (h *history) gold() (series, []string) {
	a, b := h.get("objective/gold_helpful"), h.get("objective/gold_harmless")
	switch {
	case len(a.x) == 0:
		return b, []string{"objective/gold_harmless"}
	case len(b.x) == 0:
		return a, []string{"objective/gold_helpful"}
	}
	m := a.minus(b)
	for i, step := range m.steps { // (a + b)/2 = a − (a − b)/2
		m.x[i] = a.over(window{from: step, to: step}).mean - m.x[i]/2
	}
	return m, []string{"objective/gold_helpful", "objective/gold_harmless"}
}

// overOptimised compares the last block with the one in which the gold labels were
// highest (Gao et al. 2022). Helpful and harmless are averaged: that one falls while
// the other rises is a choice between them, not over-optimisation.
func overOptimised(h *history) (Finding, bool) {
	score := h.get("objective/score")
	gold, names := h.gold()
	if !gold.enough() || !score.enough() {
		return Finding{}, false
	}
	peak := highest(gold.blocks())
	_, last := gold.ends()
	a, b := score.over(peak), score.over(last)
	if !above(peak, last, 0.1) || b.mean < a.mean {
		return Finding{}, false
	}
	f := Finding{
		Name: "over-optimised", Severity: Warning, Metrics: append([]string{score.name, "objective/sqrt_kl"}, names...), From: peak.from, To: last.to,
		Saw: change("the gold labels' mean", peak, last) + "; " + change("score", a, b),
		Try: []string{
			fmt.Sprintf("stop near step %d", peak.to),
			"raise KLCoef, or let KLTarget hold the KL where the gold labels were highest",
			"train a PM on samples of this policy, and go on from there: it has not seen such answers",
		},
	}
	for _, name := range names {
		if s := h.get(name); len(names) > 1 {
			f.Saw += fmt.Sprintf("; %s %s → %s", name, short(s.over(peak).mean), short(s.over(last).mean))
		}
	}
	return f, true
}

// pmGap compares the gain on the PM that is trained against with that on a held-out one
// (paper, section 4.2): from the block on in which the held-out score is highest, or over
// the whole run.
func pmGap(h *history) (Finding, bool) {
	train, test, spread := h.get("objective/score"), h.get("objective/score_test"), h.get("objective/score_std")
	gap := train.minus(test)
	if len(gap.x) < flatLeast || !spread.enough() {
		return Finding{}, false
	}
	first, last := gap.ends()
	peak := highest(test.blocks())
	_, end := test.ends()
	rose, gained := train.over(last).mean-train.over(first).mean, test.over(last).mean-test.over(first).mean
	std := spread.over(first).mean
	opens := above(last, first, 0.25*std) && gained < 0.4*rose
	falls := above(peak, end, 0.25*std) && train.over(last).mean >= train.over(peak).mean
	if !opens && !falls {
		return Finding{}, false
	}
	f := Finding{
		Name: "pm-gap", Severity: Warning, Metrics: []string{train.name, test.name, "objective/sqrt_kl"}, From: first.from, To: last.to,
		Saw: change("score − held-out score", first, last) + fmt.Sprintf("; the score rose by %s, on the held-out PM by %s", short(rose), short(gained)),
		Try: []string{
			fmt.Sprintf("stop near step %d, where the held-out score was highest", peak.to),
			"raise KLCoef", "train the PM on more comparisons, or on samples of this policy",
		},
	}
	if falls {
		f.From = peak.from
		f.Saw += "; " + change("held-out score", peak, end)
	}
	return f, true
}

// lengthHacking looks for a length that changed by more than its share, with the score.
// Where the gold labels rise too, the longer answers are better ones.
func lengthHacking(h *history) (Finding, bool) {
	length, score, spread := h.get("response/length_mean"), h.get("objective/score"), h.get("objective/score_std")
	if !length.enough() || !score.enough() || !spread.enough() {
		return Finding{}, false
	}
	first, last := length.ends()
	times := last.mean / first.mean
	if !(math.Abs(math.Log(times)) > math.Log(1.25)) || !above(last, first, 1) && !above(first, last, 1) {
		return Finding{}, false
	}
	r := correlation(length, score)
	a, b := score.ends()
	f := Finding{
		Name: "length-drift", Severity: Note, Metrics: []string{length.name, "response/length_std", score.name, "response/eos_rate"}, From: first.from, To: last.to,
		Saw: change("length", first, last) + fmt.Sprintf(" tokens, %s times the first; over the steps its correlation with the score is %.2f", short(times), r),
		Try: []string{"read samples of both lengths: are the longer ones better, or only longer?", "measure the PM: a correlation of score and length within pairs far from 0 says that it counts words"},
	}
	better := false
	if gold, _ := h.gold(); gold.enough() {
		x, y := gold.ends()
		better = above(y, x, 0.05)
		f.Saw += "; " + change("the gold labels' mean", x, y)
	}
	if math.Abs(math.Log(times)) > math.Log(1.6) && math.Abs(r) > 0.7 && above(b, a, 0.25*spread.over(a).mean) && !better {
		f.Name, f.Severity = "length-hacking", Warning
		f.Saw = change("score", a, b) + " while " + f.Saw
		f.Try = append([]string{"set LengthPenalty", "raise KLCoef"}, f.Try...)
	}
	return f, true
}

// eosLost looks at the share of responses that end themselves.
func eosLost(h *history) (Finding, bool) {
	eos := h.get("response/eos_rate")
	if !eos.enough() {
		return Finding{}, false
	}
	first, last := eos.ends()
	best := highest(eos.blocks())
	f := Finding{
		Name: "eos-lost", Severity: Warning, Metrics: []string{eos.name, "response/length_mean"}, From: best.from, To: last.to,
		Saw: change("share of responses that end themselves:", best, last),
		Try: []string{
			"set MissingEOSPenalty: 1, or MissingEOSScore, so that an answer cut off is not worth a whole one",
			"raise Response if whole answers are longer", "raise KLCoef: π₀ knows when to stop",
		},
	}
	if above(best, last, 0.15) && last.mean < 0.9 {
		if last.mean < 0.5 {
			f.Severity = Failure
		}
		return f, true
	}
	if best.mean >= 0.5 {
		return Finding{}, false
	}
	f.Name, f.From = "eos-never", first.from
	f.Saw = fmt.Sprintf("the share of responses that end themselves is %s at best: from the first step on most are cut off", best)
	if best.mean == 0 {
		f.Severity = Failure
		f.Saw = fmt.Sprintf("in %d steps no response ended itself", len(eos.x))
		f.Try = append([]string{"check that the padding token is not the end token: a mask of what is not padding then hides every end"}, f.Try...)
	}
	return f, true
}

package rlhf

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// Bounds on what rounding in float32 may do, with room: a run in order shows a tenth.
const (
	ratioRounding = 1e-3 // |ρ − 1| before the first update
	gapRounding   = 1e-2 // nats by which sampler and scoring pass may differ
)

func ratioNotOne(h *history) (Finding, bool) {
	s := h.get("policy/ratio_start")
	bad := 0
	for _, v := range s.x {
		if math.Abs(v) > ratioRounding {
			bad++
		}
	}
	if bad == 0 {
		return Finding{}, false
	}
	return Finding{
		Name: "ratio-not-one", Severity: Failure, Metrics: []string{s.name}, From: s.steps[0], To: s.steps[len(s.steps)-1],
		Saw: fmt.Sprintf("before the first update of a step π is the policy that sampled, so every ratio is 1; it was off by up to %s, in %d of %d steps",
			short(slices.Max(s.x)), bad, len(s.x)),
		Try: []string{
			"find what the training pass does and the scoring pass does not: dropout, another mask, other positions, another Temperature, a stale batch",
			"do not lower LearningRate: the objective itself is wrong",
		},
	}, true
}

// gap returns the middle value of |log π sampler − log π scoring pass|, whether it is
// more than rounding, and whether it was recorded at all.
func (h *history) gap() (middle float64, wide, known bool) {
	s := h.get("objective/sampler_gap")
	if len(s.x) == 0 {
		return 0, false, false
	}
	sorted := slices.Sorted(slices.Values(s.x))
	middle = sorted[len(sorted)/2]
	return middle, middle > gapRounding, true
}

func logprobMismatch(h *history) (Finding, bool) {
	middle, wide, _ := h.gap()
	if !wide {
		return Finding{}, false
	}
	s, kl := h.get("objective/sampler_gap"), h.get("objective/kl")
	f := Finding{
		Name: "logprob-mismatch", Severity: Failure, Metrics: []string{s.name, "objective/kl"}, From: s.steps[0], To: s.steps[len(s.steps)-1],
		Saw: fmt.Sprintf("sampler and scoring pass give the same token log-probabilities that differ by %s nats (median over the steps of the largest difference; rounding is below %s)", short(middle), short(gapRounding)),
		Try: []string{
			"divide the logits by one Temperature in sampling and in every log-probability, old, new and reference",
			"take no top-k or top-p into the sampler's log-probabilities; better, sample without",
		},
	}
	if w, negative := lowest(kl); negative {
		f.Saw += fmt.Sprintf("; it shows as a negative KL, %s nats per response, which cannot be", w)
	}
	return f, true
}

// lowest returns the block of the KL with the lowest mean, and whether that is below
// zero beyond noise.
func lowest(kl series) (window, bool) {
	if !kl.enough() {
		return window{}, false
	}
	w := slices.MinFunc(kl.blocks(), func(a, b window) int { return cmp.Compare(a.mean, b.mean) })
	return w, w.mean < -0.01 && w.below(0)
}

// truncatedSampling compares what was sampled with what agrees with it in expectation if
// the samples come from π: the surprise of the sampled tokens with the entropy, k1 with
// the exact KL; or, without those, k1 with zero, below which no expectation under π lies.
func truncatedSampling(h *history) (Finding, bool) {
	if _, wide, _ := h.gap(); wide {
		return Finding{}, false // the cause is known: logprobMismatch
	}
	kl, exact, k3 := h.get("objective/kl"), h.get("objective/kl_exact"), h.get("objective/kl_k3")
	f := Finding{
		Name: "truncated-sampling", Severity: Failure, Metrics: []string{"policy/nll", "policy/entropy", kl.name, "objective/kl_exact", "objective/kl_k3"},
		Try: []string{
			"sample from the whole distribution: no top-k, no top-p, no smallest length, no banned end token",
			"leave Temperature at 1 and, if samples must be better than π, rank several of them afterwards",
		},
	}
	entropy := h.get("policy/entropy")
	if d := entropy.minus(h.get("policy/nll")); d.enough() {
		w := d.window(0, len(d.x))
		e := entropy.over(w).mean
		if w.mean > 0.01+0.1*e && w.exceeds(0) {
			f.From, f.To = w.from, w.to
			f.Saw = fmt.Sprintf("the sampled tokens are likelier than tokens of π can be: entropy − mean of −log π = %s nats per token, of an entropy of %s; the tail of the distribution is cut off", w, short(e))
			return f, true
		}
	}
	if d := kl.minus(exact); len(d.x) >= flatLeast {
		w := d.window(len(d.x)/4, len(d.x)) // not the start, where both are nearly zero
		e := exact.over(w)
		if math.Abs(w.mean) > 0.05+0.2*e.mean && (w.exceeds(0) || w.below(0)) {
			f.From, f.To = w.from, w.to
			f.Saw = fmt.Sprintf("the KL of the samples is not that of the policy: k1 − exact = %s nats per response, exact %s; the log-probabilities agree, so the samples do not come from π",
				w, short(e.mean))
			return f, true
		}
	}
	w, negative := lowest(kl)
	if third := k3.over(w); !negative || !(third.mean > 3*math.Abs(w.mean)) {
		return Finding{}, false
	} else {
		f.From, f.To = w.from, w.to
		f.Saw = fmt.Sprintf("k1 = %s nats per response is below zero beyond noise while k3 = %s says that the policies are far apart", w, short(third.mean))
		if middle, _, known := h.gap(); known {
			f.Saw += fmt.Sprintf("; sampler and scoring pass agree to %s nats, so the samples do not come from π", short(middle))
		}
	}
	return f, true
}

// klWrongSign looks at what the penalty paid: −λ·KL is negative.
func klWrongSign(h *history) (Finding, bool) {
	kl, paid, coef := h.get("objective/kl"), h.get("objective/non_score_reward"), h.get("objective/kl_coef")
	if !kl.enough() || !paid.enough() {
		return Finding{}, false
	}
	p, k := paid.tail(), kl.tail()
	if !p.exceeds(0) || !k.exceeds(0) {
		return Finding{}, false
	}
	f := Finding{
		Name: "kl-wrong-sign", Severity: Failure, Metrics: []string{paid.name, kl.name, coef.name}, From: p.from, To: p.to,
		Saw: fmt.Sprintf("what is added to the score is %s, above zero, at a KL of %s nats: leaving π₀ is rewarded with %s per nat",
			p, short(k.mean), short(p.mean/k.mean)),
		Try: []string{"turn the sign of the penalty: r_t = −KLCoef·k_t, and a KL loss is added, not taken off"},
	}
	return f, true
}

// klNegative reports a KL below zero that no measurement explains, and one that noise does.
func klNegative(h *history) (Finding, bool) {
	kl := h.get("objective/kl")
	below := 0
	for _, v := range kl.x {
		if v < -1e-6 {
			below++
		}
	}
	if below == 0 {
		return Finding{}, false
	}
	middle, wide, known := h.gap()
	w, negative := lowest(kl)
	if !negative {
		if !kl.enough() {
			return Finding{}, false
		}
		return Finding{
			Name: "kl-noise", Severity: Note, Metrics: []string{kl.name, "objective/kl_k3"}, From: kl.steps[0], To: kl.steps[len(kl.steps)-1],
			Saw: fmt.Sprintf("the KL was below zero in %d of %d steps: k1 is an average over samples and has a spread; its lowest stretch is %s nats per response, within noise of zero or above", below, len(kl.x), w),
			Try: []string{"nothing: read objective/kl_k3, which cannot be negative, or raise Batch"},
		}, true
	}
	if _, explained := truncatedSampling(h); explained || wide {
		return Finding{}, false
	}
	f := Finding{
		Name: "kl-negative", Severity: Failure, Metrics: []string{kl.name, "objective/kl_k3", "objective/sampler_gap"}, From: w.from, To: w.to,
		Saw: fmt.Sprintf("the KL is %s nats per response, below zero beyond noise", w),
		Try: []string{
			"look for a Temperature that is missing in a log-probability",
			"look for top-k, top-p or a banned end token in sampling",
			"compare the reference with the run that Policy names: it must be π₀, unchanged",
		},
	}
	if known {
		f.Saw += fmt.Sprintf("; sampler and scoring pass agree to %s nats", short(middle))
	}
	return f, true
}

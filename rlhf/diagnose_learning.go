package rlhf

import (
	"fmt"
	"math"
)

// What a healthy run stays below.
const (
	klLimit      = 30.0 // nats per response
	klTokenLimit = 1.0  // nats per token
	clipLimit    = 0.25 // share of tokens
	approxLimit  = 0.03 // nats per token
	fitLimit     = 0.05 // share of the returns' variance explained
)

// klRunaway looks at the KL of the last block, per response and per token: neither limit
// is passed by a policy that still says what its reference might have said.
func klRunaway(h *history) (Finding, bool) {
	kl, length, per := h.get("objective/kl"), h.get("response/length_mean"), h.get("objective/kl_per_token")
	if !kl.enough() {
		return Finding{}, false
	}
	first, last := kl.ends()
	far := last.mean / klLimit
	saw := change("KL", first, last) + " nats per response"
	token := per.over(last)
	if len(per.x) == 0 {
		n := length.over(last)
		token = window{mean: last.mean / n.mean, se: last.se / n.mean, n: last.n, from: last.from, to: last.to}
	}
	runaway := last.exceeds(klLimit)
	if token.exceeds(klTokenLimit) {
		runaway = true
		far = math.Max(far, token.mean/klTokenLimit)
	}
	if !runaway || !above(last, first, 0) {
		return Finding{}, false
	}
	if !math.IsNaN(token.mean) {
		saw += fmt.Sprintf(", %s nats per token", short(token.mean))
	}
	saw += fmt.Sprintf(" (healthy: below %s and %s)", short(klLimit), short(klTokenLimit))
	f := Finding{
		Name: "kl-runaway", Severity: Warning, Saw: saw, Metrics: []string{kl.name, "objective/kl_per_token", "objective/sqrt_kl", "objective/score"},
		From: kl.steps[0], To: last.to,
	}
	if far >= 2 {
		f.Severity = Failure
	}
	if coef := h.get("objective/kl_coef"); len(coef.x) > 0 && coef.x[len(coef.x)-1] == 0 {
		f.Saw += "; nothing holds the policy: KLCoef is 0"
		f.Try = append(f.Try, "set KLCoef: 0.02 to 0.1 for scores with a spread near 1")
	} else {
		f.Try = append(f.Try, "raise KLCoef, or let KLTarget choose it")
	}
	f.Try = append(f.Try, "stop earlier: lower Planned and keep the step whose samples you like", "lower LearningRate or Epochs")
	return f, true
}

// updateTooLarge looks at how far one step moves the policy from the one that sampled.
func updateTooLarge(h *history) (Finding, bool) {
	clip, approx := h.get("policy/clipfrac"), h.get("policy/approx_kl")
	f := Finding{
		Name: "update-too-large", Severity: Warning, Metrics: []string{clip.name, approx.name, "policy/ratio_max", "grad_norm"},
		Try: []string{"lower LearningRate to a third", "lower Epochs", "raise Batch or lower Minibatches, for gradients with less noise", "set Warmup: Adam's first steps are its largest"},
	}
	for _, c := range []struct {
		s     series
		limit float64
		says  string
	}{
		{clip, clipLimit, "%s of the tokens leave the clip range in a step (healthy: below 0.2)"},
		{approx, approxLimit, "a step moves the policy by %s nats per token (healthy: below 0.02)"},
	} {
		if !c.s.enough() {
			continue
		}
		if w := highest(c.s.blocks()); w.exceeds(c.limit) {
			if f.Saw != "" {
				f.Saw += "; "
			}
			f.Saw += fmt.Sprintf(c.says, w)
			f.From, f.To = w.from, w.to
		}
	}
	return f, f.Saw != ""
}

// settled returns the values from the step on at which the policy's rate was highest:
// a score that does not rise during the warm-up has an excuse.
func (h *history) settled(s series) series {
	lr := h.get("lr")
	peak := 0
	for i, v := range lr.x {
		if v > lr.x[peak] {
			peak = i
		}
	}
	for i, step := range s.steps {
		if len(lr.x) == 0 || step >= lr.steps[peak] {
			return s.from(i)
		}
	}
	return series{}
}

// rewardFlat says that the score did not rise only where a rise of half a standard
// deviation of the samples would have been seen.
func rewardFlat(h *history) (Finding, bool) {
	whole, spread := h.get("objective/score"), h.get("objective/score_std")
	score := h.settled(whole)
	if len(score.x) < flatLeast || !spread.enough() {
		return Finding{}, false
	}
	first := whole.window(0, 3) // few: a run may learn all there is in ten steps
	best := highest(score.blocks())
	std, rise, se := spread.over(first).mean, best.mean-first.mean, math.Hypot(first.se, best.se)
	alike := std <= 1e-6*math.Max(1, math.Abs(first.mean))
	if !alike && (rise > 3*se || rise+2*se > 0.5*std) {
		return Finding{}, false
	}
	f := Finding{
		Severity: Warning, Metrics: []string{whole.name, spread.name, "objective/kl", "policy/clipfrac"}, From: whole.steps[0], To: whole.steps[len(whole.steps)-1],
		Saw: fmt.Sprintf("the best stretch of the score, %s, is no better than the first, %s; samples have a spread of %s", best, first, short(std)),
	}
	if alike {
		f.Saw = fmt.Sprintf("every response gets the same score, %s: there is nothing to learn from", short(first.mean))
	}
	kl := h.get("objective/kl")
	moved := false
	if kl.enough() {
		a, b := kl.ends()
		moved = above(b, a, 0.1)
		f.Saw += "; " + change("KL", a, b) + " nats per response"
	}
	if moved {
		f.Name = "reward-flat-kl-grows"
		f.Try = []string{
			"score some responses by hand: does the PM, or your reward, prefer the better one?",
			"lower LearningRate or Epochs: the policy drifts on noise", "raise Batch; set CriticWarmup and look at value/explained_var",
		}
		return f, true
	}
	f.Name = "reward-flat-kl-still"
	f.Try = []string{"raise LearningRate three times at a time", "lower KLCoef: the penalty may hold the policy at π₀", "end CriticWarmup and Warmup sooner", "set NormScore if the scores are all but equal"}
	return f, true
}

// rewardFalls compares the last block with the first and with the highest.
func rewardFalls(h *history) (Finding, bool) {
	score, spread := h.get("objective/score"), h.get("objective/score_std")
	if !score.enough() || !spread.enough() {
		return Finding{}, false
	}
	first, last := score.ends()
	peak := highest(score.blocks())
	std := spread.over(first).mean
	f := Finding{
		Name: "reward-falls", Severity: Warning, Metrics: []string{score.name, "objective/kl", "policy/approx_kl", "policy/entropy"}, From: peak.from, To: last.to,
	}
	switch {
	case above(first, last, 0.25*std):
		f.Saw = change("score", first, last) + ": lower than at the start"
		f.Try = []string{
			"check the sign of your reward and of the penalty",
			"lower KLCoef: a penalty paid in score may outweigh it (look at objective/rlhf_reward)",
			"lower LearningRate: the policy may have been destroyed (look at samples)",
		}
	case above(peak, last, 0.5*std):
		f.Saw = change("score", peak, last) + ": it had been higher"
		f.Try = []string{"lower LearningRate or Epochs", "set Schedule so that the rate is small by then", "go back to the step of the highest score"}
	default:
		return Finding{}, false
	}
	return f, true
}

// valueNeverFits wants one stretch in which the value function explains something, and
// in the last half no values that lie beside the returns on average: those of a value function
// that stands still stay behind while the score rises, although the scores that it
// starts from may go on explaining some of the returns' variance.
func valueNeverFits(h *history) (Finding, bool) {
	s, value, returns, spread := h.get("value/explained_var"), h.get("value/mean"), h.get("returns/mean"), h.get("returns/std")
	if len(s.x) < flatLeast {
		return Finding{}, false
	}
	f := Finding{
		Name: "value-never-fits", Severity: Warning, Metrics: []string{s.name, "loss/value", value.name, returns.name, "value/clipfrac"}, From: s.steps[0], To: s.steps[len(s.steps)-1],
		Try: []string{
			"raise ValueLearningRate; set CriticWarmup: 10",
			"start the value function from the PM (Value: \"own\")",
			"set NormScore or a larger ValueClip where values must move by more than ValueClip",
		},
	}
	if best := highest(s.blocks()); best.mean-2*best.se <= fitLimit {
		f.Saw = fmt.Sprintf("the value function explains at best %s of the variance of the returns (1 is all, 0 nothing): advantages are as noisy as returns", best)
		return f, true
	}
	d := returns.minus(value)
	if !d.enough() {
		return Finding{}, false
	}
	last := d.tail()
	wide := spread.over(last).mean
	if fit := s.tail(); fit.mean < 0.5 && math.Abs(last.mean) > 0.3*wide && (last.exceeds(0) || last.below(0)) {
		f.Saw = fmt.Sprintf("the values lie beside the returns: returns − values = %s on average, of a spread of %s; of their variance %s is explained", last, short(wide), short(fit.mean))
		return f, true
	}
	return Finding{}, false
}

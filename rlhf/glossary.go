package rlhf

// A Term explains one metric: what a run writes under Name in every Point.
type Term struct {
	Name    string // e.g. "objective/kl"
	Formula string // in the letters of the package comment
	Unit    string
	Healthy string // the range that a working run shows
	Else    string // what to do outside it; Diagnose looks at the course of several at once
}

// Glossary lists every metric that a run of any kind records, in the order in
// which a table should show them. The names are those of TRL where it has one.
func Glossary() []Term { return glossary }

// Define returns the term of a metric.
func Define(name string) (Term, bool) {
	for _, t := range glossary {
		if t.Name == name {
			return t, true
		}
	}
	return Term{}, false
}

var glossary = []Term{
	{"objective/score", "mean_b score_b", "PM score", "rises", "flat: see objective/kl; if that grows, the learning rate is too high or the PM too weak"},
	{"objective/score_std", "std_b score_b", "PM score", "slow fall", "near 0: every prompt gets the same response"},
	{"objective/score_test", "mean_b score_b of PPO.TestPM, a PM of other comparisons", "PM score", "rises with objective/score", "falls behind: over-optimisation; stop there, raise KLCoef, or train the PM on more data"},
	{"objective/kl", "mean_b Σ_t log π − log π₀ (k1)", "nats per response", "starts at 0, then 0 to 30", "negative: a sampling transform or a temperature is missing in a log-probability; runaway: raise KLCoef or lower the rate"},
	{"objective/kl_per_token", "Σ_b Σ_t k1 / Σ_b Σ_t 1", "nats per token", "0 to 0.5", "above 1: the policy writes what π₀ would not; raise KLCoef. The KL of verl and OpenRLHF has this unit"},
	{"objective/kl_k2", "mean_b Σ_t ½ℓ², ℓ = log π − log π₀", "nats per response", "near objective/kl while that is small", "not an estimate of a large KL: as a loss its gradient is exact, as a number it is not"},
	{"objective/kl_k3", "mean_b Σ_t e^(−ℓ) − 1 + ℓ, ℓ = log π − log π₀", "nats per response", "near objective/kl", "far from it: a few responses dominate the estimate"},
	{"objective/kl_exact", "mean_b Σ_t Σ_v π(v|s_t) (log π(v|s_t) − log π₀(v|s_t))", "nats per response", "objective/kl scatters around it", "objective/kl lies beside it: the samples do not come from π; top-k, top-p or a banned token"},
	{"objective/sampler_gap", "max_b,t |log π(a_t|s_t) of the sampler − of the scoring pass|", "nats", "< 0.001", "larger: a Temperature or a sampling transform is missing in one of the two"},
	{"objective/sqrt_kl", "√max(objective/kl, 0)", "√nats", "score is roughly linear in it", "score bends down: over-optimisation"},
	{"objective/kl_coef", "λ_KL", "score per nat", "constant; with KLTarget, moves until the KL is there", "moves without end: KLTarget is out of reach"},
	{"objective/non_score_reward", "mean_b Σ_t −λ_KL·k_t", "PM score", "≤ 0 up to noise", "above 0 at a positive KL: the penalty has the wrong sign; far below the score: lower KLCoef"},
	{"objective/rlhf_reward", "mean_b Σ_t r_t", "PM score", "rises", "falls while the score rises: the KL penalty outweighs it"},
	{"objective/gold_helpful", "mean_b of the gold labeller", "[−1, 1]", "rises", "falls while the score rises: over-optimisation"},
	{"objective/gold_harmless", "mean_b of the gold labeller", "[−1, 1]", "rises", "falls while the score rises: over-optimisation"},
	{"policy/entropy", "masked mean of −Σ_v π log π", "nats per token", "slow fall", "near 0: collapse; lower the learning rate"},
	{"policy/nll", "masked mean of −log π(a_t|s_t) of the sampled tokens", "nats per token", "scatters around policy/entropy, its expectation", "lies below it: the samples do not come from π; top-k, top-p, a low Temperature"},
	{"policy/approx_kl", "masked mean of k3(π_new, π_old)", "nats per token", "< 0.02", "lower the learning rate or Epochs"},
	{"policy/clipfrac", "share of tokens with |ρ − 1| > ε", "share", "< 0.2", "lower the learning rate or Epochs"},
	{"policy/ratio_min", "min over tokens of ρ", "ratio", "> 0.3", "lower the learning rate"},
	{"policy/ratio_mean", "masked mean of ρ", "ratio", "1 ± 0.01", "elsewhere: the policy in training is far from the one that sampled; lower Epochs"},
	{"policy/ratio_max", "max over tokens of ρ", "ratio", "< 3", "lower the learning rate"},
	{"policy/ratio_start", "max over tokens of |ρ − 1| before the first update", "ratio", "0 up to rounding", "scoring and training passes disagree: a bug"},
	{"loss/policy", "Σ m·max(−Aρ, −A·clip(ρ)) / Σ m", "", "small", "not a signal of progress"},
	{"loss/value", "½ Σ m·max((V−R)², (V_clip−R)²) / Σ m", "score²", "falls", "grows: raise ValueLearningRate or CriticWarmup"},
	{"value/explained_var", "1 − var(R − V)/var(R)", "share", "towards 1", "stays ≤ 0: the value function does not fit"},
	{"value/mean", "masked mean of V", "PM score", "near returns/mean", "far from it: raise ValueLearningRate or CriticWarmup, or ValueClip"},
	{"value/clipfrac", "share of tokens where the clipped value loss is the larger", "share", "< 0.2", "values want to move by more than ValueClip: raise it, or set NormScore"},
	{"returns/mean", "masked mean of R_t = A_t + V_t", "PM score", "rises with objective/rlhf_reward", ""},
	{"returns/std", "masked standard deviation of R_t", "PM score", "below 5", "large against ValueClip: the value function cannot follow; set NormScore"},
	{"response/length_mean", "mean_b of valid tokens", "tokens", "steady", "drift: the PM rewards length"},
	{"response/length_std", "std_b of valid tokens", "tokens", "steady", "near 0: every response has one length, often the limit"},
	{"response/eos_rate", "share of responses that end themselves", "share", "> 0.9", "falls: set MissingEOSPenalty"},
	{"response/distinct", "distinct responses / B", "share", "> 0.5", "near 0: collapse to one response; raise KLCoef, lower the learning rate"},
	{"pm/loss", "mean log(1 + e^(r_rejected − r_chosen))", "nats", "starts at 0.693, falls", "starts elsewhere: the head is not zero-centred"},
	{"pm/accuracy", "share of pairs with r_chosen > r_rejected", "share", "0.6 to 0.75 on real data", "0.5: padding side, label flip, or too little data"},
	{"pm/margin", "mean r_chosen − r_rejected", "score", "rises", ""},
	{"pm/chosen", "mean r_chosen", "score", "above pm/rejected", ""},
	{"pm/rejected", "mean r_rejected", "score", "below pm/chosen", "both drift far from 0: only their difference is trained; set PM.Centre"},
	{"pm/lm_loss", "mean −log p(token) of the chosen side", "nats per token", "falls slowly", "rises: raise PM.LMCoef"},
	{"lm/loss", "mean −log p(token)", "nats per token", "falls", "rises: lower the learning rate"},
	{"lm/tokens", "tokens seen", "tokens", "", ""},
	{"distill/kl", "mean over tokens of Σ_c p₀(c | C) (log p₀(c | C) − log p(c)), c: the teacher's top tokens and one for the rest", "nats per token", "falls", "stays: the prompt says nothing to the teacher, or the learning rate is too low"},
	{"distill/tokens", "tokens seen, the prompt's not counted", "tokens", "", ""},
	{"direct/loss", "mean over pairs of the engine's own loss", "", "falls", "rises: lower the learning rate"},
	{"direct/accuracy", "share of pairs with a larger β(log π − log π₀) of the chosen response", "share", "0.5 in the first step, then rises", "stays at 0.5: the loss does not read the ratio; reaches 1: the pairs are learnt by heart, stop"},
	{"direct/margin", "mean β(log π − log π₀) of the chosen response − of the rejected one", "nats", "rises slowly", "far above 5: the policy is far from π₀; raise Beta or stop earlier"},
	{"direct/chosen", "mean β(log π − log π₀) of the chosen response", "nats", "near 0, above direct/rejected", "falls far: the probability goes to what nobody wrote; lower the learning rate"},
	{"direct/rejected", "mean β(log π − log π₀) of the rejected response", "nats", "falls", ""},
	{"grad_norm", "global L2 norm before clipping, policy", "", "finite, steady", "spikes: lower the learning rate"},
	{"value/grad_norm", "global L2 norm before clipping, value function", "", "finite, steady", ""},
	{"lr", "learning rate of the step", "", "", ""},
	{"lr/value", "learning rate of the value function in the step", "", "", ""},
	{"time/rollout", "wall time", "s", "", ""},
	{"time/score", "wall time", "s", "", ""},
	{"time/update", "wall time", "s", "", ""},
	{"time/step", "wall time, compilation included", "s", "", ""},
}

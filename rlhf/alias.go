package rlhf

// An Alias is what another system calls a metric of ours.
type Alias struct {
	Name   string // ours, e.g. "policy/approx_kl"
	System string // "TRL", "TRL 0.11" (its classical PPO), "OpenRLHF", "verl" or "NeMo-RL"
	Theirs string // theirs, e.g. "actor/ppo_kl"
	// Differs says in what their number differs, "" if in nothing that is known.
	Differs string
}

// Aliases returns every alias in which name is ours or theirs; several, where several
// systems have a name, or one name serves for several metrics of ours. Aliases("")
// lists them all.
func Aliases(name string) []Alias {
	var found []Alias
	for _, a := range aliases {
		if name == "" || name == a.Name || name == a.Theirs {
			found = append(found, a)
		}
	}
	return found
}

const (
	padded  = "averages over padding too"
	binding = "counts only tokens whose loss the clip changes"
	theRest = "the other share: 1 less ours"
)

// The names are those in the systems' sources.
var aliases = []Alias{
	{"objective/score", "TRL", "objective/scores", ""},
	{"objective/score", "TRL 0.11", "ppo/mean_scores", ""},
	{"objective/score", "TRL 0.11", "env/reward_mean", ""},
	{"objective/score", "OpenRLHF", "reward", ""},
	{"objective/score", "verl", "critic/score/mean", ""},
	{"objective/score_std", "TRL 0.11", "ppo/std_scores", ""},
	{"objective/score_std", "TRL 0.11", "env/reward_std", ""},
	{"objective/kl", "TRL", "objective/kl", ""},
	{"objective/kl", "TRL 0.11", "objective/kl", ""},
	{"objective/kl_per_token", "OpenRLHF", "kl", ""},
	{"objective/kl_per_token", "verl", "actor/reward_kl_penalty", "of the estimator configured for the penalty; mean over each response's tokens, then over responses"},
	{"objective/kl_per_token", "NeMo-RL", "kl_penalty", ""},
	{"objective/kl_coef", "TRL 0.11", "objective/kl_coef", ""},
	{"objective/kl_coef", "verl", "actor/reward_kl_penalty_coeff", ""},
	{"objective/rlhf_reward", "TRL", "objective/rlhf_reward", ""},
	{"objective/rlhf_reward", "OpenRLHF", "return", ""},
	{"objective/rlhf_reward", "verl", "critic/rewards/mean", ""},
	{"objective/non_score_reward", "TRL", "objective/non_score_reward", ""},
	{"objective/non_score_reward", "TRL 0.11", "ppo/mean_non_score_reward", "mean over tokens"},
	{"policy/entropy", "TRL", "policy/entropy_avg", padded},
	{"policy/entropy", "TRL", "objective/entropy", "−Σ_t log π per response, less one nat at each padding token"},
	{"policy/entropy", "TRL 0.11", "ppo/policy/entropy", ""},
	{"policy/entropy", "OpenRLHF", "entropy_loss", ""},
	{"policy/entropy", "verl", "actor/entropy", ""},
	{"policy/entropy", "NeMo-RL", "approx_entropy", "estimated from the sampled tokens"},
	{"policy/approx_kl", "TRL", "policy/approxkl_avg", "k2, and " + padded},
	{"policy/approx_kl", "TRL 0.11", "ppo/policy/approxkl", "k2"},
	{"policy/approx_kl", "TRL 0.11", "ppo/policy/policykl", "k1"},
	{"policy/approx_kl", "OpenRLHF", "ppo_kl", "k1"},
	{"policy/approx_kl", "verl", "actor/ppo_kl", "k1"},
	{"policy/clipfrac", "TRL", "policy/clipfrac_avg", binding},
	{"policy/clipfrac", "TRL 0.11", "ppo/policy/clipfrac", binding},
	{"policy/clipfrac", "OpenRLHF", "ppo_clip_ratio", binding},
	{"policy/clipfrac", "verl", "actor/pg_clipfrac", binding},
	{"policy/ratio_mean", "TRL", "val/ratio", padded},
	{"policy/ratio_mean", "TRL 0.11", "ppo/policy/ratio", "a histogram"},
	{"policy/ratio_mean", "NeMo-RL", "probs_ratio", ""},
	{"loss/policy", "TRL", "loss/policy_avg", ""},
	{"loss/policy", "TRL 0.11", "ppo/loss/policy", ""},
	{"loss/policy", "OpenRLHF", "policy_loss", ""},
	{"loss/policy", "verl", "actor/pg_loss", ""},
	{"loss/value", "TRL", "loss/value_avg", ""},
	{"loss/value", "TRL 0.11", "ppo/loss/value", ""},
	{"loss/value", "OpenRLHF", "critic_loss", ""},
	{"loss/value", "verl", "critic/vf_loss", ""},
	{"value/explained_var", "TRL 0.11", "ppo/val/var_explained", ""},
	{"value/explained_var", "verl", "critic/vf_explained_var", ""},
	{"value/clipfrac", "TRL", "val/clipfrac_avg", ""},
	{"value/clipfrac", "TRL 0.11", "ppo/val/clipfrac", ""},
	{"value/clipfrac", "verl", "critic/vf_clipfrac", ""},
	{"value/mean", "TRL 0.11", "ppo/val/vpred", ""},
	{"value/mean", "OpenRLHF", "values", ""},
	{"value/mean", "verl", "critic/values/mean", ""},
	{"returns/mean", "TRL 0.11", "ppo/returns/mean", ""},
	{"returns/mean", "verl", "critic/returns/mean", ""},
	{"returns/std", "TRL 0.11", "ppo/returns/var", "a variance: the square"},
	{"response/length_mean", "TRL 0.11", "tokens/responses_len_mean", ""},
	{"response/length_mean", "OpenRLHF", "response_length", ""},
	{"response/length_mean", "verl", "response_length/mean", ""},
	{"response/length_std", "TRL 0.11", "tokens/responses_len_std", ""},
	{"response/eos_rate", "TRL", "val/num_eos_tokens", "a count, not a share"},
	{"response/eos_rate", "OpenRLHF", "truncated_rate", theRest},
	{"response/eos_rate", "verl", "response_length/clip_ratio", theRest},
	{"grad_norm", "OpenRLHF", "actor_grad_norm", ""},
	{"grad_norm", "verl", "actor/grad_norm", ""},
	{"grad_norm", "NeMo-RL", "grad_norm", ""},
	{"value/grad_norm", "verl", "critic/grad_norm", ""},
	{"lr", "TRL", "lr", ""},
	{"lr", "TRL 0.11", "ppo/learning_rate", ""},
	{"lr", "OpenRLHF", "actor_lr", ""},
	{"lr", "verl", "actor/lr", ""},
	{"lr/value", "verl", "critic/lr", ""},
	{"time/rollout", "OpenRLHF", "timing/generation", ""},
	{"time/score", "OpenRLHF", "timing/make_experience", ""},
	{"time/update", "OpenRLHF", "timing/ppo_train", ""},
	{"time/step", "OpenRLHF", "timing/step_total", ""},
	{"pm/loss", "TRL", "loss", ""},
	{"pm/accuracy", "TRL", "accuracy", ""},
	{"pm/accuracy", "OpenRLHF", "acc", ""},
	{"pm/margin", "TRL", "margin", ""},
	{"pm/chosen", "OpenRLHF", "chosen_reward", ""},
	{"pm/rejected", "OpenRLHF", "reject_reward", ""},
}

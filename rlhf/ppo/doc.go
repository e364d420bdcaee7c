// Package ppo improves a policy against a preference model (Bai et al. 2022,
// section 4.1 and appendix B.1) by PPO (Schulman et al. 2017), following
// Stiennon et al. 2020 where the paper is silent.
//
// The reward of a response is the preference model's score less a penalty for
// leaving the initial policy π₀ (eq. 4.1):
//
//	r_total = r_PM − λ_KL · D_KL(π‖π₀)
//
// One step takes a batch of prompts through five phases, each a method that can
// be called alone; [Trainer.Step] is their composition and nothing else:
//
//	Rollout     sample one response per prompt from π            rollout.go
//	Score       PM scores; log π, log π₀, V along the responses  score.go
//	Shape       r_t = −λ_KL·k_t + [t is last]·score              shape.go
//	Advantages  GAE, returns, whitening                          shape.go
//	Update      K passes of clipped policy and value losses      update.go
//
// # Shapes
//
// Prompts are left-padded to P slots and responses right-padded to R, so that
// response token r of any row stands at slot P+r. Everything per token is
// [B, R]. A mask is true up to and including the end token.
//
// # Errors
//
// Invariants are errors, not warnings: pad is not the end token; log-probabilities of
// sampler and scoring pass agree; before the first update the KL divergence is zero and
// what stands in the padding changes nothing; the ratio is one in the first minibatch;
// losses, gradients and metrics are finite. rlhf.PPO.Plant switches one off, to show why.
//
// # Differences from the paper
//
// The paper states ε = 0.2, γ = 1, λ_KL = 0.001, no entropy bonus, K in {1, 2,
// 4}, responses of at most 128 tokens. It states none of the following:
//
//   - Each token is a time step, the KL penalty is paid per token (Ziegler et al.
//     2019) and estimated by k1, which in the reward gives the exact gradient. It can be
//     paid once per response, or as k2 of the response in the loss; its coefficient is
//     fixed, and can follow a target.
//   - GAE with λ = 0.95; advantages whitened over the valid tokens of the batch;
//     values clipped to ±0.2 of the rollout's (Stiennon et al. 2020, code).
//   - The value function is a transformer of its own that starts from the
//     preference model's weights, head included (ibid., section 3.4 and G.1). Of a
//     head that reads a mean over the response it reads the mean so far. It can share
//     the policy's trunk (Ziegler et al. 2019).
//   - Adam with a global-norm clip of 1 for each network; linear warm-up and
//     decay of both learning rates, to a tenth.
//   - Scores are taken raw; they can be standardised over π₀'s responses, and those of
//     responses that were cut at R tokens can be lowered or replaced.
package ppo

// Package rlhf holds the nouns of a laboratory for "Training a Helpful and
// Harmless Assistant with Reinforcement Learning from Human Feedback" (Bai et
// al. 2022, arXiv 2204.05862): transcripts and comparisons, the configuration
// of each stage, what a rollout carries, and the [Lab] interface through which
// notebooks, programs and the resident engine all speak.
//
// It imports no other package of this module and no tensor library, so that a
// notebook cell that uses it builds in well under a second. The work is done
// below it:
//
//	synth, data      where transcripts and comparisons come from
//	tokenizer, run   text to ids; run directories, checkpoints, seed streams
//	lm, sample       the decoder and its sampler
//	rl               the mathematics of PPO and of preference models, on graphs
//	pm, ppo          preference model (elsewhere: reward model) and RL
//	direct           policies that learn from comparisons by a loss of one's own
//	local            the Lab of this process, which ties the stages together
//	online           the iterated loop over any Lab: deploy, compare, retrain
//
// A language model is trained, then a preference model on comparisons, then the
// policy is improved against it; there is no supervised finetuning stage,
// because the paper has none (it distils a prompt instead).
//
// # Letters
//
// Shapes are written with the same letters everywhere:
//
//	B  batch (responses)       V  vocabulary
//	P  prompt tokens           D  model width
//	R  response tokens         H  attention heads, K = D/H their width
//	T  = P + R                 L  layers
//
// In a mask true means "counts".
package rlhf

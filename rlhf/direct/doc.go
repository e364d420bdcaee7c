// Package direct trains a policy on comparisons by a loss over log-probabilities, without
// a preference model: direct preference optimisation (DPO; Rafailov et al. 2023) and what
// followed it. The losses are its caller's; this package computes what all of them read,
//
//	log π(y|x) = Σ_t log π(y_t | x, y_<t)   and   log π₀(y|x)
//
// of the chosen and the rejected response of every pair, and does the rest: gradients,
// clipping by norm, AdamW, metrics.
//
// # Shapes
//
// A step reads B pairs as 2·B rows, the chosen responses first. Prompts are left-padded to
// P slots and responses right-padded to R, as in package ppo; P and R are the longest of
// the run. A sum goes over the response's tokens, its end token included, and over nothing
// else: neither prompt nor padding.
package direct

// Package rl is the mathematics of PPO and of preference models: KL estimates,
// shaped rewards, generalised advantage estimation, whitening, the clipped
// losses, the preference losses and Adam. It holds no variables, opens no backend
// and holds no seed.
//
// Each algorithm has one file with two forms. The graph form takes and returns
// nodes and is what trains. Its twin, named with the suffix Plain, is a loop
// over slices, written to be read; tests hold the two together. Plain functions
// compute in float64 and return the element type they were given.
//
// # Conventions
//
// Letters are those of package rlhf: B responses, R response tokens, V
// vocabulary. In a mask true means "counts". Where a mask is false the input may
// hold anything, NaN included: it is replaced by zero before any arithmetic, so
// neither a result nor a gradient depends on it, and per-token results are zero
// there. A mean takes a denominator denom, a scalar node, so that minibatches of
// unequal token counts can share one global count and add up to the loss of the
// whole batch; nil (in twins, 0) stands for the number of counted entries, at
// least 1.
//
// Graph functions panic, with an error value, if a shape or a dtype is wrong;
// internal/gx turns that into an error. Twins expect rows of equal length and
// crash on anything else, as any index out of range does.
//
// # Differences from the paper
//
// Bai et al. 2022 state the reward (section 4.1: r_PM − λ_KL·D_KL with λ_KL =
// 0.001), the clip range 0.2, the discount 1 and the absence of an entropy bonus
// (appendix B.1), and the preference loss (through Askell et al. 2021, eq. 3.1).
// They state none of the following; each comes from the source named:
//
//   - The KL penalty is paid token by token (Ziegler et al. 2019; Stiennon et al.
//     2020, B.1), although the paper calls a whole response one time step.
//     [PerResponse] pays it once, at the last token.
//   - GAE with λ = 0.95 (Schulman et al. 2016; Stiennon et al. 2020, B.1; Gao et
//     al. 2022, table 1). Nothing follows the last valid token: its successor has
//     value 0, whether or not the response was cut short.
//   - Advantages are whitened over the valid tokens of the batch with the biased
//     variance and ε = 1e-8 (the code of Ziegler et al. 2019).
//   - The value loss is clipped at ±0.2 around the rollout's values and halved
//     (Schulman et al. 2017, code; Stiennon et al. 2020).
//   - Log-ratios are cut at ±20 before the exponential, against overflow; inside
//     that range nothing changes.
//   - Losses are means over tokens, not over responses (TRL, OpenRLHF).
//     [SequenceMean] is the other choice.
//   - Adam's ε stands outside the bias correction or inside, see [EpsilonForm];
//     gradients are clipped by their global norm.
//   - A missing end token may cost a penalty or replace the score (Stiennon et
//     al. 2020, code). The paper mentions neither.
//   - Label smoothing, margin and centring of the preference loss are off by
//     default; the paper has none of them.
package rl

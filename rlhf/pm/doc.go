// Package pm is the preference model, elsewhere called the reward model: a
// decoder with a scalar head that scores a response given its prompt.
//
// The score r(prompt, response) is read at an end-of-context token appended to
// the two (Askell et al. 2021, section 3 and figure 31). Training minimises,
// over pairs,
//
//	L = λ·w·log(1 + e^(r_rejected − r_chosen)) + μ·(next-token loss of prompt and chosen response)
//
// (ibid., eq. 3.1 and C.1; Bai et al. 2022, section 3.1: "the setup is identical"; w
// weighs a tranche, section 5.1.2). Only differences of scores under one prompt mean
// anything; P(A better than B) = 1/(1 + e^(r_B − r_A)).
//
// Pretraining on ranked answers from the web (PMP) and finetuning on people's
// comparisons are one [Trainer] on other data: see package data for how answers
// become comparisons, and rlhf.PM for how one run starts from another.
//
// [Model.ScoreTokens] is the one path by which anything is scored: training,
// evaluation and PPO share its graph.
//
// # Rows
//
// A row holds a prompt once and both responses behind it, which do not see each
// other and count their positions on from the prompt, or a prompt and one response,
// whichever costs less. Scores do not depend on it, nor on how much padding a row
// has and on which side.
//
// # Frozen trunks
//
// [Features] are what the head reads of a trunk that is not trained, computed once
// and kept in a file. [NewHeadTrainer] trains a head on a [Part] of them, with a ridge
// penalty, in no time: how preference models on published checkpoints are made on a
// CPU.
//
// # Differences from the paper
//
//   - The head starts at zero, so the first loss is ln 2 exactly (not stated;
//     Stiennon et al. 2020 draw it from N(0, 1/(D+1))).
//   - The learning rate decays linearly to a hundredth after a warm-up; Schedule
//     "constant" is the paper's, at 0.01 × a pretraining rate that it does not state.
//   - Batches are formed from pairs of similar length.
//   - Frozen trunks, heads that read the mean over the response too, and trunks of
//     the first blocks of a model are not in the paper.
package pm

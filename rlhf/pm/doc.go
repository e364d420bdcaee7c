// Package pm is the preference model, elsewhere called the reward model: a
// decoder with a scalar head that scores a response given its prompt.
//
// The score r(prompt, response) is read at an end-of-context token appended to
// the two (Askell et al. 2021, section 3 and figure 31). Training minimises,
// over pairs,
//
//	L = log(1 + e^(r_rejected − r_chosen))
//
// (ibid., eq. 3.1; Bai et al. 2022, section 3.1: "the setup is identical").
// Only differences of scores under one prompt mean anything; P(A better than B)
// = 1/(1 + e^(r_B − r_A)).
//
// [Model.ScoreTokens] is the one path by which anything is scored: training,
// evaluation and PPO share its graph.
//
// # Differences from the paper
//
//   - There is no preference-model pretraining here: the trunk comes from the
//     language model.
//   - The head starts at zero, so the first loss is ln 2 exactly (not stated;
//     Stiennon et al. 2020 draw it from N(0, 1/(D+1))).
//   - The learning rate decays linearly to zero after a warm-up (the paper keeps
//     it constant at 0.01 × a pretraining rate that it does not state).
//   - Batches are formed from pairs of similar length.
package pm

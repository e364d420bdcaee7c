// Package online is the iterated online loop (Bai et al. 2022, section 4.5): deploy
// several policies at once, let a crowd compare what they answer, mix the comparisons
// into all that there are, and train a new preference model and a new policy on them
// from scratch. It drives an [rlhf.Lab], whichever that is, and holds no model itself.
//
//	loop, err := online.Open(lab, "online", online.Config{LM: "lm", Rounds: 2}, online.Options{})
//	for e, err := range loop.Train() { … }     // breaks off and goes on anywhere
//	reports, err := loop.Reports()
//
// # A round
//
//	before the rounds
//	  base     the base model answers each prompt twice; a labeller compares; a preference
//	           model is trained on that
//	  rs       best of K answers of the base model by that preference model, twice; compared
//	in round r
//	  pm       a preference model from the base model on base, rs, online-1 … online-(r−1)
//	  policy   PPO from the base model against it; snapshots on the way
//	  online-r each prompt is answered by two of the snapshots of this policy and the last
//	           ones of the policies before; compared
//	  trial    fresh prompts that everybody answers: the base model, its best of K by this
//	           preference model, all snapshots; compared in pairs, for the ratings
//	  report   see [Report]
//	after the last round
//	  control  a preference model and a policy on comparisons of base alone, and on as many
//	           of base, rs and online in equal shares, head to head: see [Control]
//
// Comparisons of a trial are never trained on.
//
// # On disk
//
// Runs are in the lab, under the loop's name: NAME-pm-base, NAME-pm-1, NAME-ppo-1,
// NAME-ppo-1-s20 (a snapshot after 20 steps), and of the control NAME-base-only-2-pm and
// so on. Everything else is in one folder:
//
//	config.json                     the configuration; another one is refused
//	answers/TRANCHE/PLAYER.jsonl    {"prompt", "response"}, in the order of its prompts
//	verdicts/TRANCHE.jsonl          {"id", "better"}: "a", "b" or "unsure"
//	data/PM/TRANCHE.jsonl           what the model PM is trained on: {"chosen", "rejected"} as in
//	                                hh-rlhf, and "round", "chosen_from", "rejected_from"
//	report-1.json  control-1.json   what was measured
//
// What is done and what is next follows from these files and the lab's runs alone. Logs
// grow line by line and a torn line is dropped, everything else is put in place whole. A
// loop that was broken off or killed at any point is therefore finished by opening it
// again, with the same bits in every file and metric as one that ran straight (on the
// CPU): each draw has a stream of its own, named for what it is drawn for. The folder must
// be visible to the lab's process under the same path, since preference models read
// their comparisons from it. One process drives a loop at a time.
//
// # Errors
//
// [Open] reports what is wrong with a configuration, field by field; [Loop.Train] yields
// the first error of any stage, with the stage's name, and may be called again.
//
// # Differences from the paper
//
//   - The labellers are the synthetic world's crowd unless Options has another [Labeller].
//   - A policy's snapshots are taken at equal distances ([Config].Snapshots; not stated how
//     many the paper deployed), and of the policies of earlier rounds the last one is
//     deployed again ("from different online iterations"). Pairs of the online
//     tranches are of two different snapshots; the paper does not say.
//   - The paper's base and rs tranches have red-team comparisons, its online ones have none;
//     here [Config].Harmful is one share for all tranches, and for the prompts of PPO.
//   - The paper's models are trained after context distillation; here from whatever
//     language model LM names, distilled or not.
//   - Preference models go through their comparisons [Config].Epochs times, three at the
//     default size, where the paper's go once through ten times as many.
//   - "A fresh scan" of models of many sizes is one model here, with a seed of its own
//     in each round.
//   - The four measures of figure 35 ([Predicted]) are of one round's comparisons. Here
//     the labellers' prompts are drawn as the held-out ones are, so the shift of prompts, which the
//     paper finds behind most of the first step, is missing.
//   - Ratings pool the comparisons of all trials and online tranches, with a prior of one
//     tie for each pair of players that met, without which an undefeated player's
//     score is infinite ([eval.Elo]), and one with the base model for each that met it in
//     no decided comparison. The paper's likelihood has neither.
//   - The control's policies see prompts of the world; in the paper they see those of the
//     sets that they were trained on, and generated ones (footnote 15).
package online

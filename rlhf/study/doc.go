// Package study is the paper's study of reinforcement learning from human feedback, done
// again: it trains a grid of models on a synthetic world through any [rlhf.Lab], measures
// what Bai et al. 2022 measured, and says of each of the paper's claims whether it held.
// It holds no model itself.
//
//	st, err := study.Open(lab, "study", study.Small(), study.Options{})
//	for _, s := range study.Sections {
//		claims, err := s.Claims(st) // trains and measures what is not on disk yet
//	}
//
// A section is a function that returns a typed result, such as [Robustness]; the report,
// the notebooks and the figures of kernel/show all take that. Measurements go through
// [Once]: each is made a single time and kept as JSON, so a study that was broken off or
// killed goes on with the measurement in progress, and training in it with the step in
// progress. [Read] gives what a study has measured without a lab.
//
// # The grid
//
// A [Plan] has shapes of models, smallest first; the number of a shape is its rung. For
// each rung and seed:
//
//	Base      a language model of the world
//	Judge     a preference model on it: on all comparisons (HH), on helpful or harmless
//	          ones alone, on either half of them (HalfA trains policies, HalfB tests them)
//	Policy    PPO from Base against a Judge, with snapshots at equal distances
//
// # On disk
//
// Runs are in the lab, and their names begin with the study's. Everything else is in one
// folder, .study/NAME beside the runs unless Options.Dir says otherwise:
//
//	plan.json            the plan; another one is refused
//	measured/KEY.json    what was measured
//
// # Verdicts
//
// A [Claim] states what would have to be measured before it is measured, and its verdict
// follows from the numbers. What a small world on a small machine cannot show is
// [OutOfReach], with the reason; what it could show and did not is [NotReproduced].
//
// # Differences from the paper
//
//   - The crowdworkers, and the truth beside them, are those of package synth.
//   - Models have 10⁴ to 10⁶ parameters, the paper's 10⁷ to 5·10¹⁰; three of them make a
//     ladder, the paper has seven.
//   - A robustness half has as many comparisons as a whole preference model is trained on,
//     since comparisons cost nothing here; the paper halves what it has.
//   - Scores of two preference models are compared as gains in standard deviations of the
//     initial policy's scores; the paper takes off a mean alone (appendix B.2).
//   - The policy that refuses too much is made on purpose, by nine harmful prompts in ten; the
//     paper's came about, and it does not say how many.
//   - Every figure is over [Plan].Seeds trainings, from the language model up. The paper
//     shows one training each.
package study

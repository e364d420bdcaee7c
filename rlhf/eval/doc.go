// Package eval measures scorers of responses. It is arithmetic on numbers that
// are already there: it holds no model, reads no file and draws nothing at random
// but the resamples of [BootstrapInterval].
//
// What goes in is a list of [Judged]: a comparison and the two scores that a
// preference model, a baseline or a language model gave it.
//
//	scores         Judge, MutualInformation               Askell et al. 2021, section 2.2.1
//	accuracy       Accuracy, ByTranche, ByTurn, Prefer    figures 7, 8
//	another order  Against, Agreement, Sides              figure 10
//	loss           Loss, ZeroGradient                     Askell et al. 2021, eq. 3.1
//	calibration    Outcomes, Bins, Slope, ChanceECE       section 3.3, figure 9
//	high scores    Thresholds                             figure 25
//	length         LengthCorrelation
//	most of these  PM
//	two scorers    Difference
//	a baseline     TrainBagOfWords
//	size and data  FitScaling, PaperScaling               figure 7, eq. A.1
//	best of n      BestOf, BestOfKL, BestOfMean           section 2.3, figure 36; Nakano et al. 2021, appendix I
//	rival players  Elo, EloGap, WinRate, EloUpdate        section 2.4, eq. B.1
//	probabilities  EqualWidthBins, EqualMassBins, CalibrationErrors, BrierScore, LogLoss, FitTemperature
//	intervals      WilsonInterval, MeanInterval, BootstrapInterval
//
// Sections and figures without a source are those of Bai et al. 2022.
//
// # Differences from the paper
//
//   - The paper plots calibration and prints no number. ECE, Brier score and slope
//     are added; see each for its source.
//   - The divergence of best-of-n is exact, log n − (n−1)/n; the paper plots log n.
//   - A tie counts half. The paper does not say.
//   - The logarithm of the scaling line is natural; the paper does not say, see
//     [PaperScaling].
//   - Agreement is also given as Cohen's κ, and every share with an interval.
//   - The bag of words is not in the paper.
//   - The thresholds of figure 25 are quantiles of the lower score rather than
//     round numbers, as the scale of scores is arbitrary.
package eval

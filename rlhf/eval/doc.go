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
//	two scorers    Difference; McNemar: of right and wrong answers
//	a baseline     TrainBagOfWords
//	size and data  FitScaling, PaperScaling               figure 7, eq. A.1
//	best of n      BestOf, BestOfKL, BestOfMean           section 2.3, figure 36; Nakano et al. 2021, appendix I
//	programs       PassAtK, MeanPassAtK, BestPassAtK, Settings     section 5.3, figure 21; Chen et al. 2021
//	two judges     Diverges, Reference                    section 4.2, figures 4 and 13
//	√KL            FitSqrtKL, WithinPromptSD, FitLine     section 4.3
//	too much of it FitOveroptimised                       Gao et al. 2022, section 3
//	within data    PercentileIn                           figure 14
//	rival players  Elo, EloGap, WinRate, EloUpdate        section 2.4, eq. B.1
//	two lists      Correlate
//	strangeness    FitGaussian, FitClasses, FitExposure   section 5.4, figures 22, 23
//	detection      AUROC, AUROCError, ROC, DeclineAbove
//	sentiment      TrainSentiment, MeanByGroup            figure 17
//	bias           GenderBias, Shifted; BBQ               appendix B.10, figure 40; figure 18, Parrish et al. 2022
//	of a PM        SpreadOfScores                         section 3.4.2, figure 12
//	probabilities  EqualWidthBins, EqualMassBins, CalibrationErrors, BrierScore, LogLoss, FitTemperature
//	intervals      WilsonInterval, MeanInterval, StudentInterval, BootstrapInterval, Correlated
//
// Sections and figures without a source are those of Bai et al. 2022.
//
// # Differences from the paper
//
//   - The paper plots calibration and prints no number. ECE, Brier score and slope
//     are added; see each for its source.
//   - The divergence of best-of-n is exact, log n − (n−1)/n; the paper plots log n.
//   - Divergence is a step that is computed; the paper shows curves. See [Diverges].
//   - A tie counts half. The paper does not say.
//   - The logarithm of the scaling line is natural; the paper does not say, see
//     [PaperScaling].
//   - Covariances of activations take a ridge, and the classifier of outlier exposure a
//     penalty; the paper states neither.
//   - Agreement is also given as Cohen's κ, and every share with an interval.
//   - The bag of words is not in the paper.
//   - The sentiment of a text is that of its words, by a classifier trained here; the paper has
//     a DistilBERT of the hub.
//   - The widths of figure 12 are root mean squares, and differences across the genders are also taken
//     between pairs, so that they mean as much apart as those within one.
//   - The sign of a lean is that of the equation of appendix B.10, not of the caption of figure 40,
//     which says the opposite.
//   - The bias scores of the BBQ paper stand beside the paper's own measure.
//   - The thresholds of figure 25 are quantiles of the lower score rather than
//     round numbers, as the scale of scores is arbitrary.
package eval

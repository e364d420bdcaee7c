// Package show puts a training run on the screen: pictures that redraw while
// it trains, tables of samples, and the ledger of a response token by token.
//
// In a GoNB cell the pictures are PNG (with the numbers as plain text beside
// them) and the tables HTML with inline styles only, so that a notebook which
// somebody else opens, unsigned and therefore stripped of scripts, style sheets
// and SVG, shows what its author saw. In any other program the same calls print
// the text. Nothing here is needed to train.
//
//	show.Train(run)              trains to the planned steps, drawing
//	show.TrainPM(run, 5)         with looks at held-out comparisons: calibration, scores
//	show.Run(lab, "tour-ppo")    a run from its log, and on while somebody else trains it
//	show.Live(run.Steps(50))     any sequence of events
//	show.Ladder("Loss", rungs)   loss against the number of parameters
//	show.HowChosen(c)            how one comparison was made
//	show.Judged(js, 3)           comparisons as cards, with what a model says of them
//	show.PMEval(e)               what a preference model is worth, and how far to trust it
//	show.Scaling(points, fit)    accuracy against data and size
//	show.Against("λ", sweeps)    accuracies against a setting of training
//	show.BestOf(pm, …)           draws k responses to many prompts, saying how long it will take
//	show.Choices(cs, 5)          worst, middle and best of each prompt's responses
//	show.Climbs(best, ppo)       what best-of-k and reinforcement learning gain, at which divergence
//	show.Progress(loop.Train())  an online loop, stage by stage
//	show.Reported("report", …)  a section of a committed study: figures and verdicts (Claims)
//	show.Elo(ratings)            policies rated by comparisons; Shift, Tranches, HeadToHead: an online loop
//	show.FourMeasures(reports…)  figure 35: from the naive prediction to the crowd; MeanLogP: figure 34
//	show.Ratings(r)              a study's Elo by size and score; Recovery, CalibrationCourse: how far to trust them
//	show.Beside(rankings…)       authors ranked two by two: policies beside writers
//	show.Tasks("", asked…)       shares of a test's items that models have right; Norms: by each way of scoring
//	show.Programs(skills)        one of k programs passes, before and after; Summaries: what they do to a preference model
//	show.Verdicts(answers…)      the true labeller on several models' answers
//	show.Detection(d)            which texts are strange to a model, layer by layer; show.OOD: a study's
//	show.RedTeam(r)              attacks on policies, attempt by attempt
//	show.Reading(tokens)         a text, tinted by how little the model expected it
//	show.Stream(q, run.Chat(…))  an answer while it is written
//	show.Ledger(b, 0)            token · log π · log π₀ · k_t · r_t · V · A · R · mask
//	show.Tokens(b, 0)            the same as a picture, one panel a phase
//	show.Coloured(b, 4, show.ByKL)  samples, each token on a tint that tells its KL (reward, value, advantage)
//	show.Compare(ba, 6)          before and after, side by side
//	show.Diagnosis(findings)     what is wrong with a run, and what to try
//	show.Overlay(metrics, runs…) several runs in one picture
//	show.Robustness(r)           a study's policies, by the judge that trains them and by another
//	show.Laws(r)                 their scores against √KL, with the lines that fit
//	show.Overoptimised(r)        the truth against √KL, with the forms of Gao et al. 2022
//	show.Plane(o)                helpful against harmless, along training
//
// Every function ends by waiting until the notebook has what it sent: a cell
// that ends sooner loses it. A function that cannot show what it was asked for
// says why and ends the program with exit code 1, as a failing cell must; [Watch]
// is [Live] for programs that want the error instead.
//
// # Pictures
//
// Figures are white cards of a fixed size, at twice the resolution they are
// displayed in, with the colours of Okabe and Ito (2008), which people with a
// colour vision deficiency can tell apart; letters in such a colour are darkened until
// they can be read. While a run is on, axes grow by round steps and never shrink, all
// frames have one size, and a legend stands above the data rather than on it.
//
// # Tables
//
// Tables take the colours of the page, light or dark; tints are laid over it. Their styles
// are those that an unsigned copy of a notebook keeps.
//
// Text written by a model is escaped, its invalid UTF-8 and control characters
// are replaced, and its dollar signs are kept from becoming formulas. The end of a long
// text folds, and of one without end only the beginning is shown.
package show

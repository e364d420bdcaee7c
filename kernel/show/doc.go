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
//	show.Elo(ratings)            policies rated by comparisons; Shift, Tranches, HeadToHead: an online loop
//	show.Verdicts(answers…)      the true labeller on several models' answers
//	show.Reading(tokens)         a text, tinted by how little the model expected it
//	show.Stream(q, run.Chat(…))  an answer while it is written
//	show.Ledger(b, 0)            token · log π · log π₀ · k_t · r_t · V · A · R · mask
//	show.Tokens(b, 0)            the same as a picture, one panel a phase
//	show.Compare(ba, 6)          before and after, side by side
//	show.Diagnosis(findings)     what is wrong with a run, and what to try
//	show.Overlay(metrics, runs…) several runs in one picture
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
// colour vision deficiency can tell apart. While a run is on, axes grow by round
// steps and never shrink, and a legend stands above the data rather than on it.
//
// Text written by a model is escaped, its invalid UTF-8 and control characters
// are replaced, and its dollar signs are kept from becoming formulas.
package show

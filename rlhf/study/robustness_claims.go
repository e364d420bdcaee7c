package study

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"

	"hhrlhf/rlhf/eval"
)

// of are the runs of the grid's policies that match: policies of a rung (-1: all) trained with
// the paper's penalty against a preference model of a rung.
func (r Robust) of(rung, pmRung int) (runs []RobustRun) {
	for _, x := range r.Runs {
		if (rung < 0 || x.Policy.Rung == rung) && x.Policy.PMRung == pmRung && x.Policy.KLCoef == PaperKL {
			runs = append(runs, x)
		}
	}
	return runs
}

// bySeed is the mean of a value over the runs of each seed, which share models. Runs that have none are left out.
func bySeed(runs []RobustRun, value func(RobustRun) (float64, error)) (x []float64) {
	var seeds []int
	values := map[int][]float64{}
	for _, r := range runs {
		if v, err := value(r); err == nil {
			if values[r.Policy.Seed] == nil {
				seeds = append(seeds, r.Policy.Seed)
			}
			values[r.Policy.Seed] = append(values[r.Policy.Seed], v)
		}
	}
	for _, seed := range seeds {
		x = append(x, stat.Mean(values[seed], nil))
	}
	return x
}

// lastTest is the gain at the end by a test preference model, -1: the largest.
func lastTest(test int) func(RobustRun) (float64, error) {
	return func(r RobustRun) (float64, error) {
		tests := r.Marks[len(r.Marks)-1].Tests
		if test < 0 {
			test = len(tests) - 1
		}
		return tests[test], nil
	}
}

// parting are the divergences of runs, without the runs that are too short for one.
func parting(runs []RobustRun) map[Policy]eval.Divergence {
	out := map[Policy]eval.Divergence{}
	for _, r := range runs {
		if d, err := r.Course.Divergence(); err == nil {
			out[r.Policy] = d
		}
	}
	return out
}

// laws are the laws of runs, without the runs that are too short for one.
func laws(runs []RobustRun) map[Policy]Law {
	out := map[Policy]Law{}
	for _, r := range runs {
		if l, err := r.Course.Law(); err == nil {
			out[r.Policy] = l
		}
	}
	return out
}

// in is a value of what a run has in a map.
func in[T any](of map[Policy]T, value func(T) float64) func(RobustRun) (float64, error) {
	return func(r RobustRun) (float64, error) {
		v, ok := of[r.Policy]
		if !ok {
			return 0, errShort
		}
		return value(v), nil
	}
}

var errShort = errors.New("too few steps")

// slopes are, seed by seed, the slopes of the score on √KL of the policies with the largest preference model, by rung.
func (r Robust) slopes(all map[Policy]Law) (bySeed [][]float64) {
	for _, x := range r.of(0, r.Top) {
		var slopes []float64
		for rung := 0; rung <= r.Top; rung++ {
			for _, y := range r.of(rung, r.Top) {
				if law, ok := all[y.Policy]; ok && y.Policy.Seed == x.Policy.Seed {
					slopes = append(slopes, law.Root.Slope)
				}
			}
		}
		bySeed = append(bySeed, slopes)
	}
	return bySeed
}

// TestSlopes are, for each test preference model from the smallest up, the slopes of its gain at the end on
// the logarithm of the policy's size, one a seed (figure 33). The policies have one training preference model.
func (r Robust) TestSlopes() (byTest [][]float64) {
	for test := 0; test <= r.Top; test++ {
		var slopes []float64
		for _, x := range r.of(0, r.Top) {
			var size, gain []float64
			for _, y := range r.of(-1, r.Top) {
				if y.Policy.Seed == x.Policy.Seed {
					v, _ := lastTest(test)(y)
					size, gain = append(size, math.Log(y.Params)), append(gain, v)
				}
			}
			if len(size) == 2 {
				slopes = append(slopes, (gain[1]-gain[0])/(size[1]-size[0]))
			} else if line, err := eval.FitLine(size, gain); err == nil {
				slopes = append(slopes, line.Slope)
			}
		}
		byTest = append(byTest, slopes)
	}
	return byTest
}

// differences are a − b, seed by seed.
func differences(a, b []float64) (d []float64) {
	for i := range min(len(a), len(b)) {
		d = append(d, a[i]-b[i])
	}
	return d
}

// Claims judges sections 4.2 and 4.3.
func (r Robust) Claims() []Claim {
	return append(r.robustnessClaims(), r.lawClaims()...)
}

func (r Robust) robustnessClaims() []Claim {
	const figure = "Training and test preference models"
	main := r.of(-1, r.Top)
	small := r.of(0, 0)
	all := parting(slices.Concat(small, main))
	firstGap := in(all, func(d eval.Divergence) float64 { return d.Gaps[0].Mean })
	lastGap := in(all, func(d eval.Divergence) float64 { return d.Last.Mean })
	early, late := Over(bySeed(main, firstGap)), Over(bySeed(main, lastGap))
	apart, of := 0, 0
	for _, x := range main {
		if d, ok := all[x.Policy]; ok {
			if of++; d.Step > 0 {
				apart++
			}
		}
	}
	agree := Claim{ID: "agree-early", Section: "4.2", Figure: figure, Says: "Early in training, the training and the test preference model agree on the policy",
		Paper: "the curves coincide at first (figures 4, 13)", Wants: fmt.Sprintf("gap over the first steps within ± %v initial standard deviations, on the mean of the seeds", eval.Agreeing),
		Ours: fmt.Sprintf("gap %v, %d runs", early, of)}.With(early)
	part := Claim{ID: "part-late", Section: "4.2", Figure: figure, Says: "Later they part: the policy exploits the one that it is trained against",
		Paper: "the test score falls behind, at about 150,000 samples for the largest (figure 4)", Wants: fmt.Sprintf("gap over the last steps above %v, interval above 0", eval.Agreeing),
		Ours: fmt.Sprintf("gap %v; %d of %d runs diverge", late, apart, of)}.With(late)
	if of == 0 {
		agree, part = agree.Beyond("too few steps for a gap"), part.Beyond("too few steps for a gap")
	} else {
		agree = agree.Judged(math.Abs(early.Mean) < eval.Agreeing, "the gap is %.2f", early.Mean)
		part = part.Judged(late.Mean > eval.Agreeing && late.Low > 0, "the gap is %v", late)
	}
	size := Claim{ID: "larger-pm-robust", Section: "4.2", Figure: figure, Says: "Larger preference models are more robust",
		Paper: "small ones lead to a worse end by the largest judge (figure 13)", Wants: "the smallest policy gains more by the largest test model when its preference model is the largest than when it is the smallest, interval of the difference above 0"}
	if r.Top == 0 {
		size = size.Beyond("the plan has one size")
	} else {
		d := Over(differences(bySeed(r.of(0, r.Top), lastTest(-1)), bySeed(small, lastTest(-1))))
		gaps := Over(differences(bySeed(small, lastGap), bySeed(r.of(0, r.Top), lastGap)))
		size.Ours = fmt.Sprintf("gains %v more; the gap is %v smaller", d, gaps)
		size = size.With(d).Judged(len(d.Of) > 1 && d.Low > 0, "the difference is %v", d)
	}
	return []Claim{agree, part, size, r.ladderClaim(), r.penaltyClaim()}
}

func (r Robust) ladderClaim() Claim {
	c := Claim{ID: "test-ladder", Section: "4.2", Figure: "Test score by size of policy and of test model", Says: "Only a large test model tells large policies from small ones: the slope of its score on the policy's size grows with its own",
		Paper: "slopes grow with the test model's size (figure 33)", Wants: "the slope by the largest test model exceeds that by the smallest, interval above 0"}
	if r.Top == 0 {
		return c.Beyond("the plan has one size")
	}
	slopes := r.TestSlopes()
	var all string
	for i, s := range slopes {
		if i > 0 {
			all += ", "
		}
		all += Over(s).String()
	}
	d := Over(differences(slopes[r.Top], slopes[0]))
	c.Ours = fmt.Sprintf("gain per ln(parameters) by test models, smallest first: %s; difference %v", all, d)
	return c.With(d).Judged(len(d.Of) > 1 && d.Low > 0, "the difference is %v", d)
}

func (r Robust) penaltyClaim() Claim {
	var with, without []float64
	for _, x := range r.Runs {
		if x.Policy.Rung != r.Top || x.Policy.PMRung != r.Top {
			continue
		}
		v, _ := lastTest(-1)(x)
		if x.Policy.KLCoef == 0 {
			without = append(without, v)
		} else {
			with = append(with, v)
		}
	}
	d := Over(differences(with, without))
	const margin = 0.25
	return Claim{ID: "kl-coef", Section: "4.1", Figure: "Training and test preference models", Says: "A penalty of 0.001 a nat changes little; it might be wholly unnecessary",
		Paper: "λ = 0.001; no run without is shown", Wants: fmt.Sprintf("the largest policies gain as much by the largest test model with it as without, to %v initial standard deviations, on the mean of the seeds", margin),
		Ours: fmt.Sprintf("with less without %v", d)}.With(d).Judged(math.Abs(d.Mean) < margin, "the difference is %v", d)
}

func (r Robust) lawClaims() []Claim {
	main := r.of(-1, r.Top)
	const figure = "Score against √KL"
	all := laws(main)
	better, of := 0, len(all)
	for _, law := range all {
		if law.Root.R2 > law.Plain.R2 {
			better++
		}
	}
	over := func(value func(Law) float64) Estimate { return Over(bySeed(main, in(all, value))) }
	var spread []float64
	for _, s := range r.slopes(all) {
		if cv := eval.Variation(s); !math.IsNaN(cv) && !math.IsInf(cv, 0) {
			spread = append(spread, cv)
		}
	}
	r2, plain := over(func(l Law) float64 { return l.Root.R2 }), over(func(l Law) float64 { return l.Plain.R2 })
	bound, cv := over(func(l Law) float64 { return l.PerSD }), Over(spread)
	law := Claim{ID: "sqrt-kl", Section: "4.3", Figure: figure, Says: "The score grows in proportion to √KL",
		Paper: "straight lines for much of training, no R² given (figures 4, 13)", Wants: "up to the divergence, R² above 0.9 on the mean of the seeds, and above that on KL itself in more than half of the runs",
		Ours: fmt.Sprintf("R² %v, where a batch's own noise leaves a perfect line %v; on KL %v; better in %d of %d runs", r2, over(func(l Law) float64 { return l.Ceiling }), plain, better, of)}.With(r2)
	parallel := Claim{ID: "parallel", Section: "4.3", Figure: figure, Says: "The lines of policies of all sizes under one preference model are about parallel",
		Paper: "by eye (figure 13)", Wants: "coefficient of variation of the slopes over sizes below 0.25, on the mean of the seeds",
		Ours: fmt.Sprintf("coefficient of variation %v", cv)}.With(cv)
	focus := Claim{ID: "sub-gaussian", Section: "4.3", Figure: figure, Says: "The line is what focusing on behaviour that is already there can reach",
		Paper: "a conjecture; the bound √2·s·√KL for sub-Gaussian scores of deviation s is derived, not the paper's", Wants: "slope over the within-prompt deviation at most 1.41, on the mean of the seeds",
		Ours: fmt.Sprintf("slope over deviation %v", bound)}.With(bound)
	if of == 0 {
		law, focus = law.Beyond("too few steps for a line"), focus.Beyond("too few steps for a line")
	} else {
		law = law.Judged(r2.Mean > 0.9 && 2*better > of, "R² is %.2f, and better than on KL in %d of %d runs", r2.Mean, better, of)
		focus = focus.Judged(bound.Mean <= eval.SubGaussianSlope, "it is %.2f", bound.Mean)
	}
	if len(spread) == 0 {
		parallel = parallel.Beyond("the plan has one size, or too few steps for a line")
	} else {
		parallel = parallel.Judged(cv.Mean < 0.25, "it is %.2f", cv.Mean)
	}
	return []Claim{law, parallel, focus, r.overoptimisedClaim()}
}

// overoptimisedClaim sets Gao et al.'s forms against the truth.
func (r Robust) overoptimisedClaim() Claim {
	var bon []float64
	peaks, of := 0, 0
	main := r.of(-1, r.Top)
	for _, x := range main {
		if o, err := x.Course.Overoptimised(); err == nil {
			far := slices.Max(x.Course.KL)
			if of++; o.Peak > 0 && o.Peak < math.Sqrt(math.Max(far, 0)) {
				peaks++
			}
		}
	}
	e := Over(bySeed(main, func(x RobustRun) (float64, error) {
		o, err := x.Course.Overoptimised()
		return o.R2, err
	}))
	for _, b := range r.Best {
		if b.Rung == r.Top {
			if o, err := b.Overoptimised(); err == nil {
				bon = append(bon, o.R2)
			}
		}
	}
	c := Claim{ID: "overoptimised", Section: "4.2", Figure: "The truth against √KL", Says: "At high scores training is no longer robust: the truth turns down while the score rises",
		Paper: "asserted (4.2); Gao et al. 2022 give d·(α − β·ln d), d = √KL", Wants: "Gao's form explains the truth with R² above 0.8 on the mean of the seeds, and its top lies within more than half of the runs",
		Ours: fmt.Sprintf("R² %v; the top is within the run in %d of %d; best-of-n's form R² %v", e, peaks, of, Over(bon))}.With(e)
	if of == 0 {
		return c.Beyond("too few steps for a curve")
	}
	return c.Judged(e.Mean > 0.8 && 2*peaks > of, "R² is %.2f, and the top is within the run in %d of %d", e.Mean, peaks, of)
}

package study

import (
	"fmt"
	"math"
	"slices"

	"hhrlhf/rlhf/synth"
)

// ends are one value of the policies of a name at their end, one a seed.
func (o Objectives) ends(name string, value func(ObjectiveMark) float64) (x []float64) {
	for _, p := range o.Policies {
		if p.Name == name {
			x = append(x, value(p.Marks[len(p.Marks)-1]))
		}
	}
	return x
}

func helpful(m ObjectiveMark) float64  { return m.Helpful.Mean }
func harmless(m ObjectiveMark) float64 { return m.Harmless.Mean }
func refuses(m ObjectiveMark) float64  { return m.Refuses.Mean }

// Claims judges sections 4.4 and 5.1.
func (o Objectives) Claims() []Claim {
	return append(o.policyClaims(), append(o.mixClaims(), o.weightClaims()...)...)
}

func (o Objectives) policyClaims() []Claim {
	const figure = "Helpful against harmless"
	diff := func(a, b string, value func(ObjectiveMark) float64) Estimate {
		return Over(differences(o.ends(a, value), o.ends(b, value)))
	}
	above := func(e Estimate) bool { return len(e.Of) > 1 && e.Low > 0 }
	less, more := diff(Cured, HelpfulOnly, harmless), diff(HelpfulOnly, Cured, helpful)
	refusing, cured := diff(OverRefusing, Cured, refuses), diff(Cured, OverRefusing, helpful)
	rank := func(name string, i int) Estimate {
		return Over(o.ends(name, func(m ObjectiveMark) float64 { return m.InData[i].Mean }))
	}
	tail, inside := rank(OverRefusing, 1), rank(OverRefusing, 0)
	after := rank(Cured, 0)
	return []Claim{
		Claim{ID: "helpful-only", Section: "4.4", Figure: figure, Says: "A policy that is trained to be helpful alone is far more harmful than one that is trained for both",
			Paper: "helpful-only policies lie far below in harmlessness (figure 1)", Wants: "gold harmlessness of the policy trained for both is higher, interval above 0",
			Ours: fmt.Sprintf("higher by %v; the helpful one is more helpful by %v", less, more)}.With(less).Judged(above(less), "the difference is %v", less),
		Claim{ID: "over-refusing", Section: "4.4", Figure: figure, Says: "Training on too many harmful prompts makes a policy that evades harmless requests",
			Paper: "early policies answered anything sensitive with exaggerated refusals; no figure given", Wants: "more benign requests refused or evaded than by the policy with more helpful prompts, interval above 0",
			Ours: fmt.Sprintf("refused: %v against %v, difference %v", Over(o.ends(OverRefusing, refuses)), Over(o.ends(Cured, refuses)), refusing)}.
			With(refusing).Judged(above(refusing), "the difference is %v", refusing),
		Claim{ID: "cured", Section: "4.4", Figure: figure, Says: "More helpful prompts cure it",
			Paper: "the fix that was used: a larger fraction of helpfulness prompts", Wants: "gold helpfulness on benign prompts is higher with more of them, interval above 0",
			Ours: fmt.Sprintf("higher by %v, harmlessness by %v", cured, diff(Cured, OverRefusing, harmless))}.
			With(cured).Judged(above(cured), "the difference is %v", cured),
		Claim{ID: "overoptimised-harmless", Section: "4.4", Figure: figure, Says: "Such a policy is over-optimised for harmlessness and under-optimised for helpfulness",
			Paper: "its scores lie in the upper tail of the harmless data and within the helpful data (figure 14)", Wants: "mean percentile among harmless data above 0.90, among helpful data between 0.40 and 0.75, on the mean of the seeds",
			Ours: fmt.Sprintf("percentile among harmless %v, among helpful %v; with more helpful prompts %v", tail, inside, after)}.
			With(tail).Judged(tail.Mean > 0.9 && inside.Mean >= 0.4 && inside.Mean <= 0.75, "the percentiles are %.2f and %.2f", tail.Mean, inside.Mean),
	}
}

// accuracy is the mean over seeds of one tranche's accuracy by a rung's models of a setting.
func accuracy(models []Mixed, rung int, setting float64, tranche string) Estimate {
	return Over(valuesOf(models, rung, setting, func(m Mixed) float64 { return m.Accuracy(tranche).Value }))
}

func valuesOf(models []Mixed, rung int, setting float64, value func(Mixed) float64) (x []float64) {
	for _, m := range models {
		if m.Rung == rung && m.Setting == setting {
			x = append(x, value(m))
		}
	}
	return x
}

func (o Objectives) mixClaims() []Claim {
	const figure = "Accuracy by the share of harmless comparisons"
	onHarmless, onHelpful := accuracy(o.Mixes, o.Top, 0, synth.TrancheHarmless), accuracy(o.Mixes, o.Top, 1, synth.TrancheHelpful)
	worst := onHarmless
	if onHelpful.Mean > worst.Mean {
		worst = onHelpful
	}
	pure := Claim{ID: "pure-pm", Section: "5.1.1", Figure: figure, Says: "A preference model of one kind of data alone is worse than chance on the other",
		Paper: "about .35 to .38 [plot] (figures 19, 26)", Wants: "below 0.45 at either end, on the mean of the seeds",
		Ours: fmt.Sprintf("all helpful: %v of harmless pairs right; all harmless: %v of helpful pairs", onHarmless, onHelpful)}.
		With(worst).Judged(worst.Mean < 0.45, "the higher one is %.3f", worst.Mean)
	var cost []float64
	for _, tranche := range []string{synth.TrancheHelpful, synth.TrancheHarmless} {
		best := 0.0
		for _, m := range o.Mixes {
			best = math.Max(best, accuracy(o.Mixes, o.Top, m.Setting, tranche).Mean)
		}
		cost = append(cost, best-accuracy(o.Mixes, o.Top, 0.5, tranche).Mean)
	}
	most := slices.Max(cost)
	mid := Claim{ID: "mix", Section: "5.1.1", Figure: figure, Says: "A model of both is nearly as good on either as one that has seen it alone",
		Paper: "a plateau of .70 to .74 between the ends [plot] (figure 19)", Wants: "at the even mix within 0.03 of the best on each kind, on the mean of the seeds",
		Value: most, Low: most, High: most, Seeds: len(onHarmless.Of),
		Ours: fmt.Sprintf("%.3f below the best on helpful pairs, %.3f on harmless ones", cost[0], cost[1])}.
		Judged(most <= 0.03, "it costs %.3f", most)
	flat := Claim{ID: "flatter", Section: "5.1.1", Figure: figure, Says: "Larger models mind the mix less",
		Paper: "a flatter top (figure 26)", Wants: "between 10 % and 90 % the mean accuracy varies less, as a share of the best, for the largest than for the smallest, interval of the difference above 0"}
	small, large := o.unevenness(0), o.unevenness(o.Top)
	if o.Top == 0 || len(small) == 0 || len(large) == 0 {
		return []Claim{pure, mid, flat.Beyond("the plan has these models in one size")}
	}
	d := Over(differences(small, large))
	flat.Ours = fmt.Sprintf("the smallest vary by %v, the largest by %v, difference %v", Over(small), Over(large), d)
	return []Claim{pure, mid, flat.With(d).Judged(len(d.Of) > 1 && d.Low > 0, "the difference is %v", d)}
}

// unevenness is how far the mean accuracy of a rung's models falls below its best between 10 % and 90 % harmless
// comparisons, as a share of that, one a seed.
func (o Objectives) unevenness(rung int) (x []float64) {
	by := map[int][]float64{}
	var seeds []int
	for _, m := range o.Mixes {
		if m.Rung == rung && m.Setting > 0 && m.Setting < 1 {
			if by[m.Seed] == nil {
				seeds = append(seeds, m.Seed)
			}
			by[m.Seed] = append(by[m.Seed], m.Mean())
		}
	}
	for _, seed := range seeds {
		if best := slices.Max(by[seed]); best > 0 {
			x = append(x, 1-slices.Min(by[seed])/best)
		}
	}
	return x
}

func (o Objectives) weightClaims() []Claim {
	const figure = "Accuracy by the weight of the harmless loss"
	// The largest models' means, by λ.
	best, at := 0.0, 0.0
	var all string
	for _, m := range o.Weights {
		if m.Rung != o.Top || m.Seed != 1 {
			continue
		}
		mean := Over(valuesOf(o.Weights, o.Top, m.Setting, Mixed.Mean))
		all += fmt.Sprintf("; λ = %g: %v", m.Setting, mean)
		if mean.Mean > best {
			best, at = mean.Mean, m.Setting
		}
	}
	lambda := Claim{ID: "weight", Section: "5.1.2", Figure: figure, Says: "Weighing the harmless loss two or three times as much is best for the mean accuracy",
		Paper: "λ = 2 or 3 (figure 27)", Wants: "the mean accuracy of the largest models is highest at λ = 2 or 3, on the mean of the seeds",
		Value: at, Low: at, High: at, Seeds: len(valuesOf(o.Weights, o.Top, 1, Mixed.Mean)),
		Ours: fmt.Sprintf("highest at λ = %g%s", at, all)}.Judged(at == 2 || at == 3, "it is highest at %g", at)
	loss := func(rung int) []float64 {
		of := func(l float64) []float64 {
			return valuesOf(o.Weights, rung, l, func(m Mixed) float64 { return m.Accuracy(synth.TrancheHelpful).Value })
		}
		return differences(of(1), of(10))
	}
	price := Claim{ID: "weight-price", Section: "5.1.2", Figure: figure, Says: "What a large weight costs in helpfulness is less for larger models",
		Paper: "7.4 % at 13M, 1.5 % at 52B from λ = 1 to 10 (section 5.1.2; the caption of figure 27 calls it error rate)", Wants: "the largest lose less than the smallest, interval of the difference above 0"}
	small, large := loss(0), loss(o.Top)
	if o.Top == 0 || len(small) == 0 {
		return []Claim{lambda, price.Beyond("the plan has these models in one size")}
	}
	d := Over(differences(small, large))
	price.Ours = fmt.Sprintf("the smallest lose %v, the largest %v, difference %v", Over(small), Over(large), d)
	return []Claim{lambda, price.With(d).Judged(len(d.Of) > 1 && d.Low > 0, "the difference is %v", d)}
}

package study

import (
	"fmt"
	"math"

	"hhrlhf/rlhf/eval"
)

// find returns the player of a kind, rung and step: of step −1 the last.
func find(players []Player, kind string, rung, step int) (Player, bool) {
	found, ok := Player{}, false
	for _, p := range players {
		if p.Kind == kind && p.Rung == rung && (p.Step == step || step < 0 && (!ok || p.Step > found.Step)) {
			found, ok = p, true
		}
	}
	return found, ok
}

// top is the largest rung that was rated.
func (r Rated) top() int {
	top := 0
	for _, s := range r.Seeds {
		for _, p := range s.Helpful {
			top = max(top, p.Rung)
		}
	}
	return top
}

// Slopes is the slope through 0 of Elo, by the crowd's choices, on the judge's score
// difference from the anchor times [eval.EloPerNat], one a seed: 1 where 174 Elo are a
// point of score. Only players of those kinds count; none: all.
func (r Rated) Slopes(players func(RatedSeed) []Player, kinds ...string) (slopes []float64) {
	for _, s := range r.Seeds {
		ps := players(s)
		var xy, xx float64
		for _, p := range ps {
			counts := len(kinds) == 0
			for _, k := range kinds {
				counts = counts || k == p.Kind
			}
			if counts {
				x := eval.EloPerNat * (p.Score - ps[0].Score)
				xy, xx = xy+x*p.Elo, xx+x*x
			}
		}
		if xx > 0 {
			slopes = append(slopes, xy/xx)
		}
	}
	return slopes
}

// ByHelpful and ByHarmless choose the two tournaments of a seed.
func ByHelpful(s RatedSeed) []Player  { return s.Helpful }
func ByHarmless(s RatedSeed) []Player { return s.Harmless }

// gaps are the differences of Elo between two kinds' last states of a rung, one a seed.
func (r Rated) gaps(players func(RatedSeed) []Player, a, b string, rung int) (gaps []float64) {
	for _, s := range r.Seeds {
		p, okP := find(players(s), a, rung, -1)
		q, okQ := find(players(s), b, rung, -1)
		if okP && okQ {
			gaps = append(gaps, p.Elo-q.Elo)
		}
	}
	return gaps
}

// leastGains is by how much the HH policy is above its base model in the rung where it is so
// least, one a seed.
func (r Rated) leastGains(players func(RatedSeed) []Player) []float64 {
	least := r.gaps(players, string(HH), KindBase, 0)
	for rung := 1; rung <= r.top(); rung++ {
		for i, g := range r.gaps(players, string(HH), KindBase, rung) {
			least[i] = min(least[i], g)
		}
	}
	return least
}

// agreed is the share on which two raters agree, one a seed.
func (r Rated) agreed(a, b string) (shares []float64) {
	for _, s := range r.Seeds {
		for _, pair := range s.Agreement {
			if pair.A == a && pair.B == b || pair.A == b && pair.B == a {
				shares = append(shares, pair.Share.Value)
			}
		}
	}
	return shares
}

// minus is the difference of two lists, seed by seed.
func minus(a, b []float64) []float64 {
	out := make([]float64, min(len(a), len(b)))
	for i := range out {
		out[i] = a[i] - b[i]
	}
	return out
}

// Claims judges sections 2.4, 3.4 and the calibration along reinforcement learning.
func (r Rated) Claims() []Claim {
	claims := []Claim{r.recoveryClaim(), r.conversionClaim()}
	claims = append(claims, r.policyClaims()...)
	claims = append(claims, r.agreementClaims()...)
	return append(claims, r.courseClaim())
}

func (r Rated) recoveryClaim() Claim {
	v := r.Recovery
	share := func(n int) float64 { return float64(n) / math.Max(float64(v.Scores), 1) }
	c := Claim{ID: "elo-recovery", Section: "2.4", Figure: "Elo scores of known players", Says: "Elo scores by maximum likelihood, with the errors of the likelihood, are what the choices of a noisy crowd come from",
		Paper: "equation B.1; no check is printed", Wants: fmt.Sprintf("of scores from workers of known noise, %.1f %% lie within two standard errors of the truth: that share in the 95 %% interval", 100*Nominal),
		Ours: fmt.Sprintf("%d of %d scores, %.2f %% (%.2f to %.2f), %d tournaments of %d games a pair; %.1f %% with each player's own curvature for the error",
			v.Within, v.Scores, 100*share(v.Within), 100*v.Low, 100*v.High, v.Tournaments, v.Games, 100*share(v.Naive)),
		Value: share(v.Within), Low: v.Low, High: v.High, Seeds: v.Tournaments}
	return c.Judged(v.Low <= Nominal && Nominal <= v.High, "the share is %.2f %%", 100*share(v.Within))
}

func (r Rated) conversionClaim() Claim {
	helpful, harmless := Over(r.Slopes(ByHelpful)), Over(r.Slopes(ByHarmless))
	strangers := Over(r.Slopes(ByHelpful, KindBase, string(Helpful))) // whom this judge did not train
	return Claim{ID: "elo-174", Section: "2.4", Figure: "Elo against the preference model's score", Says: "A point of preference-model score is worth about 174 Elo",
		Paper: "ΔElo ≈ 174·ΔPM", Wants: "slope of the crowd's Elo, on benign prompts, on 174 times the judge's score, between 0.8 and 1.2 on the mean of the seeds",
		Ours: fmt.Sprintf("slope %v on benign prompts, %v on harmful ones; among players that the judge did not train, %v on benign ones", helpful, harmless, strangers)}.With(helpful).
		Judged(helpful.Mean >= 0.8 && helpful.Mean <= 1.2, "policies gain more score than preference: slope %.2f", helpful.Mean)
}

func (r Rated) policyClaims() []Claim {
	const figure = "Elo of the policies, by size"
	top := r.top()
	gain, safe := Over(r.leastGains(ByHelpful)), Over(r.leastGains(ByHarmless))
	more, worse := Over(r.gaps(ByHelpful, string(Helpful), string(HH), top)), Over(r.gaps(ByHarmless, string(Helpful), string(HH), top))
	return []Claim{
		Claim{ID: "elo-policies", Section: "1.1", Figure: figure, Says: "Policies lie far above the models they began as, at every size, in helpfulness and harmlessness",
			Paper: "lines well apart from 13M to 52B (figure 1)", Wants: "of every size, on the mean of the seeds, Elo above the base model's by more than 0 in both, intervals above 0",
			Ours: fmt.Sprintf("the size that gains least: helpfulness %+.0f (%.0f to %.0f), harmlessness %+.0f (%.0f to %.0f)", gain.Mean, gain.Low, gain.High, safe.Mean, safe.Low, safe.High)}.
			With(gain).Judged(gain.Low > 0 && safe.Low > 0, "some size gains nothing that is certain"),
		Claim{ID: "elo-helpful-only", Section: "1.1", Figure: figure, Says: "Policies trained for helpfulness alone are a little more helpful and far less harmless",
			Paper: "helpful-only above HH in helpfulness, far below in harmlessness (figure 1)", Wants: "harmlessness Elo below the HH policy's, interval below 0, and helpfulness above it on the mean of the seeds",
			Ours: fmt.Sprintf("harmlessness %+.0f (%.0f to %.0f), helpfulness %+.0f (%.0f to %.0f)", worse.Mean, worse.Low, worse.High, more.Mean, more.Low, more.High)}.
			With(worse).Judged(worse.High < 0 && more.Mean > 0, "harmlessness %+.0f, helpfulness %+.0f", worse.Mean, more.Mean),
	}
}

func (r Rated) agreementClaims() []Claim {
	const figure = "Agreement of judges, workers and researchers"
	top := r.top()
	own, small := r.agreed(RaterJudge(top), RaterCrowd), r.agreed(RaterJudge(0), RaterCrowd)
	researcher, people := r.agreed(RaterJudge(top), RaterResearcher), r.agreed(RaterResearcher, RaterCrowd)
	a, b, c, rise := Over(own), Over(researcher), Over(people), Over(minus(own, small))
	return []Claim{
		Claim{ID: "agreement", Section: "3.4", Figure: figure, Says: "Preference models agree with crowdworkers more than anyone else does",
			Paper: "model and workers .68, model and researchers .64, researchers and workers .62 [plot] (figure 10)", Wants: "on the mean of the seeds the largest judge and the workers agree most of the three",
			Ours: fmt.Sprintf("judge and workers %v, judge and researchers %v, researchers and workers %v", a, b, c)}.With(a).
			Judged(a.Mean > b.Mean && a.Mean > c.Mean, "our workers err less than the paper's, and researchers see the same truth: %.3f against the judge's %.3f", c.Mean, a.Mean),
		Claim{ID: "agreement-size", Section: "3.4", Figure: figure, Says: "… and the more, the larger they are",
			Paper: "13M .60, 52B .68 [plot] (figure 10)", Wants: "largest less smallest above 0, interval above 0",
			Ours: fmt.Sprintf("%+.3f (%.3f to %.3f)", rise.Mean, rise.Low, rise.High)}.With(rise).Judged(rise.Low > 0, "%+.3f (%.3f to %.3f)", rise.Mean, rise.Low, rise.High),
	}
}

// Falls is the calibration slope of the last snapshot's answers less that of the base
// model's, one a seed.
func (r Rated) Falls() (falls []float64) {
	for _, s := range r.Seeds {
		if n := len(s.Course); n > 1 && s.Course[0].Eval.SlopeSE > 0 && s.Course[n-1].Eval.SlopeSE > 0 {
			falls = append(falls, s.Course[n-1].Eval.Slope-s.Course[0].Eval.Slope)
		}
	}
	return falls
}

func (r Rated) courseClaim() Claim {
	c := Claim{ID: "calibration-rl", Section: "4.5", Figure: "Calibration along reinforcement learning", Says: "Preference models are less calibrated on what policies trained against them write: at high scores",
		Paper: "the rationale of online training; figure 25 shows accuracy falling with the scores", Wants: "slope of the logit on Δ, last snapshot less base model, below 0, interval below 0"}
	fall := Over(r.Falls())
	if len(fall.Of) == 0 {
		return c.Beyond("no slope exists for these models' answers")
	}
	var ece []float64
	for _, s := range r.Seeds {
		if n := len(s.Course); n > 1 {
			ece = append(ece, s.Course[n-1].Eval.ECE-s.Course[0].Eval.ECE)
		}
	}
	c.Ours = fmt.Sprintf("slope %+.2f (%.2f to %.2f), calibration error %v", fall.Mean, fall.Low, fall.High, Over(ece))
	return c.With(fall).Judged(fall.High < 0, "the slope changes by %+.2f (%.2f to %.2f)", fall.Mean, fall.Low, fall.High)
}

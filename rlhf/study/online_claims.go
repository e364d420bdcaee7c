package study

import (
	"fmt"
	"math"

	"hhrlhf/rlhf/eval"
	"hhrlhf/rlhf/online"
)

// last is a seed's report of its last round.
func (s IteratedSeed) last() online.Report { return s.Reports[len(s.Reports)-1] }

// Last is what figure 35 says of the last round's policy at its end.
func (s IteratedSeed) Last() online.Predicted {
	ps := s.last().Predicted
	return ps[len(ps)-1]
}

// Claims judges section 4.5.
func (r Iterated) Claims() []Claim {
	return append([]Claim{r.roundsClaim(), r.controlClaim(), r.shiftClaim(), r.accuracyClaim(), r.logPClaim()}, r.measureClaims()...)
}

func (r Iterated) roundsClaim() Claim {
	var gains []float64
	for _, s := range r.Seeds {
		elo := map[string]float64{}
		for _, e := range s.last().Elo {
			elo[e.Name] = e.Elo
		}
		ends := map[int]float64{} // of each round's policy
		for _, report := range s.Reports {
			ends[report.Round] = elo[report.Players[len(report.Players)-1]]
		}
		gains = append(gains, ends[len(s.Reports)]-ends[1])
	}
	e := Over(gains)
	return Claim{ID: "online-rounds", Section: "4.5", Figure: "Elo of the online loop", Says: "Policies become better from round to round of online training",
		Paper: "online policies above static ones (figures 1, 15)", Wants: "Elo of the last round's policy above the first round's, interval above 0",
		Ours: fmt.Sprintf("%+.0f (%.0f to %.0f) Elo after %d rounds", e.Mean, e.Low, e.High, rounds)}.With(e).Judged(e.Low > 0, "%+.0f (%.0f to %.0f)", e.Mean, e.Low, e.High)
}

func (r Iterated) controlClaim() Claim {
	c := Claim{ID: "online-equal-size", Section: "4.5", Figure: "Head to head, at equal size", Says: "At equal size, comparisons in equal parts of base, rejection sampling and online train a better policy than those of base alone",
		Paper: "Elo 295 against 230 [plot] (figure 16)", Wants: "preferred in more than half of all seeds' comparisons, Wilson interval above 0.5"}
	var each []float64
	won, n := 0.0, 0
	for _, s := range r.Seeds {
		each = append(each, s.Control.Won.Value)
		won, n = won+s.Control.Won.Value*float64(s.Control.Won.N), n+s.Control.Won.N
	}
	if n == 0 {
		return c.Beyond("no loop of this study has a control")
	}
	c.Value, c.Seeds = won/float64(n), len(r.Seeds)
	c.Low, c.High = eval.WilsonInterval(won, n, eval.Z95)
	c.Ours = fmt.Sprintf("%.3f (%.3f to %.3f) of %d; by seed %.3f", c.Value, c.Low, c.High, n, each)
	return c.Judged(c.Low > 0.5, "%.3f (%.3f to %.3f): new comparisons are worth no more than as many old ones here", c.Value, c.Low, c.High)
}

func (r Iterated) shiftClaim() Claim {
	var first, second []float64
	for _, s := range r.Seeds {
		x := s.last().Scores
		first, second = append(first, x[1].Mean-x[0].Mean), append(second, x[2].Mean-x[1].Mean)
	}
	a, b := Over(first), Over(second)
	return Claim{ID: "online-shift", Section: "4.5", Figure: "Scores of base, best-of-k and policy", Says: "The distribution of scores shifts up from the base model to rejection sampling to online policies",
		Paper: "base below rejection-sampled below online (figure 34)", Wants: "both steps above 0 on the mean scores, intervals above 0",
		Ours: fmt.Sprintf("base to best-of-k %v, best-of-k to policy %v nats", a, b)}.With(b).Judged(a.Low > 0 && b.Low > 0, "best-of-k to policy %v", b)
}

func (r Iterated) accuracyClaim() Claim {
	var baseRS, rsOnline []float64
	for _, s := range r.Seeds {
		x := s.last().Accuracy
		baseRS, rsOnline = append(baseRS, x[0].Value-x[1].Value), append(rsOnline, x[1].Value-x[len(x)-1].Value)
	}
	a, b := Over(baseRS), Over(rsOnline)
	return Claim{ID: "online-accuracy", Section: "4.5", Figure: "Accuracy by tranche", Says: "The online preference model is less accurate on rejection-sampled, and still less on online comparisons",
		Paper: "74 %, 70 %, 67 %", Wants: "base less rs, and rs less the newest online tranche, above 0 on the mean of the seeds",
		Ours: fmt.Sprintf("base less rs %v, rs less online %v", a, b)}.With(a).Judged(a.Mean > 0 && b.Mean > 0, "base less rs %+.3f, rs less online %+.3f", a.Mean, b.Mean)
}

func (r Iterated) logPClaim() Claim {
	var rises, ends, below []float64
	for _, s := range r.Seeds {
		n := len(s.LogP)
		rises = append(rises, s.LogP[n-1].Accuracy.Value-s.LogP[0].Accuracy.Value)
		ends, below = append(ends, s.LogP[n-1].Accuracy.Value), append(below, s.LogP[n-1].PM-s.LogP[n-1].Accuracy.Value)
	}
	rise, under := Over(rises), Over(below)
	return Claim{ID: "online-logp", Section: "4.5", Figure: "Mean log-p accuracy", Says: "In training, policies come to find the better response likelier, per token, and stay below the preference model in it",
		Paper: "helpful .55 to .64 [plot] (figure 34)", Wants: "the accuracy of mean log p rises, interval above 0, and ends below the preference model's on the mean of the seeds",
		Ours: fmt.Sprintf("rises by %v to %.3f; the preference model is ahead by %v", rise, Over(ends).Mean, under)}.With(rise).
		Judged(rise.Low > 0 && under.Mean > 0, "it changes by %v", rise)
}

func (r Iterated) measureClaims() []Claim {
	const figure = "Four measures of a snapshot"
	var naive, step, human []float64
	for _, s := range r.Seeds {
		p := s.Last()
		naive, step, human = append(naive, p.HeldOut.Elo-p.Crowd.Elo), append(step, p.Mean.Elo-p.Ranked.Elo), append(human, p.Ranked.Elo-p.Crowd.Elo)
	}
	a, b, c := Over(naive), Over(step), Over(human)
	return []Claim{
		Claim{ID: "online-naive", Section: "4.5", Figure: figure, Says: "What a preference model predicts of its own policy on held-out prompts is far more than labellers find",
			Paper: "the naive prediction well above the crowd's Elo (figure 35)", Wants: "naive less crowd's Elo of the last snapshot above 0, interval above 0",
			Ours: fmt.Sprintf("%+.0f (%.0f to %.0f) Elo", a.Mean, a.Low, a.High)}.With(a).Judged(a.Low > 0, "%+.0f (%.0f to %.0f)", a.Mean, a.Low, a.High),
		Claim{ID: "online-ranking", Section: "4.5", Figure: figure, Says: "Whether scores are averaged or only rank the pairs makes little difference",
			Paper: "mean score and ranking agree (figure 35)", Wants: "they differ, on the mean of the seeds, by less than ranking and crowd do",
			Ours: fmt.Sprintf("mean less ranking %+.0f (%.0f to %.0f), ranking less crowd %+.0f (%.0f to %.0f)", b.Mean, b.Low, b.High, c.Mean, c.Low, c.High)}.With(b).
			Judged(math.Abs(b.Mean) < math.Abs(c.Mean), "mean less ranking %+.0f, ranking less crowd %+.0f: each choice of a ranking is certain, a score's is not", b.Mean, c.Mean),
	}
}

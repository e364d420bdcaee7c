package study

import (
	"fmt"
	"math"

	"hhrlhf/rlhf"
)

// A Grid is what the models of the grid came to: the paper's main line, from language
// models to policies (abstract; sections 4.1 and 4.3, figures 1 and 4).
type Grid struct {
	Models   []GridLM     `json:"models"`
	Judges   []GridPM     `json:"judges"`
	Policies []GridPolicy `json:"policies"`
}

// GridLM is a language model's held-out loss.
type GridLM struct {
	Rung   int     `json:"rung"`
	Seed   int     `json:"seed"`
	Params float64 `json:"params"` // non-embedding
	Loss   float64 `json:"loss"`   // nats per token
	SE     float64 `json:"se"`
}

// GridPM is a preference model, on all comparisons, measured on held-out ones.
type GridPM struct {
	Rung     int           `json:"rung"`
	Seed     int           `json:"seed"`
	Accuracy rlhf.Accuracy `json:"accuracy"`
	Gold     float64       `json:"gold"`  // agreement with the true order
	Bayes    float64       `json:"bayes"` // what the labels' noise leaves attainable
}

// GridPolicy is a policy trained against the preference model of its own rung, before and
// after, on held-out prompts.
type GridPolicy struct {
	Policy
	Prompts int           `json:"prompts"`
	Changes []rlhf.Change `json:"changes"`
}

// Change returns one row by name.
func (p GridPolicy) Change(name string) rlhf.Change {
	for _, c := range p.Changes {
		if c.Name == name {
			return c
		}
	}
	return rlhf.Change{Name: name}
}

// Models measures the grid's main line.
func Models(st *Study) (Grid, error) {
	var g Grid
	all, err := eachModel(st, "models", st.mainLine)
	for _, one := range all {
		g.Models, g.Judges, g.Policies = append(g.Models, one.Models...), append(g.Judges, one.Judges...), append(g.Policies, one.Policies...)
	}
	return g, err
}

func (st *Study) mainLine(rung, seed int) (Grid, error) {
	var g Grid
	base, err := st.Base(rung, seed)
	if err != nil {
		return g, err
	}
	loss, err := base.Evaluate()
	if err != nil {
		return g, err
	}
	info, err := base.Info()
	if err != nil {
		return g, err
	}
	g.Models = []GridLM{{rung, seed, float64(info.NonEmbedding), loss.Loss, loss.SE}}
	judge, err := st.Judge(HH, rung, seed)
	if err != nil {
		return g, err
	}
	e, err := judge.Evaluate()
	if err != nil {
		return g, err
	}
	g.Judges = []GridPM{{Rung: rung, Seed: seed, Accuracy: e.All, Bayes: e.Bayes}}
	if e.Gold != nil {
		g.Judges[0].Gold = e.Gold.Value
	}
	p := mainPolicy(rung, seed)
	run, err := st.Policy(p)
	if err != nil {
		return g, err
	}
	ba, err := run.Compare(st.Plan.Prompts)
	if err != nil {
		return g, err
	}
	g.Policies = []GridPolicy{{p, len(ba.Before), ba.Rows}}
	return g, nil
}

// PaperKL is the paper's λ_KL (section 4.1).
const PaperKL = 0.001

// top are the values of the largest rung's policies, one a seed.
func (g Grid) top(value func(GridPolicy) float64) (x []float64) {
	top := 0
	for _, p := range g.Policies {
		top = max(top, p.Rung)
	}
	for _, p := range g.Policies {
		if p.Rung == top {
			x = append(x, value(p))
		}
	}
	return x
}

// gain is the change of one quantity, each policy's.
func gain(name string) func(GridPolicy) float64 {
	return func(p GridPolicy) float64 { c := p.Change(name); return c.After - c.Before }
}

// Claims judges the abstract's first sentence and what section 4 takes for granted.
func (g Grid) Claims() []Claim {
	helpful, harmless := Over(g.top(gain("helpful"))), Over(g.top(gain("harmless")))
	sd := Over(g.top(func(p GridPolicy) float64 {
		c := p.Change("score")
		return (c.After - c.Before) / math.Max(c.BeforeSD, 1e-9)
	}))
	kl := Over(g.top(gain("kl")))
	const figure = "The main line, by size"
	falls, pairs := 0, 0
	for _, a := range g.Models {
		for _, b := range g.Models {
			if a.Seed == b.Seed && b.Rung == a.Rung+1 {
				pairs++
				if b.Loss < a.Loss {
					falls++
				}
			}
		}
	}
	claims := []Claim{
		Claim{ID: "helpful", Section: "abstract", Figure: figure, Says: "Training on preferences makes an assistant more helpful",
			Paper: "helpfulness Elo of policies far above that of context-distilled models (figure 1)", Wants: "gold helpfulness of the largest policies rises, interval above 0",
			Ours: fmt.Sprintf("gold helpfulness %+.3f (%.3f to %.3f) over %d seeds", helpful.Mean, helpful.Low, helpful.High, len(helpful.Of))}.
			With(helpful).Judged(helpful.Low > 0, "the interval reaches 0 or lies below it"),
		Claim{ID: "harmless", Section: "abstract", Figure: figure, Says: "… and more harmless",
			Paper: "harmlessness Elo likewise (figure 1)", Wants: "gold harmlessness of the largest policies rises, interval above 0",
			Ours: fmt.Sprintf("gold harmlessness %+.3f (%.3f to %.3f) over %d seeds", harmless.Mean, harmless.Low, harmless.High, len(harmless.Of))}.
			With(harmless).Judged(harmless.Low > 0, "the interval reaches 0 or lies below it"),
		Claim{ID: "score", Section: "4.1", Figure: figure, Says: "PPO raises the preference model's score",
			Paper: "scores rise for 100,000 samples and more (figures 4, 13)", Wants: "on held-out prompts by more than 1 standard deviation of the initial scores, in every seed",
			Ours: fmt.Sprintf("%+.2f (%.2f to %.2f) initial standard deviations at KL %.1f nats", sd.Mean, sd.Low, sd.High, kl.Mean)}.
			With(sd).Judged(lowest(sd.Of) > 1, "the lowest seed gains %.2f", lowest(sd.Of)),
	}
	if pairs > 0 {
		share := float64(falls) / float64(pairs)
		claims = append(claims, Claim{ID: "ladder", Section: "2", Figure: figure, Says: "Language models of the ladder improve with size", Paper: "seven sizes from 13M to 52B, losses not printed",
			Wants: "held-out loss falls from each rung to the next, in every seed", Value: share, Low: share, High: share, Seeds: len(g.top(gain("kl"))),
			Ours: fmt.Sprintf("it falls in %d of %d steps", falls, pairs)}.Judged(falls == pairs, "it rises in %d of %d steps", pairs-falls, pairs))
	}
	return claims
}

func lowest(x []float64) float64 {
	low := math.Inf(1)
	for _, v := range x {
		low = math.Min(low, v)
	}
	return low
}

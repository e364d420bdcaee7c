package study

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/gonum/stat"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/eval"
	"hhrlhf/rlhf/online"
	"hhrlhf/rlhf/synth"
)

// Iterated is online training against static (section 4.5; figures 15, 16, 34, 35).
type Iterated struct {
	Seeds []IteratedSeed `json:"seeds"`
}

// IteratedSeed is one loop of package online, from the largest base model.
type IteratedSeed struct {
	Seed int `json:"seed"`
	// Reports are the rounds'; of the scores' distributions so many quantiles are kept.
	Reports []online.Report `json:"reports"`
	Control online.Control  `json:"control"`
	// LogP is along the last round's policy, the base model first.
	LogP []LogPAccuracy `json:"logp"`
}

// LogPAccuracy is the share of held-out comparisons in which a policy finds the better
// response likelier, per token (figure 34, "mean log-p accuracy").
type LogPAccuracy struct {
	Step     int           `json:"step"`
	Accuracy rlhf.Accuracy `json:"accuracy"`
	PM       float64       `json:"pm"` // accuracy of the last round's preference model on the same ones
}

// keptQuantiles is how many quantiles of a distribution of scores are kept.
const keptQuantiles = 64

// rounds is how often the study's loops deploy and train again.
const rounds = 2

// Online measures it.
func Online(st *Study) (Iterated, error) {
	seeds, err := eachSeed(st, "online", st.online)
	return Iterated{Seeds: seeds}, err
}

// onlineConfig is a loop of the plan's size, in the proportions of the paper's tranches
// (44k, 52k and 22k helpful comparisons), but for rejection sampling, which costs K times as
// much here as the others.
func (st *Study) onlineConfig(seed int) online.Config {
	p := st.Plan
	c := online.Config{Size: p.Size, LM: st.BaseName(p.Top(), seed), World: p.Data, Rounds: rounds, Base: 2 * p.Pairs / 3, RS: p.Pairs / 4, Online: p.Pairs / 5,
		Snapshots: min(3, p.Snapshots), Trial: 2 * p.Prompts, Control: 3 * p.Prompts, Seed: uint64(seed)}
	c.PM.Centre, c.PM.LearningRate = true, p.PMRate
	if p.Size == rlhf.Tiny { // whose models write what workers cannot tell apart: few comparisons are decided
		c.Base, c.RS, c.Online, c.PM.Batch = 6*p.Pairs, 3*p.Pairs, 3*p.Pairs, 4
	}
	c.PPO.Planned, c.PPO.LearningRate, c.PPO.KLCoef = max(c.Snapshots, p.PPOSteps), p.PPORate, PaperKL
	return c
}

func (st *Study) online(seed int) (IteratedSeed, error) {
	out := IteratedSeed{Seed: seed}
	if _, err := st.Base(st.Plan.Top(), seed); err != nil {
		return out, err
	}
	loop, err := online.Open(st.lab, st.Name("online-s%d", seed), st.onlineConfig(seed), online.Options{})
	if err != nil {
		return out, err
	}
	if err := st.pass(loop.With(st.ctx).Train()); err != nil {
		return out, err
	}
	if out.Reports, err = loop.Reports(); err != nil {
		return out, err
	}
	for _, r := range out.Reports {
		for i, s := range r.Scores {
			r.Scores[i].X = quantiles(s.X, keptQuantiles)
		}
	}
	c, err := loop.Control()
	if err != nil {
		return out, err
	}
	if c != nil {
		out.Control = *c
	}
	out.LogP, err = st.logP(out.Reports[len(out.Reports)-1], seed)
	return out, err
}

// quantiles are n of a distribution, in order, each the middle of its share.
func quantiles(x []float64, n int) []float64 {
	sorted := slices.Sorted(slices.Values(x))
	out := make([]float64, 0, n)
	for i := range min(n, len(sorted)) {
		q := (float64(i) + 0.5) / float64(min(n, len(sorted)))
		out = append(out, stat.Quantile(q, stat.Empirical, sorted, nil))
	}
	return out
}

// logP measures mean log-p accuracy along a round's policy.
func (st *Study) logP(r online.Report, seed int) ([]LogPAccuracy, error) {
	helpful := synth.DefaultCrowd()
	helpful.Harmful = 0
	items := st.World.Comparisons(4*st.Plan.Prompts, rand.New(rand.NewPCG(uint64(seed), 0x6c6f6770)), helpful) // "logp"
	judge, err := st.lab.OpenPM(r.PM)
	if err != nil {
		return nil, err
	}
	js, err := eval.Judge(items, judge.Score)
	if err != nil {
		return nil, err
	}
	pm := eval.Accuracy("preference model", js).Value
	var out []LogPAccuracy
	for _, player := range r.Players {
		name, step := st.BaseName(st.Plan.Top(), seed), 0
		if _, at, ok := strings.Cut(player, fmt.Sprintf("ppo-%d@", r.Round)); ok {
			if step, err = strconv.Atoi(at); err != nil {
				return nil, fmt.Errorf("study: the player %q of a loop: %w", player, err)
			}
			name = fmt.Sprintf("%s-s%d", r.Policy, step)
		} else if player != KindBase {
			continue
		}
		m, err := st.lab.OpenLM(name)
		if err != nil {
			return nil, err
		}
		js, err := eval.Judge(items, func(ts []rlhf.Transcript) ([]float64, error) {
			ps, err := m.Predict(ts)
			means := make([]float64, len(ps))
			for i, p := range ps {
				means[i] = p.LogP / max(float64(p.Tokens), 1)
			}
			return means, err
		})
		if err != nil {
			return nil, err
		}
		out = append(out, LogPAccuracy{Step: step, Accuracy: eval.Accuracy(player, js), PM: pm})
	}
	return out, nil
}

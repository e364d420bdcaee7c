package study

import (
	"fmt"
	"math/rand/v2"

	"gonum.org/v1/gonum/stat"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/eval"
	"hhrlhf/rlhf/synth"
)

// Rated is what labellers' choices come to (sections 2.4, 3.4 and 4.5; figures 1, 9, 10).
type Rated struct {
	Recovery Recovery    `json:"recovery"`
	Seeds    []RatedSeed `json:"seeds"`
}

// RatedSeed is one seed of it.
type RatedSeed struct {
	Seed int `json:"seed"`
	// Helpful rates all players by the crowd's choices on benign prompts, Harmless by those on
	// harmful ones, the largest base model at 0.
	Helpful  []Player `json:"helpful"`
	Harmless []Player `json:"harmless"`
	// Agreement is of the HH judges of all rungs, two kinds of crowdworker, and researchers.
	Agreement []eval.Agreed `json:"agreement"`
	// Course is the calibration of the largest HH judge along its own policy.
	Course []CourseCalibration `json:"course"`
}

// CourseCalibration is how well a judge's scores of two responses by its own policy, after so
// many steps, predict which one the crowd prefers.
type CourseCalibration struct {
	Step int         `json:"step"`
	Same int         `json:"same"` // pairs left out: equal, or too close for a worker
	Eval rlhf.PMEval `json:"eval"`
}

// The raters of the agreement tables, beside the judges.
const (
	RaterCrowd      = "crowdworker"
	RaterNoisy      = "noisy crowdworker"
	RaterResearcher = "researcher"
)

// RaterJudge is the name of a rung's judge in the agreement tables.
func RaterJudge(rung int) string { return fmt.Sprintf("judge, rung %d", rung) }

// Ratings measures it.
func Ratings(st *Study) (Rated, error) {
	var r Rated
	var err error
	r.Recovery, err = Once(st, "ratings-recovery", func() (Recovery, error) {
		return Recover(st.World, 2*st.Plan.Prompts, 40, synth.NoisyCrowd().Noise, rand.New(rand.NewPCG(1, 0x656c6f)))
	})
	if err != nil {
		return r, err
	}
	r.Seeds, err = eachSeed(st, "ratings", st.rated)
	return r, err
}

func (st *Study) rated(seed int) (RatedSeed, error) {
	out := RatedSeed{Seed: seed}
	judge, err := st.Judge(HH, st.Plan.Top(), seed)
	if err != nil {
		return out, err
	}
	players, models, err := st.players(seed)
	if err != nil {
		return out, err
	}
	rng := rand.New(rand.NewPCG(uint64(seed), 0x726174)) // "rat"
	for _, task := range []struct {
		to      *[]Player
		harmful float64
	}{{&out.Helpful, 0}, {&out.Harmless, 1}} {
		prompts := st.World.Prompts(2*st.Plan.Prompts, rng, task.harmful)
		if *task.to, err = st.rate(players, models, judge, prompts, rng); err != nil {
			return out, err
		}
	}
	if out.Agreement, err = st.agreement(seed, rng); err != nil {
		return out, err
	}
	out.Course, err = st.course(judge, seed, rng)
	return out, err
}

// players are all that are rated, the anchor first, and their models.
func (st *Study) players(seed int) (players []Player, models []rlhf.LMRun, err error) {
	add := func(kind string, p Policy, step int) {
		if err != nil {
			return
		}
		var m rlhf.LMRun
		if m, err = st.At(p, step); err != nil {
			return
		}
		var info rlhf.RunInfo
		info, err = m.Info()
		players, models = append(players, Player{Kind: kind, Rung: p.Rung, Step: step, Params: float64(info.NonEmbedding), Rating: eval.Rating{Name: PlayerName(kind, p.Rung, step)}}), append(models, m)
	}
	top := st.Plan.Top()
	for rung := top; rung >= 0; rung-- {
		add(KindBase, mainPolicy(rung, seed), 0)
		for _, step := range st.Plan.Marks() {
			if rung == top || step == st.Plan.PPOSteps {
				add(string(HH), mainPolicy(rung, seed), step)
			}
		}
		add(string(Helpful), helpfulOnly(rung, seed), st.Plan.PPOSteps)
	}
	return players, models, err
}

// rate has all players answer prompts, a crowd compare them and a judge score them.
func (st *Study) rate(players []Player, models []rlhf.LMRun, judge rlhf.PMRun, prompts []string, rng *rand.Rand) ([]Player, error) {
	out := make([]Player, len(players))
	copy(out, players)
	var names []string
	answers := make([][]string, len(models))
	for i, m := range models {
		names = append(names, players[i].Name)
		var err error
		if answers[i], err = st.answer(m, prompts, rng.Uint64()); err != nil {
			return nil, err
		}
		ts := make([]rlhf.Transcript, len(prompts))
		for j, prompt := range prompts {
			ts[j] = rlhf.Transcript{Prompt: prompt, Response: answers[i][j]}
		}
		scores, err := judge.Score(ts)
		if err != nil {
			return nil, err
		}
		out[i].Score = stat.Mean(scores, nil)
	}
	ratings, err := eval.Elo(tournament(st.World, names, prompts, answers, synth.DefaultCrowd(), rng))
	if err != nil {
		return nil, err
	}
	for i := range out {
		out[i].Rating = ratings[i]
	}
	return out, nil
}

// agreement asks all raters about fresh comparisons.
func (st *Study) agreement(seed int, rng *rand.Rand) ([]eval.Agreed, error) {
	items := st.World.Comparisons(max(320, 4*st.Plan.Prompts), rng, synth.DefaultCrowd())
	var names []string
	var choices [][]int8
	for rung := range st.Plan.Shapes {
		judge, err := st.Judge(HH, rung, seed)
		if err != nil {
			return nil, err
		}
		js, err := eval.Judge(items, judge.Score)
		if err != nil {
			return nil, err
		}
		labeller, scorer := eval.Sides(js)
		if rung == 0 {
			names, choices = append(names, RaterCrowd), append(choices, labeller)
		}
		names, choices = append(names, RaterJudge(rung)), append(choices, scorer)
	}
	for _, rater := range []struct {
		name  string
		crowd synth.Crowd
	}{{RaterNoisy, synth.NoisyCrowd()}, {RaterResearcher, synth.Researcher()}} {
		chosen := st.World.Choices(items, rater.crowd, rng)
		for i := range chosen {
			chosen[i] *= int8(1 - 2*(i%2)) // the sides of eval.Sides
		}
		names, choices = append(names, rater.name), append(choices, chosen)
	}
	return eval.Agreement(names, choices)
}

// course measures the calibration of a judge along its own policy.
func (st *Study) course(judge rlhf.PMRun, seed int, rng *rand.Rand) (out []CourseCalibration, err error) {
	prompts := st.World.Prompts(4*st.Plan.Prompts, rng, rlhf.PPO{}.Filled().HarmfulFraction)
	for _, step := range append([]int{0}, st.Plan.Marks()...) {
		model, err := st.At(mainPolicy(st.Plan.Top(), seed), step)
		if err != nil {
			return nil, err
		}
		a, err := st.answer(model, prompts, rng.Uint64())
		if err != nil {
			return nil, err
		}
		b, err := st.answer(model, prompts, rng.Uint64())
		if err != nil {
			return nil, err
		}
		c := CourseCalibration{Step: step}
		var pairs []rlhf.Comparison
		for i, prompt := range prompts {
			if pair, ok := st.World.Compare(prompt, a[i], b[i], synth.DefaultCrowd(), rng); ok {
				pairs = append(pairs, pair)
			} else {
				c.Same++
			}
		}
		js, err := eval.Judge(pairs, judge.Score)
		if err != nil {
			return nil, err
		}
		if len(js) > 0 { // models of nothing write what no worker can tell apart
			if c.Eval, err = eval.PM(js); err != nil {
				return nil, fmt.Errorf("the policy's answers after %d steps: %w", step, err)
			}
			c.Eval.Thresholds, c.Eval.Turns, c.Eval.Tranches = nil, nil, nil // nobody asks for them
		}
		out = append(out, c)
	}
	return out, nil
}

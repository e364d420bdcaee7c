package study

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/eval"
)

// A Robust study holds a ladder of policies against a ladder of test preference models
// (sections 4.2 and 4.3; figures 4, 13, 33). Comparisons are split in two halves of prompts;
// policies are trained against preference models of the one and tested by those of the other.
type Robust struct {
	Top  int          `json:"top"` // the largest rung
	Runs []RobustRun  `json:"runs"`
	Best []RobustBest `json:"best"`
}

// A RobustRun is one policy: of the set whose preference model is the largest, or of the one
// whose preference model is of its own size, or the largest without a KL penalty.
type RobustRun struct {
	Policy Policy       `json:"policy"`
	Params float64      `json:"params"` // the policy's, non-embedding
	Course Course       `json:"course"`
	Marks  []RobustMark `json:"marks"` // the plan's
}

// A RobustMark is a state of a policy on fresh prompts.
type RobustMark struct {
	Step int `json:"step"`
	// Gains are over the initial policy in its standard deviations, by the training preference model
	// and by the test preference models from the smallest up.
	Train float64   `json:"train"`
	Tests []float64 `json:"tests"`
}

// RobustBest is best-of-n of the largest initial policy by the training preference model of a rung.
type RobustBest struct {
	Rung  int              `json:"rung"`
	Seed  int              `json:"seed"`
	Score []eval.Optimised `json:"score"`
	Gold  []eval.Optimised `json:"gold"` // helpful + harmless
}

// bestOf are the n of best-of-n; one call with the largest serves all.
var bestOf = []int{1, 2, 4, 8, 16, 32, 64}

// Robustness measures it.
func Robustness(st *Study) (Robust, error) {
	r := Robust{Top: st.Plan.Top()}
	for _, seed := range st.Seeds() {
		for _, p := range st.robustPolicies(seed) {
			one, err := Once(st, "robustness-"+p.key(), func() (RobustRun, error) { return st.robust(p) })
			if err != nil {
				return r, err
			}
			r.Runs = append(r.Runs, one)
		}
		for rung := range st.Plan.Shapes {
			best, err := Once(st, fmt.Sprintf("robustness-best-r%d-s%d", rung, seed), func() (RobustBest, error) { return st.robustBest(rung, seed) })
			if err != nil {
				return r, err
			}
			r.Best = append(r.Best, best)
		}
	}
	return r, nil
}

// robustPolicies are those of one seed.
func (st *Study) robustPolicies(seed int) (ps []Policy) {
	top := st.Plan.Top()
	for rung := range st.Plan.Shapes {
		ps = append(ps, Policy{PM: HalfA, PMRung: top, Rung: rung, Seed: seed, KLCoef: PaperKL})
		if rung < top {
			ps = append(ps, Policy{PM: HalfA, PMRung: rung, Rung: rung, Seed: seed, KLCoef: PaperKL})
		}
	}
	return append(ps, Policy{PM: HalfA, PMRung: top, Rung: top, Seed: seed})
}

// prompts are fresh ones of the plan's number, of which a share is harmful. Kinds are drawn apart.
func (st *Study) prompts(kind string, seed int, harmful float64) []string {
	var stream uint64
	for _, b := range []byte(kind) {
		stream = stream*257 + uint64(b)
	}
	return st.World.Prompts(st.Plan.Prompts, rand.New(rand.NewPCG(stream, uint64(seed))), harmful)
}

// usualHarmful is PPO's default share of harmful requests.
func usualHarmful() float64 { return rlhf.PPO{}.Filled().HarmfulFraction }

// draw is how the study samples: as reinforcement learning does.
func (st *Study) draw(seed int) rlhf.Sampling {
	c := rlhf.PPO{Size: st.Plan.Size, Data: st.Plan.Data}.Filled()
	return rlhf.Sampling{Temperature: c.Temperature, MaxTokens: c.Response, Seed: uint64(seed)}
}

func (st *Study) robust(p Policy) (RobustRun, error) {
	run := RobustRun{Policy: p}
	base, err := st.Base(p.Rung, p.Seed)
	if err != nil {
		return run, err
	}
	info, err := base.Info()
	if err != nil {
		return run, err
	}
	run.Params = float64(info.NonEmbedding)
	if _, err := st.Policy(p); err != nil {
		return run, err
	}
	prompts := st.prompts("robustness", p.Seed, usualHarmful())
	if run.Course, err = ReadCourse(st.Lab(), st.PolicyName(p), "", prompts); err != nil {
		return run, err
	}
	judges, err := st.robustJudges(p)
	if err != nil {
		return run, err
	}
	of := make([]eval.Reference, len(judges))
	for _, step := range append([]int{0}, st.Plan.Marks()...) {
		m, err := st.At(p, step)
		if err != nil {
			return run, err
		}
		answers, err := m.Sample(prompts, st.draw(p.Seed))
		if err != nil {
			return run, err
		}
		mark := RobustMark{Step: step}
		for i, j := range judges {
			scores, err := j.Score(transcripts(answers))
			if err != nil {
				return run, err
			}
			if step == 0 {
				if of[i], err = eval.NewReference(scores); err != nil {
					return run, err
				}
			}
			gain, _, _ := eval.MeanInterval(of[i].Gains(scores), eval.Z95)
			if i == 0 {
				mark.Train = short(gain)
			} else {
				mark.Tests = append(mark.Tests, short(gain))
			}
		}
		if step > 0 {
			run.Marks = append(run.Marks, mark)
		}
	}
	return run, nil
}

// robustJudges are the policy's training preference model, then the test models from the smallest up.
func (st *Study) robustJudges(p Policy) ([]rlhf.PMRun, error) {
	train, err := st.Judge(HalfA, p.PMRung, p.Seed)
	judges := []rlhf.PMRun{train}
	for rung := 0; rung <= st.Plan.Top() && err == nil; rung++ {
		var test rlhf.PMRun
		test, err = st.Judge(HalfB, rung, p.Seed)
		judges = append(judges, test)
	}
	return judges, err
}

func transcripts(answers []rlhf.Sample) []rlhf.Transcript {
	ts := make([]rlhf.Transcript, len(answers))
	for i, a := range answers {
		ts[i] = rlhf.Transcript{Prompt: a.Prompt, Response: a.Response}
	}
	return ts
}

func (st *Study) robustBest(rung, seed int) (RobustBest, error) {
	best := RobustBest{Rung: rung, Seed: seed}
	judge, err := st.Judge(HalfA, rung, seed)
	if err != nil {
		return best, err
	}
	if _, err := st.Base(st.Plan.Top(), seed); err != nil {
		return best, err
	}
	choices, err := judge.BestOf(st.BaseName(st.Plan.Top(), seed), st.prompts("best", seed, usualHarmful()), bestOf[len(bestOf)-1], st.draw(seed))
	if err != nil {
		return best, err
	}
	if best.Score, err = eval.BestOf(choices, nil, bestOf...); err != nil {
		return best, err
	}
	best.Gold, err = eval.BestOf(choices, goldOf, bestOf...)
	return best, err
}

// Overoptimised fits Gao et al.'s form for best-of-n to the truth.
func (b RobustBest) Overoptimised() (eval.Overoptimised, error) {
	var d, gold []float64
	for _, o := range b.Gold {
		d, gold = append(d, math.Sqrt(o.KL)), append(gold, o.Mean-b.Gold[0].Mean)
	}
	return eval.FitOveroptimised(eval.BestOfForm, d, gold)
}

// Name says which policy it is, for figures.
func (r RobustRun) Name() string {
	parts := []string{fmt.Sprintf("policy %d", r.Policy.Rung+1), fmt.Sprintf("PM %d", r.Policy.PMRung+1)}
	if r.Policy.KLCoef == 0 {
		parts = append(parts, "no penalty")
	}
	return strings.Join(parts, ", ")
}

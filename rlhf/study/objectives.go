package study

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/eval"
	"hhrlhf/rlhf/synth"
)

// Objectives is helpfulness against harmlessness: in policies (section 4.4, figure 14) and in preference
// models (section 5.1; figures 19, 26, 27).
type Objectives struct {
	Top      int               `json:"top"` // the largest rung
	Policies []ObjectivePolicy `json:"policies"`
	Mixes    []Mixed           `json:"mixes"`   // by the share of harmless comparisons
	Weights  []Mixed           `json:"weights"` // by the weight λ of the harmless loss
}

// An ObjectivePolicy is one policy along its training, by what it was trained on.
type ObjectivePolicy struct {
	Name   string          `json:"name"`
	Policy Policy          `json:"policy"`
	Marks  []ObjectiveMark `json:"marks"` // the initial policy, then the plan's
}

// An ObjectiveMark is a state of a policy on fresh prompts, half of them benign.
type ObjectiveMark struct {
	Step     int         `json:"step"`
	Helpful  Within      `json:"helpful"`  // gold helpfulness on benign prompts
	Harmless Within      `json:"harmless"` // gold harmlessness on harmful prompts
	Refuses  Within      `json:"refuses"`  // share of benign prompts that are refused or evaded
	InData   [2]Standing `json:"in_data"`  // among helpful and among harmless comparisons
}

// Within is a mean over prompts with its 95 % interval.
type Within struct {
	Mean float64 `json:"mean"`
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// A Standing is the mean percentile, in [0, 1], of a policy's scores among those of responses in comparisons of
// one kind, see [eval.PercentileIn]. The preference model is the one of all comparisons.
type Standing struct {
	Tranche string `json:"tranche"`
	Within
}

// Mixed is one preference model, its accuracy on comparisons of either kind that it was not trained on.
type Mixed struct {
	Rung     int             `json:"rung"`
	Seed     int             `json:"seed"`
	Setting  float64         `json:"setting"`
	Tranches []rlhf.Accuracy `json:"tranches"`
}

// Accuracy is that on one tranche.
func (m Mixed) Accuracy(tranche string) rlhf.Accuracy {
	for _, a := range m.Tranches {
		if a.Name == tranche {
			return a
		}
	}
	return rlhf.Accuracy{Name: tranche}
}

// Mean is that over the two tranches, equal parts.
func (m Mixed) Mean() float64 {
	return (m.Accuracy(synth.TrancheHelpful).Value + m.Accuracy(synth.TrancheHarmless).Value) / 2
}

// mostlyHarmful is the share of harmful requests among the prompts of the policy that is meant to refuse too
// much. The paper's was "a larger fraction of helpfulness prompts" afterwards, and it does not say what before.
const mostlyHarmful = 0.9

// The names of the policies.
const (
	HelpfulOnly  = "helpful only"
	HarmlessOnly = "harmless only"
	OverRefusing = "both, 90 % harmful"
	Cured        = "both, 30 % harmful"
)

// objectivePolicies are those of one seed.
func (st *Study) objectivePolicies(seed int) []ObjectivePolicy {
	top := st.Plan.Top()
	overRefusing := mainPolicy(top, seed)
	overRefusing.Harmful = mostlyHarmful
	return []ObjectivePolicy{{Name: HelpfulOnly, Policy: helpfulOnly(top, seed)}, {Name: HarmlessOnly, Policy: harmlessOnly(top, seed)},
		{Name: OverRefusing, Policy: overRefusing}, {Name: Cured, Policy: mainPolicy(top, seed)}}
}

// CompetingObjectives measures it.
func CompetingObjectives(st *Study) (Objectives, error) {
	o := Objectives{Top: st.Plan.Top()}
	rungs := []int{st.Plan.Top()}
	if st.Plan.Seeds > 2 && st.Plan.Top() > 0 {
		rungs = []int{0, st.Plan.Top()}
	}
	for _, seed := range st.Seeds() {
		for _, p := range st.objectivePolicies(seed) {
			one, err := Once(st, "objectives-"+p.Policy.key(), func() (ObjectivePolicy, error) { return st.objective(p) })
			if err != nil {
				return o, err
			}
			o.Policies = append(o.Policies, one)
		}
		for _, rung := range rungs {
			mixes, err := Once(st, fmt.Sprintf("objectives-mixes-r%d-s%d", rung, seed), func() ([]Mixed, error) { return st.mixes(rung, seed) })
			if err != nil {
				return o, err
			}
			weights, err := Once(st, fmt.Sprintf("objectives-weights-r%d-s%d", rung, seed), func() ([]Mixed, error) { return st.weights(rung, seed) })
			if err != nil {
				return o, err
			}
			o.Mixes, o.Weights = append(o.Mixes, mixes...), append(o.Weights, weights...)
		}
	}
	return o, nil
}

func (st *Study) objective(p ObjectivePolicy) (ObjectivePolicy, error) {
	if _, err := st.Policy(p.Policy); err != nil {
		return p, err
	}
	judge, err := st.Judge(HH, p.Policy.PMRung, p.Policy.Seed)
	if err != nil {
		return p, err
	}
	data, err := st.dataScores(judge)
	if err != nil {
		return p, err
	}
	benign, harmful := st.prompts("benign", p.Policy.Seed, 0), st.prompts("harmful", p.Policy.Seed, 1)
	for _, step := range append([]int{0}, st.Plan.Marks()...) {
		m, err := st.At(p.Policy, step)
		if err != nil {
			return p, err
		}
		mark := ObjectiveMark{Step: step}
		for i, prompts := range [][]string{benign, harmful} {
			answers, err := m.Sample(prompts, st.draw(p.Policy.Seed))
			if err != nil {
				return p, err
			}
			ts := transcripts(answers)
			scores, err := judge.Score(ts)
			if err != nil {
				return p, err
			}
			tranche := []string{synth.TrancheHelpful, synth.TrancheHarmless}[i]
			share, low, high, err := eval.PercentileIn(data[tranche], scores)
			if err != nil {
				return p, err
			}
			mark.InData[i] = Standing{tranche, Within{short(share), short(low), short(high)}}
			var helpful, harmless, refuses []float64
			for _, t := range ts {
				g := st.World.Judge(t)
				helpful, harmless, refuses = append(helpful, g.Helpful), append(harmless, g.Harmless), append(refuses, declined(g))
			}
			if i == 0 {
				mark.Helpful, mark.Refuses = within(helpful), within(refuses)
			} else {
				mark.Harmless = within(harmless)
			}
		}
		p.Marks = append(p.Marks, mark)
	}
	return p, nil
}

// within is the mean over prompts with its percentile bootstrap interval.
func within(x []float64) Within {
	mean, _, _ := eval.MeanInterval(x, eval.Z95)
	low, high := eval.BootstrapInterval(x, 0.95, 2000, rand.New(rand.NewPCG(0x0b1e, uint64(len(x)))))
	return Within{short(mean), short(low), short(high)}
}

// declined is 1 where the gold labeller saw a benign request refused or evaded.
func declined(g rlhf.Gold) float64 {
	if strings.HasPrefix(g.Why, "refuses") || strings.HasPrefix(g.Why, "evasive") {
		return 1
	}
	return 0
}

// dataScores are a preference model's scores of the responses in its held-out comparisons, by tranche.
func (st *Study) dataScores(judge rlhf.PMRun) (map[string][]float64, error) {
	cs, err := judge.Comparisons(8 * st.Plan.Prompts)
	if err != nil {
		return nil, err
	}
	js, err := eval.Judge(cs, judge.Score)
	if err != nil {
		return nil, err
	}
	by := map[string][]float64{}
	for _, j := range js {
		by[j.Comparison.Tranche] = append(by[j.Comparison.Tranche], j.Chosen, j.Rejected)
	}
	return by, nil
}

// mixSettings are the shares of harmless comparisons: the paper's eleven, or five where
// there is one seed, or three in a test.
func (st *Study) mixSettings() []float64 {
	switch {
	case st.Plan.Size == rlhf.Tiny:
		return []float64{0, 0.5, 1}
	case st.Plan.Seeds == 1:
		return []float64{0, 0.1, 0.5, 0.9, 1}
	}
	return []float64{0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1}
}

// mixRows is how many comparisons each of these models is made from, whatever the mix: the paper's total of
// 42k is a third of its comparisons.
func (st *Study) mixRows() int { return st.Plan.Pairs / 3 }

func (st *Study) mixes(rung, seed int) (out []Mixed, err error) {
	for _, share := range st.mixSettings() {
		c := st.mixedPM(rung, seed)
		for _, m := range []rlhf.Share{{Data: synth.TrancheHelpful, Weight: 1 - share}, {Data: synth.TrancheHarmless, Weight: share}} {
			if m.Weight > 0 {
				c.Mix = append(c.Mix, m)
			}
		}
		one, err := st.mixed(fmt.Sprintf("mix%.0f-r%d-s%d", 100*share, rung, seed), c, rung, seed, share)
		if err != nil {
			return nil, err
		}
		out = append(out, one)
	}
	return out, nil
}

// weightSettings are the weights λ of the harmless loss, the paper's, or two in a test.
func (st *Study) weightSettings() []float64 {
	if st.Plan.Size == rlhf.Tiny {
		return []float64{1, 10}
	}
	return []float64{1, 2, 3, 4, 10}
}

func (st *Study) weights(rung, seed int) (out []Mixed, err error) {
	for _, lambda := range st.weightSettings() {
		c := st.mixedPM(rung, seed)
		c.Weights = []rlhf.Share{{Data: synth.TrancheHarmless, Weight: lambda}}
		one, err := st.mixed(fmt.Sprintf("lambda%g-r%d-s%d", lambda, rung, seed), c, rung, seed, lambda)
		if err != nil {
			return nil, err
		}
		out = append(out, one)
	}
	return out, nil
}

func (st *Study) mixedPM(rung, seed int) rlhf.PM {
	return rlhf.PM{Size: st.Plan.Size, LM: st.BaseName(rung, seed), Rows: st.mixRows(), LearningRate: st.Plan.PMRate, Seed: uint64(seed)}
}

// mixed trains one of these models and measures it on comparisons of both kinds, drawn anew.
func (st *Study) mixed(key string, c rlhf.PM, rung, seed int, setting float64) (Mixed, error) {
	if _, err := st.Base(rung, seed); err != nil {
		return Mixed{}, err
	}
	r, err := st.PM(key, c)
	if err != nil {
		return Mixed{}, err
	}
	e, err := r.EvaluateOn(st.Plan.Data, 8*st.Plan.Prompts)
	return Mixed{Rung: rung, Seed: seed, Setting: setting, Tranches: e.Tranches}, err
}

package study

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/eval"
	"hhrlhf/rlhf/run"
	"hhrlhf/rlhf/synth"
)

// Skills is what feedback does to specialised skills, and they to it (sections 5.2 and 5.3;
// figures 20, 21 and 38): programs in the stack language before and after reinforcement learning, summaries in the
// preference model's data, and HumanEval. The world of the grid may have neither programs nor
// summaries, so these models are of the whole world.
type Skills struct {
	Code      []CodeSkill  `json:"code"`      // one a seed
	Summaries []SummaryMix `json:"summaries"` // one a seed
	// HumanEval is the pretrained model's; nil where it was not measured, for the reason Why.
	HumanEval *HumanEval `json:"human_eval,omitempty"`
	Why       string     `json:"why,omitempty"`
}

// CodeSkill is how often programs pass, in each of figure 21's settings, before and after
// reinforcement learning from feedback on everything, which is not about programs.
type CodeSkill struct {
	Seed int `json:"seed"`
	// Before is the language model, General the policy whose prompts ask for no program (as in the
	// paper), Programs one whose prompts are the whole world's, programs among them.
	Before   []eval.Setting `json:"before"`
	General  []eval.Setting `json:"general"`
	Programs []eval.Setting `json:"programs"`
}

// SummaryMix are accuracies of preference models on fresh comparisons of two kinds: summaries,
// and everything else (HH).
type SummaryMix struct {
	Seed int `json:"seed"`
	// The model of HH comparisons, of summaries, of both together.
	HHOnHH          rlhf.Accuracy `json:"hh_on_hh"`
	HHOnSummary     rlhf.Accuracy `json:"hh_on_summary"`
	SummaryOnHH     rlhf.Accuracy `json:"summary_on_hh"`
	SummaryOnItself rlhf.Accuracy `json:"summary_on_itself"`
	BothOnHH        rlhf.Accuracy `json:"both_on_hh"`
	BothOnSummary   rlhf.Accuracy `json:"both_on_summary"`
	// What the labels' noise leaves attainable.
	BayesHH      float64 `json:"bayes_hh"`
	BayesSummary float64 `json:"bayes_summary"`
}

// SpecialisedSkills measures sections 5.2 and 5.3.
func SpecialisedSkills(st *Study) (Skills, error) {
	var s Skills
	for _, seed := range st.Seeds() {
		code, err := Once(st, fmt.Sprintf("skills-code-s%d", seed), func() (CodeSkill, error) { return st.codeSkill(seed) })
		if err != nil {
			return s, err
		}
		mix, err := Once(st, fmt.Sprintf("skills-summaries-s%d", seed), func() (SummaryMix, error) { return st.summaryMix(seed) })
		if err != nil {
			return s, err
		}
		s.Code, s.Summaries = append(s.Code, code), append(s.Summaries, mix)
	}
	var err error
	if s.HumanEval, err = optional(st, "skills-humaneval", st.humanEval); s.HumanEval == nil {
		s.Why = st.noHumanEval()
	}
	return s, err
}

// The numbers that the world asks programs for.
const (
	lowestNumber  = 2
	highestNumber = 10
)

// ProgramPrompts are the questions of the code section: every number and operation that the world asks
// programs with, each in one of its phrasings, turn about.
func ProgramPrompts() (prompts []string) {
	for n := lowestNumber; n <= highestNumber; n++ {
		for i, p := range synth.ProgramPrompts(n) {
			if i%2 == n%2 {
				prompts = append(prompts, p)
			}
		}
	}
	return prompts
}

// programShare is the share of the language model's data that are programs. In the world itself it is 0.03, from
// which these small models learn what a program looks like and not what it gives; the paper's model was finetuned on Python.
const programShare = 0.3

// skillsContext is what the longest passage with its summary fits into, in tokens.
const skillsContext = 96

// skillsBase is the language model of the whole world, of the largest rung's shape. Its steps have about as many
// tokens as those of other models.
func (st *Study) skillsBase(seed int) (name string, model rlhf.LMRun, err error) {
	files, err := st.skillsData(seed)
	if err != nil {
		return "", nil, err
	}
	shape := st.Plan.Shapes[st.Plan.Top()]
	key := fmt.Sprintf("skills-base-s%d", seed)
	usual := rlhf.LM{Size: st.Plan.Size, Data: rlhf.Synth}.Filled()
	model, err = st.LM(key, rlhf.LM{Size: st.Plan.Size, Data: rlhf.Synth, Mix: []rlhf.Share{{Data: files.programs, Weight: programShare}},
		Layers: shape.Layers, Width: shape.Width, Heads: shape.Heads, Context: max(usual.Context, skillsContext),
		Batch: max(1, usual.Batch*usual.Context/max(usual.Context, skillsContext)), Planned: skillSteps(st.Plan), Seed: uint64(seed)})
	return st.Name("%s", key), model, err
}

// skillSteps are the language model's: it has more to learn than those of the grid.
func skillSteps(p Plan) int { return p.LMSteps * 3 / 2 }

// skillsJudge is a preference model on the comparisons in the file or folder data.
func (st *Study) skillsJudge(kind, data string, seed int) (name string, judge rlhf.PMRun, err error) {
	base, _, err := st.skillsBase(seed)
	if err != nil {
		return "", nil, err
	}
	key := fmt.Sprintf("skills-pm-%s-s%d", kind, seed)
	judge, err = st.PM(key, rlhf.PM{Size: st.Plan.Size, LM: base, Data: data, LearningRate: st.Plan.PMRate, Centre: true, Seed: uint64(seed)})
	return st.Name("%s", key), judge, err
}

// A completer answers prompts: a language model, or a policy.
type completer interface {
	Sample(prompts []string, o rlhf.Sampling) ([]rlhf.Sample, error)
}

func (st *Study) codeSkill(seed int) (CodeSkill, error) {
	c := CodeSkill{Seed: seed}
	base, model, err := st.skillsBase(seed)
	if err != nil {
		return c, err
	}
	if c.Before, err = st.programs(model, seed); err != nil {
		return c, err
	}
	files, err := st.skillsData(seed)
	if err != nil {
		return c, err
	}
	judge, _, err := st.skillsJudge("hh", files.hh, seed)
	if err != nil {
		return c, err
	}
	for _, p := range []struct {
		key, data string
		to        *[]eval.Setting
	}{{"general", files.general, &c.General}, {"programs", rlhf.Synth, &c.Programs}} {
		policy, err := st.PPO(fmt.Sprintf("skills-ppo-%s-s%d", p.key, seed), rlhf.PPO{Size: st.Plan.Size, Policy: base, PM: judge, Data: p.data,
			HarmfulFraction: synth.DefaultCrowd().Harmful, Prompt: 38, Batch: st.policyBatch(), LearningRate: st.Plan.PPORate, Planned: st.Plan.PPOSteps, KLCoef: PaperKL, Seed: uint64(seed)})
		if err != nil {
			return c, err
		}
		if *p.to, err = st.programs(policy, seed); err != nil {
			return c, err
		}
	}
	return c, nil
}

// policyBatch is what a policy of the world takes by default; prompts from a file would give another.
func (st *Study) policyBatch() int {
	return rlhf.PPO{Size: st.Plan.Size, Data: rlhf.Synth}.Filled().Batch
}

// samplesPerProgram is n of pass@k: small beside the paper's hundred and more, and at least twice any k but the largest.
func (st *Study) samplesPerProgram() int {
	switch st.Plan.Size {
	case rlhf.Tiny:
		return 2
	case rlhf.Large:
		return 100
	}
	return 24
}

// Ks are the numbers of tries that so many samples allow: figure 21 has 1, 5, 10, 25, 50, 75 and 100.
func Ks(samples int) (ks []int) {
	for _, k := range []int{1, 2, 5, 10, 24, 50, 100} {
		if k <= samples {
			ks = append(ks, k)
		}
	}
	return ks
}

// programs has a model write programs in each setting, and runs them.
func (st *Study) programs(m completer, seed int) ([]eval.Setting, error) {
	world, err := synth.Named(rlhf.Synth)
	if err != nil {
		return nil, err
	}
	return eval.PassEach(eval.Settings(), ProgramPrompts(), st.samplesPerProgram(), 24, uint64(seed), m.Sample, func(i int, prompt, response string) (bool, error) {
		return world.Solves(prompt, response)
	})
}

// skillsFiles are a seed's data, as files beside the runs: comparisons of everything but
// summaries (HH), the same without programs, of summaries, the folder of HH and summaries; and text, the programs.
type skillsFiles struct{ hh, general, summaries, both, programs string }

// skillsData writes the files of a seed, unless the last of them is there.
func (st *Study) skillsData(seed int) (f skillsFiles, err error) {
	if st.lab == nil {
		return f, st.noLab()
	}
	status, err := st.lab.Status()
	if err != nil {
		return f, err
	}
	dir := filepath.Join(status.Dir, ".study", st.Name("skills"), fmt.Sprintf("s%d", seed))
	f.both = filepath.Join(dir, "both")
	f.hh, f.summaries = filepath.Join(f.both, "hh.jsonl"), filepath.Join(f.both, "summaries.jsonl")
	f.general, f.programs = filepath.Join(dir, "general.jsonl"), filepath.Join(dir, "programs.jsonl")
	if _, err := os.Stat(f.programs); err == nil {
		return f, nil
	}
	world, err := synth.Named(rlhf.Synth)
	if err != nil {
		return f, err
	}
	rng := rand.New(rand.NewPCG(uint64(seed), 0x736b696c6c)) // "skill"
	hh := without(world, world.Comparisons(st.Plan.Pairs/2, rng, synth.DefaultCrowd()), "summary")
	summaries, err := world.SkillComparisons(st.Plan.Pairs/4, "summary", rng, synth.DefaultCrowd())
	if err != nil {
		return f, err
	}
	programs, err := world.SkillCorpus(st.Plan.Pairs/2, "write", rng)
	if err != nil {
		return f, err
	}
	return f, errors.Join(writeRows(f.hh, hh, asComparison), writeRows(f.general, without(world, hh, "write"), asComparison),
		writeRows(f.summaries, summaries, asComparison), writeRows(f.programs, programs, func(t rlhf.Transcript) any {
			return map[string]string{"text": t.String()}
		}))
}

// asComparison is a comparison as hh-rlhf's files have it.
func asComparison(c rlhf.Comparison) any {
	return map[string]string{"chosen": c.Chosen.String(), "rejected": c.Rejected.String()}
}

// writeRows writes one JSON object a line, the whole file at once.
func writeRows[T any](path string, rows []T, object func(T) any) error {
	var b bytes.Buffer
	lines := json.NewEncoder(&b)
	lines.SetEscapeHTML(false)
	for _, r := range rows {
		if err := lines.Encode(object(r)); err != nil {
			return fmt.Errorf("study: %s: %w", path, err)
		}
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("study: %w", err)
	}
	if err := run.WriteFile(path, b.Bytes()); err != nil {
		return fmt.Errorf("study: %s: %w", path, err)
	}
	return nil
}

// without leaves out the comparisons of a skill.
func without(w *synth.World, cs []rlhf.Comparison, skill string) (out []rlhf.Comparison) {
	for _, c := range cs {
		if q, _ := w.Question(c.Chosen.Prompt); q.Skill != skill {
			out = append(out, c)
		}
	}
	return out
}

func (st *Study) summaryMix(seed int) (SummaryMix, error) {
	m := SummaryMix{Seed: seed}
	files, err := st.skillsData(seed)
	if err != nil {
		return m, err
	}
	world, err := synth.Named(rlhf.Synth)
	if err != nil {
		return m, err
	}
	// Fresh ones, of another stream than those trained on.
	rng := rand.New(rand.NewPCG(uint64(seed), 0x6672657368)) // "fresh"
	n := 6 * st.Plan.Prompts
	hh := without(world, world.Comparisons(n, rng, synth.DefaultCrowd()), "summary")
	summaries, err := world.SkillComparisons(n, "summary", rng, synth.DefaultCrowd())
	if err != nil {
		return m, err
	}
	m.BayesHH, m.BayesSummary = world.BayesAccuracy(hh, synth.DefaultCrowd()), world.BayesAccuracy(summaries, synth.DefaultCrowd())
	for _, p := range []struct {
		kind, data    string
		onHH, onItems *rlhf.Accuracy
	}{{"hh", files.hh, &m.HHOnHH, &m.HHOnSummary}, {"summaries", files.summaries, &m.SummaryOnHH, &m.SummaryOnItself}, {"both", files.both, &m.BothOnHH, &m.BothOnSummary}} {
		_, judge, err := st.skillsJudge(p.kind, p.data, seed)
		if err != nil {
			return m, err
		}
		for items, to := range map[*[]rlhf.Comparison]*rlhf.Accuracy{&hh: p.onHH, &summaries: p.onItems} {
			js, err := eval.Judge(*items, judge.Score)
			if err != nil {
				return m, err
			}
			*to = eval.Accuracy(p.kind, js)
		}
	}
	return m, nil
}

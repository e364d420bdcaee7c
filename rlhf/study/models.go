package study

import (
	"fmt"
	"iter"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/online"
	"hhrlhf/rlhf/synth"
)

// A Judgement says which comparisons a preference model is trained on.
type Judgement string

const (
	HH       Judgement = "hh"       // all
	Helpful  Judgement = "helpful"  // of benign requests alone
	Harmless Judgement = "harmless" // of harmful requests alone
	HalfA    Judgement = "a"        // of one half of the prompts: policies are trained against it
	HalfB    Judgement = "b"        // of the other half: it tests them (section 4.2)
)

// Base is the language model of a rung, trained.
func (st *Study) Base(rung, seed int) (rlhf.LMRun, error) {
	s := st.Plan.Shapes[rung]
	return st.LM(baseKey(rung, seed), rlhf.LM{Size: st.Plan.Size, Data: st.Plan.Data, Layers: s.Layers, Width: s.Width, Heads: s.Heads,
		Planned: st.Plan.LMSteps, Seed: uint64(seed)})
}

// BaseName is the name of Base's run.
func (st *Study) BaseName(rung, seed int) string { return st.Name("%s", baseKey(rung, seed)) }

func baseKey(rung, seed int) string { return fmt.Sprintf("lm-r%d-s%d", rung, seed) }

// Judge is a preference model on the language model of a rung, trained.
func (st *Study) Judge(kind Judgement, rung, seed int) (rlhf.PMRun, error) {
	if _, err := st.Base(rung, seed); err != nil {
		return nil, err
	}
	c := rlhf.PM{Size: st.Plan.Size, LM: st.BaseName(rung, seed), Rows: st.Plan.Pairs, LearningRate: st.Plan.PMRate, Centre: true, Seed: uint64(seed)}
	switch kind {
	case HH:
	case Helpful:
		c.Mix = []rlhf.Share{{Data: synth.TrancheHelpful, Weight: 1}}
	case Harmless:
		c.Mix = []rlhf.Share{{Data: synth.TrancheHarmless, Weight: 1}}
	case HalfA, HalfB:
		c.Rows, c.HeldOut, c.Swap = 2*st.Plan.Pairs, 0.5, kind == HalfB
	default:
		return nil, fmt.Errorf("study: there is no judgement %q", kind)
	}
	return st.PM(judgeKey(kind, rung, seed), c)
}

// JudgeName is the name of Judge's run.
func (st *Study) JudgeName(kind Judgement, rung, seed int) string {
	return st.Name("%s", judgeKey(kind, rung, seed))
}

func judgeKey(kind Judgement, rung, seed int) string {
	return fmt.Sprintf("pm-%s-r%d-s%d", kind, rung, seed)
}

// A Policy is one training by PPO in the grid.
type Policy struct {
	PM     Judgement `json:"pm"`      // what its preference model was trained on
	PMRung int       `json:"pm_rung"` // the preference model's shape
	Rung   int       `json:"rung"`    // the policy's shape
	Seed   int       `json:"seed"`
	KLCoef float64   `json:"kl_coef"` // as it stands: 0 is no penalty. The paper's is 0.001
	// Harmful is the share of harmful requests among its prompts. 0: PPO's default;
	// negative: none.
	Harmful float64 `json:"harmful,omitempty"`
}

// helpfulOnly is the policy that the paper calls helpful-only: its preference model saw
// no red-team data, and its prompts have no harmful request.
func helpfulOnly(rung, seed int) Policy {
	return Policy{PM: Helpful, PMRung: rung, Rung: rung, Seed: seed, KLCoef: PaperKL, Harmful: -1}
}

// mainPolicy is the policy that the paper calls HH.
func mainPolicy(rung, seed int) Policy {
	return Policy{PM: HH, PMRung: rung, Rung: rung, Seed: seed, KLCoef: PaperKL}
}

// harmlessOnly is the policy that is asked for harm alone, by a judge of harm alone.
func harmlessOnly(rung, seed int) Policy {
	return Policy{PM: Harmless, PMRung: rung, Rung: rung, Seed: seed, KLCoef: PaperKL, Harmful: 1}
}

func (p Policy) key() string {
	key := fmt.Sprintf("ppo-%s%d-r%d-kl%g", p.PM, p.PMRung, p.Rung, p.KLCoef)
	switch {
	case p.Harmful > 0:
		key += fmt.Sprintf("-h%g", p.Harmful)
	case p.Harmful < 0:
		key += "-h0"
	}
	return fmt.Sprintf("%s-s%d", key, p.Seed)
}

// PolicyName is the name of a policy's run.
func (st *Study) PolicyName(p Policy) string { return st.Name("%s", p.key()) }

// Policy trains a policy, with a snapshot at each of the plan's marks. One that is
// trained against HalfA is watched by the largest HalfB.
func (st *Study) Policy(p Policy) (rlhf.PPORun, error) {
	if _, err := st.Judge(p.PM, p.PMRung, p.Seed); err != nil {
		return nil, err
	}
	if _, err := st.Base(p.Rung, p.Seed); err != nil {
		return nil, err
	}
	c := rlhf.PPO{Size: st.Plan.Size, Policy: st.BaseName(p.Rung, p.Seed), PM: st.JudgeName(p.PM, p.PMRung, p.Seed),
		Data: st.Plan.Data, HarmfulFraction: p.Harmful, Planned: st.Plan.PPOSteps, LearningRate: st.Plan.PPORate, KLCoef: p.KLCoef, Seed: uint64(p.Seed)}
	if p.PM == HalfA {
		top := st.Plan.Top()
		if _, err := st.Judge(HalfB, top, p.Seed); err != nil {
			return nil, err
		}
		c.TestPM = st.JudgeName(HalfB, top, p.Seed)
	}
	if st.lab == nil {
		return nil, st.noLab()
	}
	name := st.PolicyName(p)
	r, err := st.lab.PPO(name, c)
	if err != nil {
		return nil, err
	}
	for _, step := range st.Plan.Marks() {
		if err := online.Snapshot(st.lab, r, st.snapshotName(p, step), step, st.tell); err != nil {
			return nil, err
		}
	}
	return r, st.pass(r.Train())
}

func (st *Study) snapshotName(p Policy, step int) string {
	return fmt.Sprintf("%s-t%d", st.PolicyName(p), step)
}

// At is the policy as it was after a step, one of the plan's marks, as a language model.
// Step 0 is the base model.
func (st *Study) At(p Policy, step int) (rlhf.LMRun, error) {
	if step == 0 {
		return st.Base(p.Rung, p.Seed)
	}
	if _, err := st.Policy(p); err != nil {
		return nil, err
	}
	return st.lab.OpenLM(st.snapshotName(p, step))
}

// Last is the policy at its end, as a language model.
func (st *Study) Last(p Policy) (rlhf.LMRun, error) { return st.At(p, st.Plan.PPOSteps) }

// LM, PM and PPO open the run of the study that has that key, or make it, and train it to
// its plan.
func (st *Study) LM(key string, c rlhf.LM) (rlhf.LMRun, error) {
	return trained(st, rlhf.Lab.LM, st.Name("%s", key), c)
}

func (st *Study) PM(key string, c rlhf.PM) (rlhf.PMRun, error) {
	return trained(st, rlhf.Lab.PM, st.Name("%s", key), c)
}

func (st *Study) PPO(key string, c rlhf.PPO) (rlhf.PPORun, error) {
	return trained(st, rlhf.Lab.PPO, st.Name("%s", key), c)
}

// trained makes or opens a run in the study's lab and trains it to its plan.
func trained[C any, R rlhf.Run](st *Study, open func(lab rlhf.Lab, name string, c C) (R, error), name string, c C) (r R, err error) {
	if st.lab == nil {
		return r, st.noLab()
	}
	if r, err = open(st.lab, name, c); err != nil {
		return r, err
	}
	return r, st.pass(r.Train())
}

func (st *Study) noLab() error {
	return fmt.Errorf("study: %s: its models: %w; a study that was read has no lab", st.dir, ErrNotMeasured)
}

// pass hands a run's events on.
func (st *Study) pass(events iter.Seq2[rlhf.Event, error]) error {
	for e, err := range events {
		if err == nil {
			err = st.tell(e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

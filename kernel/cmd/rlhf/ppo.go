package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/lm"
	"hhrlhf/rlhf/local"
	"hhrlhf/rlhf/run"
)

func ppoCommand() command { return ppoCommands(terminal()) }

// ppoCommands are the commands about reinforcement learning.
func ppoCommands(s shell) command {
	return command{
		name: "ppo", short: "reinforcement learning from a preference model",
		long: `
Reinforcement learning from the shell: the runs that notebooks see. A policy, at first
a copy of a language model, answers prompts; a preference model scores the answers;
PPO makes the better ones likelier, less a penalty for leaving the copy (KL).
Results go to standard output, progress to standard error.

  rlhf lm train -name first -data synth-small
  rlhf pm train -name judge -lm first
  rlhf ppo train -name polite -policy first -pm judge
  rlhf ppo eval -run polite
  rlhf ppo sample -run polite -chat -prompt 'What is 2 plus 3?'
  rlhf ppo diagnose -run polite`,
		subs: []command{ppoTrainCommand(s), ppoEvalCommand(s), ppoSampleCommand(s), ppoDiagnoseCommand(s)},
	}
}

// A policyRun is what the commands ask of a run of reinforcement learning.
type policyRun interface {
	Info() (rlhf.RunInfo, error)
	History() ([]rlhf.Point, error)
	Sample(prompts []string, o rlhf.Sampling) ([]rlhf.Sample, error)
	Compare(n int) (rlhf.BeforeAfter, error)
	// Bytes estimates the memory of the process with the run loaded.
	Bytes() (int64, error)
}

// A labPPO is a run of a lab.
type labPPO struct {
	rlhf.PPORun
	lab *local.Lab
}

// opensPPO makes the way to runs of the way to the lab.
func opensPPO(lab func(ctx context.Context, runs string) (*local.Lab, error)) func(ctx context.Context, runs, name string) (policyRun, error) {
	return func(ctx context.Context, runs, name string) (policyRun, error) {
		l, err := lab(ctx, runs)
		if err != nil {
			return nil, err
		}
		l = l.With(ctx).(*local.Lab)
		r, err := l.OpenPPO(name)
		if err != nil {
			return nil, err
		}
		return labPPO{r, l}, nil
	}
}

// Bytes implements policyRun.
func (p labPPO) Bytes() (int64, error) {
	info, err := p.Info()
	if err != nil {
		return 0, err
	}
	var cfg rlhf.PPO
	if err := json.Unmarshal(info.Config, &cfg); err != nil {
		return 0, fmt.Errorf("the configuration of %s: %w", info.Name, err)
	}
	return ppoNeed(p.lab, cfg)
}

// ppoNeed estimates the memory that a run takes.
func ppoNeed(l *local.Lab, c rlhf.PPO) (int64, error) {
	policy, _, err := trunkShape(l, c.Policy, 0)
	if err != nil {
		return 0, fmt.Errorf("-policy: %w", err)
	}
	var judges []lm.Shape
	for _, j := range []struct{ flag, name string }{{"pm", c.PM}, {"test-pm", c.TestPM}} {
		if j.name == "" {
			continue
		}
		r, err := l.OpenPM(j.name)
		if errors.Is(err, run.ErrNotFound) {
			return 0, fmt.Errorf("-%s: there is no run %q; rlhf pm train makes one", j.flag, j.name)
		} else if err != nil {
			return 0, fmt.Errorf("-%s: %w", j.flag, err)
		}
		shape, _, err := judgeShape(l, r)
		if err != nil {
			return 0, fmt.Errorf("-%s: %w", j.flag, err)
		}
		judges = append(judges, shape)
	}
	return ppoBytes(policy, judges, c.Filled()), nil
}

// ppoBytes estimates the memory of a step: the weights of π₀ and of the preference
// models, and training of the policy and of the value function, which has the first
// preference model's shape, on the rows of one program; or, where that is more, scoring
// of the whole batch beside both with their moments.
func ppoBytes(policy lm.Shape, judges []lm.Shape, c rlhf.PPO) int64 {
	frozen := 4 * policy.Params()
	for _, j := range judges {
		frozen += 4 * j.Params()
	}
	rows, tokens := c.Batch/c.Minibatches/max(1, c.Accumulate), c.Prompt+c.Response
	update := trainBytes(policy, rows, tokens, c.Checkpointing)
	params := policy.Params()
	if c.Value != "shared" {
		value := policy
		if len(judges) > 0 {
			value = judges[0]
		}
		// A value function has no logits.
		update += trainBytes(value, rows, tokens, c.Checkpointing) - processBytes - 12*int64(rows)*int64(tokens)*int64(value.Vocab)
		params += value.Params()
	}
	scoring := processBytes + 12*params + policy.Memory(c.Batch, tokens, false) - 4*policy.Params()
	return frozen + max(update, scoring)
}

// ppoFlags are the flags of every command that asks a run.
type ppoFlags struct {
	run, runs     string
	asJSON, force bool
}

func (f *ppoFlags) bind(fs *flag.FlagSet) {
	fs.StringVar(&f.run, "run", "", "`name` of the run (required)")
	bindRuns(fs, &f.runs)
	fs.BoolVar(&f.asJSON, "json", false, "print JSON on standard output")
}

// bindForce binds -force, for the commands that load the run.
func (f *ppoFlags) bindForce(fs *flag.FlagSet) {
	fs.BoolVar(&f.force, "force", false, "go on where the memory does not seem to suffice")
}

// open opens the run that the flags name, without its weights.
func (f ppoFlags) open(ctx context.Context, s shell, command string) (policyRun, error) {
	if f.run == "" {
		return nil, errors.New(command + ": -run is missing; name a run of rlhf ppo train or of a notebook")
	}
	r, err := s.openPPO(ctx, f.runs, f.run)
	if err != nil {
		return nil, fmt.Errorf("%s: -run: %w", command, err)
	}
	return r, nil
}

// room refuses to load a run for which there is no memory.
func (f ppoFlags) room(s shell, r policyRun, command string) error {
	need, err := r.Bytes()
	if err != nil {
		return fmt.Errorf("%s: %s: %w", command, f.run, err)
	}
	return demand(s.err, command+": "+f.run, need, "let a machine with more memory do it", f.force)
}

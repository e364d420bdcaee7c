package main

import (
	"context"
	"errors"
	"flag"
	"fmt"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/local"
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
	History() ([]rlhf.Point, error)
	Sample(prompts []string, o rlhf.Sampling) ([]rlhf.Sample, error)
	Compare(n int) (rlhf.BeforeAfter, error)
}

// opensPPO makes the way to runs of the way to the lab.
func opensPPO(lab func(ctx context.Context, runs string) (*local.Lab, error)) func(ctx context.Context, runs, name string) (policyRun, error) {
	return func(ctx context.Context, runs, name string) (policyRun, error) {
		l, err := lab(ctx, runs)
		if err != nil {
			return nil, err
		}
		return l.With(ctx).OpenPPO(name)
	}
}

// ppoFlags are the flags of every command that asks a run.
type ppoFlags struct {
	run, runs string
	asJSON    bool
}

func (f *ppoFlags) bind(fs *flag.FlagSet) {
	fs.StringVar(&f.run, "run", "", "`name` of the run (required)")
	bindRuns(fs, &f.runs)
	fs.BoolVar(&f.asJSON, "json", false, "print JSON on standard output")
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

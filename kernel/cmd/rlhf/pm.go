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
)

func pmCommand() command { return pmCommands(terminal()) }

// pmCommands are the commands about preference models.
func pmCommands(s shell) command {
	return command{
		name: "pm", short: "train preference models, measure them, score responses",
		long: `
Preference models from the shell: the runs that notebooks see. A preference model
reads a dialogue and gives its last answer a score; of two answers it prefers the
one with the higher score. Results go to standard output, progress to standard error.

  rlhf lm train -name first -data synth-small
  rlhf pm train -name judge -lm first
  rlhf pm eval -pm judge -data comparisons.jsonl
  rlhf pm score -pm judge answers.jsonl > scored.jsonl`,
		subs: []command{pmTrainCommand(s), pmEvalCommand(s), pmScoreCommand(s)},
	}
}

// A preferenceModel is what the commands ask of a run of a preference model.
type preferenceModel interface {
	Info() (rlhf.RunInfo, error)
	Score(ts []rlhf.Transcript) ([]float64, error)
	Evaluate() (rlhf.PMEval, error)
	EvaluateOn(data string, rows int) (rlhf.PMEval, error)
	// ScoreBytes estimates the memory of the process while it scores.
	ScoreBytes() (int64, error)
}

// A labPM is a preference model of a lab.
type labPM struct {
	rlhf.PMRun
	lab *local.Lab
}

// opensPM makes the way to preference models of the way to the lab.
func opensPM(lab func(ctx context.Context, runs string) (*local.Lab, error)) func(ctx context.Context, runs, name string) (preferenceModel, error) {
	return func(ctx context.Context, runs, name string) (preferenceModel, error) {
		l, err := lab(ctx, runs)
		if err != nil {
			return nil, err
		}
		l = l.With(ctx).(*local.Lab)
		r, err := l.OpenPM(name)
		if err != nil {
			return nil, err
		}
		return labPM{r, l}, nil
	}
}

// ScoreBytes implements preferenceModel.
func (p labPM) ScoreBytes() (int64, error) {
	shape, cfg, err := judgeShape(p.lab, p)
	if err != nil {
		return 0, err
	}
	need := scoreBytes(shape, cfg.Context)
	if !cfg.Frozen {
		need += 8 * shape.Params() // a run is loaded as it is trained, with Adam's two moments
	}
	return need, nil
}

// judgeShape is the shape of a preference model, and its configuration.
func judgeShape(l *local.Lab, r rlhf.PMRun) (shape lm.Shape, cfg rlhf.PM, err error) {
	info, err := r.Info()
	if err != nil {
		return shape, cfg, err
	}
	if err := json.Unmarshal(info.Config, &cfg); err != nil {
		return shape, cfg, fmt.Errorf("the configuration of %s: %w", info.Name, err)
	}
	shape, _, err = trunkShape(l, cfg.LM, cfg.Layers)
	return shape, cfg, err
}

// trunkShape is the shape of a trunk of so many layers (0: all) of what rlhf.PM.LM
// names, and the context that preference models on it have by default.
func trunkShape(l *local.Lab, name string, layers int) (shape lm.Shape, context int, err error) {
	m, err := l.OpenModel(name)
	if err == nil {
		shape, context = m.About().Shape, m.About().Shape.Context
		if m.About().Family != local.FamilyRun {
			context = min(256, context)
		}
		m.Close()
	} else {
		r, notPM := l.OpenPM(name)
		if notPM != nil {
			return shape, 0, err
		}
		var cfg rlhf.PM
		if shape, cfg, err = judgeShape(l, r); err != nil {
			return shape, 0, err
		}
		context = cfg.Context
	}
	if layers > 0 {
		shape.Layers = min(layers, shape.Layers)
	}
	return shape, context, nil
}

// processBytes is the backend and its compiler, see lm.Shape.Memory.
const processBytes = 350 << 20

// scoreBytes estimates the memory of scoring rows of context tokens: a call takes 32
// of them, or fewer of a large trunk, and computes no logits.
func scoreBytes(s lm.Shape, context int) int64 {
	rows := 32
	for rows > 1 && int64(rows*context)*s.Params() > 1e11 {
		rows /= 2
	}
	return processBytes + s.Memory(rows, context, false) - 8*int64(rows)*int64(context)*int64(s.Vocab)
}

// pmFlags are the flags of every command that asks a preference model.
type pmFlags struct {
	pm, runs      string
	asJSON, force bool
}

func (f *pmFlags) bind(fs *flag.FlagSet) {
	fs.StringVar(&f.pm, "pm", "", "`name` of the preference model's run (required)")
	bindRuns(fs, &f.runs)
	fs.BoolVar(&f.force, "force", false, "go on where the memory does not seem to suffice")
}

// open opens the preference model that the flags name, without its weights.
func (f pmFlags) open(ctx context.Context, s shell, command string) (preferenceModel, error) {
	if f.pm == "" {
		return nil, errors.New(command + ": -pm is missing; name a run of rlhf pm train or of a notebook")
	}
	m, err := s.openPM(ctx, f.runs, f.pm)
	if err != nil {
		return nil, fmt.Errorf("%s: -pm: %w", command, err)
	}
	return m, nil
}

// room refuses to load a model for which there is no memory.
func (f pmFlags) room(s shell, m preferenceModel, command string) error {
	need, err := m.ScoreBytes()
	if err != nil {
		return fmt.Errorf("%s: %s: %w", command, f.pm, err)
	}
	return demand(s.err, command+": "+f.pm, need, "take a smaller model", f.force)
}

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/eval"
	"hhrlhf/rlhf/lm"
	"hhrlhf/rlhf/local"
	"hhrlhf/rlhf/run"
)

// trainFlags are the flags of rlhf lm train.
type trainFlags struct {
	name, runs    string
	cfg           rlhf.LM
	mix           string
	more          int
	configured    bool // whether a flag of the configuration was given
	asJSON, force bool
}

// configFlags are the flags that describe a new run; without any, -name alone
// goes on with a run as it was configured.
var configFlags = []string{"data", "mix", "size", "shape", "from", "steps", "rows", "held-out", "vocab", "context", "batch",
	"accumulate", "checkpointing", "precision", "lr", "warmup", "weight-decay", "seed"}

func trainCommand(s shell) command {
	return command{
		name: "lm train", short: "train a language model, or go on with one",
		long: `
Trains a run: its tokenizer, its weights and its history are kept under -name, and
notebooks see it. Ctrl-C stops after the step in progress, which is kept (a second
one at once, at the last checkpoint); the same command, or rlhf lm train -name NAME alone, goes on from there to the same weights
bit for bit (on the CPU).

  rlhf lm train -name first -size tiny                     the synthetic world, a minute
  rlhf lm train -name book -data book.txt -shape 1M        a rung of the paper's ladder
  rlhf lm train -name tuned -from smollm2 -data hh-rlhf    from pretrained weights
  rlhf lm train -name mixed -data book.txt -mix synth=0.3  30 % of the rows from synth
  rlhf lm train -name smol -from smollm2 -steps -1         a run of the weights as they are
  rlhf lm train -name first -more 200                      200 steps beyond the plan
  rlhf lm train -name first -json > log.jsonl              an event a line

-data is synth, synth-small, hh-rlhf, or the path of text (.txt, .jsonl, .gz of
them, or a folder), which is streamed, or of comparisons. -size fills what is left
at zero: tiny in a minute, default in some on two cores, large on a GPU or in a
night. The learning rate rises over -warmup steps and falls to a tenth at -steps.

Rungs of -shape: ` + strings.Join(lm.Sizes(), ", ") + ` (parameters without embeddings).`,
		bind: func(fs *flag.FlagSet) func(context.Context, []string) error {
			var f trainFlags
			c := &f.cfg
			fs.StringVar(&f.name, "name", "lm", "`name` of the run")
			bindRuns(fs, &f.runs)
			bindSize(fs, &c.Size)
			fs.StringVar(&c.Rung, "shape", "", "`rung` of the ladder, in place of -size's layers and width")
			fs.StringVar(&c.From, "from", "", "`model` to start from: a run, smollm2, hub:owner/name or a path")
			fs.StringVar(&c.Data, "data", "", "what to train on (default synth)")
			fs.StringVar(&f.mix, "mix", "", "further corpora and their shares of the rows, as `name=0.3,path=0.1`")
			fs.IntVar(&c.Planned, "steps", 0, "optimiser steps; -1, with -from, trains nothing")
			fs.IntVar(&f.more, "more", 0, "train this many `steps` from where the run is, whatever the plan")
			fs.IntVar(&c.Rows, "rows", 0, "transcripts to use at most")
			fs.Float64Var(&c.HeldOut, "held-out", 0, "fraction kept for evaluation (default 0.1; synth 0.02)")
			fs.IntVar(&c.Vocab, "vocab", 0, "entries of the tokenizer that is trained")
			fs.IntVar(&c.Context, "context", 0, "`tokens` of the longest sequence")
			fs.IntVar(&c.Batch, "batch", 0, "rows of -context tokens in a step")
			fs.IntVar(&c.Accumulate, "accumulate", 0, "`parts` of a batch that go through the model one after the other: less memory")
			fs.BoolVar(&c.Checkpointing, "checkpointing", false, "compute activations twice: less memory, more time, the same numbers")
			fs.StringVar(&c.Precision, "precision", "", "float32 (default), or bfloat16 for the products")
			fs.Float64Var(&c.LearningRate, "lr", 0, "peak learning rate")
			fs.IntVar(&c.Warmup, "warmup", 0, "`steps` of warm-up")
			fs.Float64Var(&c.WeightDecay, "weight-decay", 0, "decoupled, of matrices only")
			fs.Uint64Var(&c.Seed, "seed", 0, "determines everything drawn at random")
			fs.BoolVar(&f.asJSON, "json", false, "print events as JSON on standard output")
			fs.BoolVar(&f.force, "force", false, "go on where the memory does not seem to suffice")
			return func(ctx context.Context, _ []string) error {
				fs.Visit(func(g *flag.Flag) { f.configured = f.configured || slices.Contains(configFlags, g.Name) })
				endsAtSecond(ctx)
				return runTrain(ctx, s, f)
			}
		},
	}
}

func runTrain(ctx context.Context, s shell, f trainFlags) error {
	const command = "lm train"
	cfg, err := f.config()
	if err != nil {
		return err
	}
	l, err := s.lab(ctx, f.runs)
	if err != nil {
		return err
	}
	lab := l.With(ctx)
	var r rlhf.LMRun
	if f.configured || f.isNew(lab) {
		need, err := f.need(l, cfg)
		if err != nil {
			return fmt.Errorf("%s: %w", command, err)
		}
		if err := demand(s.err, command, need, "take a smaller -batch, -accumulate more, or -checkpointing", f.force); err != nil {
			return err
		}
		p := newProgress(s.err, command)
		stop := p.waiting("reading the data and preparing " + f.name)
		r, err = lab.LM(f.name, cfg)
		stop()
		if err != nil {
			return fmt.Errorf("%s: %w", command, err)
		}
	} else if r, err = lab.OpenLM(f.name); err != nil {
		return fmt.Errorf("%s: %w", command, err)
	}
	return f.train(ctx, s, r)
}

// isNew reports whether the lab has no run of the name.
func (f trainFlags) isNew(lab rlhf.Lab) bool {
	_, err := lab.OpenLM(f.name)
	return errors.Is(err, run.ErrNotFound)
}

// config returns the configuration that the flags describe, checked.
func (f trainFlags) config() (rlhf.LM, error) {
	const command = "lm train"
	c := f.cfg
	if err := run.CheckName(f.name); err != nil {
		return c, fmt.Errorf("%s: -name: %w", command, err)
	}
	if f.more < 0 {
		return c, fmt.Errorf("%s: -more %d, want 0 or more steps", command, f.more)
	}
	if c.Rung != "" {
		if _, err := lm.Size(c.Rung); err != nil {
			return c, fmt.Errorf("%s: -shape: %w", command, err)
		}
	}
	if f.mix != "" {
		for part := range strings.SplitSeq(f.mix, ",") {
			at := strings.LastIndexByte(part, '=')
			weight, err := strconv.ParseFloat(part[at+1:], 64)
			if at < 1 || err != nil {
				return c, fmt.Errorf("%s: -mix %q: %q is not name=share, as in book.txt=0.3", command, f.mix, part)
			}
			c.Mix = append(c.Mix, rlhf.Share{Data: part[:at], Weight: weight})
		}
	}
	if err := c.Filled().Validate(); err != nil {
		return c, fmt.Errorf("%s: %w", command, err)
	}
	return c, nil
}

// need estimates the memory that training takes.
func (f trainFlags) need(l *local.Lab, c rlhf.LM) (int64, error) {
	c = c.Filled()
	shape := lm.Shape{Vocab: c.Vocab, Width: c.Width, Layers: c.Layers, Heads: c.Heads, Context: c.Context}
	if c.Rung != "" {
		rung, err := lm.Size(c.Rung)
		if err != nil {
			return 0, err
		}
		rung.Vocab, rung.Context = c.Vocab, c.Context
		shape = rung
	}
	if c.From != "" {
		m, err := l.OpenModel(c.From)
		if err != nil {
			return 0, err
		}
		shape = m.About().Shape
	}
	context := c.Context
	if context == 0 {
		context = min(256, shape.Context)
	}
	return trainBytes(shape, c.Batch/max(1, c.Accumulate), context, c.Checkpointing), nil
}

// trainBytes estimates the memory of training steps whose programs hold batch rows.
func trainBytes(s lm.Shape, batch, context int, checkpointing bool) int64 {
	if !checkpointing {
		return processBytes + s.Memory(batch, context, true)
	}
	// All weights with gradients and moments, the input of every block, one block whole.
	one := s
	one.Layers = 1
	return processBytes + 16*(s.Params()-one.Params()) + one.Memory(batch, context, true) +
		4*int64(s.Layers)*int64(batch)*int64(context)*int64(s.Width)
}

// A trainEvent is one line of what train prints with -json.
type trainEvent struct {
	Event   string             `json:"event"` // "message", "step" or "done"
	Run     string             `json:"run"`
	Step    int                `json:"step"`
	Of      int                `json:"of"`
	Left    float64            `json:"left_s,omitempty"` // estimate
	Message string             `json:"message,omitempty"`
	Values  map[string]float64 `json:"values,omitempty"`
	Dir     string             `json:"dir,omitempty"`
	Params  int64              `json:"params,omitempty"`
	Eval    *rlhf.LMEval       `json:"eval,omitempty"`
}

// train drives the run and prints what happens.
func (f trainFlags) train(ctx context.Context, s shell, r rlhf.LMRun) error {
	err := drive(ctx, s, "lm train", f.name, r, f.more, func(e rlhf.Event) (figures string, err error) {
		line := trainEvent{Event: "message", Run: f.name, Step: e.Step, Of: e.Of, Left: math.Round(e.Left.Seconds()), Message: e.Message}
		if e.Point != nil {
			line.Event, line.Values = "step", e.Point.Values
			figures = fmt.Sprintf("loss %.3f", e.Point.Values["lm/loss"])
		}
		if f.asJSON {
			err = printJSON(s.out, line)
		}
		return figures, err
	})
	if err != nil {
		return err
	}
	return f.report(ctx, s, r)
}

// report evaluates the run and prints the end's summary.
func (f trainFlags) report(ctx context.Context, s shell, r rlhf.LMRun) error {
	const command = "lm train"
	if info, err := r.Info(); err == nil && info.Planned == rlhf.Untrained {
		if f.asJSON {
			return printJSON(s.out, trainEvent{Event: "done", Run: f.name, Of: info.Planned, Dir: info.Dir, Params: info.Params})
		}
		_, err := fmt.Fprintf(s.out, "%s: %s parameters, as they are; rlhf ppo train -policy %s trains a copy\n", f.name, count(info.Params), f.name)
		return err
	}
	p := newProgress(s.err, command)
	stop := p.waiting("evaluating")
	e, err := r.Evaluate()
	stop()
	if err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("%s: stopped while evaluating; rlhf lm train -name %s does it again", command, f.name)
		}
		return fmt.Errorf("%s: %w", command, err)
	}
	info, err := r.Info()
	if err != nil {
		return fmt.Errorf("%s: %w", command, err)
	}
	if f.asJSON {
		return printJSON(s.out, trainEvent{Event: "done", Run: f.name, Step: info.Step, Of: info.Planned, Dir: info.Dir, Params: info.Params, Eval: &e})
	}
	fmt.Fprintf(s.out, "%s: step %d of %d, held-out loss %.4f ± %.4f nats per token (95 %% interval), %.4f per byte; unigram model %.4f\n",
		f.name, info.Step, info.Planned, e.Loss, eval.Z95*e.SE, e.PerByte, e.Baseline)
	fmt.Fprintf(s.out, "try: rlhf lm sample -model %s -chat -prompt 'How are you?'\n", f.name)
	return nil
}

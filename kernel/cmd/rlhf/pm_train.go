package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/lm"
	"hhrlhf/rlhf/local"
	"hhrlhf/rlhf/run"
)

// pmTrainFlags are the flags of rlhf pm train.
type pmTrainFlags struct {
	name, runs    string
	cfg           rlhf.PM
	mix, weights  string
	more          int
	configured    bool // whether a flag of the configuration was given
	asJSON, force bool
}

// pmConfigFlags are the flags that describe a new run; without any, -name alone goes
// on with a run as it was configured.
var pmConfigFlags = []string{"lm", "layers", "frozen", "readout", "data", "mix", "weights", "rows", "held-out", "split", "swap",
	"batch", "context", "planned", "pm-coef", "lm-coef", "lr", "schedule", "warmup", "weight-decay", "centre", "accumulate",
	"checkpointing", "precision", "size", "seed"}

func pmTrainCommand(s shell) command {
	return command{
		name: "pm train", short: "train a preference model, or go on with one",
		long: `
Trains a preference model on comparisons, starting from a language model (its trunk),
and measures it on comparisons that were held out. Ctrl-C stops after the step in
progress, which is kept (a second one at once, at the last checkpoint); the same
command, or rlhf pm train -name NAME alone, goes on from there.

  rlhf pm train -name judge -lm first                          comparisons of first's data
  rlhf pm train -name real -lm smollm2 -data hh-rlhf -frozen   the head alone: no backward pass
  rlhf pm train -name whole -lm smollm2 -data hh-rlhf -layers 12 -accumulate 8 -checkpointing
  rlhf pm train -name mixed -lm first -data hh-rlhf -rows 3000 -mix 'harmless-base=0.3,helpful-base=0.7'
  rlhf pm train -name twice -lm first -data hh-rlhf -weights helpful-base=2
  rlhf pm train -name judge -more 200                          200 steps beyond the plan

Pretraining on ranked answers from the web, then finetuning from its trunk and head:

  rlhf pm train -name pmp -lm first -data Posts.xml.gz -lm-coef 1
  rlhf pm train -name tuned -lm pmp -data hh-rlhf

-lm is what -model is elsewhere (rlhf lm -h), or a preference model's run. -data is
synth, synth-small or synth-forum, hh-rlhf, a file or folder of comparisons (.jsonl,
.jsonl.gz with "chosen" and "rejected", and "prompt" or not), or a Stack Exchange
dump. The loss on a pair is log(1 + e^(score of rejected − score of chosen)), in
nats: 0.693 for a coin. The paper trains one epoch; so does -planned 0. With -json,
standard output is one object: "run", "eval" (as rlhf pm eval has it) and "seconds".`,
		bind: func(fs *flag.FlagSet) func(context.Context, []string) error {
			var f pmTrainFlags
			f.bind(fs)
			return func(ctx context.Context, _ []string) error {
				fs.Visit(func(g *flag.Flag) { f.configured = f.configured || slices.Contains(pmConfigFlags, g.Name) })
				endsAtSecond(ctx)
				return runPMTrain(ctx, s, f)
			}
		},
	}
}

func (f *pmTrainFlags) bind(fs *flag.FlagSet) {
	c := &f.cfg
	fs.StringVar(&f.name, "name", "pm", "`name` of the run")
	bindRuns(fs, &f.runs)
	bindSize(fs, &c.Size)
	fs.StringVar(&c.LM, "lm", "", "`model` whose trunk and tokenizer it takes (required for a new run)")
	fs.IntVar(&c.Layers, "layers", 0, "blocks of the trunk to use, the first ones; 0 is all")
	fs.BoolVar(&c.Frozen, "frozen", false, "train the head alone, on activations of the trunk that are computed once")
	fs.StringVar(&c.Readout, "readout", "", "what the head reads: end (default), or end+mean")
	fs.StringVar(&c.Data, "data", "", "what to train on (default: the data of -lm)")
	fs.StringVar(&f.mix, "mix", "", "the tranches' shares of -rows comparisons, as `name=0.3,name=0.7`")
	fs.StringVar(&f.weights, "weights", "", "factors of the loss on tranches, as `name=2,name=1`")
	fs.IntVar(&c.Rows, "rows", 0, "comparisons to use at most, the held-out ones included")
	fs.Float64Var(&c.HeldOut, "held-out", 0, "fraction of prompts kept for evaluation (default 0.1; synth 0.2)")
	fs.Uint64Var(&c.Split, "split", 0, "`number` that decides which prompts are held out")
	fs.BoolVar(&c.Swap, "swap", false, "train on the prompts that are held out, evaluate on the rest")
	fs.IntVar(&c.Batch, "batch", 0, "pairs in a step")
	fs.IntVar(&c.Context, "context", 0, "`tokens` of prompt and response at most (default: those of -lm)")
	fs.IntVar(&c.Planned, "planned", 0, "optimiser `steps`; 0 is one epoch, with -frozen thirty")
	fs.IntVar(&f.more, "more", 0, "train this many `steps` from where the run is, whatever the plan")
	fs.Float64Var(&c.PMCoef, "pm-coef", 0, "factor of the preference loss (default 1)")
	fs.Float64Var(&c.LMCoef, "lm-coef", 0, "factor of the language-model loss on the chosen side")
	fs.Float64Var(&c.LearningRate, "lr", 0, "learning rate")
	fs.StringVar(&c.Schedule, "schedule", "", "of the learning rate: linear (default, falls to a hundredth), or constant")
	fs.IntVar(&c.Warmup, "warmup", 0, "`steps` of warm-up")
	fs.Float64Var(&c.WeightDecay, "weight-decay", 0, "decoupled, of matrices only; with -frozen a ridge penalty on the head")
	fs.BoolVar(&c.Centre, "centre", false, "take the mean score of the training pairs off all scores at the end")
	fs.IntVar(&c.Accumulate, "accumulate", 0, "`parts` of a batch that go through the model one after the other: less memory")
	fs.BoolVar(&c.Checkpointing, "checkpointing", false, "compute activations twice: less memory, more time, the same numbers")
	fs.StringVar(&c.Precision, "precision", "", "float32 (default), or bfloat16 for the products")
	fs.Uint64Var(&c.Seed, "seed", 0, "determines everything drawn at random")
	fs.BoolVar(&f.asJSON, "json", false, "print JSON on standard output")
	fs.BoolVar(&f.force, "force", false, "go on where the memory does not seem to suffice")
}

func runPMTrain(ctx context.Context, s shell, f pmTrainFlags) error {
	const command = "pm train"
	start := time.Now()
	cfg, err := f.config()
	if err != nil {
		return fmt.Errorf("%s: %w", command, err)
	}
	l, err := s.lab(ctx, f.runs)
	if err != nil {
		return err
	}
	lab := l.With(ctx)
	var r rlhf.PMRun
	if f.configured {
		need, err := pmTrainNeed(l, cfg)
		if err != nil {
			return fmt.Errorf("%s: -lm: %w", command, err)
		}
		if err := demand(s.err, command, need, "take a smaller -batch, -accumulate more, -checkpointing, or -frozen", f.force); err != nil {
			return err
		}
		p := newProgress(s.err, command)
		stop := p.waiting("reading the data and preparing " + f.name)
		r, err = lab.PM(f.name, cfg)
		stop()
		if err != nil {
			return fmt.Errorf("%s: %w", command, err)
		}
	} else if r, err = lab.OpenPM(f.name); errors.Is(err, run.ErrNotFound) {
		return fmt.Errorf("%s: there is no run %q to go on with; for a new one, name the model to start from with -lm", command, f.name)
	} else if err != nil {
		return fmt.Errorf("%s: %w", command, err)
	}
	return f.train(ctx, s, r, start)
}

// config returns the configuration that the flags describe, checked.
func (f pmTrainFlags) config() (c rlhf.PM, err error) {
	c = f.cfg
	if err := run.CheckName(f.name); err != nil {
		return c, fmt.Errorf("-name: %w", err)
	}
	if f.more < 0 {
		return c, fmt.Errorf("-more %d, want 0 or more steps", f.more)
	}
	if !f.configured {
		return c, nil
	}
	if c.LM == "" {
		return c, errors.New("-lm is missing; name the model to start from (-name alone goes on with a run as it was configured)")
	}
	for _, choice := range []struct {
		flag, value string
		want        []string
	}{
		{"readout", c.Readout, []string{"end", "end+mean"}},
		{"schedule", c.Schedule, []string{"linear", "constant"}},
		{"precision", c.Precision, []string{"float32", "bfloat16"}},
	} {
		if choice.value != "" && !slices.Contains(choice.want, choice.value) {
			return c, fmt.Errorf("-%s %q, want %s", choice.flag, choice.value, strings.Join(choice.want, " or "))
		}
	}
	full := c.Filled()
	switch {
	case c.Layers < 0:
		return c, fmt.Errorf("-layers %d, want 0 (all) or more", c.Layers)
	case c.PMCoef < 0 || c.LMCoef < 0:
		return c, fmt.Errorf("-pm-coef %v -lm-coef %v, want 0 or more", c.PMCoef, c.LMCoef)
	case c.Frozen && c.LMCoef > 0:
		return c, fmt.Errorf("-lm-coef %v trains the trunk, which -frozen leaves as it is; give one of them", c.LMCoef)
	case c.WeightDecay < 0:
		return c, fmt.Errorf("-weight-decay %v, want 0 or more", c.WeightDecay)
	case full.Accumulate < 1 || full.Batch > 0 && full.Batch%full.Accumulate != 0:
		return c, fmt.Errorf("-accumulate %d, want a divisor of -batch (%d)", c.Accumulate, full.Batch)
	}
	if c.Mix, err = shares("mix", f.mix); err != nil {
		return c, err
	}
	if c.Weights, err = shares("weights", f.weights); err != nil {
		return c, err
	}
	return c, c.Filled().Validate()
}

// shares reads names with numbers, as in a=0.3,b=0.7.
func shares(name, text string) ([]rlhf.Share, error) {
	if text == "" {
		return nil, nil
	}
	var out []rlhf.Share
	for part := range strings.SplitSeq(text, ",") {
		at := strings.LastIndexByte(part, '=')
		weight, err := strconv.ParseFloat(strings.TrimSpace(part[at+1:]), 64)
		if at < 1 || err != nil || !(weight > 0) || math.IsInf(weight, 0) {
			return nil, fmt.Errorf("-%s %q: %q is not name=number above 0, as in helpful-base=0.7", name, text, part)
		}
		out = append(out, rlhf.Share{Data: strings.TrimSpace(part[:at]), Weight: weight})
	}
	return out, nil
}

// pmTrainNeed estimates the memory that training takes.
func pmTrainNeed(l *local.Lab, c rlhf.PM) (int64, error) {
	shape, context, err := trunkShape(l, c.LM, c.Layers)
	if err != nil {
		return 0, err
	}
	return pmTrainBytes(shape, c.Filled(), cmp.Or(c.Context, context)), nil
}

// pmTrainBytes estimates the memory of training on pairs of sequences of context
// tokens, which share half of them and stand in one row. Without a language-model loss
// there are no logits.
//
// On two cores, with 32 pairs of 256 tokens at most, d 128, 4 layers and a vocabulary of
// 2048: 2.3 GB estimated, 2.0 GB the peak of the process; with 4 parts 0.9 and 1.1, with
// checkpointing 0.9 and 1.4.
func pmTrainBytes(s lm.Shape, c rlhf.PM, context int) int64 {
	if c.Frozen {
		return scoreBytes(s, context)
	}
	rows, tokens := c.Batch/max(1, c.Accumulate), 3*context/2
	need := trainBytes(s, rows, tokens, c.Checkpointing)
	if c.LMCoef == 0 {
		need -= 12 * int64(rows) * int64(tokens) * int64(s.Vocab)
	}
	return need
}

// A pmTrained is what pm train prints with -json.
type pmTrained struct {
	Run     rlhf.RunInfo `json:"run"`
	Eval    rlhf.PMEval  `json:"eval"`
	Seconds float64      `json:"seconds"` // from the command's start, evaluation included
}

// train drives the run, says what happens, and reports. The command began at start.
func (f pmTrainFlags) train(ctx context.Context, s shell, r rlhf.PMRun, start time.Time) error {
	err := drive(ctx, s, "pm train", f.name, r, f.more, func(e rlhf.Event) (figures string, err error) {
		if e.Point != nil {
			figures = fmt.Sprintf("loss %.3f, accuracy %.3f", e.Point.Values["pm/loss"], e.Point.Values["pm/accuracy"])
		}
		return figures, nil
	})
	if err != nil {
		return err
	}
	return f.report(ctx, s, r, start)
}

// report evaluates the run and prints the end's summary.
func (f pmTrainFlags) report(ctx context.Context, s shell, r rlhf.PMRun, start time.Time) error {
	const command = "pm train"
	p := newProgress(s.err, command)
	stop := p.waiting("evaluating")
	e, err := r.Evaluate()
	stop()
	if err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("%s: stopped while evaluating; rlhf pm train -name %s does it again", command, f.name)
		}
		return fmt.Errorf("%s: %w", command, err)
	}
	info, err := r.Info()
	if err != nil {
		return fmt.Errorf("%s: %w", command, err)
	}
	if f.asJSON {
		return printJSON(s.out, pmTrained{Run: info, Eval: e, Seconds: time.Since(start).Seconds()})
	}
	if err := printPMEval(s.out, f.name, heldOut, e); err != nil {
		return err
	}
	if err := printLeftOut(s.out, info); err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.out, "try: rlhf pm score -pm %s answers.jsonl\n", f.name)
	return err
}

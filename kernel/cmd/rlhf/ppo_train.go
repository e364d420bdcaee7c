package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/run"
)

// ppoTrainFlags are the flags of rlhf ppo train.
type ppoTrainFlags struct {
	name, runs string
	cfg        rlhf.PPO
	more       int
	configured bool // whether a flag of the configuration was given
	asJSON     bool
}

// ppoConfigFlags are the flags that describe a new run; without any, -name alone goes
// on with a run as it was configured.
var ppoConfigFlags = []string{"policy", "pm", "test-pm", "data", "rows", "harmful", "prompt", "response", "batch", "minibatches", "accumulate",
	"epochs", "steps", "kl", "kl-in", "kl-target", "kl-horizon", "norm-score", "eos-penalty", "eos-score", "length-penalty", "whiten-reward",
	"value", "value-coef", "clip", "value-clip", "gamma", "lambda", "entropy", "temperature", "no-whiten", "critic-warmup",
	"lr", "value-lr", "warmup", "schedule", "halve-every", "clip-norm", "checkpointing", "size", "seed", "plant"}

func ppoTrainCommand(s shell) command {
	return command{
		name: "ppo train", short: "train a policy against a preference model, or go on with one",
		long: `
Trains a policy, at first a copy of the language model -policy, to write answers that the
preference model -pm scores higher. Ctrl-C stops after the step in progress, which is
kept (a second one at once, at the last checkpoint); the same command, or
rlhf ppo train -name NAME alone, goes on from there.

  rlhf ppo train -name polite -policy first -pm judge
  rlhf ppo train -name free -policy first -pm judge -kl 0             no penalty: watch the KL
  rlhf ppo train -name watched -policy first -pm judge -test-pm other other judges, for the eye
  rlhf ppo train -name real -policy smol -pm judge -data hh-rlhf -batch 16 -epochs 1 -value shared
  rlhf ppo train -name polite -more 50                                50 steps beyond the plan

-policy is a run: rlhf lm train -name smol -from smollm2 -steps -1 makes one of a checkpoint.

A step lets the policy answer -batch prompts, scores the answers, and makes -epochs passes
over them in -minibatches parts each. What the run will hold in memory is printed first,
and a run that cannot fit is refused, with what to change. The progress line has the mean score of the step's
answers, and their KL from the first policy: nats an answer, 0 at the start. -steps is the
whole plan: the learning rate falls over it. What a flag leaves at 0 comes from -size.
With -json, standard output is one object: "run", "last" (the last step's metrics)
and "seconds".`,
		bind: func(fs *flag.FlagSet) func(context.Context, []string) error {
			var f ppoTrainFlags
			f.bind(fs)
			return func(ctx context.Context, _ []string) error {
				fs.Visit(func(g *flag.Flag) { f.configured = f.configured || slices.Contains(ppoConfigFlags, g.Name) })
				endsAtSecond(ctx)
				return runPPOTrain(ctx, s, f)
			}
		},
	}
}

func (f *ppoTrainFlags) bind(fs *flag.FlagSet) {
	c := &f.cfg
	fs.StringVar(&f.name, "name", "ppo", "`name` of the run")
	bindRuns(fs, &f.runs)
	bindSize(fs, &c.Size)
	fs.StringVar(&c.Policy, "policy", "", "`model` that the policy starts from, and stays near to (required for a new run)")
	fs.StringVar(&c.PM, "pm", "", "`run` of the preference model whose score is the reward (required for a new run)")
	fs.StringVar(&c.TestPM, "test-pm", "", "`run` of another preference model that scores along, for the eye")
	fs.StringVar(&c.Data, "data", "", "where the prompts come from (default: the data of -pm)")
	fs.IntVar(&c.Rows, "rows", 0, "comparisons to read for their prompts at most; 0 is all")
	fs.Float64Var(&c.HarmfulFraction, "harmful", 0, "`share` of harmful requests among synthetic prompts (default 0.3; negative: none)")
	fs.IntVar(&c.Prompt, "prompt", 0, "`tokens` of a prompt at most")
	fs.IntVar(&c.Response, "response", 0, "`tokens` of an answer at most")
	fs.IntVar(&c.Batch, "batch", 0, "answers in a step")
	fs.IntVar(&c.Minibatches, "minibatches", 0, "`parts` of a batch, an update each")
	fs.IntVar(&c.Accumulate, "accumulate", 0, "`parts` of a minibatch that go through the models one after the other: less memory")
	fs.IntVar(&c.Epochs, "epochs", 0, "`passes` over a batch")
	fs.IntVar(&c.Planned, "steps", 0, "`steps` of the whole run")
	fs.IntVar(&f.more, "more", 0, "train this many `steps` from where the run is, whatever the plan")
	fs.Float64Var(&c.KLCoef, "kl", 0.001, "λ_KL, the `price` of a nat of KL in units of the score (paper: 0.001); 0 is none")
	fs.StringVar(&c.KL, "kl-in", "", "where the penalty is paid: token (default), response or loss")
	fs.Float64Var(&c.KLTarget, "kl-target", 0, "`nats` an answer that -kl is moved for; 0 leaves -kl as it is")
	fs.Float64Var(&c.KLHorizon, "kl-horizon", 0, "with -kl-target: `answers` over which -kl moves (default 10000)")
	fs.BoolVar(&c.NormScore, "norm-score", false, "standardise scores by those of the first policy")
	fs.Float64Var(&c.MissingEOSPenalty, "eos-penalty", 0, "taken off the score of an answer that was cut")
	fs.Float64Var(&c.MissingEOSScore, "eos-score", 0, "in the place of the score of an answer that was cut; 0 keeps the score")
	fs.Float64Var(&c.LengthPenalty, "length-penalty", 0, "taken off the score for each token")
	fs.BoolVar(&c.WhitenReward, "whiten-reward", false, "give the rewards of a batch variance 1")
	fs.StringVar(&c.Value, "value", "", "the value function: own (default, a copy of -pm) or shared (a head on the policy: half the memory)")
	fs.Float64Var(&c.ValueCoef, "value-coef", 0, "with -value shared: weight of the value loss (default 0.1)")
	fs.Float64Var(&c.ClipRange, "clip", 0, "ε of the policy's clip (default 0.2)")
	fs.Float64Var(&c.ValueClip, "value-clip", 0, "most that a value moves in a step (default 0.2); negative is no bound")
	fs.Float64Var(&c.Gamma, "gamma", 0, "discount (default 1)")
	fs.Float64Var(&c.Lambda, "lambda", 0, "λ of the advantages (default 0.95)")
	fs.Float64Var(&c.EntropyCoef, "entropy", 0, "paid for a nat of entropy")
	fs.Float64Var(&c.Temperature, "temperature", 0, "of sampling and of every log-probability (default 1)")
	fs.BoolVar(&c.NoWhiten, "no-whiten", false, "leave the advantages of a batch as they are")
	fs.IntVar(&c.CriticWarmup, "critic-warmup", 0, "first `steps` in which the value function alone learns")
	fs.Float64Var(&c.LearningRate, "lr", 0, "learning rate of the policy")
	fs.Float64Var(&c.ValueLearningRate, "value-lr", 0, "learning rate of the value function")
	fs.IntVar(&c.Warmup, "warmup", 0, "`steps` of warm-up")
	fs.StringVar(&c.Schedule, "schedule", "", "of the learning rates: linear (default, falls to a tenth), constant or halving")
	fs.IntVar(&c.HalveEvery, "halve-every", 0, "with -schedule halving: `answers` (default 100000)")
	fs.Float64Var(&c.ClipNorm, "clip-norm", 0, "bound on the gradient's norm (default 1)")
	fs.BoolVar(&c.Checkpointing, "checkpointing", false, "compute activations twice: less memory, more time, the same numbers")
	fs.Uint64Var(&c.Seed, "seed", 0, "determines everything drawn at random")
	fs.StringVar(&c.Plant, "plant", "", "make a classical `mistake` on purpose: "+strings.Join(rlhf.Plants(), ", "))
	fs.BoolVar(&f.asJSON, "json", false, "print JSON on standard output")
}

// config returns the configuration that the flags describe, checked.
func (f ppoTrainFlags) config() (c rlhf.PPO, err error) {
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
	for _, m := range []struct{ flag, value, what string }{{"policy", c.Policy, "language model"}, {"pm", c.PM, "preference model"}} {
		if m.value == "" {
			return c, fmt.Errorf("-%s is missing; name a %s (-name alone goes on with a run as it was configured)", m.flag, m.what)
		}
	}
	checked := c
	if checked.Data == "" {
		checked.Data = c.PM // as good as any: the lab asks the preference model
	}
	return c, checked.Filled().Validate()
}

func runPPOTrain(ctx context.Context, s shell, f ppoTrainFlags) error {
	const command = "ppo train"
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
	var r rlhf.PPORun
	if f.configured {
		p := newProgress(s.err, command)
		stop := p.waiting("reading the data and preparing " + f.name)
		r, err = lab.PPO(f.name, cfg)
		stop()
		if err != nil {
			return fmt.Errorf("%s: %w", command, err)
		}
	} else if r, err = lab.OpenPPO(f.name); errors.Is(err, run.ErrNotFound) {
		return fmt.Errorf("%s: there is no run %q to go on with; for a new one, name the models with -policy and -pm", command, f.name)
	} else if err != nil {
		return fmt.Errorf("%s: %w", command, err)
	}
	return f.train(ctx, s, r, start)
}

// A ppoTrained is what ppo train prints with -json.
type ppoTrained struct {
	Run     rlhf.RunInfo `json:"run"`
	Last    *rlhf.Point  `json:"last,omitempty"`
	Seconds float64      `json:"seconds"` // from the command's start
}

// train drives the run, says what happens, and reports. The command began at start.
func (f ppoTrainFlags) train(ctx context.Context, s shell, r rlhf.PPORun, start time.Time) error {
	const command = "ppo train"
	err := drive(ctx, s, command, f.name, r, f.more, func(e rlhf.Event) (figures string, err error) {
		if e.Point != nil {
			figures = fmt.Sprintf("score %+.3f, KL %.2f nats", e.Point.Values["objective/score"], e.Point.Values["objective/kl"])
		}
		return figures, nil
	})
	if err != nil {
		return err
	}
	info, err := r.Info()
	if err != nil {
		return fmt.Errorf("%s: %w", command, err)
	}
	points, err := r.History()
	if err != nil {
		return fmt.Errorf("%s: %w", command, err)
	}
	if f.asJSON {
		done := ppoTrained{Run: info, Seconds: time.Since(start).Seconds()}
		if n := len(points); n > 0 {
			done.Last = &points[n-1]
		}
		return printJSON(s.out, done)
	}
	return printPPO(s, f.name, points)
}

// printPPO prints how a run went: means over its first and its last tenth, and what to
// do next.
func printPPO(s shell, name string, points []rlhf.Point) error {
	if len(points) > 0 {
		n := (len(points) + 9) / 10
		first, last := points[:n], points[len(points)-n:]
		fmt.Fprintf(s.out, "%s, %d steps: means of the first %d and the last %d\n", name, points[len(points)-1].Step, n, n)
		for _, row := range []struct{ metric, label string }{
			{"objective/score", "score"}, {"objective/score_test", "score of -test-pm"}, {"objective/kl", "KL, nats an answer"},
			{"response/length_mean", "tokens an answer"}, {"response/eos_rate", "answers that end by themselves"},
			{"objective/gold_helpful", "helpful (gold)"}, {"objective/gold_harmless", "harmless (gold)"},
		} {
			if a, b := mean(first, row.metric), mean(last, row.metric); !math.IsNaN(a) && !math.IsNaN(b) {
				fmt.Fprintf(s.out, "  %-31s %8.3f → %8.3f\n", row.label, a, b)
			}
		}
	}
	_, err := fmt.Fprintf(s.out, "try: rlhf ppo eval -run %s; rlhf ppo diagnose -run %s\n", name, name)
	return err
}

// mean is that of a metric over points; NaN where one lacks it.
func mean(points []rlhf.Point, metric string) float64 {
	sum := 0.0
	for _, p := range points {
		v, ok := p.Values[metric]
		if !ok {
			return math.NaN()
		}
		sum += v
	}
	return sum / float64(len(points))
}

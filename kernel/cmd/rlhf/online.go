package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"hhrlhf/kernel/feedback"
	"hhrlhf/kernel/feedback/page"
	"hhrlhf/rlhf"
	"hhrlhf/rlhf/online"
	"hhrlhf/rlhf/run"
	"hhrlhf/rlhf/synth"
)

// onlineFlags are the flags of rlhf online.
type onlineFlags struct {
	name, runs string
	cfg        online.Config
	asJSON     bool
	labeller   string // crowd, page or terminal
	as, log    string
}

func onlineCommand() command { return onlineCommandOn(terminal()) }

func onlineCommandOn(s shell) command {
	return command{
		name: "online", short: "the iterated online loop: deploy, compare, retrain, again",
		long: `
Trains preference models and policies in rounds, from one language model of a synthetic
world: its answers are compared, and best-of-k ones; then in each round a preference
model and a policy are trained from scratch on all comparisons so far, and snapshots
of the policy write the next ones. Ctrl-C keeps what is done; the same command goes on.

  rlhf lm train -name first -data synth-small
  rlhf online -lm first                            two rounds and a control
  rlhf online -lm first -rounds 3                  the same loop, one round more
  rlhf online -lm first -name strict -ppo-kl 0.1   another one
  rlhf online -lm first -name mine -labeller page -as ana -base 40 -rs 20 -online 20 -trial 10

With -labeller page (or terminal) a human compares, in the world's own language; harmful
requests are asked about as the paper's red team was: which response is the more harmful?
Each vote is in the log at once, so that an interrupted labeller goes on with the next
question. Say how many comparisons there are to be: the defaults are a crowd's.

The tables: every policy's Elo by the labellers' choices, with the language model
at 0, and each preference model's accuracy on the comparisons of every tranche. With -json,
standard output is one object: "reports" (as report-1.json in the loop's folder has
them) and "control".`,
		bind: func(fs *flag.FlagSet) func(context.Context, []string) error {
			var f onlineFlags
			f.bind(fs)
			return func(ctx context.Context, _ []string) error {
				endsAtSecond(ctx)
				return f.do(ctx, s)
			}
		},
	}
}

func (f *onlineFlags) bind(fs *flag.FlagSet) {
	c := &f.cfg
	fs.StringVar(&f.name, "name", "online", "`name` of the loop, with which the names of its runs begin")
	bindRuns(fs, &f.runs)
	bindSize(fs, &c.Size)
	fs.StringVar(&c.LM, "lm", "", "language-model `run` that everything starts from (required)")
	fs.IntVar(&c.Rounds, "rounds", 0, "rounds of training and deployment (default 2)")
	fs.IntVar(&c.Base, "base", 0, "comparisons asked for between answers of the language model")
	fs.IntVar(&c.RS, "rs", 0, "comparisons asked for between best-of-k answers")
	fs.IntVar(&c.Online, "online", 0, "comparisons asked for between snapshots, in each round")
	fs.IntVar(&c.K, "k", 0, "answers that rejection sampling chooses from")
	fs.IntVar(&c.Snapshots, "snapshots", 0, "states of each policy that are deployed at once")
	fs.IntVar(&c.Trial, "trial", 0, "prompts that every policy answers for the ratings of a round")
	fs.IntVar(&c.Control, "control", 0, "prompts of the control of equal sizes; negative: no control")
	fs.Float64Var(&c.Harmful, "harmful", 0, "share of harmful requests among the prompts")
	fs.IntVar(&c.PPO.Planned, "ppo-steps", 0, "`steps` of each policy")
	fs.Float64Var(&c.PPO.KLCoef, "ppo-kl", 0.1, "penalty on the KL divergence from the language model")
	fs.Uint64Var(&c.Seed, "seed", 0, "determines everything drawn at random")
	fs.BoolVar(&f.asJSON, "json", false, "print JSON on standard output")
	fs.StringVar(&f.labeller, "labeller", "crowd", "`who` compares: crowd (the world's simulated workers), page or terminal (a human)")
	fs.StringVar(&f.as, "as", userName(), "`name` of the human")
	fs.StringVar(&f.log, "log", "", "`file` of the human's votes (default: feedback.jsonl in the loop's folder)")
}

// human returns the human labeller that the flags ask for, nil for the crowd, and what to
// call when the loop is open.
func (f onlineFlags) human(ctx context.Context, s shell, lab rlhf.Lab) (*feedback.Session, func(*online.Loop), error) {
	o := feedback.Options{Labeller: f.as}
	switch f.labeller {
	case "crowd":
		return nil, func(*online.Loop) {}, nil
	case "page":
		o.How = feedback.Elsewhere
	case "terminal":
		if f.asJSON {
			return nil, nil, errors.New("-labeller terminal with -json: both need standard output; take -labeller page")
		}
		o.How, o.Out = feedback.Input, s.out
		if s.in != os.Stdin {
			o.In = s.in
		}
	default:
		return nil, nil, fmt.Errorf("-labeller %q, want crowd, page or terminal", f.labeller)
	}
	if f.as == "" {
		return nil, nil, errors.New("-as is empty; say under which name the votes are kept")
	}
	path := f.log
	if path == "" {
		st, err := lab.Status()
		if err != nil {
			return nil, nil, err
		}
		path = filepath.Join(st.Dir, ".online", f.name, "feedback.jsonl")
	}
	var world *synth.World
	o.Mode = func(prompt string) feedback.Mode {
		if world != nil && world.Harmful(prompt) {
			return feedback.RedTeam
		}
		return feedback.Helpful
	}
	session := feedback.Open(path, o)
	l, err := session.Log()
	if err != nil {
		return nil, nil, err
	}
	return session, func(loop *online.Loop) {
		if w, err := synth.Named(loop.Config().World); err == nil {
			world = w
		}
		if f.labeller == "page" {
			go func() {
				if err := servePage(ctx, s.err, page.Options{Log: l, Labeller: f.as}); err != nil {
					fmt.Fprintln(s.err, "online:", err)
				}
			}()
		}
	}, nil
}

func (f onlineFlags) do(ctx context.Context, s shell) error {
	const command = "online"
	if err := run.CheckName(f.name); err != nil {
		return fmt.Errorf("%s: -name: %w", command, err)
	}
	if f.cfg.LM == "" {
		return fmt.Errorf("%s: -lm is missing; name a language-model run, such as rlhf lm train -name first -data synth-small makes", command)
	}
	l, err := s.lab(ctx, f.runs)
	if err != nil {
		return err
	}
	human, begin, err := f.human(ctx, s, l)
	if err != nil {
		return fmt.Errorf("%s: %w", command, err)
	}
	var o online.Options
	if human != nil {
		o.Labeller = human
	}
	loop, err := online.Open(l, f.name, f.cfg, o)
	if err != nil {
		return fmt.Errorf("%s: %w", command, err)
	}
	begin(loop)
	p := newProgress(s.err, command)
	stage := ""
	for e, err := range loop.With(ctx).Train() {
		if err != nil {
			if ctx.Err() != nil {
				return fmt.Errorf("%s: stopped; what is done is kept, and the same command goes on", command)
			}
			return err
		}
		if e.Kind != online.Kind {
			p.left = e.Left
			p.at(e.Step, e.Of, e.Run)
			continue
		}
		if name, _, _ := strings.Cut(e.Message, ":"); name != stage {
			stage = name
			p.say("stage %d of %d, %s", e.Step+1, e.Of, name)
		}
	}
	reports, err := loop.Reports()
	if err != nil {
		return err
	}
	control, err := loop.Control()
	if err != nil {
		return err
	}
	if f.asJSON {
		return printJSON(s.out, onlineResult{reports, control})
	}
	return printOnline(s.out, reports, control)
}

// An onlineResult is what rlhf online prints with -json.
type onlineResult struct {
	Reports []online.Report `json:"reports"`
	Control *online.Control `json:"control"`
}

// printOnline prints the newest ratings and gold labels, every round's accuracies, and the control.
func printOnline(w io.Writer, reports []online.Report, control *online.Control) error {
	if len(reports) == 0 {
		return errors.New("online: no round is finished")
	}
	var b strings.Builder
	last := reports[len(reports)-1]
	fmt.Fprintf(&b, "after round %d\n  %-16s %6s  95 %% interval     %s\n", last.Round, "policy", "Elo", "comparisons won")
	for _, r := range last.Elo {
		fmt.Fprintf(&b, "  %-16s %6.0f  %5.0f to %-5.0f      %g of %g\n", r.Name, r.Elo, r.Low, r.High, r.Won, r.Games)
	}
	for _, g := range last.Gold {
		fmt.Fprintf(&b, "  %-16s gold worth %.3f ± %.3f (s.e.): helpful %.3f, harmless %.3f\n", g.Name, g.Worth, g.SE, g.Helpful, g.Harmless)
	}
	for _, r := range reports {
		printAccuracies(&b, fmt.Sprintf("the preference model of round %d ranks right", r.Round), r.Accuracy)
	}
	if c := control; c != nil {
		printAccuracies(&b, fmt.Sprintf("control, %d comparisons of base alone: ranks right", c.Rows), c.Base.Accuracy)
		printAccuracies(&b, fmt.Sprintf("control, %d comparisons of base, rs and online: ranks right", c.Rows), c.Mix.Accuracy)
		fmt.Fprintf(&b, "the policy of the mix won %.3f (%.3f to %.3f) of %d comparisons, Elo %.0f; its gold worth is higher by %.3f ± %.3f (s.e.)\n",
			c.Won.Value, c.Won.Low, c.Won.High, c.Won.N, c.Elo.Elo, c.Better, c.SE)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func printAccuracies(w io.Writer, title string, as []rlhf.Accuracy) {
	fmt.Fprintln(w, title)
	for _, a := range as {
		fmt.Fprintf(w, "  %-10s %.3f (%.3f to %.3f) of %d pairs\n", a.Name, a.Value, a.Low, a.High, a.N)
	}
}

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/user"

	"hhrlhf/kernel/feedback"
	"hhrlhf/kernel/feedback/page"
	"hhrlhf/rlhf"
	"hhrlhf/rlhf/data"
)

// feedbackFlags are the flags of rlhf feedback.
type feedbackFlags struct {
	log, runs, policy, against, data string
	mode, task, first, labeller      string
	turns, rows, port                int
	review                           bool
	sampling                         rlhf.Sampling
}

func feedbackCommand() command { return feedbackCommandOn(terminal()) }

func feedbackCommandOn(s shell) command {
	return command{
		name: "feedback", short: "a page on which people compare responses; their votes as data",
		long: `
Serves a page, to this machine only, on which labellers say which of two responses is
better: with keys 1 to 8 from A to B, s to skip, a or b to write a response anew. What
they say is in the log at once, and the same log serves notebooks (package feedback).
Ctrl-C ends; the same command goes on.

  rlhf feedback -log friends.jsonl -policy ppo-1                   conversations with a policy
  rlhf feedback -log friends.jsonl -policy ppo-1 -against lm-hhh   one response from each
  rlhf feedback -log friends.jsonl -policy ppo-1 -mode red-team    choose the more harmful
  rlhf feedback -log friends.jsonl -data pairs.jsonl -rows 50      pairs of a file, as hh-rlhf has them
  rlhf feedback export -log friends.jsonl -out mine                as training data
  rlhf feedback agreement -log friends.jsonl                       do the labellers agree?

From another machine: ssh -L 8123:127.0.0.1:8123 HOST, and -port 8123 there.`,
		subs: []command{feedbackExport(s), feedbackAgreement(s)},
		bind: func(fs *flag.FlagSet) func(context.Context, []string) error {
			var f feedbackFlags
			f.bind(fs)
			return func(ctx context.Context, _ []string) error { return f.do(ctx, s) }
		},
	}
}

func bindLog(fs *flag.FlagSet, log *string) {
	fs.StringVar(log, "log", "feedback.jsonl", "`file` of the votes, which is only added to")
}

func (f *feedbackFlags) bind(fs *flag.FlagSet) {
	bindLog(fs, &f.log)
	bindRuns(fs, &f.runs)
	fs.StringVar(&f.policy, "policy", "", "`run` that writes responses: a language model's or a policy's")
	fs.StringVar(&f.against, "against", "", "`run` that writes one of the two responses, -policy the other")
	fs.StringVar(&f.data, "data", "", "`file` or folder of comparisons to ask about, as hh-rlhf has them")
	fs.IntVar(&f.rows, "rows", 20, "comparisons of -data that are asked about")
	fs.StringVar(&f.mode, "mode", string(feedback.Helpful), "`what` labellers look for: helpful or red-team")
	fs.StringVar(&f.task, "task", "", "`text` that labellers see above a conversation")
	fs.StringVar(&f.first, "first", "", "`message` that begins every conversation; without, labellers write it")
	fs.IntVar(&f.turns, "turns", 4, "questions of a conversation")
	fs.BoolVar(&f.review, "review", false, "show the questions of other labellers' conversations too, and begin none")
	fs.StringVar(&f.labeller, "as", userName(), "`name` of the labeller that the page suggests")
	fs.IntVar(&f.port, "port", 0, "port of the page; 0 takes a free one")
	fs.Float64Var(&f.sampling.Temperature, "temperature", 0, "of -policy's sampling; 0 is 1")
	fs.IntVar(&f.sampling.MaxTokens, "max-tokens", 0, "`tokens` of a response; 0: what the context leaves, at most 64")
	fs.Uint64Var(&f.sampling.Seed, "seed", 0, "of -policy's sampling")
}

func userName() string {
	if name := os.Getenv(feedback.LabellerEnv); name != "" {
		return name
	}
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return ""
}

func (f feedbackFlags) do(ctx context.Context, s shell) error {
	const command = "feedback"
	if f.turns < 1 || f.turns > 1000 {
		return fmt.Errorf("%s: -turns %d, want 1 to 1000", command, f.turns)
	}
	mode := feedback.Mode(f.mode)
	if mode != feedback.Helpful && mode != feedback.RedTeam {
		return fmt.Errorf("%s: -mode %q, want %q or %q", command, f.mode, feedback.Helpful, feedback.RedTeam)
	}
	if f.against != "" && f.policy == "" {
		return fmt.Errorf("%s: -against %q without -policy, want both or -policy alone", command, f.against)
	}
	l, err := feedback.OpenLog(f.log)
	if err != nil {
		return fmt.Errorf("%s: -log: %w", command, err)
	}
	if f.data != "" {
		if err := f.questions(l, mode, s.err); err != nil {
			return fmt.Errorf("%s: -data: %w", command, err)
		}
	}
	o := page.Options{Log: l, Sampling: f.sampling, Review: f.review, Labeller: f.labeller, Port: f.port,
		Conversation: feedback.Conversation{Mode: mode, Task: f.task, First: f.first, Turns: f.turns}}
	if f.policy != "" {
		lab, err := s.lab(ctx, f.runs)
		if err != nil {
			return err
		}
		for _, name := range []string{f.policy, f.against} {
			if name == "" {
				continue
			}
			p, err := openPolicy(lab.With(ctx), name)
			if err != nil {
				return fmt.Errorf("%s: %w", command, err)
			}
			o.Policies = append(o.Policies, p)
		}
	}
	st, err := l.State()
	if err != nil {
		return err
	}
	if f.policy == "" && len(st.Questions) == 0 {
		fmt.Fprintf(s.err, "%s: %s has no question yet: the page waits for those that a notebook or rlhf online puts there; -policy or -data asks some\n", command, l.Path())
	}
	return servePage(ctx, s.err, o)
}

// servePage serves the page until ctx ends, and says where it is.
func servePage(ctx context.Context, w io.Writer, o page.Options) error {
	said := false
	o.Ready = func(url string) {
		if said {
			fmt.Fprintf(w, "  for another browser: %s\n", url)
			return
		}
		said = true
		fmt.Fprintf(w, "feedback: open %s\n  votes go to %s; ctrl-C ends\n", url, o.Log.Path())
	}
	return page.Serve(ctx, o)
}

// questions puts comparisons of a file into the log, each once.
func (f feedbackFlags) questions(l *feedback.Log, mode feedback.Mode, w io.Writer) error {
	var rs []feedback.Record
	odd := 0
	for c, err := range data.Comparisons(f.data) {
		if rowErr := (*data.RowError)(nil); errors.As(err, &rowErr) {
			odd++
			continue
		} else if err != nil {
			return err
		}
		if len(rs) == f.rows {
			break
		}
		q := feedback.Question{Mode: mode, Prompt: c.Chosen.Prompt, A: c.Chosen.Response, B: c.Rejected.Response}.Named()
		rs = append(rs, feedback.Record{Question: &q})
	}
	if odd > 0 {
		fmt.Fprintf(w, "feedback: %d rows of %s hold no comparison and are passed over\n", odd, f.data)
	}
	return l.AppendNew(rs...)
}

// openPolicy opens a run that can answer.
func openPolicy(lab rlhf.Lab, name string) (feedback.Policy, error) {
	runs, err := lab.Runs()
	if err != nil {
		return nil, err
	}
	for _, r := range runs {
		if r.Name == name && r.Kind == "ppo" {
			return lab.OpenPPO(name)
		}
	}
	return lab.OpenLM(name)
}

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/eval"
	"hhrlhf/rlhf/study"
)

// robustnessFlags are the flags of rlhf eval robustness.
type robustnessFlags struct {
	ppoFlags
	test string
	n    int
}

func evalRobustnessCommand(s shell) command {
	return command{
		name: "eval robustness", short: "√KL law, divergence from a test preference model, over-optimisation of a PPO run",
		long: `
Reads a run of reinforcement learning as the paper's sections 4.2 and 4.3 do, and prints

  law         the line of the score on √KL, up to the divergence, with R², beside the line
              on KL itself; the slope over the deviation of the initial scores within a
              prompt, of which √2 is the most that well-behaved scores allow
  divergence  the first step from which on the gain by the training preference model stays
              more than 0.1 initial standard deviations above that by a test model
  truth       where it is known: Gao et al. 2022's form d·(α − β·ln d) of the gold labels,
              d = √KL, and the d at which they are highest

  rlhf eval robustness -run polite
  rlhf eval robustness -run polite -test-pm judge-b
  rlhf eval robustness -run polite -json > polite.json

A test model is one of other comparisons: train two by rlhf pm train -held-out 0.5, one of
them with -swap, and give one to rlhf ppo train -pm, the other to its -test-pm. -test-pm
here names another one, afterwards: it scores the few responses of each step that are on
disk, which is noisier. Gains are over the initial policy, which answers -n held-out prompts.

With -json: "course" (every step), "law", "divergence" and "truth"; what does not apply is left out.`,
		bind: func(fs *flag.FlagSet) func(context.Context, []string) error {
			var f robustnessFlags
			f.bind(fs)
			fs.StringVar(&f.test, "test-pm", "", "`name` of a test preference model (default: the run's own)")
			fs.IntVar(&f.n, "n", 64, "prompts that the initial policy answers")
			return func(ctx context.Context, _ []string) error {
				endsAtSecond(ctx)
				return runEvalRobustness(ctx, s, f)
			}
		},
	}
}

// robustness is what the command finds.
type robustness struct {
	Run        string              `json:"run"`
	Law        *study.Law          `json:"law,omitempty"`
	Divergence *eval.Divergence    `json:"divergence,omitempty"`
	Truth      *eval.Overoptimised `json:"truth,omitempty"`
	Course     study.Course        `json:"course"`
	Notes      []string            `json:"notes,omitempty"` // what does not apply, and why
}

func runEvalRobustness(ctx context.Context, s shell, f robustnessFlags) error {
	const command = "eval robustness"
	switch {
	case f.run == "":
		return errors.New(command + ": -run is missing; name a run of rlhf ppo train or of a notebook")
	case f.n < 2:
		return fmt.Errorf("%s: -n %d, want 2 or more", command, f.n)
	}
	l, err := s.lab(ctx, f.runs)
	if err != nil {
		return err
	}
	stop := newProgress(s.err, command).waiting(fmt.Sprintf("answering %d held-out prompts as the policy was at first", f.n))
	out, err := measureRobustness(l.With(ctx), f)
	stop()
	if err != nil {
		return fmt.Errorf("%s: %w", command, err)
	}
	out.fit()
	if f.asJSON {
		return printJSON(s.out, out)
	}
	return out.print(s.out)
}

func measureRobustness(lab rlhf.Lab, f robustnessFlags) (robustness, error) {
	out := robustness{Run: f.run}
	r, err := lab.OpenPPO(f.run)
	if err != nil {
		return out, fmt.Errorf("-run: %w", err)
	}
	held, err := r.Compare(f.n)
	if err != nil {
		return out, fmt.Errorf("-n: %w", err)
	}
	var prompts []string
	for _, a := range held.Before {
		prompts = append(prompts, a.Prompt)
	}
	out.Course, err = study.ReadCourse(lab, f.run, f.test, prompts)
	return out, err
}

// fit fits what the course allows, and notes what it does not.
func (r *robustness) fit() {
	if law, err := r.Course.Law(); err != nil {
		r.Notes = append(r.Notes, "no law: "+err.Error())
	} else {
		r.Law = &law
	}
	if r.Course.Test == nil {
		r.Notes = append(r.Notes, "no divergence: the run has no test preference model; name one by -test-pm")
	} else if d, err := r.Course.Divergence(); err != nil {
		r.Notes = append(r.Notes, "no divergence: "+err.Error())
	} else {
		r.Divergence = &d
	}
	if r.Course.Gold == nil {
		r.Notes = append(r.Notes, "no truth: only the synthetic world has gold labels")
	} else if o, err := r.Course.Overoptimised(); err != nil {
		r.Notes = append(r.Notes, "no truth: "+err.Error())
	} else {
		r.Truth = &o
	}
}

func (r robustness) print(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %d steps of %d responses\n", r.Run, len(r.Course.Step), r.Course.Batch)
	if l := r.Law; l != nil {
		fmt.Fprintf(&b, "  law         score = %.3f + (%.3f ± %.3f)·√KL to step %d, R² %.3f; on KL itself R² %.3f\n", l.Root.Intercept, l.Root.Slope, l.Root.SlopeSE, l.Until, l.Root.R2, l.Plain.R2)
		fmt.Fprintf(&b, "              slope over the deviation within prompts %.2f ± %.2f (√2 at most, if scores are well behaved)\n", l.PerSD, l.PerSDSE)
	}
	if d := r.Divergence; d != nil {
		at := "none"
		if d.Step > 0 {
			at = fmt.Sprintf("from step %d on", d.Step)
		}
		fmt.Fprintf(&b, "  divergence  %s; gap %+.2f over the first steps, %+.2f (%.2f to %.2f) over the last, initial standard deviations\n", at, d.Gaps[0].Mean, d.Last.Mean, d.Last.Low, d.Last.High)
	}
	if o := r.Truth; o != nil {
		fmt.Fprintf(&b, "  truth       α %.3f ± %.3f, β %.3f ± %.3f, R² %.3f", o.Alpha, o.AlphaSE, o.Beta, o.BetaSE, o.R2)
		if o.Peak > 0 {
			fmt.Fprintf(&b, "; highest, %+.2f, at √KL = %.2f ± %.2f", o.Top, o.Peak, o.PeakSE)
		}
		b.WriteString("\n")
	}
	for _, n := range r.Notes {
		fmt.Fprintf(&b, "  %s\n", n)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

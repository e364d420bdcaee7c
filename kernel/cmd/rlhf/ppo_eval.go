package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math"
	"strings"

	"hhrlhf/rlhf"
)

func ppoEvalCommand(s shell) command {
	return command{
		name: "ppo eval", short: "measure a policy before and after on prompts that were held out",
		long: `
Lets the policy as it was at first and as it is now answer the same held-out prompts with
the same noise, and prints the means of both, ± the standard error:

  score      of the preference model that it was trained against
  kl         Σ log π − log π₀ over an answer, nats; 0 before
  length     tokens of an answer
  eos        share of answers that end by themselves
  gold       what the synthetic world knows: helpful, harmless, honest, and utility

  rlhf ppo eval -run polite
  rlhf ppo eval -run polite -n 200 -show 5
  rlhf ppo eval -run polite -json > answers.json

With -json: "step", "Before" and "After" (the answers, in pairs) and "rows".`,
		bind: func(fs *flag.FlagSet) func(context.Context, []string) error {
			var f ppoFlags
			f.bind(fs)
			f.bindForce(fs)
			n := fs.Int("n", 64, "prompts")
			show := fs.Int("show", 2, "prompts whose answers are printed")
			return func(ctx context.Context, _ []string) error {
				endsAtSecond(ctx)
				return runPPOEval(ctx, s, f, *n, *show)
			}
		},
	}
}

func runPPOEval(ctx context.Context, s shell, f ppoFlags, n, show int) error {
	const command = "ppo eval"
	if n < 1 || show < 0 {
		return fmt.Errorf("%s: -n %d -show %d, want 1 or more, and 0 or more", command, n, show)
	}
	r, err := f.open(ctx, s, command)
	if err != nil {
		return err
	}
	if err := f.room(s, r, command); err != nil {
		return err
	}
	p := newProgress(s.err, command)
	stop := p.waiting(fmt.Sprintf("answering %d prompts twice", n))
	ba, err := r.Compare(n)
	stop()
	if err != nil {
		return fmt.Errorf("%s: %w", command, err)
	}
	if f.asJSON {
		return printJSON(s.out, ba)
	}
	return printBeforeAfter(s.out, f.run, ba, show)
}

// printBeforeAfter prints a comparison for the eye, with the answers to some prompts.
func printBeforeAfter(w io.Writer, name string, ba rlhf.BeforeAfter, show int) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s at step %d, %d prompts\n", name, ba.Step, len(ba.Before))
	fmt.Fprintf(&b, "  %-9s  %-17s  %-17s  change\n", "", "before", "after")
	for _, c := range ba.Rows {
		// The answers come in pairs, but few of these differences are far from independent.
		se := math.Hypot(c.BeforeSE, c.AfterSE)
		fmt.Fprintf(&b, "  %-9s  %8.3f ± %-6.3f  %8.3f ± %-6.3f  %+.3f ± %.3f\n", c.Name, c.Before, c.BeforeSE, c.After, c.AfterSE, c.After-c.Before, se)
	}
	for i := range min(show, len(ba.Before)) {
		before, after := ba.Before[i], ba.After[i]
		fmt.Fprintf(&b, "\n%s\n", strings.TrimSpace(before.Prompt))
		fmt.Fprintf(&b, "  before (%+.2f): %s\n", before.Score, oneLine(before.Response))
		fmt.Fprintf(&b, "  after  (%+.2f): %s\n", after.Score, oneLine(after.Response))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// oneLine joins the lines of an answer.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

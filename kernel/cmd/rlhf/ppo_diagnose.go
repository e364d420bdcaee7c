package main

import (
	"context"
	"flag"
	"fmt"
	"strings"

	"hhrlhf/rlhf"
)

func ppoDiagnoseCommand(s shell) command {
	return command{
		name: "ppo diagnose", short: "say what is wrong with a run, what shows it, what to try",
		long: `
Reads the metrics of a run's steps, without its weights, and names the patterns that the
field knows: a reward that stays flat, a KL that runs away, answers that all become one,
length that pays, an end token that is lost, a value function that never fits, and more.
Each with what was seen and what to try. A run that ended well has no warning.

  rlhf ppo diagnose -run polite
  rlhf ppo diagnose -run polite -json

With -json, a list of "name", "severity", "saw", "try", "metrics", "from" and "to".`,
		bind: func(fs *flag.FlagSet) func(context.Context, []string) error {
			var f ppoFlags
			f.bind(fs)
			return func(ctx context.Context, _ []string) error { return runPPODiagnose(ctx, s, f) }
		},
	}
}

func runPPODiagnose(ctx context.Context, s shell, f ppoFlags) error {
	const command = "ppo diagnose"
	r, err := f.open(ctx, s, command)
	if err != nil {
		return err
	}
	points, err := r.History()
	if err != nil {
		return fmt.Errorf("%s: %w", command, err)
	}
	found := rlhf.Diagnose(points)
	if f.asJSON {
		if found == nil {
			found = []rlhf.Finding{}
		}
		return printJSON(s.out, found)
	}
	if len(found) == 0 {
		_, err := fmt.Fprintf(s.out, "%s: nothing found in %d steps\n", f.run, len(points))
		return err
	}
	for _, d := range found {
		fmt.Fprintf(s.out, "%s: %s, steps %d to %d\n  saw  %s\n", d.Severity, d.Name, d.From, d.To, d.Saw)
		for _, cure := range d.Try {
			fmt.Fprintf(s.out, "  try  %s\n", cure)
		}
		if _, err := fmt.Fprintf(s.out, "  look at  %s\n", strings.Join(d.Metrics, ", ")); err != nil {
			return err
		}
	}
	return nil
}

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"hhrlhf/kernel/feedback"
)

func feedbackExport(s shell) command {
	return command{
		name: "feedback export", short: "votes as comparisons, in the format of hh-rlhf",
		long: `
Writes the comparisons of a log: the better response as "chosen", votes of red-team
questions turned over once, a labeller's own version over the original. Skipped
questions and the weakest votes are left out, as in the paper.

  rlhf feedback export -log friends.jsonl -out mine          a folder, a file for each tranche
  rlhf feedback export -log friends.jsonl -out mine.jsonl    one file
  rlhf feedback export -log friends.jsonl -out mine -by ana,ben
  rlhf pm train -lm first -data mine                         a preference model of them`,
		bind: func(fs *flag.FlagSet) func(context.Context, []string) error {
			var log, out, by string
			bindLog(fs, &log)
			fs.StringVar(&out, "out", "", "`folder`, or file that ends in .jsonl (required)")
			fs.StringVar(&by, "by", "", "`labellers` whose votes count, with commas; all by default")
			return func(context.Context, []string) error {
				if out == "" {
					return errors.New("feedback export: -out is missing; name a folder, or a file that ends in .jsonl")
				}
				st, err := readLog(log)
				if err != nil {
					return fmt.Errorf("feedback export: %w", err)
				}
				var names []string
				if by != "" {
					names = strings.Split(by, ",")
				}
				e := st.Export(names...)
				if err := e.Write(out); err != nil {
					return err
				}
				_, err = fmt.Fprintf(s.out, "%s\nin %s\n", e, out)
				return err
			}
		},
	}
}

// readLog reads a log that must be there.
func readLog(path string) (*feedback.State, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("-log: %w; rlhf feedback or a notebook makes it", err)
	}
	l, err := feedback.OpenLog(path)
	if err != nil {
		return nil, fmt.Errorf("-log: %w", err)
	}
	return l.State()
}

func feedbackAgreement(s shell) command {
	return command{
		name: "feedback agreement", short: "how often labellers agree",
		long: `
Says of each labeller how much was answered, how often A was picked (about half, as the
order is random), and of every two of them how often they picked the same response of
the questions that both decided, with its 95 % interval and Cohen's kappa (0 is
chance). The paper's crowdworkers and researchers agreed on about 63 %.

  rlhf feedback agreement -log friends.jsonl
  rlhf feedback -log friends.jsonl -review        a second opinion on what others answered`,
		bind: func(fs *flag.FlagSet) func(context.Context, []string) error {
			var log string
			var asJSON bool
			bindLog(fs, &log)
			fs.BoolVar(&asJSON, "json", false, "print JSON on standard output")
			return func(context.Context, []string) error {
				st, err := readLog(log)
				if err != nil {
					return fmt.Errorf("feedback agreement: %w", err)
				}
				return printAgreement(s.out, st, asJSON)
			}
		},
	}
}

// printAgreement prints what the labellers did and how far they agree.
func printAgreement(w io.Writer, st *feedback.State, asJSON bool) error {
	habits := st.Habits()
	pairs, err := st.Agreement()
	if err != nil && len(habits) != 1 {
		return err
	}
	if asJSON {
		return printJSON(w, map[string]any{"labellers": habits, "agreement": pairs})
	}
	var b strings.Builder
	fmt.Fprintf(&b, "  %-20s %9s %8s %8s %9s\n", "labeller", "answered", "skipped", "weakest", "picked A")
	for _, h := range habits {
		fmt.Fprintf(&b, "  %-20s %9d %8d %8d %8.0f%%\n", h.Labeller, h.Answered, h.Skipped, h.Weakest, 100*h.PickedA)
	}
	for _, p := range pairs {
		if p.Share.N == 0 {
			fmt.Fprintf(&b, "  %s and %s have decided no question in common\n", p.A, p.B)
			continue
		}
		fmt.Fprintf(&b, "  %s and %s agree on %.3f (%.3f to %.3f) of %d questions, kappa %.2f\n", p.A, p.B, p.Share.Value, p.Share.Low, p.Share.High, p.Share.N, p.Kappa)
	}
	if len(habits) == 1 {
		b.WriteString("  agreement takes two labellers: let somebody else answer, with rlhf feedback -review\n")
	}
	_, err = io.WriteString(w, b.String())
	return err
}

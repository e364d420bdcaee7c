package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/eval"
)

// pmEvalFlags are the flags of rlhf pm eval.
type pmEvalFlags struct {
	pmFlags
	data []string
	rows int
}

func pmEvalCommand(s shell) command {
	return command{
		name: "pm eval", args: "[data...]", maxArgs: -1, short: "measure how often, and how surely, a preference model agrees with comparisons",
		long: `
Scores both sides of every comparison of -data, or of the run's own held-out ones
where there is no -data, and prints:

  accuracy      how often the chosen side has the higher score, overall, by tranche
                and by turn of the conversation, ± its standard error and with the
                95 % Wilson interval
  calibration   whether a score difference Δ means P(chosen) = 1/(1 + e^−Δ): the
                expected calibration error (ECE) beside what chance alone gives, the
                slope (1: calibrated, below: too sure of itself), the Brier score
  length        correlation of score and response length within pairs
  left out      rows that cannot be measured, or that the model was trained on

  rlhf pm eval -pm judge
  rlhf pm eval -pm judge -data harmless-base.jsonl.gz helpful-base.jsonl.gz
  rlhf pm eval -pm judge -data hh-rlhf -rows 500 -json

Data is a .jsonl(.gz) file of rows with "chosen" and "rejected", and "prompt" or
not, a folder of such, or a name as rlhf pm train takes it. With -json, a list of
"data" and "eval".`,
		bind: func(fs *flag.FlagSet) func(context.Context, []string) error {
			var f pmEvalFlags
			f.bind(fs)
			fs.Func("data", "`file`, folder or name of comparisons; may be given several times, arguments say the same", func(v string) error {
				f.data = append(f.data, v)
				return nil
			})
			fs.IntVar(&f.rows, "rows", 0, "comparisons to use of each at most; 0 is all")
			fs.BoolVar(&f.asJSON, "json", false, "print JSON on standard output")
			return func(ctx context.Context, args []string) error {
				f.data = append(f.data, args...)
				endsAtSecond(ctx)
				return runPMEval(ctx, s, f)
			}
		},
	}
}

// heldOut names a run's own held-out comparisons in results.
const heldOut = "held-out"

func runPMEval(ctx context.Context, s shell, f pmEvalFlags) error {
	const command = "pm eval"
	switch {
	case f.rows < 0:
		return fmt.Errorf("%s: -rows %d, want 0 (all) or more", command, f.rows)
	case f.rows > 0 && len(f.data) == 0:
		return errors.New(command + ": -rows is for -data; the run's own held-out comparisons are used whole")
	}
	for _, name := range f.data {
		if name == "" {
			return errors.New(command + ": -data is empty; name a file, a folder or a data set")
		}
		// A name of a data set has no ending.
		if _, err := os.Stat(name); err != nil && filepath.Ext(name) != "" {
			return fmt.Errorf("%s: -data: %w", command, err)
		}
	}
	m, err := f.open(ctx, s, command)
	if err != nil {
		return err
	}
	if err := f.room(s, m, command); err != nil {
		return err
	}
	p := newProgress(s.err, command)
	evaluate := func(name string) (rlhf.PMEval, error) {
		defer p.waiting("scoring " + name)()
		if len(f.data) == 0 {
			return m.Evaluate()
		}
		return m.EvaluateOn(name, f.rows)
	}
	names := f.data
	if len(names) == 0 {
		names = []string{heldOut}
	}
	var all []pmResult
	for _, name := range names {
		e, err := evaluate(name)
		if err != nil {
			return fmt.Errorf("%s: %s: %w", command, name, err)
		}
		if all = append(all, pmResult{name, e}); f.asJSON {
			continue
		}
		if err := printPMEval(s.out, f.pm, name, e); err != nil {
			return err
		}
	}
	if f.asJSON {
		return printJSON(s.out, all)
	}
	return nil
}

// A pmResult is the evaluation of a model on one data set.
type pmResult struct {
	Data string      `json:"data"`
	Eval rlhf.PMEval `json:"eval"`
}

// shareSE is the standard error of a share, √(p·(1−p)/n).
func shareSE(a rlhf.Accuracy) float64 {
	return math.Sqrt(a.Value * (1 - a.Value) / math.Max(1, float64(a.N)))
}

// printPMEval prints the evaluation of the model pm on data for the eye.
func printPMEval(w io.Writer, pm, data string, r rlhf.PMEval) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s on %s, at step %d: %d comparisons\n", pm, data, r.Step, r.All.N)
	type row struct {
		name string
		rlhf.Accuracy
	}
	rows := []row{{"all", r.All}}
	for _, a := range r.Tranches {
		rows = append(rows, row{a.Name, a})
	}
	for _, a := range r.Turns {
		rows = append(rows, row{"turn " + a.Name, a})
	}
	if r.Gold != nil {
		rows = append(rows, row{r.Gold.Name, *r.Gold})
	}
	width := 0
	for _, a := range rows {
		width = max(width, len(a.name))
	}
	fmt.Fprintf(&b, "  %-*s  %7s  accuracy ± s.e.   95 %% interval\n", width, "", "pairs")
	for _, a := range rows {
		fmt.Fprintf(&b, "  %-*s  %7d  %.3f ± %.3f    %.3f to %.3f\n", width, a.name, a.N, a.Value, shareSE(a.Accuracy), a.Low, a.High)
	}
	if r.Bayes > 0 {
		fmt.Fprintf(&b, "  attainable   %.3f, as the labellers err\n", r.Bayes)
	}
	fmt.Fprintf(&b, "  loss         %.4f nats (a coin: %.4f)\n", r.Loss, math.Ln2)
	slope := "no slope"
	if r.Slope != 0 || r.SlopeSE != 0 {
		slope = fmt.Sprintf("slope %.3f ± %.3f (s.e.)", r.Slope, r.SlopeSE)
	}
	fmt.Fprintf(&b, "  calibration  ECE %.4f (chance alone: %.4f), %s, Brier %.4f\n", r.ECE, eval.ChanceECE(r.Bins), slope, r.Brier)
	fmt.Fprintf(&b, "  length       correlation %.3f of score and response length within pairs\n", r.LengthCorr)
	fmt.Fprintf(&b, "  settled      %.1f %% of the pairs, whose gradient is below 0.01\n", 100*r.ZeroGrad)
	if w := r.Words; w != nil {
		fmt.Fprintf(&b, "  bag of words %.3f on %d pairs, trained on the same; the model is better by %.3f ± %.3f (s.e.)\n", w.Accuracy.Value, w.Accuracy.N, w.Difference, w.SE)
	}
	for _, note := range r.Notes {
		fmt.Fprintf(&b, "  note: %s\n", note)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// printLeftOut prints the rows that a run left out, by reason, and its notes.
func printLeftOut(w io.Writer, info rlhf.RunInfo) error {
	var b strings.Builder
	for _, d := range info.Data {
		if len(d.Odd) == 0 {
			continue
		}
		fmt.Fprintf(&b, "left out of %s, %d rows read, %d comparisons used:\n", d.Name, d.Read, d.Rows)
		t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		for _, odd := range d.Odd {
			fmt.Fprintf(t, "  %d\t%s\t%s\n", odd.Rows, odd.Reason, strings.Join(odd.Where, ", "))
		}
		t.Flush()
	}
	for _, note := range info.Notes {
		fmt.Fprintf(&b, "note: %s\n", note)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

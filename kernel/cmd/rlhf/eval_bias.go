package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"hhrlhf/kernel/host"
	"hhrlhf/rlhf"
	"hhrlhf/rlhf/eval"
	"hhrlhf/rlhf/tasks"
)

// biasFlags are the flags of rlhf eval bias.
type biasFlags struct {
	modelFlags
	before, pm, folder string
	n                  int
}

func evalBiasCommand(s shell) command {
	return command{
		name: "eval bias", short: "gender and other groups: occupations, Winogender, BBQ; a preference model's spread",
		long: `
Asks a language model (-model) or a preference model (-pm) what gender, religion and
looks are to it.

-model, with the files of Winogender and BBQ:
  B          the paper's measure (appendix B.10): the mean over occupations of
             |mean over 12 pairs of log P(occupation|woman)/P(occupation|man)|, nats; 0 is
             none. It grows as 1/temperature, so a policy's is larger if it is only surer
  lean       of one occupation, above 0 to the female terms, as the paper's equation
             has it (its figure 40 says the opposite)
  women      correlation of leans with the share of women in the occupation
  pronouns   the same of whole sentences that differ in she and he (Winogender)
  BBQ        s_DIS and s_AMB, −1 to 1, above 0 with the stereotype (Parrish et al. 2022),
             and the paper's share of negative uses, 0.5 without bias (figure 18)
-pm: the spread of scores of "The nurse is a woman." across and within the genders
  (figure 12), by root mean square; matched pairs, and pairs that differ as much otherwise

  rlhf eval bias -model smollm2
  rlhf eval bias -model smollm2 -n 20
  rlhf eval bias -model polite-last -before first -json > bias.json
  rlhf eval bias -pm judge

With -before: the same of another model, and how the leans of the two go together
(figure 40). -n takes the first occupations and so many BBQ stories; 0 is all.` + "\n" + modelNames,
		bind: func(fs *flag.FlagSet) func(context.Context, []string) error {
			var f biasFlags
			f.bind(fs)
			fs.StringVar(&f.before, "before", "", "`name` of a model to compare with")
			fs.StringVar(&f.pm, "pm", "", "`name` of a preference model's run, instead of -model")
			fs.StringVar(&f.folder, "files", underData("eval"), "`folder` of the files (default: $"+host.DataEnv+"/eval)")
			fs.IntVar(&f.n, "n", 0, "occupations, and stories of each BBQ file; 0 is all")
			return func(ctx context.Context, _ []string) error {
				endsAtSecond(ctx)
				return runEvalBias(ctx, s, f)
			}
		},
	}
}

// A biasResult is what one model has.
type biasResult struct {
	Model  string             `json:"model"`
	Gender *tasks.Gendered    `json:"gender,omitempty"`
	BBQ    []eval.BBQScore    `json:"bbq,omitempty"`
	Shift  *eval.Shift        `json:"shift,omitempty"` // from the model before
	Spread *eval.GenderSpread `json:"spread,omitempty"`
}

func runEvalBias(ctx context.Context, s shell, f biasFlags) error {
	const command = "eval bias"
	switch {
	case (f.model == "") == (f.pm == ""):
		return errors.New(command + ": name a language model with -model, or a preference model with -pm")
	case f.pm != "" && f.before != "":
		return errors.New(command + ": -before compares language models; leave it out with -pm")
	case f.n < 0 || f.n > 0 && f.n < 4:
		return fmt.Errorf("%s: -n %d, want 4 or more, or 0 for all", command, f.n)
	case f.folder == "":
		return fmt.Errorf("%s: -files is missing; name the folder with Winogender's and BBQ's files, or set $%s to the one above", command, host.DataEnv)
	}
	workers, schemata, err := tasks.OpenWinogender(f.folder)
	if err != nil {
		return fmt.Errorf("%s: -files: %w", command, err)
	}
	if f.n > 0 {
		workers = workers[:min(f.n, len(workers))]
	}
	var results []biasResult
	if f.pm != "" {
		r, err := f.askPM(ctx, s, workers)
		if err != nil {
			return fmt.Errorf("%s: %w", command, err)
		}
		results = []biasResult{r}
	} else {
		for _, name := range slices.DeleteFunc([]string{f.before, f.model}, func(name string) bool { return name == "" }) {
			r, err := f.ask(ctx, s, name, workers, schemata)
			if err != nil {
				return fmt.Errorf("%s: %w", command, err)
			}
			results = append(results, r)
		}
		if len(results) == 2 {
			shift, err := eval.Shifted(results[0].Gender.Terms, results[1].Gender.Terms)
			if err != nil {
				return fmt.Errorf("%s: %w", command, err)
			}
			results[1].Shift = &shift
		}
	}
	if f.asJSON {
		return printJSON(s.out, results)
	}
	return printBias(s.out, results)
}

// ask asks one language model.
func (f biasFlags) ask(ctx context.Context, s shell, name string, workers []tasks.Worker, schemata []tasks.Schema) (biasResult, error) {
	const command = "eval bias"
	r := biasResult{Model: name}
	mf := f.modelFlags
	mf.model = name
	m, err := mf.open(ctx, s, command)
	if err != nil {
		return r, err
	}
	defer m.Close()
	if err := mf.load(s, m, command, m.PredictBytes(rlhf.PieceTokens), "take a smaller model"); err != nil {
		return r, err
	}
	p := newProgress(s.err, command+": "+name)
	stop := p.waiting(fmt.Sprintf("%d occupations behind %d pairs of terms", len(workers), len(tasks.Pairs)))
	g, err := tasks.AskGender(asked{m}, workers, schemata)
	stop()
	if err != nil {
		return r, err
	}
	r.Gender = &g
	for _, name := range []string{"bbq_religion", "bbq_appearance"} {
		b, err := tasks.OpenBBQ(filepath.Join(f.folder, tasks.Files[name]))
		if err != nil {
			return r, err
		}
		score, err := tasks.AskBBQ(asked{m}, b.Stories(4*f.n, 0), tasks.Options{Say: func(done, of int) error {
			p.at(done, of, name)
			return ctx.Err()
		}})
		if err != nil {
			return r, err
		}
		r.BBQ = append(r.BBQ, score)
	}
	return r, nil
}

// askPM asks a preference model.
func (f biasFlags) askPM(ctx context.Context, s shell, workers []tasks.Worker) (biasResult, error) {
	const command = "eval bias"
	pf := pmFlags{pm: f.pm, runs: f.runs, asJSON: f.asJSON, force: f.force}
	r := biasResult{Model: f.pm}
	m, err := pf.open(ctx, s, command)
	if err != nil {
		return r, err
	}
	if err := pf.room(s, m, command); err != nil {
		return r, err
	}
	names := make([]string, len(workers))
	for i, w := range workers {
		names[i] = w.Occupation
	}
	stop := newProgress(s.err, command+": "+f.pm).waiting(fmt.Sprintf("%d sentences", len(names)*len(tasks.Pairs)*2*len(tasks.IsA.Answers)))
	os, err := tasks.Sentences(m, names, tasks.Pairs, tasks.IsA)
	stop()
	if err != nil {
		return r, err
	}
	spread, err := eval.SpreadOfScores(os)
	r.Spread = &spread
	return r, err
}

// biasShown is how many occupations of either end are printed.
const biasShown = 4

func printBias(w io.Writer, results []biasResult) error {
	var b strings.Builder
	for _, r := range results {
		fmt.Fprintln(&b, r.Model)
		if g := r.Gender; g != nil {
			fmt.Fprintf(&b, "  B         %.3f nats  95 %% interval %.3f to %.3f, %d occupations, %d pairs\n", g.Terms.B, g.Terms.Low, g.Terms.High, len(g.Terms.Occupations), g.Terms.Pairs)
			leans := slices.Clone(g.Terms.Occupations)
			slices.SortFunc(leans, func(a, b eval.Lean) int { return cmp.Compare(b.Lean, a.Lean) })
			n := min(biasShown, len(leans)/2)
			fmt.Fprintf(&b, "  female    %s\n  male      %s\n", leanList(leans[:n]), leanList(leans[len(leans)-n:]))
			fmt.Fprintf(&b, "  women     correlation of leans and shares %s\n", interval(g.TermR))
			fmt.Fprintf(&b, "  pronouns  B %.3f (%.3f to %.3f), correlation %s\n", g.Pronouns.B, g.Pronouns.Low, g.Pronouns.High, interval(g.PronounR))
		}
		for _, c := range r.BBQ {
			fmt.Fprintf(&b, "  BBQ, %s: %d items\n", c.Category, c.Ambiguous.N+c.Clear.N)
			fmt.Fprintf(&b, "    right where the story says  %.2f, s_DIS %s\n", c.Clear.Value, interval(c.ClearBias))
			fmt.Fprintf(&b, "    right where it does not     %.2f, s_AMB %s\n", c.Ambiguous.Value, interval(c.AmbiguousBias))
			fmt.Fprintf(&b, "    negative uses of the groups %s\n", interval(c.Lite))
		}
		if s := r.Shift; s != nil {
			fmt.Fprintf(&b, "  leans before and after: correlation %.2f (%.2f to %.2f); B as of the first model at temperature %.2f\n", s.R, s.Low, s.High, s.Temperature)
		}
		if s := r.Spread; s != nil {
			fmt.Fprintf(&b, "  spread of scores: %.3f across matched pairs, %.3f across others, %.3f within a gender\n", s.Cross, s.Apart, s.Within)
			fmt.Fprintf(&b, "  across over within: matched %s, others %s\n", interval(s.Ratio), interval(s.Fair))
			fmt.Fprintf(&b, "  female less male score: %s\n", interval(s.Mean))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func leanList(leans []eval.Lean) string {
	parts := make([]string, len(leans))
	for i, l := range leans {
		parts[i] = fmt.Sprintf("%s %+.2f", l.Name, l.Lean)
	}
	return strings.Join(parts, ", ")
}

func interval(i eval.Interval) string {
	return fmt.Sprintf("%+.3f (%+.3f to %+.3f)", i.Value, i.Low, i.High)
}

package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"

	"hhrlhf/kernel/host"
	"hhrlhf/rlhf"
	"hhrlhf/rlhf/eval"
	"hhrlhf/rlhf/local"
	"hhrlhf/rlhf/tasks"
)

// sentimentFlags are the flags of rlhf eval sentiment.
type sentimentFlags struct {
	modelFlags
	before, texts      string
	times, tokens, top int
	seed               uint64
}

func evalSentimentCommand(s shell) command {
	return command{
		name: "eval sentiment", short: "how positively a model speaks of religions, countries and occupations",
		long: `
Asks a model to finish sentences about groups of people, such as "The Atheist man was
very", in the paper's words ("Can you help me finish a sentence? …", figure 17), and reads
the answers with a classifier of words that is trained first, on the two files of a folder:
NAME.pos and NAME.neg, a text a line, every tenth of them held out.

  rlhf eval sentiment -model smollm2
  rlhf eval sentiment -model smollm2 -times 4 -show 3
  rlhf eval sentiment -model polite-last -before first -json > sentiment.json

Printed are the mean probability of a positive answer by group with 95 % intervals
(bootstrap), and for each kind of group how far the groups lie apart once chance is taken
off, with the p-value of no difference at all (F test). The classifier's own accuracy bounds
what that can mean. With -before: another model's beside it.` + "\n" + modelNames,
		bind: func(fs *flag.FlagSet) func(context.Context, []string) error {
			var f sentimentFlags
			f.bind(fs)
			fs.StringVar(&f.before, "before", "", "`name` of a model to compare with")
			fs.StringVar(&f.texts, "texts", underData("sentiment"), "`folder` of the texts that teach the classifier (default: $"+host.DataEnv+"/sentiment)")
			fs.IntVar(&f.times, "times", 1, "answers to each beginning")
			fs.IntVar(&f.tokens, "max-tokens", 24, "tokens of an answer")
			fs.IntVar(&f.top, "show", 2, "answers to print, the most positive ones and the most negative ones")
			fs.Uint64Var(&f.seed, "seed", 0, "of the answers")
			return func(ctx context.Context, _ []string) error {
				endsAtSecond(ctx)
				return runEvalSentiment(ctx, s, f)
			}
		},
	}
}

// A sentimentResult is what one model has.
type sentimentResult struct {
	Model      string               `json:"model"`
	Classifier rlhf.Accuracy        `json:"classifier"` // on held-out texts
	Kinds      []tasks.Tone         `json:"kinds"`
	Answers    []tasks.Continuation `json:"answers"`
}

func runEvalSentiment(ctx context.Context, s shell, f sentimentFlags) error {
	const command = "eval sentiment"
	switch {
	case f.times < 1 || f.tokens < 1 || f.top < 0:
		return fmt.Errorf("%s: -times %d -max-tokens %d -show %d, want 1 or more, 1 or more, and 0 or more", command, f.times, f.tokens, f.top)
	case f.texts == "":
		return fmt.Errorf("%s: -texts is missing; name a folder with NAME.pos and NAME.neg, or set $%s to the one above", command, host.DataEnv)
	}
	train, held, err := tasks.OpenSentiment(f.texts)
	if err != nil {
		return fmt.Errorf("%s: -texts: %w", command, err)
	}
	names := []string{f.model}
	if f.before != "" {
		names = []string{f.before, f.model}
	}
	models := make([]languageModel, len(names))
	for i, name := range names { // a wrong name is told before the classifier is trained
		mf := f.modelFlags
		mf.model = name
		if models[i], err = mf.open(ctx, s, command); err != nil {
			return err
		}
		defer models[i].Close()
	}
	p := newProgress(s.err, command)
	stop := p.waiting(fmt.Sprintf("training the classifier on %d texts", len(train.Positive)+len(train.Negative)))
	classifier, err := eval.TrainSentiment(train.Positive, train.Negative, eval.BagOfWords{})
	stop()
	if err != nil {
		return fmt.Errorf("%s: -texts: %w", command, err)
	}
	var results []sentimentResult
	for i, m := range models {
		g := local.Generation{Temperature: 1, MaxTokens: f.tokens, Seed: f.seed}
		if err := f.load(s, m, command, m.GenerateBytes(32, 64, g), "take a smaller model"); err != nil {
			return err
		}
		stop := p.waiting(names[i] + " finishes sentences")
		tones, answers, err := tasks.AskSentiment(asked{m}, classifier, f.times, rlhf.Sampling{MaxTokens: f.tokens, Seed: f.seed})
		stop()
		if err != nil {
			return fmt.Errorf("%s: %s: %w", command, names[i], err)
		}
		results = append(results, sentimentResult{names[i], classifier.Accuracy(held.Positive, held.Negative), tones, answers})
	}
	if f.asJSON {
		return printJSON(s.out, results)
	}
	return printSentiment(s.out, results, f.top)
}

func printSentiment(w io.Writer, results []sentimentResult, top int) error {
	var b strings.Builder
	c := results[0].Classifier
	fmt.Fprintf(&b, "classifier: %.3f of %d held-out texts right (95 %% interval %.3f to %.3f)\n", c.Value, c.N, c.Low, c.High)
	for _, r := range results {
		fmt.Fprintf(&b, "%s, probability that an answer is positive\n", r.Model)
		for _, t := range r.Kinds {
			fmt.Fprintf(&b, "  %-12s %.3f (%.3f to %.3f); groups lie %.3f apart, p = %.2g\n", t.Kind, t.Mean, t.Low, t.High, t.Spread, t.P)
			for _, g := range t.Groups.Groups {
				fmt.Fprintf(&b, "    %-12s %.3f (%.3f to %.3f), %d answers\n", g.Name, g.Mean, g.Low, g.High, g.N)
			}
		}
		for _, a := range extremeAnswers(r.Answers, top) {
			fmt.Fprintf(&b, "  %.2f  %s … %s\n", a.Positive, a.Text, oneLine(a.Response))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// extremeAnswers are the n most positive answers and the n most negative ones.
func extremeAnswers(cs []tasks.Continuation, n int) []tasks.Continuation {
	cs = slices.Clone(cs)
	slices.SortStableFunc(cs, func(a, b tasks.Continuation) int { return cmp.Compare(b.Positive, a.Positive) })
	n = min(n, len(cs)/2)
	return append(cs[:n:n], cs[len(cs)-n:]...)
}

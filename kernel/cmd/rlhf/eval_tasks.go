package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"

	"hhrlhf/kernel/host"
	"hhrlhf/rlhf"
	"hhrlhf/rlhf/eval"
	"hhrlhf/rlhf/local"
	"hhrlhf/rlhf/synth"
	"hhrlhf/rlhf/tasks"
)

// tasksFlags are the flags of rlhf eval tasks.
type tasksFlags struct {
	modelFlags
	before, tasks, folder string
	format, norm          string
	shots, n              int
	seed                  uint64
}

func evalTasksCommand(s shell) command {
	return command{
		name: "eval tasks", short: "multiple choice, cloze and free questions: MMLU, ARC, LAMBADA, TriviaQA, …",
		long: `
Asks a model a public test of capability, as the public harness (lm-evaluation-harness)
words it, and prints the share that is right, with its 95 % Wilson interval over items.

-task names one or several, with commas between: ` + strings.Join(tasks.Names(), ", ") + `,
"all" of these, a file of such a test, or a synthetic world ("synth-small"), whose
questions are asked as choice, cloze and free answers.

  choice  every choice is scored by its log-probability after the question. Measures:
          sum (the harness's acc), char (its acc_norm: per character), byte, token, and
          pmi (less the log-probability after "Answer:" alone; asked for by -norm pmi)
  cloze   right if the model's first choices are the missing word; and the perplexity
  free    the model's greedy answer equals one of the right ones, once normalised

  rlhf eval tasks -model smollm2 -task arc_easy -n 200
  rlhf eval tasks -model smollm2 -task lambada -shots 5
  rlhf eval tasks -model smollm2 -task mmlu -shots 5 -json > mmlu.json
  rlhf eval tasks -model polite -before first -task synth-small

With -before: another model is asked the same items, and the change is given with its
interval and exact McNemar test: did training it, by rlhf ppo for one, cost anything?

-shots puts so many examples before each item. -format letters lists the choices in the
prompt, as the paper does, and asks for a letter; -format dialogue puts the question
into the Human's mouth.` + "\n" + modelNames,
		bind: func(fs *flag.FlagSet) func(context.Context, []string) error {
			var f tasksFlags
			f.bind(fs)
			fs.StringVar(&f.before, "before", "", "`name` of a model to compare with")
			fs.StringVar(&f.tasks, "task", "", "`names` or files of the tasks (required)")
			fs.StringVar(&f.folder, "files", underData("eval"), "`folder` of the task files (default: $"+host.DataEnv+"/eval)")
			fs.IntVar(&f.shots, "shots", 0, "examples before each item")
			fs.IntVar(&f.n, "n", 0, "items, drawn by -seed; 0 is all")
			fs.StringVar(&f.norm, "norm", "", "measure of multiple choice to put first: sum, char, byte, token, pmi (default: the one that the task is quoted by)")
			fs.StringVar(&f.format, "format", "", "wording: "+strings.Join(slices.Sorted(maps.Keys(tasks.Formats))[1:], ", ")+" (default: the harness's)")
			fs.Uint64Var(&f.seed, "seed", 0, "draws the items and the examples")
			return func(ctx context.Context, _ []string) error {
				endsAtSecond(ctx)
				return runEvalTasks(ctx, s, f)
			}
		},
	}
}

// A tasksResult is what one task's answers come to.
type tasksResult struct {
	Model string `json:"model"`
	tasks.Result
	Before *tasks.Result `json:"before,omitempty"`
	Change *eval.Flips   `json:"change,omitempty"`
}

func runEvalTasks(ctx context.Context, s shell, f tasksFlags) error {
	const command = "eval tasks"
	norm, err := tasks.ParseNorm(f.norm)
	if err != nil {
		return fmt.Errorf("%s: -norm: %w", command, err)
	}
	if f.shots < 0 || f.n < 0 {
		return fmt.Errorf("%s: -shots %d -n %d, want 0 or more", command, f.shots, f.n)
	}
	todo, err := f.open(command, norm)
	if err != nil {
		return err
	}
	names := []string{f.model}
	if f.before != "" {
		names = []string{f.before, f.model}
	}
	results := make([][]tasks.Result, len(names))
	for i, name := range names { // one model's weights at a time
		mf := f.modelFlags
		mf.model = name
		m, err := mf.open(ctx, s, command)
		if err != nil {
			return err
		}
		results[i], err = f.ask(s, mf, m, todo, norm)
		m.Close()
		if err != nil {
			return err
		}
	}
	for i := range todo {
		r := tasksResult{Model: f.model, Result: results[len(names)-1][i]}
		if f.before != "" {
			change, err := tasks.Compare(results[0][i], r.Result, "")
			if err != nil {
				return fmt.Errorf("%s: %w", command, err)
			}
			r.Before, r.Change = &results[0][i], &change
		}
		if f.asJSON {
			err = printJSON(s.out, r)
		} else {
			err = printTask(s.out, f, r)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// open reads the tasks that -task names.
func (f tasksFlags) open(command string, norm tasks.Norm) ([]tasks.Task, error) {
	if f.tasks == "" {
		return nil, fmt.Errorf(`%s: -task is missing; want %s, "all", a file, or "synth-small"`, command, strings.Join(tasks.Names(), ", "))
	}
	words := tasks.Formats[f.format]
	if words == nil {
		return nil, fmt.Errorf("%s: -format %q, want one of %s", command, f.format, strings.Join(slices.Sorted(maps.Keys(tasks.Formats))[1:], ", "))
	}
	names := strings.Split(f.tasks, ",")
	if f.tasks == "all" {
		names = tasks.Names()
	}
	var out []tasks.Task
	for _, name := range names {
		name = strings.TrimSpace(name)
		var err error
		var t tasks.Task
		switch _, named := tasks.Files[name]; {
		case rlhf.Synthetic(name):
			var w *synth.World
			if w, err = synth.Named(name); err == nil {
				out = append(out, tasks.World(w, f.n, f.seed)...)
				continue
			}
		case named && f.folder == "":
			err = fmt.Errorf("-files is missing; name the folder with %s, or set $%s to the one above", tasks.Files[name], host.DataEnv)
		case named:
			t, err = tasks.OpenNamed(f.folder, name)
		default:
			t, err = tasks.Open(name)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: -task %s: %w", command, name, err)
		}
		out = append(out, t)
	}
	for i, t := range out {
		if f.format != "" {
			if t.Kind != tasks.Choice && f.format == "letters" {
				return nil, fmt.Errorf("%s: -format letters is for multiple choice; %s is not", command, t.Name)
			}
			out[i] = t.As(words(t))
		}
		if norm != "" && t.Kind == tasks.Choice {
			out[i].Norm = norm
		}
	}
	return out, nil
}

// ask asks one model all tasks.
func (f tasksFlags) ask(s shell, mf modelFlags, m languageModel, todo []tasks.Task, norm tasks.Norm) ([]tasks.Result, error) {
	const command = "eval tasks"
	if err := mf.load(s, m, command, m.PredictBytes(rlhf.PieceTokens), "take a smaller model"); err != nil {
		return nil, err
	}
	out := make([]tasks.Result, len(todo))
	for i, t := range todo {
		p := newProgress(s.err, fmt.Sprintf("%s: %s, %s", command, m.About().Name, t.Name))
		o := tasks.Options{Shots: f.shots, N: f.n, Seed: f.seed, PMI: norm == tasks.PMI, Say: func(done, of int) error {
			p.at(done, of, "items")
			return nil
		}}
		var err error
		if out[i], err = tasks.Ask(asked{m}, t, o); err != nil {
			return nil, fmt.Errorf("%s: %w", command, err)
		}
	}
	return out, nil
}

// asked lets a model of the shell be asked tasks.
type asked struct{ languageModel }

// Predict implements tasks.Model.
func (a asked) Predict(ts []rlhf.Transcript) ([]rlhf.Prediction, error) {
	var passages iter.Seq2[local.Passage, error] = func(yield func(local.Passage, error) bool) {
		for _, t := range ts {
			if !yield(local.Passage{Context: t.Prompt, Text: t.Response}, nil) {
				return
			}
		}
	}
	var out []rlhf.Prediction
	for p, err := range a.languageModel.Predict(passages, rlhf.PieceTokens) {
		if err != nil {
			return nil, err
		}
		out = append(out, rlhf.Prediction{LogP: -p.Nats, Tokens: p.Tokens, First: p.Right})
	}
	return out, nil
}

// Sample implements tasks.Model.
func (a asked) Sample(prompts []string, o rlhf.Sampling) ([]rlhf.Sample, error) {
	g := local.Generation{Temperature: max(0, cmp.Or(o.Temperature, 1)), MaxTokens: o.MaxTokens, Seed: o.Seed}
	ids := make([][]int32, len(prompts))
	for i, p := range prompts {
		ids[i] = a.Text(p)
	}
	written, err := a.Continue(ids, g, func(int, int) {})
	if err != nil {
		return nil, err
	}
	out := make([]rlhf.Sample, len(prompts))
	for i, w := range written {
		out[i] = rlhf.Sample{Prompt: prompts[i], Response: w.Text, Tokens: w.Tokens, EOS: w.Ended}
	}
	return out, nil
}

// printTask prints one task's result for the eye.
func printTask(w io.Writer, f tasksFlags, r tasksResult) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s on %s: %d items, %d examples before each, worded as %q\n", r.Model, r.Task, r.N, r.Shots, r.Format)
	for i, a := range r.Accuracies {
		fmt.Fprintf(&b, "  %-7s %.3f  95 %% interval %.3f to %.3f", a.Name, a.Value, a.Low, a.High)
		if r.Norms[i] == r.Norm && len(r.Norms) > 1 {
			b.WriteString("  (the measure it is quoted by)")
		}
		b.WriteString("\n")
	}
	if r.Chance > 0 {
		fmt.Fprintf(&b, "  chance  %.3f\n", r.Chance)
	}
	if r.Perplexity > 0 {
		fmt.Fprintf(&b, "  perplexity of the word  %.4g\n", r.Perplexity)
	}
	if c := r.Change; c != nil {
		fmt.Fprintf(&b, "  %s: %.3f before, change %+.3f (95 %% interval %+.3f to %+.3f); %d gained, %d lost, p = %.2g\n",
			f.before, r.Before.Main().Value, c.Change, c.Low, c.High, c.Gained, c.Lost, c.P)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"hhrlhf/kernel/host"
	"hhrlhf/rlhf"
	"hhrlhf/rlhf/eval"
	"hhrlhf/rlhf/humaneval"
	"hhrlhf/rlhf/local"
	"hhrlhf/rlhf/sandbox"
	"hhrlhf/rlhf/study"
	"hhrlhf/rlhf/synth"
)

// codeFlags are the flags of rlhf eval code.
type codeFlags struct {
	modelFlags
	dataset, data            string
	k, temperatures, topPs   string
	n, problems, tokens, cpu int
	seed                     uint64
}

func evalCodeCommand(s shell) command {
	return command{
		name: "eval code", short: "pass@k of programs that a model writes: HumanEval in a sandbox, or the stack language",
		long: `
Lets a model write each program -n times, in every setting of -temperature and -top-p, runs
what it wrote, and prints pass@k: the chance that one of k tries passes, estimated without
bias from the n (Chen et al. 2021), with a 95 % bootstrap interval over problems; and for each k
the best setting, as the paper's figure 21 has it.

  rlhf eval code -model smollm2 -problems 10 -n 2 -k 1 -temperature 0,0.8
  rlhf eval code -model smollm2 -dataset HumanEval.jsonl.gz -n 100 -k 1,10,100
  rlhf eval code -model polite -data synth -n 24 -k 1,5,24

-dataset is HumanEval, or a file of problems in its form. What a model writes is somebody
else's program: it runs in namespaces of its own without network, files, environment or
other processes, with little memory, time and output, and cannot sign the verdict itself.
Where the kernel does not allow that, nothing is run, and the command says what is missing.

-data synth asks for programs of the synthetic world's stack language instead, in the
paper's dialogue format, for models that were trained on it.` + "\n" + modelNames,
		bind: func(fs *flag.FlagSet) func(context.Context, []string) error {
			var f codeFlags
			f.bind(fs)
			fs.StringVar(&f.dataset, "dataset", underData("eval/HumanEval.jsonl.gz"), "`file` of the problems (default: $"+host.DataEnv+"/eval/HumanEval.jsonl.gz)")
			fs.StringVar(&f.data, "data", "", `"synth": programs of the synthetic world's stack language`)
			fs.IntVar(&f.n, "n", 10, "programs of each problem and setting")
			fs.StringVar(&f.k, "k", "1,5,10", "tries, with commas between; at most -n")
			fs.StringVar(&f.temperatures, "temperature", "0,0.4,0.6,0.8,1", "temperatures, with commas between; 0 always takes the likeliest token")
			fs.StringVar(&f.topPs, "top-p", "0.95,1", "masses of the nucleus, with commas between; 1 is all tokens")
			fs.IntVar(&f.problems, "problems", 0, "the so many problems with the shortest prompts; 0 is all")
			fs.IntVar(&f.tokens, "max-tokens", 256, "`tokens` of a program at most")
			fs.IntVar(&f.cpu, "cpu", 5, "`seconds` of processor time that a program may take")
			fs.Uint64Var(&f.seed, "seed", 0, "the same seed gives the same programs")
			return func(ctx context.Context, _ []string) error {
				endsAtSecond(ctx)
				return runEvalCode(ctx, s, f)
			}
		},
	}
}

// A codeResult is what runEvalCode prints.
type codeResult struct {
	Model    string         `json:"model"`
	Problems int            `json:"problems"`
	Settings []eval.Setting `json:"settings"`
	Best     []bestTry      `json:"best"`
	// Why counts the programs by what became of them, each greedy one once.
	Why map[string]int `json:"why"`
}

// A bestTry is pass@k at its best setting.
type bestTry struct {
	K           int           `json:"k"`
	Pass        rlhf.Accuracy `json:"pass"`
	Temperature float64       `json:"temperature"`
	TopP        float64       `json:"top_p"`
}

// An exam is questions, and how a program that answers one is judged.
type exam struct {
	prompts []string
	judge   func(i int, response string) (passed bool, why string, err error)
}

func runEvalCode(ctx context.Context, s shell, f codeFlags) error {
	const command = "eval code"
	settings, ks, err := f.settings(command)
	if err != nil {
		return err
	}
	x, err := f.exam(ctx, command)
	if err != nil {
		return err
	}
	m, err := f.open(ctx, s, command)
	if err != nil {
		return err
	}
	defer m.Close()
	ids, longest := make(map[string][]int32, len(x.prompts)), 0
	for _, p := range x.prompts {
		ids[p] = m.Text(p)
		longest = max(longest, len(ids[p]))
	}
	if context := m.About().Shape.Context; longest+f.tokens > context {
		return fmt.Errorf("%s: the longest problem has %d tokens, with -max-tokens %d more than the context of %s, %d; lower -max-tokens, or take fewer -problems", command, longest, f.tokens, f.model, context)
	}
	rows := min(eval.PassBatch, f.n*len(x.prompts))
	if err := f.load(s, m, command, m.GenerateBytes(rows, longest, local.Generation{MaxTokens: f.tokens}), "take fewer -max-tokens"); err != nil {
		return err
	}
	p := newProgress(s.err, command)
	r := codeResult{Model: f.model, Problems: len(x.prompts), Why: map[string]int{}}
	r.Settings, err = eval.PassEach(settings, x.prompts, f.n, f.tokens, f.seed, func(prompts []string, o rlhf.Sampling) ([]rlhf.Sample, error) {
		batch := make([][]int32, len(prompts))
		for i, text := range prompts {
			batch[i] = ids[text]
		}
		g := local.Generation{Temperature: max(0, o.Temperature), TopP: o.TopP, MaxTokens: o.MaxTokens, Seed: o.Seed}
		what := fmt.Sprintf("tokens at temperature %g", g.Temperature)
		written, err := m.Continue(batch, g, func(done, of int) { p.at(done, of, what) })
		if err != nil {
			return nil, err
		}
		out := make([]rlhf.Sample, len(prompts))
		for i, w := range written {
			out[i] = rlhf.Sample{Prompt: prompts[i], Response: w.Text}
		}
		return out, nil
	}, func(i int, _, response string) (bool, error) {
		passed, why, err := x.judge(i, response)
		r.Why[why]++
		return passed, err
	})
	if err != nil {
		return fmt.Errorf("%s: %w", command, err)
	}
	for _, k := range ks {
		best, at, err := eval.BestPassAtK(r.Settings, k)
		if err != nil {
			return fmt.Errorf("%s: %w", command, err)
		}
		r.Best = append(r.Best, bestTry{k, best, r.Settings[at].Temperature, r.Settings[at].TopP})
	}
	if f.asJSON {
		return printJSON(s.out, r)
	}
	return printCode(s.out, r, ks)
}

// settings reads the lists of numbers.
func (f codeFlags) settings(command string) (out []eval.Setting, ks []int, err error) {
	if f.n < 1 || f.problems < 0 || f.tokens < 1 || f.cpu < 1 {
		return nil, nil, fmt.Errorf("%s: -n %d -problems %d -max-tokens %d -cpu %d, want 1 or more, and 0 or more problems", command, f.n, f.problems, f.tokens, f.cpu)
	}
	numbers := func(name, list string, low, high float64) (xs []float64, err error) {
		for word := range strings.SplitSeq(list, ",") {
			x, err := strconv.ParseFloat(strings.TrimSpace(word), 64)
			if err != nil || !(x >= low && x <= high) {
				return nil, fmt.Errorf("%s: -%s %q, want numbers from %g to %g with commas between", command, name, list, low, high)
			}
			xs = append(xs, x)
		}
		return xs, nil
	}
	temperatures, err := numbers("temperature", f.temperatures, 0, 10)
	if err != nil {
		return nil, nil, err
	}
	topPs, err := numbers("top-p", f.topPs, 0.01, 1)
	if err != nil {
		return nil, nil, err
	}
	tries, err := numbers("k", f.k, 1, float64(f.n))
	if err != nil {
		return nil, nil, fmt.Errorf("%w; -n %d programs of a problem allow no more tries", err, f.n)
	}
	for _, k := range tries {
		ks = append(ks, int(k))
	}
	for _, t := range temperatures {
		for _, p := range topPs {
			out = append(out, eval.Setting{Temperature: t, TopP: p})
		}
	}
	return out, ks, nil
}

// exam reads the problems, or makes them.
func (f codeFlags) exam(ctx context.Context, command string) (exam, error) {
	if f.data != "" {
		world, err := synth.Named(f.data)
		if err != nil {
			return exam{}, fmt.Errorf("%s: -data: %w", command, err)
		}
		prompts := study.ProgramPrompts()
		return exam{prompts, func(i int, response string) (bool, string, error) {
			passed, err := world.Solves(prompts[i], response)
			if passed {
				return true, "passed", err
			}
			return false, "another number, or no program", err
		}}, nil
	}
	if f.dataset == "" {
		return exam{}, fmt.Errorf("%s: -dataset is missing; name HumanEval.jsonl.gz, or set $%s to the folder above its own, or ask for programs of the stack language by -data synth", command, host.DataEnv)
	}
	problems, err := humaneval.Read(f.dataset)
	if err != nil {
		return exam{}, fmt.Errorf("%s: %w", command, err)
	}
	if f.problems > 0 {
		problems = humaneval.Shortest(problems, f.problems)
	}
	var missing *sandbox.Unavailable
	if err := sandbox.Check(ctx); errors.As(err, &missing) {
		return exam{}, fmt.Errorf("%s: %w", command, missing)
	} else if err != nil {
		return exam{}, fmt.Errorf("%s: %w", command, err)
	}
	var x exam
	for _, p := range problems {
		x.prompts = append(x.prompts, p.Prompt)
	}
	limits := sandbox.Limits{CPU: time.Duration(f.cpu) * time.Second, Wall: 2 * time.Duration(f.cpu) * time.Second}
	x.judge = func(i int, response string) (bool, string, error) {
		v, err := problems[i].Judge(ctx, humaneval.Truncate(response), limits)
		why, _, _ := strings.Cut(v.Why, ":")
		return v.Passed, why, err
	}
	return x, nil
}

// printCode prints the result for the eye.
func printCode(w io.Writer, r codeResult, ks []int) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d problems, %d programs of each in each setting\n  %-12s %-6s", r.Model, r.Problems, r.Settings[0].Samples, "temperature", "top-p")
	for _, k := range ks {
		fmt.Fprintf(&b, "  %-22s", fmt.Sprintf("pass@%d", k))
	}
	b.WriteString("\n")
	for _, s := range r.Settings {
		fmt.Fprintf(&b, "  %-12g %-6g", s.Temperature, s.TopP)
		for _, k := range ks {
			v, err := eval.MeanPassAtK(s.Problems(), k)
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, "  %.3f (%.3f to %.3f)", v.Value, v.Low, v.High)
		}
		b.WriteString("\n")
	}
	for _, best := range r.Best {
		fmt.Fprintf(&b, "  best pass@%d: %.3f (%.3f to %.3f), at temperature %g and top-p %g\n", best.K, best.Pass.Value, best.Pass.Low, best.Pass.High, best.Temperature, best.TopP)
	}
	var said []string
	for _, why := range slices.Sorted(maps.Keys(r.Why)) {
		said = append(said, fmt.Sprintf("%s %d", why, r.Why[why]))
	}
	fmt.Fprintf(&b, "  what became of them: %s\n", strings.Join(said, ", "))
	_, err := io.WriteString(w, b.String())
	return err
}

package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"

	"hhrlhf/kernel/host"
	"hhrlhf/kernel/setup"
	"hhrlhf/rlhf/bench"
	"hhrlhf/rlhf/pjrt"
)

// benchFlags are the flags of rlhf bench.
type benchFlags struct {
	what, tier, model, value string
	n, most                  int
	prompts, newTokens       int
	asJSON, asBench          bool
}

func benchCommand() command { return benchCommands(os.Stdout, os.Stderr) }

func benchCommands(out, progress io.Writer) command {
	return command{
		name: "bench", args: "[kernel]", maxArgs: 1,
		short: "measure how fast this machine trains, scores and samples, and its cells answer",
		long: `
What is measured (float32, on the backend that GOMLX_BACKEND names):

  -what lm       a training step of 16 × 128 tokens with AdamW and norm clip
  -what pm       a preference model: a training step of 16 pairs of sequences of 128
                 tokens that share a prompt of 32, and of pairs that share nothing
                 (tokens per second count both sequences in full); 32 sequences of
                 96 tokens scored
  -what sample   32 prompts of 32 tokens, 64 new tokens each, temperature 1
  -what ppo      an iteration of reinforcement learning on as many: rollout; scoring by
                 preference model, policy, reference and value function; 16 updates
                 (4 passes in 4 minibatches) of policy and value function, which with
                 -value shared is a head on the policy

  kernel         (or -what kernel) how long notebook cells take to answer: a line of text, a
                 picture, the engine's status, one training step; here, in stock gonb and
                 in ipykernel; with the engine idle, and while it trains; medians of -n

  -tier S        width 128, 4 layers, 4 heads, vocabulary 2048
  -tier M        width 256, 6 layers, 8 heads, vocabulary 4096
  -model NAME    a pretrained model in place of a tier; with -what sample, reading a
                 prompt of 512 tokens, and writing 64 in one row and in 16; with -what
                 ppo, 8 prompts of 64 tokens, 64 new tokens each, 4 updates

  rlhf bench -what lm
  rlhf bench -what pm -tier M -json
  rlhf bench -what sample -model smollm2
  rlhf bench -what ppo -value shared
  rlhf bench kernel -json
  for n in 8 16 32 64; do rlhf bench -what ppo -prompts $n -json; done > tokens.jsonl
  rlhf bench -what lm -benchfmt -n 10 >> new.txt && benchstat old.txt new.txt

Seconds are the median over samples during which other processes used less than a
tenth of a core; with none so clean, the minimum of all, and "n_clean" is 0. Beside
it: processor seconds of this process, tokens per second, seconds of compiling, and
the peak of resident memory in MiB.`,
		bind: func(fs *flag.FlagSet) func(context.Context, []string) error {
			var f benchFlags
			fs.StringVar(&f.what, "what", "", `"lm", "pm", "sample", "ppo" or "kernel" (required)`)
			fs.StringVar(&f.tier, "tier", "S", "S or M")
			fs.StringVar(&f.model, "model", "", "`name` of a pretrained model: smollm2, hub:owner/name or a path")
			fs.StringVar(&f.value, "value", "own", "with -what ppo: the value function, own (a transformer) or shared (a head)")
			fs.IntVar(&f.prompts, "prompts", 0, "with -what ppo and a tier: prompts, a multiple of 4 (default 32)")
			fs.IntVar(&f.newTokens, "new", 0, "with -what ppo and a tier: new `tokens` each (default 64)")
			fs.IntVar(&f.n, "n", 5, "clean samples wanted; of kernel: answers per cell, 20 by default")
			fs.IntVar(&f.most, "most", 0, "samples at most (default four times -n)")
			fs.BoolVar(&f.asJSON, "json", false, "print one JSON object on standard output")
			fs.BoolVar(&f.asBench, "benchfmt", false, "print the format of Go benchmarks, for benchstat")
			return func(ctx context.Context, args []string) error {
				if len(args) > 0 {
					f.what = args[0]
				}
				endsAtSecond(ctx)
				if f.what == "kernel" {
					given := false
					fs.Visit(func(fl *flag.Flag) { given = given || fl.Name == "n" })
					if !given {
						f.n = 20
					}
					if err := f.checkKernel(); err != nil {
						return err
					}
					return benchKernel(ctx, f, out, progress)
				}
				return runBench(ctx, f, out, progress)
			}
		},
	}
}

func (f benchFlags) check() (bench.Tier, error) {
	tier, err := bench.Named(f.tier)
	switch {
	case !slices.Contains([]string{"lm", "pm", "sample", "ppo"}, f.what):
		return tier, fmt.Errorf(`bench: -what %q, want "lm", "pm", "sample", "ppo" or "kernel"`, f.what)
	case err != nil:
		return tier, err
	case f.model != "" && f.what != "sample" && f.what != "ppo":
		return tier, errors.New("bench: -model is for -what sample and -what ppo")
	case f.value != "own" && f.value != "shared":
		return tier, fmt.Errorf("bench: -value %q, want own or shared", f.value)
	case (f.prompts != 0 || f.newTokens != 0) && (f.what != "ppo" || f.model != ""):
		return tier, errors.New("bench: -prompts and -new are for -what ppo with a tier")
	case f.prompts < 0 || f.prompts%4 != 0 || f.newTokens < 0:
		return tier, fmt.Errorf("bench: -prompts %d -new %d, want a multiple of 4, and 1 or more", f.prompts, f.newTokens)
	case f.n < 1 || f.most < 0:
		return tier, fmt.Errorf("bench: -n %d -most %d, want 1 and 0 or more", f.n, f.most)
	case f.asJSON && f.asBench:
		return tier, errors.New("bench: -json and -benchfmt; want one of them")
	}
	tier.Prompts, tier.NewTokens = cmp.Or(f.prompts, tier.Prompts), cmp.Or(f.newTokens, tier.NewTokens)
	return tier, nil
}

// checkKernel refuses what bench kernel has no use for.
func (f benchFlags) checkKernel() error {
	switch {
	case f.n < 1:
		return fmt.Errorf("bench: -n %d, want 1 or more", f.n)
	case f.model != "" || f.prompts != 0 || f.newTokens != 0 || f.most != 0 || f.asBench:
		return errors.New("bench: kernel takes -n and -json only")
	}
	return nil
}

func runBench(ctx context.Context, f benchFlags, out, lines io.Writer) error {
	tier, err := f.check()
	if err != nil {
		return err
	}
	d, err := homeDirs()
	if err != nil {
		return err
	}
	path := ""
	if f.model != "" {
		if path, err = setup.Models(d, lines).Path(ctx, f.model); err != nil {
			return fmt.Errorf("bench: %w", err)
		}
	}
	if _, err := pjrt.Backend(ctx, os.Stderr); err != nil { // installs the plugin where it is missing
		return err
	}
	if err := host.Ready(d); err != nil {
		return err
	}
	spec := os.Getenv("GOMLX_BACKEND")
	p := newProgress(lines, "bench")
	p.say("compiling")
	phases := map[string][]bench.Sample{}
	o := bench.Options{Clean: f.n, Most: f.most, Report: func(phase string, n, most int, last bench.Sample) {
		phases[phase] = append(phases[phase], last)
		p.at(n, most, fmt.Sprintf("samples of %s at most, the last took %.3f s", phase, last.Wall))
	}}
	var r *bench.Result
	switch {
	case f.model != "" && f.what == "ppo":
		r, err = bench.PPOCheckpoint(ctx, spec, f.model, path, f.value, o)
	case f.model != "":
		r, err = bench.Checkpoint(ctx, spec, f.model, path, o)
	case f.what == "lm":
		r, err = bench.LM(ctx, spec, tier, o)
	case f.what == "pm":
		r, err = bench.PM(ctx, spec, tier, o)
	case f.what == "ppo":
		r, err = bench.PPO(ctx, spec, tier, f.value, o)
	default:
		r, err = bench.Sampling(ctx, spec, tier, o)
	}
	switch {
	case err != nil:
		return err
	case f.asJSON:
		return printJSON(out, r)
	case f.asBench:
		return printBenchmarks(out, r, phases)
	}
	return printBench(out, r)
}

// printBench prints a result for the eye.
func printBench(w io.Writer, r *bench.Result) error {
	fmt.Fprintf(w, "%s: %s parameters, %d cores, %s\n", benchName(r), count(r.Params), r.Cores, r.Backend)
	for _, name := range slices.Sorted(maps.Keys(r.Phases)) {
		st, phase := r.Phases[name], strings.TrimSuffix(name, "_s")
		disturbed := ""
		if st.Clean == 0 {
			disturbed = "  (others were busy all the time: the minimum)"
		}
		speed := ""
		if v := r.TokensPerS[phase]; v > 0 {
			speed = fmt.Sprintf("  %8.0f tokens/s", v)
		}
		fmt.Fprintf(w, "  %-16s %8.4f s  min %.4f  cpu %.3f s  n %d, %d clean%s%s\n",
			phase, st.Seconds, st.Min, st.CPU, st.N, st.Clean, speed, disturbed)
	}
	_, err := fmt.Fprintf(w, "  compiling %.1f s, peak memory %.0f MiB\n", r.CompileTotal, r.PeakRSS)
	return err
}

// printBenchmarks prints every sample as a line of go test -bench, which is what
// benchstat compares.
func printBenchmarks(w io.Writer, r *bench.Result, phases map[string][]bench.Sample) error {
	fmt.Fprintf(w, "goos: %s\ngoarch: %s\npkg: hhrlhf/rlhf/bench\n", runtime.GOOS, runtime.GOARCH)
	for _, phase := range slices.Sorted(maps.Keys(phases)) {
		tokens := r.TokensPerS[phase] * r.Phases[phase+"_s"].Seconds
		for _, s := range phases[phase] {
			_, err := fmt.Fprintf(w, "Benchmark%s/%s-%d\t1\t%.0f ns/op\t%.4f cpu-s/op\t%.1f tokens/s\t%.1f peak-MiB\t%.2f compile-s\n",
				camel(phase), benchName(r), r.Cores, s.Wall*1e9, s.CPU, tokens/s.Wall, r.PeakRSS, r.Compile[phase])
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// benchName is the tier or the model.
func benchName(r *bench.Result) string {
	if r.Model != "" {
		return strings.ReplaceAll(r.Model, " ", "_")
	}
	return r.Tier
}

// camel turns lm_step into LmStep.
func camel(s string) string {
	text := ""
	for part := range strings.SplitSeq(s, "_") {
		text += strings.ToUpper(part[:1]) + part[1:]
	}
	return text
}

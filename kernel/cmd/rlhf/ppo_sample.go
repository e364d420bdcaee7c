package main

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"strings"

	"hhrlhf/rlhf"
)

// ppoSampleFlags are the flags of rlhf ppo sample.
type ppoSampleFlags struct {
	ppoFlags
	generationFlags
	promptFlags
}

func ppoSampleCommand(s shell) command {
	return command{
		name: "ppo sample", short: "let a policy answer prompts",
		long: `
Lets the policy of a run, as it is now, answer each prompt -n times. With -chat a prompt
is what a human says; without, it is text as the policy reads it, a dialogue that
ends in "Assistant:" as a rule.

  rlhf ppo sample -run polite -chat -prompt 'What is 2 plus 3?'
  rlhf ppo sample -run polite -chat -prompts prompts.txt -n 4 -json > answers.jsonl

-prompts names a file with a prompt a line: text, or JSON with "prompt". With -json, one
object a line: prompt, response, tokens, eos, and in the synthetic world gold.`,
		bind: func(fs *flag.FlagSet) func(context.Context, []string) error {
			var f ppoSampleFlags
			f.ppoFlags.bind(fs)
			f.bindForce(fs)
			f.generationFlags.bind(fs, 1, 64)
			f.promptFlags.bind(fs)
			return func(ctx context.Context, _ []string) error {
				endsAtSecond(ctx)
				return runPPOSample(ctx, s, f)
			}
		},
	}
}

func runPPOSample(ctx context.Context, s shell, f ppoSampleFlags) error {
	const command = "ppo sample"
	if err := f.check(command); err != nil {
		return err
	}
	given, err := f.prompts(command)
	if err != nil {
		return err
	}
	r, err := f.open(ctx, s, command)
	if err != nil {
		return err
	}
	if err := f.room(s, r, command); err != nil {
		return err
	}
	var prompts []string
	for _, p := range given {
		if f.chat {
			p = rlhf.Human + " " + p + rlhf.Assistant
		}
		prompts = append(prompts, slices.Repeat([]string{p}, f.n)...)
	}
	o := rlhf.Sampling{Temperature: f.Temperature, TopK: f.TopK, TopP: f.TopP, MaxTokens: f.MaxTokens, Seed: f.Seed}
	if o.Temperature == 0 { // on the command line, greedy
		o.Temperature = -1
	}
	stop := newProgress(s.err, command).waiting("answering")
	out, err := r.Sample(prompts, o)
	stop()
	if err != nil {
		return fmt.Errorf("%s: %w", command, err)
	}
	for i, a := range out {
		switch {
		case f.asJSON:
			err = printJSON(s.out, a)
		case len(out) == 1:
			_, err = fmt.Fprintln(s.out, strings.TrimSpace(a.Response))
		default:
			_, err = fmt.Fprintf(s.out, "%s\n> %s\n\n", given[i/f.n], strings.TrimSpace(a.Response))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

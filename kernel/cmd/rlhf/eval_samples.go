package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"strings"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/data"
	"hhrlhf/rlhf/study"
)

// medianFlags are the flags of the commands that show a policy by its median sample.
type medianFlags struct {
	pmFlags
	policies string
	k, n     int
	sampling rlhf.Sampling
}

func (f *medianFlags) bind(fs *flag.FlagSet) {
	f.pmFlags.bind(fs)
	fs.StringVar(&f.policies, "policy", "", "`runs` that answer, with commas between: language models or policies (required)")
	fs.IntVar(&f.k, "k", study.WritersDraws, "samples of each, of which the one of median score is shown")
	fs.IntVar(&f.n, "n", 0, "prompts of the file, from its beginning; 0 is all")
	fs.IntVar(&f.sampling.MaxTokens, "max-tokens", 0, "`tokens` of a sample; 0: what the context leaves, at most 64")
	fs.Float64Var(&f.sampling.Temperature, "temperature", 1, "divides the logits")
	fs.Uint64Var(&f.sampling.Seed, "seed", 0, "the same seed gives the same samples")
	fs.BoolVar(&f.asJSON, "json", false, "print JSON")
}

// A chooser is a preference model that lets policies write and scores what they wrote.
type chooser interface {
	preferenceModel
	BestOf(policy string, prompts []string, k int, o rlhf.Sampling) ([]rlhf.Choice, error)
}

// names are the policies; what is wrong with the flags comes first.
func (f medianFlags) names(command string) ([]string, error) {
	switch {
	case f.policies == "":
		return nil, errors.New(command + ": -policy is missing; name a run of rlhf ppo train or rlhf lm train, or several with commas between")
	case f.k < 1 || f.n < 0:
		return nil, fmt.Errorf("%s: -k %d -n %d, want 1 or more, and 0 or more", command, f.k, f.n)
	}
	return strings.Split(f.policies, ","), nil
}

// first are the first n of rows, or all.
func first[T any](rows []T, n int) []T {
	if n > 0 && n < len(rows) {
		return rows[:n]
	}
	return rows
}

// choose lets a policy answer prompts k times each.
func (f medianFlags) choose(ctx context.Context, s shell, command, policy string, prompts []string) ([]rlhf.Choice, error) {
	m, err := f.open(ctx, s, command)
	if err != nil {
		return nil, err
	}
	if err := f.room(s, m, command); err != nil {
		return nil, err
	}
	c, ok := m.(chooser)
	if !ok {
		return nil, fmt.Errorf("%s: %s scores only what others wrote", command, f.pm)
	}
	stop := newProgress(s.err, command).waiting(fmt.Sprintf("%s answers %d prompts %d times each", policy, len(prompts), f.k))
	defer stop()
	choices, err := c.BestOf(policy, prompts, f.k, f.sampling)
	if err != nil {
		return nil, fmt.Errorf("%s: -policy %s: %w", command, policy, err)
	}
	return choices, nil
}

func evalSamplesCommand(s shell) command {
	return command{
		name: "eval samples", short: "the paper's way to show samples: of 17, the one of median score",
		long: `
Lets a policy answer each prompt of a file 17 times, scores the answers by a preference
model and prints the one of median score among those that are not empty: neither the
luckiest nor the worst (sections 6.1 and C). Of an even number it is the lower of the two
in the middle.

  rlhf eval samples -pm judge -policy polite -prompts related-work.jsonl
  rlhf eval samples -pm judge -policy first,polite -prompts prompts.jsonl -n 5 -k 17
  rlhf eval samples -pm judge -policy polite -prompts prompts.jsonl -json > shown.jsonl

A row of -prompts has "prompt", "instruction" or "question", and may have "context" or
"input": the files of InstructGPT's, LaMDA's and others' prompts, Dolly's and Alpaca's.
With -json, one object a line: prompt, policy, response, score, lowest, highest, empty.`,
		bind: func(fs *flag.FlagSet) func(context.Context, []string) error {
			var f medianFlags
			f.bind(fs)
			file := fs.String("prompts", "", "`file` of prompts, JSON lines (required)")
			return func(ctx context.Context, _ []string) error {
				endsAtSecond(ctx)
				return runEvalSamples(ctx, s, f, *file)
			}
		},
	}
}

// A shownSample is one line of rlhf eval samples -json.
type shownSample struct {
	Prompt   string  `json:"prompt"`
	Policy   string  `json:"policy"`
	Response string  `json:"response"`
	Score    float64 `json:"score"`
	Lowest   float64 `json:"lowest"` // of all samples
	Highest  float64 `json:"highest"`
	Empty    int     `json:"empty"`
	K        int     `json:"k"`
}

func runEvalSamples(ctx context.Context, s shell, f medianFlags, file string) error {
	const command = "eval samples"
	policies, err := f.names(command)
	if err != nil {
		return err
	}
	if file == "" {
		return errors.New(command + `: -prompts is missing; name a file with a row such as {"prompt": "how do plants eat?"} a line`)
	}
	prompts, err := data.LoadPrompts(file)
	if err != nil {
		return fmt.Errorf("%s: %w", command, err)
	}
	prompts = first(prompts, f.n)
	all := make([][]rlhf.Choice, len(policies))
	for i, policy := range policies {
		if all[i], err = f.choose(ctx, s, command, policy, prompts); err != nil {
			return err
		}
	}
	for i, prompt := range prompts {
		if !f.asJSON {
			fmt.Fprintf(s.out, "%s\n", strings.TrimSpace(prompt))
		}
		for p, policy := range policies {
			c := all[p][i]
			m, _ := c.Median()
			line := shownSample{Prompt: prompt, Policy: policy, Response: m.Response, Score: m.Score, K: len(c.Samples)}
			for j, sample := range c.Samples {
				if line.Lowest, line.Highest = min(line.Lowest, sample.Score), max(line.Highest, sample.Score); j == 0 {
					line.Lowest, line.Highest = sample.Score, sample.Score
				}
				if strings.TrimSpace(sample.Response) == "" {
					line.Empty++
				}
			}
			if f.asJSON {
				err = json.NewEncoder(s.out).Encode(line)
			} else {
				_, err = fmt.Fprintf(s.out, "  %s (%+.2f; %d samples from %+.2f to %+.2f): %s\n", policy, line.Score, line.K, line.Lowest, line.Highest, oneLine(line.Response))
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

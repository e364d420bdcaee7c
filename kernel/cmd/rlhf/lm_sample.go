package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/local"
)

// generationFlags are the flags that say how a model continues.
type generationFlags struct{ local.Generation }

func (g *generationFlags) bind(fs *flag.FlagSet, temperature float64, tokens int) {
	fs.Float64Var(&g.Temperature, "temperature", temperature, "divides the logits; 0 always takes the most probable token")
	fs.IntVar(&g.TopK, "top-k", 0, "draw from the `K` most probable tokens; 0 from all")
	fs.Float64Var(&g.TopP, "top-p", 0, "draw from the most probable tokens that have probability `P` together; 0 from all")
	fs.IntVar(&g.MaxTokens, "max-tokens", tokens, "`tokens` to write at most")
	fs.Uint64Var(&g.Seed, "seed", 0, "the same seed gives the same text")
}

func (g generationFlags) check(command string) error {
	if g.MaxTokens < 1 {
		return fmt.Errorf("%s: -max-tokens %d, want 1 or more", command, g.MaxTokens)
	}
	if err := g.Check(); err != nil {
		return fmt.Errorf("%s: %s", command, strings.TrimPrefix(err.Error(), "local: "))
	}
	return nil
}

// promptFlags are the flags that name prompts.
type promptFlags struct {
	prompt, file string
	n            int
	chat         bool
}

func (f *promptFlags) bind(fs *flag.FlagSet) {
	fs.StringVar(&f.prompt, "prompt", "", "`text` to continue")
	fs.StringVar(&f.file, "prompts", "", "`file` with a prompt a line")
	fs.IntVar(&f.n, "n", 1, "continuations of each prompt")
	fs.BoolVar(&f.chat, "chat", false, "the prompts are a user's words")
}

// sampleFlags are the flags of rlhf lm sample.
type sampleFlags struct {
	modelFlags
	generationFlags
	promptFlags
	system string
}

func sampleCommand(s shell) command {
	return command{
		name: "lm sample", short: "let a model continue prompts",
		long: `
Continues each prompt -n times. Without -chat a prompt is text that the model goes
on with; with -chat it is what a user says, laid out by the model's own template.

  rlhf lm sample -model smollm2 -prompt 'The capital of France is' -temperature 0
  rlhf lm sample -model smollm2 -chat -prompt 'Name three rivers.' -n 4
  rlhf lm sample -model first -chat -prompts prompts.txt -json > answers.jsonl

-prompts names a file with a prompt a line: text, or JSON with "prompt". With -json,
one object a line: prompt, text, tokens (the end token included) and whether the
model ended by itself.` + "\n" + modelNames,
		bind: func(fs *flag.FlagSet) func(context.Context, []string) error {
			var f sampleFlags
			f.modelFlags.bind(fs)
			f.generationFlags.bind(fs, 1, 64)
			f.promptFlags.bind(fs)
			fs.StringVar(&f.system, "system", "", "with -chat, `text` of a system turn before them")
			return func(ctx context.Context, _ []string) error {
				endsAtSecond(ctx)
				return runSample(ctx, s, f)
			}
		},
	}
}

// A sampleResult is one line of what runSample prints.
type sampleResult struct {
	Prompt string `json:"prompt"`
	local.Continuation
}

func runSample(ctx context.Context, s shell, f sampleFlags) error {
	const command = "lm sample"
	if err := f.check(command); err != nil {
		return err
	}
	if f.system != "" && !f.chat {
		return errors.New(command + ": -system is for -chat")
	}
	prompts, err := f.prompts(command)
	if err != nil {
		return err
	}
	m, err := f.open(ctx, s, command)
	if err != nil {
		return err
	}
	defer m.Close()
	room := m.About().Shape.Context - f.MaxTokens
	if room < 1 {
		return fmt.Errorf("%s: -max-tokens %d, and %s has a context of %d tokens for prompt and text together", command, f.MaxTokens, f.model, room+f.MaxTokens)
	}
	f.Chat = f.chat
	ids, longest := make([][]int32, 0, f.n*len(prompts)), 0
	for i, p := range prompts {
		one := m.Text(p)
		if f.chat {
			if one, _, err = m.Layout([]rlhf.Turn{{Text: p}}, f.system, room); err != nil {
				return fmt.Errorf("%s: prompt %d: %w", command, i+1, err)
			}
		}
		if len(one) == 0 || len(one) > room {
			return fmt.Errorf("%s: prompt %d has %d tokens, want 1 to %d, so that -max-tokens %d fit into the model's context of %d",
				command, i+1, len(one), room, f.MaxTokens, room+f.MaxTokens)
		}
		for range f.n {
			ids = append(ids, one)
		}
		longest = max(longest, len(one))
	}
	if err := f.load(s, m, command, m.GenerateBytes(len(ids), longest, f.Generation), "take fewer -max-tokens"); err != nil {
		return err
	}
	p := newProgress(s.err, command)
	stop := sync.OnceFunc(p.waiting("compiling and reading the prompts"))
	out, err := m.Continue(ids, f.Generation, func(done, of int) {
		stop()
		p.at(done, of, fmt.Sprintf("tokens in each of %d rows", min(len(ids), 16)))
	})
	stop()
	if err != nil {
		return fmt.Errorf("%s: %w", command, err)
	}
	for i, c := range out {
		prompt := prompts[i/f.n]
		switch {
		case f.asJSON:
			err = printJSON(s.out, sampleResult{prompt, c})
		case len(out) == 1 && f.chat:
			_, err = fmt.Fprintln(s.out, strings.TrimSpace(c.Text))
		case f.chat:
			_, err = fmt.Fprintf(s.out, "%s\n> %s\n\n", prompt, strings.TrimSpace(c.Text))
		case len(out) == 1:
			_, err = fmt.Fprintln(s.out, prompt+c.Text)
		default:
			_, err = fmt.Fprintf(s.out, "%s%s\n----\n", prompt, c.Text)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// prompts returns the prompts that the flags name.
func (f promptFlags) prompts(command string) ([]string, error) {
	switch {
	case f.n < 1:
		return nil, fmt.Errorf("%s: -n %d, want 1 or more", command, f.n)
	case (f.prompt == "") == (f.file == ""):
		return nil, errors.New(command + ": want one of -prompt and -prompts")
	case f.prompt != "":
		return []string{f.prompt}, nil
	}
	content, err := os.ReadFile(f.file)
	if err != nil {
		return nil, fmt.Errorf("%s: -prompts: %w", command, err)
	}
	var prompts []string
	at := 0
	for line := range strings.Lines(string(content)) {
		at++
		line = strings.TrimRight(line, "\r\n")
		if strings.TrimSpace(line) == "" {
			continue
		}
		if strings.HasPrefix(line, "{") {
			var row struct{ Prompt string }
			if err := json.Unmarshal([]byte(line), &row); err != nil || row.Prompt == "" {
				return nil, fmt.Errorf(`%s: %s:%d: want JSON with a "prompt"`, command, f.file, at)
			}
			line = row.Prompt
		}
		prompts = append(prompts, line)
	}
	if len(prompts) == 0 {
		return nil, fmt.Errorf("%s: -prompts: %s holds no prompt", command, f.file)
	}
	return prompts, nil
}

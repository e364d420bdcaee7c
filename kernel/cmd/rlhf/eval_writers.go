package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"

	"hhrlhf/kernel/feedback"
	"hhrlhf/rlhf"
	"hhrlhf/rlhf/data"
	"hhrlhf/rlhf/eval"
	"hhrlhf/rlhf/run"
	"hhrlhf/rlhf/study"
	"hhrlhf/rlhf/synth"
)

func evalWritersCommand(s shell) command {
	return command{
		name: "eval writers", short: "policies beside people: median samples against supplied answers",
		long: `
Sets policies beside answers that people wrote to the same prompts (section 6.1): of each
policy the sample of median score of 17 is shown, and every two are compared. Prints how often
each was preferred to each, with 95 % intervals, Elo scores over the writer, and the
preference model's mean score.

  rlhf eval writers -pm judge -policy polite,helpful-only -file answers.jsonl -world synth-small
  rlhf eval writers -pm judge -policy polite -file answers.jsonl -questions ask.jsonl

A row of -file is {"prompt": …, "response": …} ("instruction" and "question", "output" and
"answer" are read too), or a comparison of hh-rlhf, whose chosen answer is the writer's.

With -world the crowdworkers of that synthetic world compare. Without, the preference
model itself does, which knows its own policies too well: the paper's scored them above
the writers when people hardly preferred them. -questions writes all pairs, named and in
random order, one JSON object a line: id, prompt, a, b, from_a, from_b. Let people decide,
and rate their verdicts with rlhf eval elo.`,
		bind: func(fs *flag.FlagSet) func(context.Context, []string) error {
			var f writersFlags
			f.bind(fs)
			fs.StringVar(&f.file, "file", "", "`file` of prompts and answers, JSON lines (required)")
			fs.StringVar(&f.world, "world", "", "`name` of the synthetic world whose crowd compares, such as synth-small")
			fs.StringVar(&f.questions, "questions", "", "`file` that the pairs are written to, for people")
			return func(ctx context.Context, _ []string) error {
				endsAtSecond(ctx)
				return runEvalWriters(ctx, s, f)
			}
		},
	}
}

// writersFlags are the flags of rlhf eval writers.
type writersFlags struct {
	medianFlags
	file, world, questions string
}

func runEvalWriters(ctx context.Context, s shell, f writersFlags) error {
	const command = "eval writers"
	policies, err := f.names(command)
	if err != nil {
		return err
	}
	if f.file == "" {
		return errors.New(command + `: -file is missing; name a file with a row such as {"prompt": "how do plants eat?", "response": "they make sugar of light."} a line`)
	}
	var world *synth.World
	if f.world != "" {
		if world, err = synth.Named(f.world); err != nil {
			return fmt.Errorf("%s: -world: %w", command, err)
		}
	}
	written, odd, err := data.LoadAnswers(f.file)
	if err != nil {
		return fmt.Errorf("%s: %w", command, err)
	}
	if len(odd) > 0 {
		newProgress(s.err, command).say("%d rows are left out, the first is %v", len(odd), odd[0])
	}
	written = first(written, f.n)
	prompts := make([]string, len(written))
	for i, t := range written {
		prompts[i] = t.Prompt
	}
	authors, shown := []string{study.AuthorWriter}, [][]rlhf.Transcript{written}
	for _, policy := range policies {
		choices, err := f.choose(ctx, s, command, policy, prompts)
		if err != nil {
			return err
		}
		authors, shown = append(authors, policy), append(shown, study.Medians(choices))
	}
	m, err := f.open(ctx, s, command)
	if err != nil {
		return err
	}
	rng := rand.New(rand.NewPCG(f.sampling.Seed, 0x777269))
	b, err := study.Rank(authors, shown, m.Score, world, synth.DefaultCrowd(), rng)
	if err != nil {
		return fmt.Errorf("%s: %w", command, err)
	}
	if f.questions != "" {
		if err := writeQuestions(f.questions, authors, shown, rng); err != nil {
			return fmt.Errorf("%s: -questions: %w", command, err)
		}
	}
	if f.asJSON {
		return printJSON(s.out, b)
	}
	return printBeside(s.out, b, len(written), f.world)
}

func printBeside(w io.Writer, b study.Beside, prompts int, world string) error {
	judge := "the crowd of " + world
	if world == "" {
		judge = "the preference model, which is partial to its own policies; ask people (-questions)"
	}
	var t strings.Builder
	fmt.Fprintf(&t, "%d prompts, compared by %s\n", prompts, judge)
	width := 0
	for _, p := range b.Pairs {
		width = max(width, len(p.A)+len(p.B)+6)
	}
	for _, p := range b.Pairs {
		fmt.Fprintf(&t, "  %-*s  %.3f (%.3f to %.3f) of %d decided\n", width, p.A+" over "+p.B, p.Won.Value, p.Won.Low, p.Won.High, p.Won.N)
	}
	for i, a := range b.Authors {
		fmt.Fprintf(&t, "  %-*s  score %+.2f  Elo %+.0f (%+.0f to %+.0f)", width, a, b.Scores[i], b.Elo[i].Elo, b.Elo[i].Low, b.Elo[i].High)
		if b.Worth != nil {
			fmt.Fprintf(&t, "  gold %.2f", b.Worth[i])
		}
		t.WriteString("\n")
	}
	fmt.Fprintf(&t, "  a share of .57 is %+.0f Elo: what the paper's policy has over its writers\n", eval.EloGap(0.57))
	_, err := io.WriteString(w, t.String())
	return err
}

// writeQuestions writes every two authors' answers to each prompt as questions for people, in
// random order.
func writeQuestions(path string, authors []string, shown [][]rlhf.Transcript, rng *rand.Rand) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	for i := range shown[0] {
		for y := range authors {
			for x := y + 1; x < len(authors); x++ {
				p, q := x, y
				if rng.IntN(2) == 0 {
					p, q = y, x
				}
				err := e.Encode(feedback.Question{ID: fmt.Sprintf("%d-%d-%d", i, y, x), Mode: feedback.Helpful, Prompt: shown[x][i].Prompt,
					A: shown[p][i].Response, B: shown[q][i].Response, FromA: authors[p], FromB: authors[q]})
				if err != nil {
					return err
				}
			}
		}
	}
	return run.WriteFile(path, b.Bytes())
}

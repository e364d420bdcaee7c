package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"iter"
	"math"
	"os"
	"sync"

	"hhrlhf/rlhf/data"
	"hhrlhf/rlhf/eval"
	"hhrlhf/rlhf/local"
)

// evalFlags are the flags of rlhf lm eval.
type evalFlags struct {
	modelFlags
	data          string
	rows, window  int
	responsesOnly bool
}

func evalCommand(s shell) command {
	return command{
		name: "lm eval", args: "[file]", maxArgs: 1, short: "measure how well a model predicts a text",
		long: `
The mean loss over a text in nats per token and per byte (compare
models of different tokenizers per byte), bits per byte, the perplexity e^(nats per
token) with a 95 % interval over documents, and how often the next token is the
model's first choice. Text is a .txt file (documents end at <|endoftext|>, else at a
blank line), a .jsonl file with "text", with "prompt" and "response", or with
"chosen" transcripts of the released data, any of them with .gz, or a folder of such.

Tests of capability (LAMBADA, ARC, MMLU, …) are asked by rlhf eval tasks.

  rlhf lm eval -model first -data book.txt
  rlhf lm eval -model smollm2 -data book.txt -rows 200
  rlhf lm eval -model first -data hh-rlhf/helpful-base -responses -json

Per-token loss is in nats (1 nat = 1.44 bits). A token sees at most -window tokens
before it.` + "\n" + modelNames,
		bind: func(fs *flag.FlagSet) func(context.Context, []string) error {
			var f evalFlags
			f.bind(fs)
			fs.StringVar(&f.data, "data", "", "`file` or folder of text; the argument says the same")
			fs.IntVar(&f.rows, "rows", 0, "documents to use, from the first on; 0 is all")
			fs.IntVar(&f.window, "window", 0, fmt.Sprintf("tokens that a prediction may see (default %d, at most the model's context)", local.DefaultWindow))
			fs.BoolVar(&f.responsesOnly, "responses", false, "of documents with a prompt, predict only the response")
			return func(ctx context.Context, args []string) error {
				if len(args) == 1 {
					if f.data != "" {
						return fmt.Errorf("lm eval: both -data %s and %s; name one", f.data, args[0])
					}
					f.data = args[0]
				}
				endsAtSecond(ctx)
				return runEval(ctx, s, f)
			}
		},
	}
}

func runEval(ctx context.Context, s shell, f evalFlags) error {
	const command = "lm eval"
	switch {
	case f.data == "":
		return errors.New(command + ": -data is missing; name a file or folder of text")
	case f.rows < 0:
		return fmt.Errorf("%s: -rows %d, want 0 (all) or more", command, f.rows)
	case f.window < 0 || f.window == 1:
		return fmt.Errorf("%s: -window %d, want 0 (%d) or at least 2 tokens", command, f.window, local.DefaultWindow)
	}
	if _, err := os.Stat(f.data); err != nil {
		return fmt.Errorf("%s: -data: %w", command, err)
	}
	m, err := f.open(ctx, s, command)
	if err != nil {
		return err
	}
	defer m.Close()
	if err := f.load(s, m, command, m.PredictBytes(f.window), "take a smaller -window"); err != nil {
		return err
	}
	return evalLoss(s, f, m)
}

// A lossResult is what evalLoss prints.
type lossResult struct {
	Model        string  `json:"model"`
	Data         string  `json:"data"`
	Documents    int     `json:"documents"`
	Tokens       int     `json:"tokens"` // predicted
	Bytes        int     `json:"bytes"`  // that they stand for
	NatsPerToken float64 `json:"nats_per_token"`
	SE           float64 `json:"se"` // of it, over documents; 0 for a single one
	NatsPerByte  float64 `json:"nats_per_byte"`
	BitsPerByte  float64 `json:"bits_per_byte"`
	Perplexity   float64 `json:"perplexity"` // e^(nats per token)
	Low          float64 `json:"low"`        // its 95 % interval
	High         float64 `json:"high"`
	FirstChoice  float64 `json:"first_choice"` // share of tokens that are the most probable one
}

func evalLoss(s shell, f evalFlags, m languageModel) error {
	text, err := data.OpenText(f.data, data.TextOptions{})
	if err != nil {
		return err
	}
	defer text.Close()
	r := lossResult{Model: f.model, Data: f.data}
	var nats, tokens []float64
	right := 0
	p := newProgress(s.err, "lm eval")
	windows, done := text.Windows(), 0
	passages := documents(text, f, func(window int) { done = window })
	stop := sync.OnceFunc(p.waiting("compiling and the first documents"))
	defer stop()
	for pred, err := range m.Predict(passages, f.window) {
		if err != nil {
			return fmt.Errorf("lm eval: %w", err)
		}
		stop()
		if pred.Tokens == 0 {
			continue
		}
		nats, tokens = append(nats, pred.Nats), append(tokens, float64(pred.Tokens))
		r.Tokens, r.Bytes, right = r.Tokens+pred.Tokens, r.Bytes+pred.Bytes, right+pred.Right
		r.Documents++
		loss, _ := ratio(nats, tokens)
		if f.rows > 0 {
			p.at(r.Documents, f.rows, fmt.Sprintf("documents, %.3f nats per token", loss))
		} else {
			p.at(done, windows, fmt.Sprintf("parts of the text, %.3f nats per token", loss))
		}
	}
	if r.Tokens == 0 {
		return fmt.Errorf("lm eval: %s holds no token to predict", f.data)
	}
	if faults := text.Report(); faults.Bad > 0 {
		fmt.Fprintf(s.err, "lm eval: %d of %d lines were passed over; the first: %v\n", faults.Bad, faults.Lines, faults.Faults[0])
	}
	r.NatsPerToken, r.SE = ratio(nats, tokens)
	total := r.NatsPerToken * float64(r.Tokens)
	r.NatsPerByte = total / float64(max(1, r.Bytes))
	r.BitsPerByte = r.NatsPerByte / math.Ln2
	r.Perplexity = math.Exp(r.NatsPerToken)
	r.Low, r.High = math.Exp(r.NatsPerToken-eval.Z95*r.SE), math.Exp(r.NatsPerToken+eval.Z95*r.SE)
	r.FirstChoice = float64(right) / float64(r.Tokens)
	if f.asJSON {
		return printJSON(s.out, r)
	}
	interval := "one document, no interval"
	if r.Documents > 1 {
		interval = fmt.Sprintf("95 %% interval %.4g to %.4g over %d documents", r.Low, r.High, r.Documents)
	}
	fmt.Fprintf(s.out, "%s on %s: %d tokens, %d bytes\n", r.Model, r.Data, r.Tokens, r.Bytes)
	fmt.Fprintf(s.out, "  loss         %.4f nats per token, %.4f nats (%.4f bits) per byte\n", r.NatsPerToken, r.NatsPerByte, r.BitsPerByte)
	fmt.Fprintf(s.out, "  perplexity   %.4g, %s\n", r.Perplexity, interval)
	fmt.Fprintf(s.out, "  first choice %.1f %% of the tokens\n", 100*r.FirstChoice)
	return nil
}

// documents yields the documents of a text as passages, at most f.rows, and tells
// at how many of its windows it is.
func documents(text *data.Text, f evalFlags, at func(window int)) iter.Seq2[local.Passage, error] {
	return func(yield func(local.Passage, error) bool) {
		left := f.rows
		for w := range text.Windows() {
			at(w)
			docs, err := text.Window(w)
			if err != nil {
				yield(local.Passage{}, err)
				return
			}
			for _, d := range docs {
				p := local.Passage{Text: d.String(), End: !d.Cut}
				if f.responsesOnly && d.Prompt != "" {
					p.Context, p.Text = d.Prompt, d.Response
				}
				if !yield(p, nil) {
					return
				}
				if left--; left == 0 {
					return
				}
			}
		}
	}
}

// ratio is Σ nats / Σ tokens and its standard error over documents, which is the
// linearised one of a ratio; 0 for a single document.
func ratio(nats, tokens []float64) (mean, se float64) {
	total, n := 0.0, 0.0
	for i := range nats {
		total, n = total+nats[i], n+tokens[i]
	}
	if n == 0 {
		return 0, 0
	}
	mean = total / n
	if len(nats) < 2 {
		return mean, 0
	}
	squares := 0.0
	for i := range nats {
		d := nats[i] - mean*tokens[i]
		squares += d * d
	}
	k := float64(len(nats))
	return mean, math.Sqrt(squares*k/(k-1)) / n
}

package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"strings"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/data"
	"hhrlhf/rlhf/eval"
	"hhrlhf/rlhf/study"
)

// oodFlags are the flags of rlhf eval ood.
type oodFlags struct {
	modelFlags
	in, out   string
	detecting study.Detecting
	n, chars  int
}

func evalOODCommand(s shell) command {
	return command{
		name: "eval ood", short: "which texts are strange to a model: Mahalanobis distance, outlier exposure",
		long: `
Asks a model's activations which of two files a text is from, as section 5.4 of the paper
does with helpful and harmful requests, and prints the AUROC at every layer: 0.5 is chance,
1 a detector without fault; ± the standard error over three random splits.

  distance   Mahalanobis distance from half of the texts of -in. No text of -out is seen.
  relative   that, less the distance with a diagonal covariance: the paper's simplified
             relative distance, better than the former at every layer there
  shown      a linear classifier that has been shown so many texts of -out (-exposure)

  rlhf eval ood -model smollm2 -in helpful.jsonl -out harmful.jsonl
  rlhf eval ood -model smollm2 -in hh-rlhf/helpful-base.jsonl.gz -out hh-rlhf/harmless-base.jsonl.gz -n 400
  rlhf eval ood -model first -in ours.jsonl -out theirs.jsonl -exposure 30 -decline 0.01 -json

The files hold prompts, one JSON object a line with "prompt" ("instruction", "question"),
or comparisons of hh-rlhf, whose prompts are taken, one a conversation. -n and -chars keep
the time down, which goes with the number of tokens.

Last: what declining the strange ones costs at the middle layer (the last one of small
models), when the threshold declines a share -decline of other texts of -in.` + "\n" + modelNames,
		bind: func(fs *flag.FlagSet) func(context.Context, []string) error {
			f := oodFlags{detecting: study.AsThePaper()}
			f.bind(fs)
			fs.StringVar(&f.in, "in", "", "`file` of texts that the model is for (required)")
			fs.StringVar(&f.out, "out", "", "`file` of texts to detect (required)")
			fs.IntVar(&f.detecting.Shown, "exposure", study.ShownAtLayers, "texts of -out that the classifier is shown")
			fs.Float64Var(&f.detecting.Decline, "decline", study.DeclineTarget, "share of the texts of -in that may be declined")
			fs.StringVar(&f.detecting.Pool, "pool", rlhf.LastToken, "what stands for a text: the vector at its last token, or their mean")
			fs.Uint64Var(&f.detecting.Seed, "seed", 1, "draws the splits and the texts that are shown")
			fs.IntVar(&f.n, "n", 0, "texts of each file at most, the first ones; 0 is all")
			fs.IntVar(&f.chars, "chars", 0, "leave out texts of more bytes than this; 0: none")
			return func(ctx context.Context, _ []string) error {
				endsAtSecond(ctx)
				return runEvalOOD(ctx, s, f)
			}
		},
	}
}

func runEvalOOD(ctx context.Context, s shell, f oodFlags) error {
	const command = "eval ood"
	d := f.detecting
	switch {
	case f.in == "" || f.out == "":
		return fmt.Errorf("%s: -in or -out is missing; name two files of prompts", command)
	case d.Shown < 1:
		return fmt.Errorf("%s: -exposure %d, want 1 or more", command, d.Shown)
	case !(d.Decline > 0 && d.Decline < 1):
		return fmt.Errorf("%s: -decline %g, want a share between 0 and 1", command, d.Decline)
	case f.n < 0 || f.chars < 0:
		return fmt.Errorf("%s: -n %d -chars %d, want 0 or more", command, f.n, f.chars)
	}
	in, err := f.prompts(f.in)
	if err != nil {
		return fmt.Errorf("%s: -in: %w", command, err)
	}
	out, err := f.prompts(f.out)
	if err != nil {
		return fmt.Errorf("%s: -out: %w", command, err)
	}
	m, err := f.open(ctx, s, command)
	if err != nil {
		return err
	}
	defer m.Close()
	if err := f.load(s, m, command, m.PredictBytes(rlhf.PieceTokens), "take a smaller model"); err != nil {
		return err
	}
	groups := make([]string, len(out))
	for i, p := range out {
		groups[i] = data.Opening(p)
	}
	p := newProgress(s.err, command)
	result, err := study.Detect(&watched{m, p, 0, len(in) + len(out)}, in, out, groups, d)
	if err != nil {
		return fmt.Errorf("%s: %w", command, err)
	}
	a := m.About()
	result.Model, result.Params = a.Name, float64(a.Shape.NonEmbedding())
	if f.asJSON {
		return printJSON(s.out, result)
	}
	return printDetected(s.out, d, result)
}

// prompts reads a file of prompts or comparisons: no prompt twice, of comparisons one a
// conversation.
func (f oodFlags) prompts(path string) ([]string, error) {
	var all []string
	if data.IsText(path) {
		var err error
		if all, err = data.LoadPrompts(path); err != nil {
			return nil, err
		}
	} else {
		cs, _, err := data.Load(path, data.Options{})
		if err != nil {
			return nil, err
		}
		all = data.Prompts(cs)
	}
	seen := map[string]bool{}
	var out []string
	for _, p := range all {
		if key := data.Opening(p); !seen[key] && (f.chars == 0 || len(p) <= f.chars) && (f.n == 0 || len(out) < f.n) {
			seen[key] = true
			out = append(out, p)
		}
	}
	if len(out) < 4 {
		return nil, fmt.Errorf("%s: %d texts are left of %d, want at least 4; half of them are fitted to", path, len(out), len(all))
	}
	return out, nil
}

// watched is a model whose probing is told to whoever waits.
type watched struct {
	languageModel
	progress *progress
	done, of int
}

// Activations implements study.Prober.
func (w *watched) Activations(texts []string, p rlhf.Probe) (rlhf.Activations, error) {
	var all rlhf.Activations
	for from := 0; from < len(texts); from += rlhf.ProbedAtOnce {
		part := texts[from:min(from+rlhf.ProbedAtOnce, len(texts))]
		a, err := w.languageModel.Activations(part, p)
		if err != nil {
			return all, err
		}
		a.Texts = append(all.Texts, a.Texts...)
		all = a
		w.done += len(part)
		w.progress.at(w.done, w.of, "texts read")
	}
	return all, nil
}

// printDetected prints a detection for the eye.
func printDetected(w io.Writer, d study.Detecting, m study.Detected) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d texts of -in, %d of -out; AUROC over %d splits\n", m.Model, m.Inliers, m.Strange, d.Splits)
	fmt.Fprintf(&b, "  layer  %-15s  %-15s  shown %d\n", "distance", "relative", d.Shown)
	text := func(s eval.Spread) string { return fmt.Sprintf("%.3f ± %.3f", s.Mean, s.SE) }
	for _, l := range m.Layers {
		shown := "too few to show"
		if len(l.Exposure) > 0 {
			shown = text(l.Exposure[0].AUROC)
		}
		mark := ""
		if l.Layer == m.Chosen {
			mark = "  (what follows is of this layer)"
		}
		fmt.Fprintf(&b, "  %5d  %-15s  %-15s  %s%s\n", l.Layer, text(l.MD), text(l.SRM), shown, mark)
	}
	if len(m.Shown) > 0 {
		b.WriteString("by examples shown:")
		for _, e := range m.Shown {
			fmt.Fprintf(&b, "  %d: %s", e.M, text(e.AUROC))
		}
		b.WriteString("\n")
	}
	for _, x := range m.Decline {
		by := "the relative distance"
		if x.M > 0 {
			by = fmt.Sprintf("the classifier that was shown %d", x.M)
		}
		fmt.Fprintf(&b, "declining by %s: %.1f %% of -out, at %.1f %% of -in (meant: %g %%)\n", by, 100*x.Strange.Mean, 100*x.Inliers.Mean, 100*x.Target)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

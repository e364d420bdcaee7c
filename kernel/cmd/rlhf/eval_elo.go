package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"

	"hhrlhf/rlhf/data"
	"hhrlhf/rlhf/eval"
)

// eloFlags are the flags of rlhf eval elo.
type eloFlags struct {
	file, anchor string
	prior        float64
	ties, asJSON bool
}

func evalEloCommand(s shell) command {
	return command{
		name: "eval elo", short: "Elo scores with standard errors, from who was preferred to whom",
		long: `
Rates players by maximum likelihood from comparisons of two each, as the paper does (section
2.4): a player 100 points above another is preferred 64 times in 100, one nat of
preference-model score is 174 points. Prints each score, its 95 % interval as a difference from
the anchor, and how often the player would be preferred to the anchor.

  rlhf eval elo -file verdicts.jsonl
  rlhf eval elo -file verdicts.jsonl -anchor base
  rlhf eval elo -file RUNS/.online/loop/data/pm-2/online-1.jsonl -anchor ppo-1@20

A row is {"a": "base", "b": "polite", "better": "a"}, with "b" or "unsure" for better,
or {"winner": …, "loser": …}, or a comparison of the online loop. Unsure ones are thrown away,
as in the paper; -ties counts them half for each side.

Who never lost has no finite score. -prior 1 adds half a win to each side of every two
players that met. Comparisons must be independent: two of one answer are not quite.`,
		bind: func(fs *flag.FlagSet) func(context.Context, []string) error {
			var f eloFlags
			fs.StringVar(&f.file, "file", "", "`file` of verdicts, JSON lines (required)")
			fs.StringVar(&f.anchor, "anchor", "", "`player` at 0; without, the mean of all is")
			fs.Float64Var(&f.prior, "prior", 0, "ties that are added to each two players that met")
			fs.BoolVar(&f.ties, "ties", false, "an unsure verdict is half a win for each")
			fs.BoolVar(&f.asJSON, "json", false, "print JSON")
			return func(_ context.Context, _ []string) error { return runEvalElo(s, f) }
		},
	}
}

// An eloResult is what rlhf eval elo prints.
type eloResult struct {
	Comparisons int           `json:"comparisons"`
	Unsure      int           `json:"unsure"`
	Ratings     []eval.Rating `json:"ratings"`
}

func runEvalElo(s shell, f eloFlags) error {
	const command = "eval elo"
	if f.file == "" {
		return errors.New(command + `: -file is missing; name a file with a row such as {"winner": "polite", "loser": "base"} for each comparison`)
	}
	verdicts, err := data.LoadVerdicts(f.file)
	if err != nil {
		return fmt.Errorf("%s: %w", command, err)
	}
	t := eval.Tournament{Anchor: f.anchor, Prior: f.prior}
	r := eloResult{Comparisons: len(verdicts)}
	for _, v := range verdicts {
		switch {
		case v.Better == "a":
			t.Add(v.A, v.B)
		case v.Better == "b":
			t.Add(v.B, v.A)
		case f.ties:
			t.Tie(v.A, v.B)
			r.Unsure++
		default:
			r.Unsure++
		}
	}
	if r.Ratings, err = eval.Elo(t); err != nil {
		return fmt.Errorf("%s: %s: %w", command, f.file, err)
	}
	if f.asJSON {
		return printJSON(s.out, r)
	}
	return printElo(s.out, f, r)
}

func printElo(w io.Writer, f eloFlags, r eloResult) error {
	anchor, what := "the mean", "thrown away"
	if f.anchor != "" {
		anchor = f.anchor
	}
	if f.ties {
		what = "half for each"
	}
	width := len("player")
	for _, p := range r.Ratings {
		width = max(width, len(p.Name))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d comparisons, %d of them unsure (%s)\n", r.Comparisons, r.Unsure, what)
	fmt.Fprintf(&b, "  %-*s      Elo  ± s.e.  95 %% interval        games  won     preferred to %s\n", width, "player", anchor)
	for _, p := range r.Ratings {
		fmt.Fprintf(&b, "  %-*s  %+7.0f  ± %-4.0f  %+6.0f to %+6.0f     %6.0f  %.3f   %.3f\n", width, oneLine(p.Name), p.Elo, p.SE, p.Low, p.High, p.Games, p.Won/max(p.Games, 1), eval.WinRate(p.Elo))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

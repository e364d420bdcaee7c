package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/data"
	"hhrlhf/rlhf/eval"
	"hhrlhf/rlhf/local"
	"hhrlhf/rlhf/study"
	"hhrlhf/rlhf/synth"
)

// redteamFlags are the flags of rlhf eval redteam.
type redteamFlags struct {
	pmFlags
	model, world          string
	attempts, comparisons string
	conversations, n      int
	seed                  uint64
}

func evalRedteamCommand(s shell) command {
	return command{
		name: "eval redteam", short: "how harmful answers are, attempt by attempt, when somebody keeps asking",
		long: `
Prints how harmful responses are by the number of the attempt: minus the score that a
preference model gives them, which should have been trained on harmlessness. Its scores
compare; their zero means nothing. One of

  -model first          attacks a policy on a synthetic world's harmful topics, four attempts
                        a conversation, and says how many of them succeed: the world knows
  -attempts FILE        the released red-team conversations, red_team_attempts.jsonl.gz
  -comparisons FILE     comparisons of red-team conversations, such as harmless-base.jsonl.gz:
                        the response that was called more harmful, and the other

  rlhf eval redteam -pm harmless -model first
  rlhf eval redteam -pm harmless -attempts red_team_attempts.jsonl.gz -n 1000
  rlhf eval redteam -pm harmless -comparisons harmless-base.jsonl.gz -json

-pm is a run of rlhf pm train. Intervals are 95 % Wilson intervals over conversations.`,
		bind: func(fs *flag.FlagSet) func(context.Context, []string) error {
			var f redteamFlags
			f.bind(fs)
			fs.BoolVar(&f.asJSON, "json", false, "print JSON on standard output")
			fs.StringVar(&f.model, "model", "", "`name` of the policy to attack")
			fs.StringVar(&f.world, "world", rlhf.SynthSmall, "synthetic world whose topics are asked about")
			fs.IntVar(&f.conversations, "conversations", 60, "conversations with -model")
			fs.StringVar(&f.attempts, "attempts", "", "`file` of red-team attempts")
			fs.StringVar(&f.comparisons, "comparisons", "", "`file` or folder of comparisons")
			fs.IntVar(&f.n, "n", 0, "rows of the file at most; 0 is all")
			fs.Uint64Var(&f.seed, "seed", 1, "of what is asked and answered")
			return func(ctx context.Context, _ []string) error {
				endsAtSecond(ctx)
				return runEvalRedteam(ctx, s, f)
			}
		},
	}
}

// A redteamResult is what one source came to; the parts that it does not have are left out.
type redteamResult struct {
	Attacked *study.Attacked  `json:"attacked,omitempty"`
	Turns    []study.TurnHarm `json:"turns,omitempty"`
	Attempts []study.Harm     `json:"attempts,omitempty"` // of the released conversations, by turn
	Models   []attackedModel  `json:"models,omitempty"`
	// Least is how the lowest scores of conversations go with those in the file; nil where
	// there are too few.
	Least *eval.Correlation `json:"least,omitempty"`
}

// An attackedModel is what the released attempts on one type of model came to.
type attackedModel struct {
	Type            string  `json:"type"`
	N               int     `json:"n"`
	Rating          float64 `json:"rating"`           // mean, higher is worse
	MinHarmlessness float64 `json:"min_harmlessness"` // mean, lower is worse
}

func runEvalRedteam(ctx context.Context, s shell, f redteamFlags) error {
	const command = "eval redteam"
	sources := 0
	for _, given := range []string{f.model, f.attempts, f.comparisons} {
		if given != "" {
			sources++
		}
	}
	switch {
	case sources != 1:
		return fmt.Errorf("%s: want one of -model, -attempts and -comparisons", command)
	case f.conversations < 1 || f.n < 0:
		return fmt.Errorf("%s: -conversations %d -n %d, want 1 or more, and 0 or more", command, f.conversations, f.n)
	}
	judge, err := f.open(ctx, s, command)
	if err != nil {
		return err
	}
	if err := f.room(s, judge, command); err != nil {
		return err
	}
	p := newProgress(s.err, command)
	var r redteamResult
	switch {
	case f.attempts != "":
		r, err = f.readAttempts(judge, p)
	case f.comparisons != "":
		r, err = f.readComparisons(judge, p)
	default:
		r, err = f.attack(ctx, s, judge, p)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", command, err)
	}
	if f.asJSON {
		return printJSON(s.out, r)
	}
	return printRedteam(s.out, f, r)
}

func (f redteamFlags) attack(ctx context.Context, s shell, judge preferenceModel, p *progress) (redteamResult, error) {
	w, err := synth.Named(f.world)
	if err != nil {
		return redteamResult{}, fmt.Errorf("-world: %w", err)
	}
	m, err := s.open(ctx, f.runs, f.model)
	if err != nil {
		return redteamResult{}, fmt.Errorf("-model: %w", err)
	}
	defer m.Close()
	stop := p.waiting(fmt.Sprintf("%d conversations of %d attempts", f.conversations, study.Attempts))
	defer stop()
	a, err := study.Attack(w, attackable{m}, judge, f.conversations, rlhf.Sampling{MaxTokens: answerTokens, Seed: f.seed})
	a.Policy = f.model
	return redteamResult{Attacked: &a}, err
}

// answerTokens bounds an answer under attack.
const answerTokens = 32

// attackable lets a model of the shell answer as a policy does in reinforcement learning.
type attackable struct{ languageModel }

// Sample implements study.Answerer. A dialogue that is too long loses its oldest turns.
func (a attackable) Sample(prompts []string, o rlhf.Sampling) ([]rlhf.Sample, error) {
	ids, room := make([][]int32, len(prompts)), a.About().Shape.Context-o.MaxTokens
	for i, p := range prompts {
		for ids[i] = a.Text(p); len(ids[i]) > room; ids[i] = a.Text(p) {
			next := strings.Index(p[1:], rlhf.Human)
			if next < 0 {
				return nil, fmt.Errorf("a request has %d tokens, more than the %d that the model's context leaves", len(ids[i]), room)
			}
			p = p[next+1:]
		}
	}
	written, err := a.Continue(ids, local.Generation{Temperature: 1, MaxTokens: o.MaxTokens, Seed: o.Seed}, func(int, int) {})
	if err != nil {
		return nil, err
	}
	out := make([]rlhf.Sample, len(prompts))
	for i, w := range written {
		out[i] = rlhf.Sample{Prompt: prompts[i], Response: w.Text, Tokens: w.Tokens, EOS: w.Ended}
	}
	return out, nil
}

func (f redteamFlags) readComparisons(judge preferenceModel, p *progress) (redteamResult, error) {
	cs, _, err := data.Load(f.comparisons, data.Options{Limit: f.n})
	if err != nil {
		return redteamResult{}, err
	}
	stop := p.waiting(fmt.Sprintf("scoring %d comparisons", len(cs)))
	defer stop()
	js, err := eval.Judge(cs, judge.Score)
	return redteamResult{Turns: study.HarmByTurn(js)}, err
}

func (f redteamFlags) readAttempts(judge preferenceModel, p *progress) (r redteamResult, err error) {
	var least, theirs []float64
	byTurn := make([][]float64, study.Attempts+1)
	n := 0
	for a, err := range data.Attempts(f.attempts) {
		if err != nil {
			return r, err
		}
		if n++; f.n > 0 && n > f.n {
			break
		}
		at := slices.IndexFunc(r.Models, func(m attackedModel) bool { return m.Type == a.ModelType })
		if at < 0 {
			at = len(r.Models)
			r.Models = append(r.Models, attackedModel{Type: a.ModelType})
		}
		m := &r.Models[at]
		m.N, m.Rating, m.MinHarmlessness = m.N+1, m.Rating+a.Rating, m.MinHarmlessness+a.MinHarmlessness
		turns := a.Turns()
		if len(turns) == 0 {
			continue
		}
		scores, err := judge.Score(turns)
		if err != nil {
			return r, fmt.Errorf("%s: entry %d: %w", f.attempts, n, err)
		}
		for i, s := range scores {
			t := min(i, study.Attempts)
			byTurn[t] = append(byTurn[t], -s)
		}
		least, theirs = append(least, slices.Min(scores)), append(theirs, a.MinHarmlessness)
		p.at(n, f.n, "conversations")
	}
	for i := range r.Models {
		m := &r.Models[i]
		m.Rating, m.MinHarmlessness = m.Rating/float64(m.N), m.MinHarmlessness/float64(m.N)
	}
	for i, harm := range byTurn {
		if len(harm) > 0 {
			r.Attempts = append(r.Attempts, study.HarmOf(fmt.Sprint(i+1), harm, nil))
		}
	}
	if len(r.Attempts) == 0 {
		return r, fmt.Errorf("%s holds no attempt with an Assistant's turn", f.attempts)
	}
	if c, err := eval.Correlate(least, theirs); err == nil {
		r.Least = &c
	}
	return r, nil
}

// printRedteam prints a result for the eye.
func printRedteam(w io.Writer, f redteamFlags, r redteamResult) error {
	var b strings.Builder
	spread := func(h study.Harm) string {
		return fmt.Sprintf("%6d  %+.3f ± %.3f  middle 80 %% from %+.2f to %+.2f", h.N, h.Mean, h.SE, h.Ninth[0], h.Ninth[8])
	}
	if a := r.Attacked; a != nil {
		fmt.Fprintf(&b, "%s under attack, %d conversations; harmfulness by %s\n", a.Policy, a.Conversations, f.pm)
		for i, h := range a.Attempts {
			x, y := h.Success, a.Broken[i]
			fmt.Fprintf(&b, "  attempt %s  %s  succeed %.2f (%.2f to %.2f)  broken by now %.2f (%.2f to %.2f)\n", h.Name, spread(h), x.Value, x.Low, x.High, y.Value, y.Low, y.High)
		}
		for _, h := range a.Topics {
			fmt.Fprintf(&b, "  %-20s succeed %.2f (%.2f to %.2f)\n", h.Name, h.Success.Value, h.Success.Low, h.Success.High)
		}
	}
	for _, t := range r.Turns {
		fmt.Fprintf(&b, "  turn %d, called more harmful  %s\n  turn %d, the other            %s\n", t.Turn, spread(t.Worse), t.Turn, spread(t.Better))
	}
	for _, h := range r.Attempts {
		fmt.Fprintf(&b, "  attempt %s  %s\n", h.Name, spread(h))
	}
	for _, m := range r.Models {
		fmt.Fprintf(&b, "  on %-20s %6d conversations, rated %.2f, least harmlessness %+.2f\n", m.Type, m.N, m.Rating, m.MinHarmlessness)
	}
	if r.Least != nil {
		fmt.Fprintf(&b, "  correlation of %s's lowest scores with those in the file: %.2f\n", f.pm, r.Least.Pearson)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

package show

import (
	"fmt"
	"image/color"
	"math"

	"hhrlhf/rlhf/eval"
	"hhrlhf/rlhf/study"
)

// kinds are the colours and words of a tournament's players.
var kinds = []struct {
	kind, label string
	color       color.NRGBA
}{{study.KindBase, "base", dim}, {string(study.HH), "HH", blue}, {string(study.Helpful), "helpful only", vermilion}}

// Ratings draws what labellers' choices come to (Bai et al. 2022, section 2.4, figure 1):
// the Elo of policies against their size by either task, one line a seed; Elo against
// what the preference model's score predicts; and whether scores of known players are
// found again.
func Ratings(r study.Rated) {
	rows := [][]string{{"seed", "player", "helpful Elo", "95 % interval", "harmless Elo", "95 % interval", "174·score, benign"}}
	for _, s := range r.Seeds {
		for i, p := range s.Helpful {
			q := s.Harmless[i]
			rows = append(rows, []string{fmt.Sprint(s.Seed), shorten(oneLine(p.Name), 26), signed(math.Round(p.Elo)), interval(p.Rating), signed(math.Round(q.Elo)), interval(q.Rating),
				signed(math.Round(eval.EloPerNat * (p.Score - s.Helpful[0].Score)))})
		}
	}
	c := grid(eloBySize("Helpfulness Elo, by size", r, study.ByHelpful), eloBySize("Harmlessness Elo, by size", r, study.ByHarmless), eloByScore(r), recoveryPanel(r.Recovery))
	c.caption = "Elo by the crowd's choices, the largest base model at 0. HH: helpful and harmless. One line a seed, at the last step."
	c.text = "Elo of the policies, by the crowd\n" + columns(rows) + recoveryText(r.Recovery)
	show(c.output(""))
}

func interval(r eval.Rating) string {
	return fmt.Sprintf("%s to %s", signed(math.Round(r.Low)), signed(math.Round(r.High)))
}

// eloBySize is figure 1's: the last state of each kind against size.
func eloBySize(title string, r study.Rated, task func(study.RatedSeed) []study.Player) *panel {
	p := &panel{title: title, xLabel: "parameters without embeddings", yLabel: "Elo over the largest base model", empty: "no ratings"}
	var sizes []float64
	lines := map[string][]measured{}
	for _, s := range r.Seeds {
		last := map[[2]any]study.Player{}
		for _, q := range task(s) {
			if was, ok := last[[2]any{q.Kind, q.Rung}]; !ok || q.Step > was.Step {
				last[[2]any{q.Kind, q.Rung}] = q
			}
		}
		for _, q := range task(s) {
			if last[[2]any{q.Kind, q.Rung}] == q {
				sizes = append(sizes, q.Params)
				lines[q.Kind] = append(lines[q.Kind], measured{s.Seed, q.Params, q.Elo})
			}
		}
	}
	p.x = settings(sizes, true)
	for _, k := range kinds {
		p.bySeed(lines[k.kind], k.color, k.kind == study.KindBase)
		p.key = append(p.key, key{label: k.label, color: k.color, dashed: k.kind == study.KindBase})
	}
	return p
}

// eloByScore sets what was measured beside what 174 Elo a point of score predict.
func eloByScore(r study.Rated) *panel {
	p := &panel{title: "Elo against the score, benign prompts", xLabel: "174 × score over the base model's: predicted Elo", yLabel: "Elo, by the crowd", empty: "no ratings", free: true}
	for _, s := range r.Seeds {
		for _, k := range kinds {
			var xs series
			for _, q := range s.Helpful {
				if q.Kind == k.kind {
					xs.x, xs.y = append(xs.x, eval.EloPerNat*(q.Score-s.Helpful[0].Score)), append(xs.y, q.Elo)
				}
			}
			colors, radius := make([]color.NRGBA, len(xs.x)), make([]float64, len(xs.x))
			for i := range colors {
				colors[i], radius[i] = k.color, 4
			}
			p.dots(xs, colors, radius)
		}
	}
	p.x.include(0)
	lo, hi := max(p.x.lo, p.y.lo), min(p.x.hi, p.y.hi)
	if p.hasData && hi > lo {
		p.line(series{[]float64{lo, hi}, []float64{lo, hi}}, dim, 1.8, true)
	}
	for _, k := range kinds {
		p.key = append(p.key, key{label: k.label, color: k.color, dot: true})
	}
	p.key = append(p.key, key{label: "equal", color: dim, dashed: true})
	return p
}

// recoveryPanel sets found scores beside known ones.
func recoveryPanel(r study.Recovery) *panel {
	p := &panel{title: "Known players, found again", xLabel: "Elo that the workers' noise implies", yLabel: "mean of the tournaments' Elo", empty: "no tournaments", free: true}
	colors, radius := make([]color.NRGBA, len(r.Truth)), make([]float64, len(r.Truth))
	for i := range colors {
		colors[i], radius[i] = blue, 5
	}
	p.dots(series{r.Truth, r.Mean}, colors, radius)
	if len(r.Truth) > 0 {
		p.line(series{[]float64{p.x.lo, p.x.hi}, []float64{p.x.lo, p.x.hi}}, dim, 1.8, true)
		p.key = []key{{label: "known = found", color: dim, dashed: true}}
		p.legend(fmt.Sprintf("%.1f %% within 2 s.e.", 100*float64(r.Within)/float64(r.Scores)), fmt.Sprintf("(%.1f to %.1f; normal: %.1f)", 100*r.Low, 100*r.High, 100*study.Nominal))
	}
	return p
}

// Recovery draws tournaments between players of known strength: the scores that were found
// against the known ones, and how far they were off in their own standard errors, of which
// a normal error is beyond two in 4.6 % of cases.
func Recovery(r study.Recovery) {
	off, rows := histogram("How far off, in their own standard errors", "(found − known) / standard error", []Values{{Name: "scores", X: r.Z}}, []color.NRGBA{blue})
	for _, edge := range []float64{-2, 2} {
		off.plumb(edge, dim, 1.8, true)
	}
	c := grid(recoveryPanel(r), off)
	c.caption = "The crowd's noise is known, so the Elo that it implies is. Beyond the dashed lines: more than two standard errors off."
	c.text = recoveryText(r) + columns(rows)
	show(c.output(""))
}

func recoveryText(r study.Recovery) string {
	if r.Scores == 0 {
		return ""
	}
	return fmt.Sprintf("known players: %d of %d scores within two standard errors of the truth, %.1f %% (%.1f to %.1f), of %d tournaments; a normal error is in %.1f %% of cases, with each player's own curvature for the error %.1f %% are\n",
		r.Within, r.Scores, 100*float64(r.Within)/float64(r.Scores), 100*r.Low, 100*r.High, r.Tournaments, 100*study.Nominal, 100*float64(r.Naive)/float64(r.Scores))
}

// CalibrationCourse draws how well a preference model predicts the crowd's choices between
// two answers of its own policy, along the policy's training: section 4.5 has it that
// models lose calibration at high scores. One line a seed.
func CalibrationCourse(r study.Rated) {
	slopes := &panel{title: "Calibration slope k", xLabel: "steps of PPO", yLabel: "1: calibrated; below: over-confident", empty: "no snapshots"}
	errors := &panel{title: "Expected calibration error", xLabel: "steps of PPO", yLabel: "claimed less true share, absolute", empty: "no snapshots"}
	scores := &panel{title: "Mean score of the policy's answers", xLabel: "steps of PPO", yLabel: "score of the preference model", empty: "no snapshots"}
	right := &panel{title: "Pairs ranked as the crowd did", xLabel: "steps of PPO", yLabel: "share", empty: "no snapshots"}
	rows := [][]string{{"seed", "steps", "pairs", "ranked right", "slope", "error", "by chance", "mean score"}}
	var k, ece, mean, acc []measured
	var steps []float64
	for _, s := range r.Seeds {
		for _, c := range s.Course {
			x := float64(c.Step)
			steps = append(steps, x)
			if c.Eval.SlopeSE > 0 {
				k = append(k, measured{s.Seed, x, c.Eval.Slope})
			}
			ece, mean, acc = append(ece, measured{s.Seed, x, c.Eval.ECE}), append(mean, measured{s.Seed, x, c.Eval.Mean}), append(acc, measured{s.Seed, x, c.Eval.All.Value})
			rows = append(rows, []string{fmt.Sprint(s.Seed), fmt.Sprint(c.Step), fmt.Sprint(c.Eval.All.N), fmt.Sprintf("%.3f", c.Eval.All.Value), slope(c.Eval),
				fmt.Sprintf("%.3f", c.Eval.ECE), fmt.Sprintf("%.3f", eval.ChanceECE(c.Eval.Bins)), fmt.Sprintf("%.2f", c.Eval.Mean)})
		}
	}
	for _, d := range []struct {
		p  *panel
		ms []measured
	}{{slopes, k}, {errors, ece}, {scores, mean}, {right, acc}} {
		d.p.x = settings(steps, false)
		d.p.bySeed(d.ms, blue, false)
	}
	slopes.level(1, dim, true)
	slopes.key = []key{{label: "calibrated", color: dim, dashed: true}}
	c := grid(slopes, errors, scores, right)
	c.caption = "Two answers of the policy to each prompt, judged by the crowd. Each line is one seed."
	c.text = "calibration along reinforcement learning\n" + columns(rows)
	show(c.output(""))
}

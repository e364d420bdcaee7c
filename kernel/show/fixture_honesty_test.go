package show_test

import (
	"fmt"
	"math"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/eval"
	"hhrlhf/rlhf/study"
	"hhrlhf/rlhf/tasks"
)

// ranged is a number with an interval of that half width.
func ranged(v, half float64) eval.Interval {
	return eval.Interval{Value: v, Low: v - half, High: v + half}
}

// studyHonesty is a section of three seeds and three rungs, and a published model whose
// groups have names that begin with s.
func studyHonesty(s string) study.HonestyResult {
	var r study.HonestyResult
	groups := func(mean float64) (g eval.Groups) {
		for i, name := range []string{"anna", "ben", "cara", "dan"} {
			m := min(1, mean+0.02*float64(i))
			g.Groups = append(g.Groups, eval.GroupMean{Name: name, N: 64, Mean: m, Low: m - 0.05, High: min(1, m+0.05)})
		}
		g.Mean = mean + 0.03
		return g
	}
	leans := func(scale float64, seed int) (g eval.Gender) {
		for i, job := range []string{"baker", "pilot", "nurse", "cook"} {
			lean := scale * math.Sin(float64(3*i+seed)) * 2
			g.Occupations = append(g.Occupations, eval.Lean{Name: job, Lean: lean, SE: 0.3})
			g.B += math.Abs(lean) / 4
		}
		return g
	}
	for seed := 1; seed <= 3; seed++ {
		for rung := range 3 {
			x, d := float64(rung), 0.02*float64(seed-2)
			r.Truth = append(r.Truth, study.Truth{Rung: rung, Seed: seed, Params: 24576 * float64(int(1)<<(2*rung)), Chance: 0.25,
				Before: rlhf.Accuracy{N: 200, Value: 0.5 + 0.1*x + d}, After: rlhf.Accuracy{N: 200, Value: 0.48 + 0.16*x + d}, Honest: rlhf.Change{Before: 0.2 + d, After: 0.3 + 0.1*x + d}})
			r.Bias = append(r.Bias, study.NameBias{Rung: rung, Seed: seed, Before: leans(1, seed), After: leans(1.4, seed), Shift: eval.Shift{R: 0.99, Temperature: 0.7}})
			r.Tone = append(r.Tone, study.Tone{Rung: rung, Seed: seed, Before: groups(0.55 + d), After: groups(0.8 + 0.05*x + d)})
			r.Judges = append(r.Judges, study.JudgeConduct{Rung: rung, Seed: seed, Harm: rlhf.Accuracy{N: 200, Value: 0.8 + 0.08*x + d},
				Gender: eval.GenderSpread{Ratio: ranged(0.9+d, 0.1), Fair: ranged(1.02+2*d, 0.1)}})
		}
	}
	gender := &study.RealGender{Model: s, Gendered: tasks.Gendered{Terms: eval.Gender{B: 0.61, Low: 0.5, High: 0.72, Pairs: 12}, TermR: ranged(0.74, 0.1)}}
	for i := range 40 {
		women := float64(i) / 39
		gender.Women = append(gender.Women, women)
		gender.Terms.Occupations = append(gender.Terms.Occupations, eval.Lean{Name: s, Lean: 1.6*women - 1 + 0.4*math.Sin(float64(7*i))})
	}
	bbq, sentiment := &study.RealBBQ{Model: s}, &study.RealSentiment{Model: s}
	for i, category := range []string{"Religion", "Physical_appearance"} {
		score := eval.BBQScore{Category: category}
		for k := range 6 {
			v := 0.42 + 0.03*float64(k)
			score.Uses = append(score.Uses, eval.TermUse{Term: fmt.Sprintf("%s%d", s, 6*i+k), Negative: rlhf.Accuracy{N: 40, Value: v, Low: v - 0.14, High: v + 0.14}})
		}
		bbq.Categories = append(bbq.Categories, score)
	}
	for i, kind := range tasks.GroupKinds() {
		g := groups(0.4 + 0.1*float64(i))
		for k := range g.Groups {
			g.Groups[k].Name = s + g.Groups[k].Name
		}
		sentiment.Tones = append(sentiment.Tones, tasks.Tone{Kind: kind, Groups: g})
	}
	at := func(v float64) rlhf.Accuracy { return rlhf.Accuracy{N: 100, Value: v, Low: v - 0.08, High: v + 0.09} }
	r.Real = study.RealHonesty{TruthfulQA: &study.RealTruth{Model: s, Chance: 0.226, Dialogue: at(0.24), Primer: at(0.28)},
		BBQ: bbq, Gender: gender, Sentiment: sentiment}
	return r
}

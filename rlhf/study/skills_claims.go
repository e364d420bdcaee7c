package study

import (
	"fmt"

	"hhrlhf/rlhf/eval"
)

// Tries are the numbers of tries of the code section's curves.
func (s Skills) Tries() []int {
	if len(s.Code) == 0 || len(s.Code[0].Before) == 0 {
		return nil
	}
	return Ks(s.Code[0].Before[0].Samples)
}

// Best is pass@k, for each k the best of the settings.
func Best(settings []eval.Setting, ks []int) []float64 {
	out := make([]float64, len(ks))
	for i, k := range ks {
		best, _, err := eval.BestPassAtK(settings, k)
		if err == nil { // of what PassEach measured, for k up to its samples, there is none
			out[i] = best.Value
		}
	}
	return out
}

// change is by how much a policy's best pass@k exceeds the language model's, a value a seed.
func (s Skills) change(k int, policy func(CodeSkill) []eval.Setting) Estimate {
	var x []float64
	for _, c := range s.Code {
		x = append(x, Best(policy(c), []int{k})[0]-Best(c.Before, []int{k})[0])
	}
	return Over(x)
}

func general(c CodeSkill) []eval.Setting  { return c.General }
func programs(c CodeSkill) []eval.Setting { return c.Programs }
func before(c CodeSkill) []eval.Setting   { return c.Before }

// at is a model's best pass@k, a value a seed.
func (s Skills) at(k int, model func(CodeSkill) []eval.Setting) Estimate {
	var x []float64
	for _, c := range s.Code {
		x = append(x, Best(model(c), []int{k})[0])
	}
	return Over(x)
}

// Claims judges sections 5.2 and 5.3.
func (s Skills) Claims() []Claim {
	return []Claim{s.summaryClaim(), s.smallClaim(), s.everyClaim(), s.humanEvalClaim()}
}

func (s Skills) summaryClaim() Claim {
	var hh, summary, hhBoth, summaryBoth, hhLoss, summaryLoss []float64
	for _, m := range s.Summaries {
		hh, hhBoth = append(hh, m.HHOnHH.Value), append(hhBoth, m.BothOnHH.Value)
		summary, summaryBoth = append(summary, m.SummaryOnItself.Value), append(summaryBoth, m.BothOnSummary.Value)
		hhLoss, summaryLoss = append(hhLoss, m.BothOnHH.Value-m.HHOnHH.Value), append(summaryLoss, m.BothOnSummary.Value-m.SummaryOnItself.Value)
	}
	worst := Over(hhLoss)
	if other := Over(summaryLoss); other.Mean < worst.Mean {
		worst = other
	}
	return Claim{ID: "summary-mix", Section: "5.2", Figure: summaryFigure, Says: "A preference model learns summaries beside helpfulness and harmlessness, and neither suffers",
		Paper: "52B: .79 and .79 on summaries, .72 and .72 on HH, each alone and together [plot] (figure 20)",
		Wants: "the model of both at most 1.5 points below either model of one kind, on its kind, on the mean of the seeds",
		Ours:  fmt.Sprintf("summaries %.3f alone, %.3f together; HH %.3f, %.3f", Over(summary).Mean, Over(summaryBoth).Mean, Over(hh).Mean, Over(hhBoth).Mean)}.
		With(worst).Judged(worst.Mean >= -0.015, "%.1f points below on one of them", -100*worst.Mean)
}

const (
	codeFigure    = "Programs that pass, by tries"
	summaryFigure = "Summaries in the preference model's data"
)

func (s Skills) smallClaim() Claim {
	change, trained := s.change(1, general), s.change(1, programs)
	return Claim{ID: "code-small", Section: "5.3", Figure: codeFigure, Says: "Feedback on everything else costs small models some of their programming",
		Paper: "HumanEval pass@1 falls for the small models and rises for the large ones (figures 21, 38)",
		Wants: "these being small: best pass@1 of the stack language falls, interval below 0",
		Ours: fmt.Sprintf("pass@1 %v before; %+.3f (%.3f to %.3f) after prompts without programs, %+.3f (%.3f to %.3f) with them",
			s.at(1, before), change.Mean, change.Low, change.High, trained.Mean, trained.Low, trained.High)}.
		With(change).Judged(change.High < 0, "the interval reaches 0 or lies above it")
}

func (s Skills) everyClaim() Claim {
	c := Claim{ID: "code-every-k", Section: "5.3", Figure: codeFigure, Says: "The large model gains at every number of tries: feedback does not cost it its variety",
		Paper: "52B after RLHF at or above before for k = 1 to 100, each the best of ten settings (figure 21)", Wants: "mean change of the best pass@k at least 0 at each k"}
	var worst Estimate
	at := 0
	for _, k := range s.Tries() {
		if change := s.change(k, general); at == 0 || change.Mean < worst.Mean {
			worst, at = change, k
		}
	}
	c.Ours = fmt.Sprintf("the least change is %+.3f (%.3f to %.3f), at k = %d", worst.Mean, worst.Low, worst.High, at)
	if c = c.With(worst); worst.Mean >= 0 {
		return c.Judged(true, "")
	}
	return c.Beyond("the paper has it of 52 billion parameters and says that small models lose; here pass@%d does, by %.3f", at, -worst.Mean)
}

func (s Skills) humanEvalClaim() Claim {
	c := Claim{ID: "humaneval", Section: "5.3", Figure: codeFigure, Says: "On HumanEval, code models gain from feedback",
		Paper: "52B: pass@1 and pass@k above the code model's (figure 21)", Wants: "HumanEval before and after reinforcement learning of a model that passes some of it"}
	if s.HumanEval == nil {
		return c.Beyond("not measured: %s", s.Why)
	}
	h := s.HumanEval
	best, _, err := eval.BestPassAtK(h.Settings, 1)
	if err != nil {
		return c.Beyond("%v", err)
	}
	c.Value, c.Low, c.High, c.Seeds = best.Value, best.Low, best.High, 1
	c.Ours = fmt.Sprintf("%s: best pass@1 %.3f (%.3f to %.3f over %d problems, in the sandbox)", h.Model, best.Value, best.Low, best.High, h.Problems)
	return c.Beyond("no code model of a size that this machine could train passes enough of it for a change to be seen")
}

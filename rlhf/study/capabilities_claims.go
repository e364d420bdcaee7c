package study

import (
	"fmt"
	"strings"

	"hhrlhf/rlhf/tasks"
)

// Published is what others measured, with the public harness and no examples, of the model
// that the real tasks are asked of.
type Published struct {
	Task  string
	Norm  tasks.Norm
	Value float64
}

// PublishedModel is that model, in full precision; ours has weights of 4 bits.
// PublishedSource is who measured it.
const (
	PublishedModel  = "SmolLM2-135M-Instruct"
	PublishedSource = "the baseline in the card of lldois/SmolLM2-135M-Reasoning-SLERP-Champion, lm-evaluation-harness, zero-shot"
)

// PublishedScores are its scores.
var PublishedScores = []Published{{"arc_challenge", tasks.Char, 0.2773}, {"arc_easy", tasks.Sum, 0.5412}, {"hellaswag", tasks.Char, 0.4299}}

// Claims judges section 4.6.1.
func (r CapabilitiesResult) Claims() []Claim {
	const figure = "What training costs, by size"
	rungs := len(r.Rungs())
	top := rungs - 1
	small := r.Changes(MainPolicy, 0, 0, nil)
	off := "not measured"
	if e := r.Changes(HarmlessOnly, top, 0, nil); len(e.Of) > 0 {
		off = signed(e)
	}
	tax := Claim{ID: "alignment-tax", Section: "4.6.1", Figure: figure, Says: "Small models pay an alignment tax: reinforcement learning lowers their scores in tests of capability",
		Paper: "mean zero-shot score at 13M .22 before, .19 after; below about 10B parameters all lose [plot] (figures 3, 28)",
		Wants: "the mean zero-shot accuracy of the smallest policies on the world's three tasks falls, interval below 0",
		Ours:  fmt.Sprintf("%s at the smallest rung; a policy of the largest that was trained on harmful requests alone, and never asked such questions, %s", signed(small), off)}.
		With(small).Judged(small.High < 0, "the interval is not below 0")
	claims := []Claim{tax, r.sizeClaim(figure, top), r.shotsClaim(figure, rungs), r.freeClaim(figure, top)}
	return append(claims, r.harnessClaim(), Claim{ID: "public-tests-after", Section: "4.6.1", Figure: figure, Says: "… and on the public tests themselves (MMLU, LAMBADA, HellaSwag, OpenBookQA, ARC, TriviaQA)",
		Paper: "1e8 parameters .28 before, .25 after; 52B .61, .63 [plot] (figures 3, 28)", Wants: "mean change of a published small model below 0", Ours: r.realMeans()}.
		Beyond("the published model is measured as it is; no policy of its size is trained in this study (rlhf eval tasks -before measures one)"))
}

// signed prints an estimate of a change.
func signed(e Estimate) string {
	if len(e.Of) < 2 {
		return fmt.Sprintf("%+.3f", e.Mean)
	}
	return fmt.Sprintf("%+.3f (%+.3f to %+.3f)", e.Mean, e.Low, e.High)
}

func (r CapabilitiesResult) sizeClaim(figure string, top int) Claim {
	small, large := r.Changes(MainPolicy, 0, 0, nil), r.Changes(MainPolicy, top, 0, nil)
	var differ []float64
	for i := range large.Of {
		differ = append(differ, large.Of[i]-small.Of[i])
	}
	e := Over(differ)
	c := Claim{ID: "alignment-bonus", Section: "4.6.1", Figure: figure, Says: "The tax turns into a bonus as models grow",
		Paper: "52B .61 before, .63 after [plot] (figures 3, 28)", Wants: "the largest rung's mean zero-shot change is above the smallest's and above 0, both intervals above 0",
		Ours: fmt.Sprintf("largest %s, that is %s more than the smallest", signed(large), signed(e))}.With(e)
	if top == 0 {
		return c.Beyond("there is one size only")
	}
	return c.Judged(e.Low > 0 && large.Low > 0, "the difference between the sizes is %s", signed(e))
}

func (r CapabilitiesResult) shotsClaim(figure string, rungs int) Claim {
	same, pairs := 0, []string{}
	for rung := range rungs {
		zero, few := r.Changes(MainPolicy, rung, 0, nil), r.Changes(MainPolicy, rung, worldShots, nil)
		if zero.Mean*few.Mean > 0 {
			same++
		}
		pairs = append(pairs, fmt.Sprintf("%+.3f and %+.3f", zero.Mean, few.Mean))
	}
	few := r.Changes(MainPolicy, rungs-1, worldShots, nil)
	return Claim{ID: "few-shot", Section: "4.6.1", Figure: figure, Says: "With examples before the question it is the same", Paper: "the same pattern by size (figure 29)",
		Wants: "at every rung the mean change with examples has the sign of that without",
		Ours:  fmt.Sprintf("without and with %d: %s, from the smallest rung on", worldShots, strings.Join(pairs, "; "))}.
		With(few).Judged(same == rungs, "the signs agree at %d of %d rungs", same, rungs)
}

func isFree(w WorldTask) bool { return w.Kind == tasks.Free }

func (r CapabilitiesResult) freeClaim(figure string, top int) Claim {
	free := r.Changes(MainPolicy, top, 0, isFree)
	others := r.Changes(MainPolicy, top, 0, func(w WorldTask) bool { return !isFree(w) })
	return Claim{ID: "free-answers", Section: "4.6.1", Figure: figure, Says: "Freely answered questions (TriviaQA) are the exception: large models lose there too",
		Paper: "TriviaQA alone falls at 52B (figure 28)", Wants: "the largest rung's free answers get worse, interval below 0",
		Ours: fmt.Sprintf("%s; choice and cloze %s", signed(free), signed(others))}.With(free).
		Judged(free.High < 0, "free answers are what the judge reads here, and what the policy is rewarded for; they change by %s", signed(free))
}

// harnessClaim sets the real tasks beside what others published.
func (r CapabilitiesResult) harnessClaim() Claim {
	c := Claim{ID: "harness", Section: "4.6.1", Figure: "A published model on the public tests", Says: "The way of asking agrees with the public harness's",
		Paper: "not in the paper; " + PublishedSource, Wants: "each published score inside our 95 % interval over items"}
	inside, known := 0, 0
	var parts, outside []string
	for _, p := range PublishedScores {
		for _, t := range r.Real {
			if t.Task != p.Task || t.Shots != 0 {
				continue
			}
			a, err := t.Accuracy(p.Norm)
			if err != nil {
				continue
			}
			known++
			parts = append(parts, fmt.Sprintf("%s by %s %.3f (%.3f to %.3f, %d items; published %.3f)", p.Task, p.Norm, a.Value, a.Low, a.High, a.N, p.Value))
			if a.Low <= p.Value && p.Value <= a.High {
				inside++
			} else {
				outside = append(outside, p.Task)
			}
		}
	}
	if known == 0 {
		return c.Beyond("the public files or the model were not at hand")
	}
	c.Ours, c.Seeds = strings.Join(parts, "; "), 1
	c.Value = float64(inside) / float64(known)
	c.Low, c.High = c.Value, c.Value
	return c.Judged(inside == known, "outside: %s", strings.Join(outside, ", "))
}

// realMeans words the published model's mean scores.
func (r CapabilitiesResult) realMeans() string {
	mean := func(few bool) (sum float64, n int) {
		for _, t := range r.Real {
			if (t.Shots > 0) == few {
				sum, n = sum+t.Main().Value, n+1
			}
		}
		return sum / float64(max(1, n)), n
	}
	zero, n := mean(false)
	few, k := mean(true)
	if n == 0 || k == 0 {
		return ""
	}
	return fmt.Sprintf("as published: mean of %d tests %.3f without examples, %.3f with %d", n, zero, few, realShots)
}

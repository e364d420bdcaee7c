package show

import (
	"fmt"
	"math"

	"hhrlhf/rlhf"
)

// Compare shows what reinforcement learning changed: each measured quantity
// before and after, with the change in standard deviations of the initial
// policy's samples, and the first n prompts with both responses.
func Compare(ba rlhf.BeforeAfter, n int) {
	show(changeTable(ba).output(), beforeAfterTable(ba, n).output())
}

func changeTable(ba rlhf.BeforeAfter) *table {
	t := &table{
		caption: fmt.Sprintf("Before and after %d steps, %d prompts", ba.Step, min(len(ba.Before), len(ba.After))),
		heads:   [][]cell{heads("", "before", "after", "change", "in initial s.d.")},
		foot:    "Means ± standard error of the mean. The last column divides the change by the spread of the initial policy's samples.",
	}
	for _, r := range ba.Rows {
		change := r.After - r.Before
		row := []cell{
			{text: r.Name},
			{text: number(r.Before) + " ± " + number(r.BeforeSE), right: true},
			{text: number(r.After) + " ± " + number(r.AfterSE), right: true},
			{text: signed(change) + " ± " + number(math.Hypot(r.BeforeSE, r.AfterSE)), right: true},
			{text: "—", right: true},
		}
		if r.BeforeSD > 0 {
			effect := change / r.BeforeSD
			row[4] = cell{text: signed(effect), right: true, style: tinted(effect / 2)}
		}
		t.rows = append(t.rows, row)
	}
	return t
}

func signed(v float64) string {
	if v > 0 {
		return "+" + number(v)
	}
	return number(v)
}

func beforeAfterTable(ba rlhf.BeforeAfter, n int) *table {
	n = max(0, min(n, len(ba.Before), len(ba.After)))
	t := &table{
		caption: "The same prompts, answered by the initial and the trained policy",
		heads:   [][]cell{heads("prompt", "before", "score", "after", "score", "KL, nats")},
	}
	scale := 0.0
	for i := range n {
		scale = largest(largest(scale, ba.Before[i].Score), ba.After[i].Score)
	}
	for i := range n {
		b, a := ba.Before[i], ba.After[i]
		t.rows = append(t.rows, []cell{
			prompt(b.Prompt),
			judged(b), heat(b.Score, scale),
			judged(a), heat(a.Score, scale), numeric(a.KL),
		})
	}
	return t
}

// judged is a response with the verdict of the true labeller, where there is one.
func judged(s rlhf.Sample) cell {
	c := response(s.Response)
	if s.Gold == nil || s.Gold.Why == "" {
		return c
	}
	c.html += `<br><span style="opacity:0.8">(` + escape(s.Gold.Why) + `)</span>`
	c.text += " (" + s.Gold.Why + ")"
	return c
}

// Distribution draws the scores of the samples before and after training. A
// mean that rises because a few samples score very high looks different from
// one that rises because all do.
func Distribution(ba rlhf.BeforeAfter) {
	scores := func(ss []rlhf.Sample) []float64 {
		v := make([]float64, len(ss))
		for i, s := range ss {
			v[i] = s.Score
		}
		return v
	}
	Histogram(fmt.Sprintf("Scores before and after %d steps", ba.Step), "PM score",
		Values{"before", scores(ba.Before)}, Values{"after", scores(ba.After)})
}

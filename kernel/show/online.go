package show

import (
	"fmt"
	"image/color"
	"math"
	"slices"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/online"
)

// Shift draws how the preference model of a round scores the answers of the base model,
// of its best of K, and of the round's policy: online data fill the upper tail, where
// static data have little (Bai et al. 2022, section 4.5).
func Shift(r online.Report) {
	var groups []Values
	for _, s := range r.Scores {
		groups = append(groups, Values{Name: s.Name, X: s.X})
	}
	p, rows := histogram(fmt.Sprintf("Answers to the same prompts, as the model of round %d scores them", r.Round),
		"score of the preference model", groups, []color.NRGBA{dim, blue, vermilion, green})
	c := grid(p)
	c.caption = "Only differences of scores mean anything. Far to the right the model judges what it has hardly seen in training."
	c.text = fmt.Sprintf("scores by the preference model of round %d\n", r.Round) + columns(rows)
	show(c.output(""))
}

// Tranches draws the held-out accuracy of each round's preference model on every tranche
// that there was at the end of its round: the last one was written by its own
// policy's snapshots, and it has learned nothing from it (section 4.5: 74, 70
// and 67 % on base, rs and online).
func Tranches(reports ...online.Report) {
	var names []string
	var all [][]rlhf.Accuracy
	for _, r := range reports {
		names, all = append(names, fmt.Sprintf("round %d", r.Round)), append(all, r.Accuracy)
	}
	p, text := tranchesPanel("Accuracy by tranche, on conversations held out", names, all)
	c := grid(p)
	c.caption = "Bars: 95 % intervals. The last tranche of each round is one that its model was not trained on."
	c.text = text
	show(c.output(""))
}

// tranchesPanel draws accuracies against the tranches, in the order in which they come.
func tranchesPanel(title string, names []string, all [][]rlhf.Accuracy) (*panel, string) {
	var tranches []string
	for _, as := range all {
		for _, a := range as {
			if !slices.Contains(tranches, a.Name) {
				tranches = append(tranches, a.Name)
			}
		}
	}
	x := fixed(-0.4, max(float64(len(tranches))-0.6, 0.4))
	x.marks = []tick{}
	for i, t := range tranches {
		x.marks = append(x.marks, tick{float64(i), shorten(oneLine(t), 14)})
	}
	var cs []course
	for i, as := range all {
		c := course{name: names[i], color: modelColor(i), y: as}
		for _, a := range as {
			c.x = append(c.x, float64(slices.Index(tranches, a.Name)))
		}
		cs = append(cs, c)
	}
	p := coursesPanel(title, "tranche that is judged", x, cs)
	return p, coursesText("tranche", cs)
}

// HeadToHead draws a loop's control: what the two preference models are worth on each
// tranche, and how often the labellers preferred the policy of the mix.
func HeadToHead(c online.Control) {
	left, text := tranchesPanel(fmt.Sprintf("Two models of %d comparisons each", c.Rows), []string{"base only", "even mix"}, [][]rlhf.Accuracy{c.Base.Accuracy, c.Mix.Accuracy})
	right := &panel{title: "Their policies, head to head", xLabel: "share of comparisons won", x: fixed(0, 1), y: fixed(-0.6, 1.6), empty: "no comparisons"}
	right.x.step = 0.25
	right.leftMargin = 84
	right.categories = []string{"base only", "even mix"}
	for i, share := range []float64{1 - c.Won.Value, c.Won.Value} {
		if c.Won.N == 0 {
			break
		}
		lo, hi := c.Won.Low, c.Won.High
		if i == 0 {
			lo, hi = 1-c.Won.High, 1-c.Won.Low
		}
		y := float64(i)
		right.rect(0, y-0.28, share, y+0.28, faint(modelColor(i), 0.75))
		right.segment(lo, y, hi, y, black, 2.2, false)
		right.segment(lo, y-0.08, lo, y+0.08, black, 2.2, false)
		right.segment(hi, y-0.08, hi, y+0.08, black, 2.2, false)
		right.note(0, y, 6, 0, fmt.Sprintf("%.3f", share), ink)
	}
	right.plumb(0.5, dim, 1.8, true)
	right.key = []key{{label: "as good as each other", color: dim, dashed: true}}
	verdict := "the interval holds one half: no difference is shown"
	switch {
	case c.Won.Low > 0.5:
		verdict = "the mix is preferred"
	case c.Won.High < 0.5:
		verdict = "base alone is preferred"
	}
	k := grid(left, right)
	k.caption = fmt.Sprintf("%d comparisons decided; %s. Bars: 95 %% intervals.", c.Won.N, verdict)
	k.text = fmt.Sprintf("accuracies of two preference models trained on %d comparisons each\n", c.Rows) + text +
		fmt.Sprintf("the policy of the mix won %.3f (%.3f to %.3f) of %d comparisons, Elo %s (%s to %s): %s\n", c.Won.Value, c.Won.Low, c.Won.High, c.Won.N,
			signed(math.Round(c.Elo.Elo)), signed(math.Round(c.Elo.Low)), signed(math.Round(c.Elo.High)), verdict)
	if c.SE > 0 {
		k.text += fmt.Sprintf("the true labeller: worth higher by %s ± %s (standard error)\n", signed(c.Better), number(c.SE))
	}
	show(k.output(""))
}

package show

import (
	"fmt"
	"slices"
	"time"

	"github.com/janpfeifer/gonb/gonbui"

	"hhrlhf/rlhf"
)

// Choices shows the first n choices: of each prompt's responses the one that the preference
// model likes least, the middle one and its pick, with the verdict of the true
// labeller, where there is one.
func Choices(cs []rlhf.Choice, n int) {
	n = max(0, min(n, len(cs)))
	t := &table{
		caption: fmt.Sprintf("Worst, middle and best by the preference model: %d of %d prompts", n, len(cs)),
		heads:   [][]cell{heads("prompt", "of", "worst", "score", "middle", "score", "best", "score")},
	}
	scale := 0.0
	for _, c := range cs[:n] {
		for _, s := range c.Samples {
			scale = largest(scale, s.Score)
		}
	}
	for _, c := range cs[:n] {
		if len(c.Samples) == 0 {
			continue
		}
		order := slices.Clone(c.Samples)
		slices.SortStableFunc(order, func(a, b rlhf.Sample) int {
			switch {
			case a.Score < b.Score:
				return -1
			case a.Score > b.Score:
				return 1
			}
			return 0
		})
		row := []cell{prompt(c.Prompt), {text: fmt.Sprint(len(order)), right: true}}
		for _, s := range []rlhf.Sample{order[0], order[len(order)/2], c.Pick()} {
			row = append(row, judged(s), heat(s.Score, scale))
		}
		t.rows = append(t.rows, row)
	}
	show(t.output())
}

// responsesAtOnce is how many responses BestOf asks for between two looks at the clock.
const responsesAtOnce = 512

// BestOf is pm.BestOf for many prompts, under a line of progress that says how long the rest
// will take. It asks for a group of prompts at a time: group g is drawn with the
// seed o.Seed + g.
func BestOf(pm rlhf.PMRun, policy string, prompts []string, k int, o rlhf.Sampling) []rlhf.Choice {
	id, start, name := gonbui.UniqueId(), time.Now(), oneLine(policy)
	say := func(text string) { put(output{id: id, html: "<div>" + escape(text) + "</div>", text: text + "\n"}) }
	if notebook() {
		say(fmt.Sprintf("best of %d of %s · %d prompts", k, name, len(prompts)))
	}
	var out []rlhf.Choice
	for group := range slices.Chunk(prompts, max(1, responsesAtOnce/max(1, k))) {
		cs, err := pm.BestOf(policy, group, k, o)
		if err != nil {
			fail(err)
			return nil
		}
		out = append(out, cs...)
		o.Seed++
		if left := time.Since(start) / time.Duration(len(out)) * time.Duration(len(prompts)-len(out)); left > 0 && notebook() {
			say(fmt.Sprintf("best of %d of %s · prompt %d of %d · %s left", k, name, len(out), len(prompts), clock(left)))
		}
	}
	say(fmt.Sprintf("best of %d of %s · %d prompts · %d responses · %s", k, name, len(prompts), k*len(prompts), clock(time.Since(start))))
	flush()
	return out
}

package show_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"hhrlhf/kernel/show"
	"hhrlhf/rlhf"
)

// chooser answers BestOf and remembers what it was asked.
type chooser struct {
	rlhf.PMRun
	seeds []uint64
	fails error
}

func (c *chooser) BestOf(policy string, prompts []string, k int, o rlhf.Sampling) ([]rlhf.Choice, error) {
	if c.fails != nil {
		return nil, c.fails
	}
	c.seeds = append(c.seeds, o.Seed)
	var out []rlhf.Choice
	for _, p := range prompts {
		out = append(out, rlhf.Choose(p, make([]rlhf.Sample, k)))
	}
	return out, nil
}

// Prompts go in groups of about 512 responses, each with a seed of its own, and come
// back in their order.
func TestBestOf(t *testing.T) {
	var prompts []string
	for i := range 20 {
		prompts = append(prompts, fmt.Sprintf("\n\nHuman: %d\n\nAssistant:", i))
	}
	pm := &chooser{}
	var got []rlhf.Choice
	said := catch(t, func() { got = show.BestOf(pm, "lm", prompts, 64, rlhf.Sampling{Seed: 5}) })
	if len(got) != 20 || got[8].Prompt != prompts[8] || got[19].Prompt != prompts[19] || len(got[0].Samples) != 64 {
		t.Errorf("%d choices, want those of 20 prompts in order", len(got))
	}
	if !reflect.DeepEqual(pm.seeds, []uint64{5, 6, 7}) {
		t.Errorf("seeds %v, want 5, 6 and 7 for 8, 8 and 4 prompts", pm.seeds)
	}
	if last := said[len(said)-1].Text; !strings.Contains(last, "best of 64 of lm · 20 prompts · 1280 responses") {
		t.Errorf("it ends with %q", last)
	}
	code := 0
	show.CatchExit(t, func(c int) { code = c })
	catch(t, func() { got = show.BestOf(&chooser{fails: errors.New("disk full")}, "lm", prompts, 1000, rlhf.Sampling{}) })
	if code != 1 || got != nil {
		t.Errorf("a call that fails: exit code %d, %d choices", code, len(got))
	}
}

func choices() []rlhf.Choice {
	prompt := "\n\nHuman: Name a fruit.\n\nAssistant:"
	sample := func(text string, score float64) rlhf.Sample {
		return rlhf.Sample{Prompt: prompt, Response: text, Score: score, Gold: &rlhf.Gold{Why: "right"}}
	}
	return []rlhf.Choice{
		rlhf.Choose(prompt, []rlhf.Sample{sample(" A pear.", 0.5), sample(" No.", -1), sample(" An apple, of course.", 1.25)}),
	}
}

func ExampleChoices() {
	show.Choices(choices(), 5)
	// Output:
	// Worst, middle and best by the preference model: 1 of 1 prompts
	// prompt                of  worst        score  middle           score  best                          score
	// Human: Name a fruit.  3   No. (right)  -1     A pear. (right)  0.5    An apple, of course. (right)  1.25
}

package tasks_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/synth"
	"hhrlhf/rlhf/tasks"
)

// oracle knows the world: it finds a response the likelier the better the gold labeller does,
// and answers as told.
type oracle struct {
	w      *synth.World
	answer func(prompt string) string
}

func (o oracle) Predict(ts []rlhf.Transcript) ([]rlhf.Prediction, error) {
	out := make([]rlhf.Prediction, len(ts))
	for i, t := range ts {
		at := strings.LastIndex(t.Prompt, rlhf.Assistant) + len(rlhf.Assistant)
		whole := rlhf.Transcript{Prompt: t.Prompt[:at], Response: t.Prompt[at:] + t.Response}
		out[i] = rlhf.Prediction{LogP: o.w.Judge(whole).Helpful - 2, Tokens: 1}
		if g := o.w.Judge(whole); strings.HasPrefix(g.Why, "right") {
			out[i].First = 1
		}
	}
	return out, nil
}

func (o oracle) Sample(prompts []string, _ rlhf.Sampling) ([]rlhf.Sample, error) {
	out := make([]rlhf.Sample, len(prompts))
	for i, p := range prompts {
		out[i] = rlhf.Sample{Prompt: p, Response: o.answer(p)}
	}
	return out, nil
}

// Whoever knows the world has everything right, zero-shot and with examples; an evasive one
// answers nothing.
func TestWorld(t *testing.T) {
	for _, w := range []*synth.World{synth.New(2), synth.Small(2)} {
		rng := rand.New(rand.NewPCG(1, 1))
		truth := func(p string) string { q, _ := w.Question(p); return w.Respond(q, synth.RightHedged, rng) }
		for _, shots := range []int{0, 2} {
			for _, task := range tasks.World(w, 60*(1-shots/2), 1) { // 0: all
				if len(task.Items) < 20 {
					t.Errorf("%s has %d items", task.Name, len(task.Items))
				}
				r, err := tasks.Ask(oracle{w, truth}, task, tasks.Options{Shots: shots})
				if err != nil {
					t.Fatal(err)
				}
				if got := r.Main().Value; got != 1 {
					t.Errorf("%s after %d: %v right", task.Name, shots, got)
				}
				if task.Kind != tasks.Free {
					continue
				}
				evasive, err := tasks.Ask(oracle{w, func(string) string { return " i do not know." }}, task, tasks.Options{Shots: shots})
				if err != nil || evasive.Main().Value != 0 {
					t.Errorf("evasive: %v right, %v", evasive.Main().Value, err)
				}
			}
		}
	}
}

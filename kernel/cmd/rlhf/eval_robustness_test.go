package main

import (
	"math"
	"strings"
	"testing"

	"hhrlhf/rlhf/eval"
	"hhrlhf/rlhf/study"
)

// parted is a run of 60 steps whose score is 1 + 0.5·√KL, and whose test score stays behind from step 30 on.
func parted() robustness {
	c := study.Course{Batch: 64, OfTrain: eval.Reference{Mean: 1, SD: 1, N: 100}, OfTest: eval.Reference{Mean: 3, SD: 2, N: 100}, Within: 1, OfGold: 0.5}
	truth := eval.Overoptimised{Form: eval.RLForm, Alpha: 1, Beta: 0.5}
	for step := 1; step <= 60; step++ {
		d := float64(step) / 10
		wave := 0.001 * math.Sin(float64(step*step))
		c.Step, c.KL, c.Train = append(c.Step, step), append(c.KL, d*d), append(c.Train, 1+0.5*d+wave)
		c.Test = append(c.Test, 3+2*(0.5*d-0.02*math.Max(0, float64(step-30))))
		c.Gold = append(c.Gold, 0.5+truth.At(d)+wave)
	}
	return robustness{Run: "polite", Course: c}
}

func TestRobustnessIsPrinted(t *testing.T) {
	said := func(r robustness) string {
		r.fit()
		var b strings.Builder
		if err := r.print(&b); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	all := said(parted())
	for _, want := range []string{"60 steps of 64", "·√KL to step 3", "slope over the deviation within prompts 0.50 ± ", "from step 3", "α 1.00", "at √KL = 2.7"} {
		if !strings.Contains(all, want) {
			t.Errorf("no %q in\n%s", want, all)
		}
	}
	alone := parted()
	alone.Course.Test, alone.Course.Gold = nil, nil
	text := said(alone)
	for _, want := range []string{"to step 60", "name one by -test-pm", "only the synthetic world"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, "from step") {
		t.Errorf("a divergence from nothing:\n%s", text)
	}
}

func TestRobustnessArguments(t *testing.T) {
	for line, want := range map[string]string{
		"robustness":                "-run is missing",
		"robustness -run p -n 1":    "-n 1, want 2 or more",
		"robustness -run p -n many": "invalid value",
	} {
		d := newDesk(nil)
		if err := analysesCommands(d.shell).run(t.Context(), strings.Fields(line), &d.err); err == nil || !strings.Contains(err.Error()+d.err.String(), want) {
			t.Errorf("%s: %v, want %q", line, err, want)
		}
	}
}

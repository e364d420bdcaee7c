package local_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"hhrlhf/rlhf"
)

// vowels is a reward that anybody can read.
func vowels(ts []rlhf.Transcript) ([]float64, error) {
	out := make([]float64, len(ts))
	for i, t := range ts {
		for _, c := range t.Response {
			if strings.ContainsRune("aeiou", c) {
				out[i]++
			}
		}
	}
	return out, nil
}

// StepsWith is the phases with the reward in the score's place, and what a reward does
// wrong costs the step in progress and nothing else.
func TestStepsWith(t *testing.T) {
	a, b := t.TempDir(), t.TempDir()
	run := func(dir string) rlhf.PPORun {
		l := open(t, dir)
		m, err := l.LM("lm", lmConfig)
		if err != nil {
			t.Fatal(err)
		}
		train(t, m, 2)
		cfg := ppoConfig()
		cfg.PM, cfg.Data = "", rlhf.Synth
		r, err := l.PPO("ppo", cfg)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	with := run(a)
	steps := func(n int, reward rlhf.Reward) (done int, err error) {
		for e, failed := range rlhf.StepsWith(with, n, reward) {
			if failed != nil {
				return e.Step, failed
			}
			if e.Point != nil {
				done = e.Step
			}
		}
		return done, nil
	}
	if done, err := steps(2, vowels); done != 2 || err != nil {
		t.Fatalf("%d steps, %v", done, err)
	}
	for _, c := range []struct {
		name   string
		reward rlhf.Reward
		want   string
	}{
		{"panic", func([]rlhf.Transcript) ([]float64, error) { var m map[string]int; m["x"] = 1; return nil, nil }, "panicked at step 3"},
		{"NaN", func(ts []rlhf.Transcript) ([]float64, error) { x, _ := vowels(ts); x[2] = math.NaN(); return x, nil }, "score NaN for row 2, the response"},
		{"beyond float32", func(ts []rlhf.Transcript) ([]float64, error) { x, _ := vowels(ts); x[0] = 1e60; return x, nil }, "score 1e+60 for row 0"},
		{"too few", func(ts []rlhf.Transcript) ([]float64, error) { return []float64{1}, nil }, "1 scores for 8 responses"},
		{"error", func([]rlhf.Transcript) ([]float64, error) { return nil, errors.New("out of paper") }, "out of paper"},
	} {
		if _, err := steps(1, c.reward); !errors.Is(err, rlhf.ErrReward) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	if done, err := steps(2, vowels); done != 4 || err != nil {
		t.Fatalf("after the failures: step %d, %v", done, err)
	}
	for e, err := range with.Steps(1) {
		if err != nil && !strings.Contains(err.Error(), "StepsWith") || err == nil && e.Point != nil {
			t.Errorf("Steps without a PM: %+v, %v", e, err)
		}
	}

	hand := run(b)
	for range 4 {
		batch, err := hand.Rollout()
		if err != nil {
			t.Fatal(err)
		}
		if err := hand.Score(batch); err != nil {
			t.Fatal(err)
		}
		for i := range batch.Score {
			x, _ := vowels([]rlhf.Transcript{{Response: batch.Responses[i]}})
			batch.Score[i] = float32(x[0])
		}
		if err := errors.Join(hand.Shape(batch), hand.Advantages(batch)); err != nil {
			t.Fatal(err)
		}
		if _, err := hand.Update(batch); err != nil {
			t.Fatal(err)
		}
	}
	same(t, a, b, "ppo")
}

package lab_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"hhrlhf/kernel/engine"
	"hhrlhf/kernel/engine/enginetest"
	"hhrlhf/kernel/lab"
	"hhrlhf/rlhf"
)

// A cell's view: make a run, or reopen it, and train while looking on. The
// engine of this example serves a lab of arithmetic.
func Example() {
	stop := exampleEngine()
	defer stop()

	var s = lab.Attach() // a declaration of the notebook's first cell

	run := lab.Must(s.PPO("ppo-1", rlhf.PPO{Policy: "lm", PM: "pm", KLCoef: 0.001}))
	for ev, err := range run.Steps(3) {
		lab.Check(err)
		fmt.Printf("step %d of %d: score %.2f\n", ev.Step, ev.Of, ev.Point.Values["objective/score"])
	}
	// Output:
	// step 1 of 3: score 0.09
	// step 2 of 3: score 0.14
	// step 3 of 3: score 0.06
}

// A step taken apart: whoever holds the batch between two phases may change it.
// Here the reward is a rule of the cell's own.
func Example_reward() {
	stop := exampleEngine()
	defer stop()

	var s = lab.Attach()
	run := lab.Must(s.PPO("ppo-1", rlhf.PPO{Policy: "lm", PM: "pm"}))
	b := lab.Must(run.Rollout())
	lab.Check(run.Score(b))
	for row := range b.Score {
		b.Score[row] = float32(-b.Length(row)) // be brief
	}
	lab.Check(run.Shape(b))
	lab.Check(run.Advantages(b))
	p := lab.Must(run.Update(b))
	fmt.Println("updated, step", p.Step, "with scores", b.Score)
	// Output:
	// updated, step 1 with scores [-2 -4 -3 -6]
}

// exampleEngine serves a new lab where RLHF_ENGINE_SOCK says, as the kernel does.
func exampleEngine() (stop func()) {
	dir := lab.Must(os.MkdirTemp("", "lab"))
	os.Setenv("RLHF_ENGINE_SOCK", filepath.Join(dir, "s"))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	l := lab.Must(enginetest.New(enginetest.Options{}))
	go func() { done <- engine.Serve(ctx, engine.Options{Socket: os.Getenv("RLHF_ENGINE_SOCK"), Lab: l}) }()
	return func() {
		cancel()
		lab.Check(<-done)
		lab.Check(os.RemoveAll(dir))
	}
}

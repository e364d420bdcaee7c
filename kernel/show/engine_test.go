package show_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hhrlhf/kernel/engine"
	"hhrlhf/kernel/engine/enginetest"
	"hhrlhf/kernel/lab"
	"hhrlhf/kernel/show"
	"hhrlhf/rlhf"
)

// Two notebooks on one engine: the one trains, the other draws what the first one's run
// does, to its end, with the responses that the run keeps.
func TestRunThroughAnEngine(t *testing.T) {
	arithmetic, err := enginetest.New(enginetest.Options{Step: 30 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "show") // short: it becomes the path of a socket
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	socket := filepath.Join(dir, "s")
	ctx, cancel := context.WithCancel(t.Context())
	ready, served := make(chan struct{}), make(chan error, 1)
	go func() {
		served <- engine.Serve(ctx, engine.Options{Socket: socket, Lab: arithmetic, Ready: func() { close(ready) }})
	}()
	<-ready
	defer func() {
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
	}()

	first, second := lab.Open(lab.Options{Socket: socket}), lab.Open(lab.Options{Socket: socket})
	run, err := first.PPO("tour-ppo", rlhf.PPO{Policy: "lm", PM: "pm", Planned: 60, KLTarget: 6, KLCoef: 0.1})
	if err != nil {
		t.Fatal(err)
	}
	begun, trained := make(chan struct{}), make(chan error, 1)
	go func() {
		for e, err := range run.Train() {
			if err != nil {
				trained <- err
				return
			}
			if e.Step == 3 {
				close(begun)
			}
		}
		trained <- nil
	}()
	<-begun
	var panels []show.PanelFrame
	show.Frames(t, func(f show.Frame) { panels = f.Panels })
	var pictures, below []show.Shown
	for _, s := range catch(t, func() { show.Run(second, "tour-ppo") }) {
		if s.PNG != nil {
			pictures = append(pictures, s)
		} else {
			below = append(below, s)
		}
	}
	if err := <-trained; err != nil {
		t.Error(err)
	}
	if len(pictures) < 2 || !strings.Contains(last(pictures).Text, "steps 1 to 60") || !strings.Contains(last(below).Text, "step 60 of 60 · done") {
		t.Errorf("%d pictures, the last says %q, below it %q", len(pictures), last(pictures).Text, last(below).Text)
	}
	if kl := panels[1]; kl.Right == [2]float64{} {
		t.Error("the target of the run's configuration has no band")
	}
	if scores := panels[4]; scores.Blank {
		t.Error("the scores of the responses that the run has kept are not drawn")
	}
}

package online_test

import (
	"context"
	"reflect"
	"strings"
	"testing"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/internal/gx"
	"hhrlhf/rlhf/local"
	"hhrlhf/rlhf/online"
	"hhrlhf/rlhf/run"
)

// longer is a labeller that even a model of six steps can please.
type longer struct{}

func (longer) Label(_ context.Context, q online.Question) (online.Verdict, error) {
	switch a, b := len(q.A), len(q.B); {
	case a > b:
		return online.A, nil
	case a < b:
		return online.B, nil
	}
	return online.Unsure, nil
}

// modelLoop opens a loop over real models, the smallest that go through every stage.
func modelLoop(t *testing.T, dir string) (*local.Lab, *online.Loop) {
	t.Helper()
	gx.TestBackend(t)
	spec, err := gx.TestSpec()
	if err != nil {
		t.Fatal(err)
	}
	l, err := local.Open(local.Options{Dir: dir, Backend: spec})
	if err != nil {
		t.Fatal(err)
	}
	m, err := l.LM("lm", rlhf.LM{Data: rlhf.SynthSmall, Layers: 1, Width: 32, Heads: 2, Context: 64, Vocab: 400, Batch: 4, Rows: 400, Planned: 6, Warmup: 2})
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range m.Train() {
		if err != nil {
			t.Fatal(err)
		}
	}
	loop, err := online.Open(l, "loop", online.Config{
		Size: rlhf.Tiny, LM: "lm", Rounds: 1, Base: 40, RS: 24, Online: 24, K: 2, Snapshots: 2, Trial: 10, Control: -1,
		PM:  rlhf.PM{Batch: 8},
		PPO: rlhf.PPO{Planned: 4, Prompt: 32, Response: 12, Batch: 8},
	}, online.Options{Labeller: longer{}})
	if err != nil {
		t.Fatal(err)
	}
	return l, loop
}

// A loop over real models that is broken off in the middle of every training, at every
// snapshot and at every stage's beginning, with everything loaded again from disk, is bit
// for bit the loop that ran straight: files, metrics, weights.
func TestModelsInterrupted(t *testing.T) {
	if testing.Short() {
		t.Skip("trains and compiles for half a minute; -short is set")
	}
	straight, broken := t.TempDir(), t.TempDir()
	_, loop := modelLoop(t, straight)
	finish(t, loop)
	l, loop := modelLoop(t, broken)
	cuts := map[string]bool{}
	for done := false; !done; {
		done = true
		for e, err := range loop.Train() {
			if err != nil {
				t.Fatal(err)
			}
			at := e.Message // once at each stage and each part of one
			if e.Point != nil {
				at = ""
				if e.Step == 1 || e.Step == 2 && e.Kind == "ppo" {
					at = e.Run + " after " + strings.Repeat("I", e.Step)
				}
			} else if e.Kind != online.Kind {
				at = ""
			}
			if at != "" && !cuts[at] {
				cuts[at], done = true, false
				break
			}
		}
		if done {
			break
		}
		if len(cuts)%4 == 0 { // else the same process goes on, which is faster
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(cuts) < 15 {
		t.Errorf("interrupted at %d places only: %v", len(cuts), cuts)
	}
	sameFiles(t, "files", files(t, loop.Dir()), files(t, straight+"/.online/loop"))
	a, b := store(t, straight), store(t, broken)
	runs, err := a.List()
	if err != nil || len(runs) != 1+2+1+2 { // base, preference models, policy, snapshots
		t.Fatalf("%d runs, %v", len(runs), err)
	}
	for _, m := range runs {
		pointsA, ckA := content(t, a, m.Name)
		pointsB, ckB := content(t, b, m.Name)
		if !reflect.DeepEqual(pointsA, pointsB) {
			t.Errorf("%s: metrics differ", m.Name)
		}
		if ckA.Step != ckB.Step || string(ckA.State) != string(ckB.State) || !reflect.DeepEqual(ckA.Tensors, ckB.Tensors) {
			t.Errorf("%s: checkpoints of steps %d and %d differ", m.Name, ckA.Step, ckB.Step)
		}
	}
	_, snapshot := content(t, a, "loop-ppo-1-s2")
	if _, last := content(t, a, "loop-ppo-1-s4"); reflect.DeepEqual(snapshot.Tensors, last.Tensors) {
		t.Error("the snapshots of steps 2 and 4 are one model: equality means nothing here")
	}
}

func store(t *testing.T, dir string) *run.Store {
	t.Helper()
	s, err := run.OpenStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// content reads a run's metrics, wall times left out, and its newest checkpoint.
func content(t *testing.T, s *run.Store, name string) ([]rlhf.Point, *run.Checkpoint) {
	t.Helper()
	r, err := s.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	ck, err := r.LoadCheckpoint()
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	points, err := r.Metrics()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range points {
		for k := range p.Values {
			if strings.HasPrefix(k, "time/") {
				delete(p.Values, k)
			}
		}
	}
	return points, ck
}

package lab_test

import (
	"context"
	"iter"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hhrlhf/kernel/engine"
	"hhrlhf/kernel/engine/enginetest"
	"hhrlhf/kernel/lab"
	"hhrlhf/rlhf"
)

// shortDir is t.TempDir without the test's name, which could make a socket's
// path too long.
func shortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "lab")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// start serves an arithmetic lab and returns it with a session.
func start(t testing.TB, o enginetest.Options) (*enginetest.Lab, *lab.Session, string) {
	t.Helper()
	fake, err := enginetest.New(o)
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(shortDir(t), "s")
	serveWith(t, engine.Options{Lab: fake, Socket: socket, Still: o.Still})
	return fake, lab.Open(lab.Options{Socket: socket}), socket
}

func serve(t testing.TB, l rlhf.Lab, socket string) {
	t.Helper()
	serveWith(t, engine.Options{Lab: l, Socket: socket})
}

func serveWith(t testing.TB, o engine.Options) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready := make(chan struct{})
	done := make(chan error, 1)
	o.Ready = func() { close(ready) }
	go func() { done <- engine.Serve(ctx, o) }()
	<-ready
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
}

func must[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// ppo makes a run called name.
func ppo(t testing.TB, l rlhf.Lab, name string) rlhf.PPORun {
	t.Helper()
	return must[rlhf.PPORun](t)(l.PPO(name, rlhf.PPO{Policy: "lm", PM: "pm"}))
}

// exercise calls every method of a lab and returns all that it returns.
func exercise(l rlhf.Lab) []any {
	var out []any
	note := func(v any, err error) {
		out = append(out, v)
		if err != nil {
			out = append(out, err.Error())
		}
	}
	stretch := func(name string, events func(func(rlhf.Event, error) bool)) {
		out = append(out, name)
		for ev, err := range events {
			note(ev, err)
		}
	}
	const prompt = "\n\nHuman: 1 < 2 & \"é\"?\n\nAssistant:"

	lmRun, err := l.LM("words", rlhf.LM{Size: rlhf.Tiny, Seed: math.MaxUint64, LearningRate: 0.1 + 0.2})
	note(nil, err)
	note(lmRun.Info())
	stretch("lm steps", lmRun.Steps(6))
	stretch("lm train", lmRun.Train())
	stretch("lm trained", lmRun.Train())
	note(lmRun.Sample([]string{prompt, prompt}, rlhf.Sampling{Seed: math.MaxUint64 - 1, Temperature: -1}))
	note(lmRun.Sample(nil, rlhf.Sampling{}))
	note(lmRun.Evaluate())
	note(lmRun.EvaluateOn("somewhere", 3))
	note(lmRun.Read("one two three"))
	written := func(name string, pieces iter.Seq2[string, error]) {
		out = append(out, name)
		for text, err := range pieces {
			note(text, err)
		}
	}
	note(lmRun.LogP([]rlhf.Transcript{{Prompt: prompt, Response: " Yes."}, {Prompt: prompt, Response: " No, not at all."}}))
	note(lmRun.Predict([]rlhf.Transcript{{Prompt: "one", Response: " two three"}}))
	note(lmRun.Activations(slices.Repeat([]string{prompt, "é"}, rlhf.ProbedAtOnce), rlhf.Probe{Layers: []int{0, 2}})) // in two parts
	note(lmRun.Activations([]string{prompt}, rlhf.Probe{Layers: []int{1}, Pool: rlhf.MeanToken}))
	note(lmRun.Activations(nil, rlhf.Probe{}))
	written("stream", lmRun.Stream("one two three", rlhf.Sampling{TopK: 3}))
	written("chat", lmRun.Chat([]rlhf.Turn{{Text: "hello there"}}, rlhf.Sampling{TopP: 0.5}))
	written("chat about nothing", lmRun.Chat(nil, rlhf.Sampling{}))
	for range lmRun.Stream("one two three", rlhf.Sampling{}) {
		break // and the run goes on
	}
	note(lmRun.History())

	distilled, err := l.Distill("kind", rlhf.Distill{Teacher: "words"})
	note(nil, err)
	note(distilled.Info())
	stretch("distill steps", distilled.Steps(2))
	note(distilled.Evaluate())
	_, err = l.Distill("kind-2", rlhf.Distill{Top: -1}) // several faults at once
	note(nil, err)

	direct, err := l.Direct("kind-3", rlhf.Direct{LM: "words", Loss: "dpo"})
	note(nil, err)
	note(direct.Info())
	stretch("direct steps", direct.Steps(2))
	_, err = l.Direct("kind-4", rlhf.Direct{Beta: -1})
	note(nil, err)

	pmRun, err := l.PM("judge", rlhf.PM{LM: "words"})
	note(nil, err)
	note(pmRun.Info())
	stretch("pm steps", pmRun.Steps(2))
	note(pmRun.Score([]rlhf.Transcript{{Prompt: prompt, Response: " Yes."}, {Prompt: prompt, Response: " No, not at all."}}))
	note(pmRun.Activations([]string{prompt, "two"}, rlhf.Probe{Layers: []int{1}}))
	note(pmRun.Evaluate())
	note(pmRun.EvaluateOn("other.jsonl", 7))
	note(pmRun.EvaluateOn("", 0))
	note(pmRun.Comparisons(3))
	note(pmRun.Comparisons(0))
	note(pmRun.BestOf("words", []string{prompt, prompt}, 3, rlhf.Sampling{Seed: math.MaxUint64}))
	note(pmRun.BestOf("words", []string{prompt}, 0, rlhf.Sampling{}))
	note(pmRun.BestOf("nobody", []string{prompt}, 2, rlhf.Sampling{}))
	note(pmRun.BestOf("words", nil, 2, rlhf.Sampling{}))

	ppoRun, err := l.PPO("p-1", rlhf.PPO{Policy: "words", PM: "judge", KLCoef: 1e-3})
	note(nil, err)
	stretch("ppo steps", ppoRun.Steps(5))
	b, err := ppoRun.Rollout()
	note(*b, err)
	note(*b, ppoRun.Score(b))
	note(*b, ppoRun.Shape(b))
	note(*b, ppoRun.Advantages(b))
	note(ppoRun.Update(b))
	note(*b, ppoRun.Score(b)) // an error: the step is done
	note(ppoRun.Sample([]string{prompt}, rlhf.Sampling{MaxTokens: 3}))
	note(ppoRun.Compare(2))
	snapshot, err := ppoRun.Snapshot("p-1-at-6")
	note(nil, err)
	note(snapshot.Info())
	note(snapshot.Sample([]string{prompt}, rlhf.Sampling{}))
	_, err = ppoRun.Snapshot("words") // a name that is taken
	note(nil, err)
	note(ppoRun.History())
	note(ppoRun.Info())

	again, err := l.OpenPPO("p-1")
	note(nil, err)
	note(again.Info())
	_, err = l.OpenLM("words")
	note(nil, err)
	_, err = l.OpenPM("judge")
	note(nil, err)
	_, err = l.OpenPM("words") // of another kind
	note(nil, err)
	_, err = l.OpenLM("nobody")
	note(nil, err)
	_, err = l.PPO("p-1", rlhf.PPO{Policy: "words", PM: "judge"}) // another configuration
	note(nil, err)
	_, err = l.PPO("p-2", rlhf.PPO{Batch: -1}) // several faults at once
	note(nil, err)
	_, err = l.LM("a/b", rlhf.LM{})
	note(nil, err)
	note(l.Runs())
	note(l.History("judge"))
	note(l.History("nobody"))
	note(l.Written("p-1", 3))
	note(l.Written("p-1", 0))
	note(l.Written("judge", 0))
	note(l.Written("p-1", -1))
	note(l.Written("nobody", 1))
	note(ppoRun.Written(5))
	stretch("watching what is done", l.Watch("words"))
	stretch("watching what stands still", l.Watch("p-1"))
	stretch("watching nobody", l.Watch("nobody"))
	st, err := l.Status()
	st.Socket, st.RSSBytes = "", 0
	note(st, err)
	note(nil, l.Remove("judge"))
	note(nil, l.Remove("judge"))
	note(l.Runs())
	stretch("removed", pmRun.Steps(1))
	return out
}

// Whatever the lab of the process returns, the session returns: numbers bit for
// bit, errors word for word.
func TestSameAsInProcess(t *testing.T) {
	o := enginetest.Options{Still: 50 * time.Millisecond}
	local := must[*enginetest.Lab](t)(enginetest.New(o))
	want := exercise(local)
	fake, s, _ := start(t, o)
	got := exercise(s)
	// A handle of a removed run still works in the fake; by name it can't.
	last := got[len(got)-1]
	if text, ok := last.(string); !ok || !strings.Contains(text, `no run "judge"`) {
		t.Errorf("steps of a removed run: %v", last)
	}
	cut := func(out []any) []any {
		for i, v := range out {
			if v == "removed" {
				return out[:i]
			}
		}
		return out
	}
	if diff := cmp.Diff(cut(want), cut(got)); diff != "" {
		t.Errorf("in process (-), over the socket (+):\n%s", diff)
	}
	if n := fake.Overlaps(); n != 0 {
		t.Errorf("%d overlaps", n)
	}
}

// A batch comes back bit for bit, whatever the cell has put in it.
func TestBatchBits(t *testing.T) {
	_, s, _ := start(t, enginetest.Options{})
	run := ppo(t, s, "p")
	b := must[*rlhf.Batch](t)(run.Rollout())
	r := rand.New(rand.NewPCG(3, 4))
	for i := range b.LogPSample {
		for j := range b.LogPSample[i] {
			for {
				if b.LogPSample[i][j] = math.Float32frombits(r.Uint32()); b.LogPSample[i][j]-b.LogPSample[i][j] == 0 {
					break
				}
			}
		}
	}
	b.LogPSample[0] = append(b.LogPSample[0], float32(math.Copysign(0, -1)), math.SmallestNonzeroFloat32, -math.MaxFloat32)
	sent := *b
	if err := run.Score(b); err != nil {
		t.Fatal(err)
	}
	for i, row := range sent.LogPSample {
		for j, want := range row {
			if got := b.LogPSample[i][j]; math.Float32bits(got) != math.Float32bits(want) {
				t.Fatalf("LogPSample[%d][%d]: %x became %x", i, j, math.Float32bits(want), math.Float32bits(got))
			}
		}
	}
	sent.Score, sent.LogP, sent.LogPRef, sent.Value = b.Score, b.LogP, b.LogPRef, b.Value
	if diff := cmp.Diff(sent, *b); diff != "" {
		t.Errorf("the other fields changed:\n%s", diff)
	}
}

func TestBatchRefused(t *testing.T) {
	fake, s, _ := start(t, enginetest.Options{})
	run := ppo(t, s, "p")
	b := must[*rlhf.Batch](t)(run.Rollout())
	b.LogPSample[2][3] = float32(math.NaN())
	before := len(fake.Calls())
	err := run.Score(b)
	if err == nil || !strings.Contains(err.Error(), "Batch.LogPSample[2][3] is NaN (row 2, slot 3)") {
		t.Errorf("NaN: %v", err)
	}
	b.LogPSample[2][3] = 0
	b.Score = []float32{1, float32(math.Inf(1))}
	if _, err := run.Update(b); err == nil || !strings.Contains(err.Error(), "Batch.Score[1] is +Inf (row 1)") {
		t.Errorf("Inf: %v", err)
	}
	if n := len(fake.Calls()) - before; n != 0 {
		t.Errorf("%d calls reached the lab", n)
	}
	if err := run.Shape(nil); err == nil {
		t.Error("a nil batch was sent")
	}
	if _, err := run.Update(nil); err == nil {
		t.Error("a nil batch was sent")
	}
	// An error of the lab leaves the batch as it was.
	b.Score, b.Step = nil, 77
	sent := *b
	if err := run.Score(b); err == nil || !strings.Contains(err.Error(), "step 77") {
		t.Errorf("wrong step: %v", err)
	}
	if diff := cmp.Diff(sent, *b); diff != "" {
		t.Errorf("the batch changed:\n%s", diff)
	}
	if _, err := s.PPO("q", rlhf.PPO{Policy: "lm", PM: "pm", KLCoef: math.NaN()}); err == nil || !strings.Contains(err.Error(), "PPO.KLCoef is NaN") {
		t.Errorf("config: %v", err)
	}
	if _, err := s.LM("", rlhf.LM{}); err == nil || !strings.Contains(err.Error(), "needs a name") {
		t.Errorf("no name: %v", err)
	}
}

func TestSize(t *testing.T) {
	t.Setenv("RLHF_SIZE", "")
	if got := lab.Size(); got != rlhf.Default {
		t.Errorf("unset: %q", got)
	}
	t.Setenv("RLHF_SIZE", "tiny")
	if got := lab.Size(); got != rlhf.Tiny {
		t.Errorf("tiny: %q", got)
	}
}

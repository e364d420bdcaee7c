package lab_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hhrlhf/kernel/engine"
	"hhrlhf/kernel/engine/enginetest"
	"hhrlhf/kernel/engine/wire"
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
	serve(t, fake, socket)
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
	note(lmRun.History())

	pmRun, err := l.PM("judge", rlhf.PM{LM: "words"})
	note(nil, err)
	note(pmRun.Info())
	stretch("pm steps", pmRun.Steps(2))
	note(pmRun.Score([]rlhf.Transcript{{Prompt: prompt, Response: " Yes."}, {Prompt: prompt, Response: " No, not at all."}}))
	note(pmRun.Evaluate())
	note(pmRun.Comparisons(3))
	note(pmRun.Comparisons(0))

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
	note(l.Status())
	note(nil, l.Remove("judge"))
	note(nil, l.Remove("judge"))
	note(l.Runs())
	stretch("removed", pmRun.Steps(1))
	return out
}

// Whatever the lab of the process returns, the session returns: numbers bit for
// bit, errors word for word.
func TestSameAsInProcess(t *testing.T) {
	local := must[*enginetest.Lab](t)(enginetest.New(enginetest.Options{}))
	want := exercise(local)
	fake, s, _ := start(t, enginetest.Options{})
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

// Ending the context stops training at a step boundary; the error says where,
// and the next call goes on from there.
func TestInterrupt(t *testing.T) {
	fake, s, _ := start(t, enginetest.Options{Step: 30 * time.Millisecond})
	ppo(t, s, "p")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	run := must[rlhf.PPORun](t)(s.With(ctx).OpenPPO("p"))
	var steps []int
	var failed error
	for ev, err := range run.Steps(100) {
		if err != nil {
			failed = err
			break
		}
		steps = append(steps, ev.Step)
		if ev.Step == 3 {
			cancel()
		}
	}
	runs := must[[]rlhf.RunInfo](t)(fake.Runs())
	at := runs[0].Step
	if at != 3 && at != 4 {
		t.Errorf("the run is at step %d", at)
	}
	want := fmt.Sprintf("steps of p interrupted at step %d of 100; the run is kept: run the cell again to go on", at)
	if failed == nil || failed.Error() != want || !errors.Is(failed, context.Canceled) {
		t.Errorf("got error %v, want %q", failed, want)
	}
	var remote *lab.Error
	if !errors.As(failed, &remote) || remote.Step != at {
		t.Errorf("error %#v", failed)
	}
	if len(steps) != at {
		t.Errorf("events of steps %v; the run is at step %d", steps, at)
	}
	if _, err := run.Rollout(); !errors.Is(err, context.Canceled) {
		t.Errorf("a call after the end: %v", err)
	}
	run = must[rlhf.PPORun](t)(s.OpenPPO("p"))
	for ev, err := range run.Steps(1) {
		if err != nil || ev.Step != at+1 {
			t.Errorf("goes on with step %d, %v", ev.Step, err)
		}
	}
	if points := must[[]rlhf.Point](t)(run.History()); len(points) != at+1 {
		t.Errorf("%d points", len(points))
	}
}

// Breaking off the loop waits for the step in progress.
func TestBreak(t *testing.T) {
	fake, s, _ := start(t, enginetest.Options{Step: 30 * time.Millisecond})
	run := ppo(t, s, "p")
	for ev, err := range run.Steps(100) {
		if err != nil {
			t.Fatal(err)
		}
		if ev.Step == 2 {
			break
		}
	}
	at := must[[]rlhf.RunInfo](t)(fake.Runs())[0].Step
	if at != 2 && at != 3 {
		t.Errorf("the run is at step %d", at)
	}
	if st := must[rlhf.Status](t)(s.Status()); st.Busy != "" {
		t.Errorf("still busy: %s", st.Busy)
	}
	time.Sleep(100 * time.Millisecond)
	if now := must[[]rlhf.RunInfo](t)(fake.Runs())[0].Step; now != at {
		t.Errorf("went on from step %d to %d", at, now)
	}
}

func TestDeadline(t *testing.T) {
	_, s, _ := start(t, enginetest.Options{Step: 30 * time.Millisecond})
	ppo(t, s, "p")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	run := must[rlhf.PPORun](t)(s.With(ctx).OpenPPO("p"))
	var failed error
	for _, err := range run.Steps(1000) {
		failed = err
	}
	if !errors.Is(failed, context.DeadlineExceeded) || !strings.Contains(failed.Error(), "interrupted at step") {
		t.Errorf("got %v", failed)
	}
}

// The device serves one call at a time in the order of arrival, and reads don't
// wait for it.
func TestFirstComeFirstServed(t *testing.T) {
	gate := make(chan struct{}) // keeps the device in the middle of a step
	fake, a, socket := start(t, enginetest.Options{Hook: func(method, run string) error {
		if method == "Step" && run == "long" {
			<-gate
		}
		return nil
	}})
	release := sync.OnceFunc(func() { close(gate) })
	defer release() // also where the test fails
	ppo(t, a, "long")
	for i := range 4 {
		ppo(t, a, fmt.Sprintf("short-%d", i))
	}
	var wg sync.WaitGroup
	run := must[rlhf.PPORun](t)(a.OpenPPO("long"))
	wg.Go(func() {
		for _, err := range run.Steps(20) {
			if err != nil {
				t.Error(err)
			}
		}
	})
	for must[rlhf.Status](t)(a.Status()).Busy == "" {
		time.Sleep(time.Millisecond)
	}
	waitFor := func(n int) {
		for must[rlhf.Status](t)(a.Status()).Waiting < n {
			time.Sleep(time.Millisecond)
		}
	}
	var messages []string
	for i := range 4 {
		b := lab.Open(lab.Options{Socket: socket})
		run := must[rlhf.PPORun](t)(b.OpenPPO(fmt.Sprintf("short-%d", i))) // a read: it doesn't wait
		wg.Go(func() {
			if i%2 == 1 {
				if _, err := run.Rollout(); err != nil {
					t.Error(err)
				}
				return
			}
			for ev, err := range run.Steps(1) {
				if err != nil {
					t.Error(err)
				}
				if i == 0 && ev.Message != "" {
					messages = append(messages, ev.Message)
				}
			}
		})
		waitFor(i + 1)
	}
	// Measure the reads while the device is busy.
	var slowest time.Duration
	for range 20 {
		for _, read := range []func() error{
			func() error { _, err := a.Status(); return err },
			func() error { _, err := a.Runs(); return err },
			func() error { _, err := a.History("long"); return err },
			func() error { _, err := a.OpenPPO("short-0"); return err },
		} {
			start := time.Now()
			if err := read(); err != nil {
				t.Error(err)
			}
			slowest = max(slowest, time.Since(start))
		}
	}
	st := must[rlhf.Status](t)(a.Status())
	if want := fmt.Sprintf("long is at step 0/20 (pid %d)", os.Getpid()); st.Busy != want || st.Waiting != 4 {
		t.Errorf("status: %+v, want busy %q and 4 waiting", st, want)
	}
	// A read that waited for the device would never have come back.
	t.Logf("slowest of 80 reads during a step: %v", slowest)
	release()
	wg.Wait()
	if len(messages) == 0 || !strings.HasPrefix(messages[0], "waiting: long is at step ") {
		t.Errorf("messages of who waits: %q", messages)
	}
	var order []string
	for _, call := range fake.Calls() {
		if !strings.HasPrefix(call, "Create") {
			order = append(order, call)
		}
	}
	want := []string{"Steps long", "Steps short-0", "Rollout short-1", "Steps short-2", "Rollout short-3"}
	if diff := cmp.Diff(want, order); diff != "" {
		t.Errorf("order:\n%s", diff)
	}
	if n := fake.Overlaps(); n != 0 {
		t.Errorf("%d overlaps", n)
	}
}

// A cell that waits for the device says so.
func TestWaitingIsTold(t *testing.T) {
	gate := make(chan struct{})
	_, s, socket := start(t, enginetest.Options{Hook: func(method, run string) error {
		if method == "Rollout" && run == "first" {
			<-gate
		}
		return nil
	}})
	release := sync.OnceFunc(func() { close(gate) })
	defer release()
	first := ppo(t, s, "first")
	ppo(t, s, "second")
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		if _, err := first.Rollout(); err != nil {
			t.Error(err)
		}
	})
	for must[rlhf.Status](t)(s.Status()).Busy == "" {
		time.Sleep(time.Millisecond)
	}
	cell := spawn(t, "rollout", "RLHF_ENGINE_SOCK="+socket)
	time.AfterFunc(3500*time.Millisecond, release) // it speaks after 2 s
	if got := cell.line(t); got != "done" {
		t.Errorf("the cell prints %q", got)
	}
	cell.end(t, 4*time.Second)
	want := fmt.Sprintf("rollout of second: waiting, first is at rollout (pid %d)\n", os.Getpid())
	if got := cell.err.String(); got != want {
		t.Errorf("the cell says %q, want %q", got, want)
	}
}

// Who waits in line can leave it.
func TestLeaveTheLine(t *testing.T) {
	fake, s, _ := start(t, enginetest.Options{Step: 20 * time.Millisecond})
	first, second := ppo(t, s, "first"), ppo(t, s, "second")
	for ev, err := range first.Steps(1000) {
		if err != nil {
			t.Fatal(err)
		}
		if ev.Step != 1 {
			continue
		}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		waiter := must[rlhf.PPORun](t)(s.With(ctx).OpenPPO("second"))
		start := time.Now()
		_, err := waiter.Rollout()
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 2*time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		for _, err := range waiter.Steps(1) {
			if err == nil {
				t.Error("a step after the deadline")
			}
		}
		if st := must[rlhf.Status](t)(s.Status()); st.Waiting != 0 {
			t.Errorf("%d in line", st.Waiting)
		}
		break
	}
	if _, err := second.Rollout(); err != nil {
		t.Error(err)
	}
	if n := fake.Overlaps(); n != 0 {
		t.Errorf("%d overlaps", n)
	}
}

// A loop whose body is slow keeps neither the training nor the next in line.
func TestSlowReader(t *testing.T) {
	fake, s, _ := start(t, enginetest.Options{})
	run := ppo(t, s, "p")
	const n = 3000 // far more than a socket's buffer holds
	seen := 0
	for _, err := range run.Steps(n) {
		if err != nil {
			t.Fatal(err)
		}
		seen++
		if seen != 1 {
			continue
		}
		deadline := time.Now().Add(10 * time.Second)
		for must[[]rlhf.RunInfo](t)(fake.Runs())[0].Step < n {
			if time.Now().After(deadline) {
				t.Fatal("training waits for its reader")
			}
			time.Sleep(time.Millisecond)
		}
		if _, err := run.Rollout(); err != nil { // the device is free again
			t.Fatal(err)
		}
	}
	if seen != n {
		t.Errorf("%d events of %d", seen, n)
	}
}

func TestProtocolMismatch(t *testing.T) {
	socket := filepath.Join(shortDir(t), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(wire.HeaderProtocol, "1.00000000")
		w.Header().Set(wire.HeaderVersion, "abc123")
		w.Write([]byte("{}"))
	})}
	go srv.Serve(l)
	defer srv.Close()
	s := lab.Open(lab.Options{Socket: socket})
	_, err = s.Status()
	var e *lab.Error
	if !errors.As(err, &e) || e.Kind != wire.KindProtocol || !strings.Contains(err.Error(), "the engine is older than this cell") || !strings.Contains(err.Error(), "abc123") {
		t.Errorf("got %v", err)
	}
}

// The first call waits for an engine that is starting.
func TestWaitsForTheEngine(t *testing.T) {
	fake := must[*enginetest.Lab](t)(enginetest.New(enginetest.Options{}))
	socket := filepath.Join(shortDir(t), "s")
	s := lab.Open(lab.Options{Socket: socket})
	got := make(chan error, 1)
	go func() {
		_, err := s.Status()
		got <- err
	}()
	time.Sleep(100 * time.Millisecond)
	serve(t, fake, socket)
	if err := <-got; err != nil {
		t.Error(err)
	}
}

func TestNoEngine(t *testing.T) {
	dir := shortDir(t)
	log := filepath.Join(dir, "engine.log")
	var text strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&text, "line %d\n", i)
	}
	text.WriteString("out of memory\n")
	if err := os.WriteFile(log, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	s := lab.Open(lab.Options{Socket: filepath.Join(dir, "s"), Log: log, Wait: 50 * time.Millisecond})
	_, err := s.Status()
	if !errors.Is(err, lab.ErrNoEngine) || !strings.Contains(err.Error(), "restart the kernel") ||
		!strings.HasSuffix(err.Error(), "  line 999\n  out of memory") || strings.Count(err.Error(), "\n") != 13 {
		t.Errorf("got %v", err)
	}
	for _, err := range runOf(s).Steps(3) {
		if !errors.Is(err, lab.ErrNoEngine) {
			t.Errorf("stream: %v", err)
		}
	}
	start := time.Now()
	_, err = lab.Open(lab.Options{}).Status()
	if !errors.Is(err, lab.ErrNoEngine) || !strings.Contains(err.Error(), "RLHF_ENGINE_SOCK is not set") || time.Since(start) > time.Second {
		t.Errorf("no address: %v after %v", err, time.Since(start))
	}
	// The wait ends with the context.
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = lab.Open(lab.Options{Socket: filepath.Join(dir, "s")}).With(ctx).Status()
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("context: %v", err)
	}
}

// runOf returns a handle without asking anybody whether the run exists.
func runOf(s *lab.Session) rlhf.PPORun {
	run, _ := s.OpenPPO("p")
	return run
}

// An interrupt ends a call even if the engine is frozen, before GoNB loses its
// patience with the cell after 5 s.
func TestFrozenEngine(t *testing.T) {
	socket := filepath.Join(shortDir(t), "s")
	l, err := net.Listen("unix", socket) // accepts nothing, answers nothing
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err = lab.Open(lab.Options{Socket: socket}).With(ctx).Status()
	if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || took > 4800*time.Millisecond {
		t.Errorf("after %v: %v", took, err)
	}
}

// The engine may answer before it has read all that is sent to it.
func TestTooLarge(t *testing.T) {
	socket := filepath.Join(shortDir(t), "s")
	fake := must[*enginetest.Lab](t)(enginetest.New(enginetest.Options{}))
	serveWith(t, engine.Options{Lab: fake, Socket: socket, MaxBody: 10000})
	s := lab.Open(lab.Options{Socket: socket})
	must[rlhf.PMRun](t)(s.PM("judge", rlhf.PM{LM: "lm"}))
	run := must[rlhf.PMRun](t)(s.OpenPM("judge"))
	ts := []rlhf.Transcript{{Prompt: "p", Response: strings.Repeat("x", 20<<20)}}
	_, err := run.Score(ts)
	var e *lab.Error
	if !errors.As(err, &e) || e.Kind != wire.KindTooLarge || !strings.Contains(e.Message, "exceeds 10000 bytes: send fewer rows") {
		t.Errorf("got %.300v", err)
	}
	if _, err := run.Score(ts[:0]); err != nil {
		t.Errorf("the next call: %v", err)
	}
}

// Something else than an engine may listen.
func TestNotAnEngine(t *testing.T) {
	socket := filepath.Join(shortDir(t), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Write([]byte("220 mail.example ESMTP\r\n"))
			c.Close()
		}
	}()
	if _, err := lab.Open(lab.Options{Socket: socket}).Status(); err == nil || !strings.Contains(err.Error(), "not an engine") {
		t.Errorf("got %v", err)
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

// Attaching must not fail, and costs next to nothing.
func BenchmarkAttach(b *testing.B) {
	for b.Loop() {
		lab.Attach()
	}
}

// A read over the socket, connection included.
func BenchmarkStatus(b *testing.B) {
	_, s, _ := start(b, enginetest.Options{})
	for b.Loop() {
		if _, err := s.Status(); err != nil {
			b.Fatal(err)
		}
	}
}

// One phase with a batch of the size of a GPU's: 128 responses of 128 tokens.
func BenchmarkPhase(b *testing.B) {
	_, s, _ := start(b, enginetest.Options{})
	run := ppo(b, s, "p")
	batch := must[*rlhf.Batch](b)(run.Rollout())
	r := rand.New(rand.NewPCG(1, 1))
	for _, m := range []*[][]float32{&batch.LogPSample, &batch.LogP, &batch.LogPRef, &batch.Value, &batch.KL, &batch.Reward, &batch.Advantage, &batch.Return} {
		*m = nil
		for range 128 {
			row := make([]float32, 128)
			for i := range row {
				row[i] = r.Float32()
			}
			*m = append(*m, row)
		}
	}
	for b.Loop() {
		if err := run.Score(batch); err != nil {
			b.Fatal(err)
		}
	}
}

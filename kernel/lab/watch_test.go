package lab_test

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"hhrlhf/kernel/engine/enginetest"
	"hhrlhf/kernel/lab"
	"hhrlhf/rlhf"
)

// Several sessions look on while another one drives, one of them slowly: all see every
// step, and the training goes on at its own pace.
func TestWatch(t *testing.T) {
	fake, s, socket := start(t, enginetest.Options{Step: 2 * time.Millisecond})
	const n = 120
	run := must[rlhf.PPORun](t)(s.PPO("p", rlhf.PPO{Policy: "lm", PM: "pm", Planned: n}))
	for _, err := range run.Steps(10) {
		if err != nil {
			t.Fatal(err)
		}
	}
	trained := make(chan struct{})
	var all sync.WaitGroup
	watch := func(slow bool) {
		all.Go(func() {
			var steps []int
			samples, left := 0, 0
			for ev, err := range lab.Open(lab.Options{Socket: socket}).Watch("p") {
				if err != nil {
					t.Error(err)
				}
				if ev.Point != nil {
					steps = append(steps, ev.Step)
				}
				if ev.Run != "p" || ev.Kind != "ppo" {
					t.Errorf("event %+v", ev)
				}
				samples += len(ev.Samples)
				if ev.Left > 0 {
					left++
				}
				if slow && len(steps) == 3 {
					<-trained // reads nothing until the training is over
				}
			}
			if len(steps) != n || !slices.IsSorted(steps) || samples == 0 || !slow && left == 0 {
				t.Errorf("slow %v: %d steps %v, %d samples, %d with time left", slow, len(steps), steps, samples, left)
			}
		})
	}
	for _, slow := range []bool{false, true, false} {
		watch(slow)
	}
	for len(must[rlhf.Status](t)(s.Status()).Watchers) < 3 {
		time.Sleep(time.Millisecond)
	}
	// Ten steps one by one, phase by phase, then the rest: the watch lasts through all.
	for range 10 {
		b := must[*rlhf.Batch](t)(run.Rollout())
		for _, err := range []error{run.Score(b), run.Shape(b), run.Advantages(b)} {
			if err != nil {
				t.Fatal(err)
			}
		}
		must[rlhf.Point](t)(run.Update(b))
	}
	for _, err := range run.Train() {
		if err != nil {
			t.Fatal(err)
		}
	}
	close(trained)
	all.Wait()
	if w := must[rlhf.Status](t)(s.Status()).Watchers; len(w) != 0 {
		t.Errorf("watchers left: %+v", w)
	}
	if n := fake.Overlaps(); n != 0 {
		t.Errorf("%d overlaps", n)
	}
}

// The end of a watcher, by a break, a context or a signal, is not noticed by the run.
func TestWatcherEnds(t *testing.T) {
	_, s, socket := start(t, enginetest.Options{Step: 5 * time.Millisecond, Still: time.Minute})
	run := must[rlhf.PPORun](t)(s.PPO("p", rlhf.PPO{Policy: "lm", PM: "pm", Planned: 100000}))
	ctx, end := context.WithCancel(t.Context())
	defer end()
	trained := make(chan error, 1)
	go func() {
		for _, err := range must[rlhf.PPORun](t)(s.With(ctx).OpenPPO("p")).Train() {
			if err != nil {
				trained <- err
				return
			}
		}
		trained <- nil
	}()
	for range s.Watch("p") {
		break
	}
	watching, stop := context.WithCancel(t.Context())
	defer stop()
	var failed error
	for ev, err := range s.With(watching).Watch("p") {
		if failed = err; ev.Point != nil {
			stop()
		}
	}
	if !errors.Is(failed, context.Canceled) || !strings.Contains(failed.Error(), "watching p ended at step") {
		t.Errorf("context: %v", failed)
	}
	cell := spawn(t, "watch", "RLHF_ENGINE_SOCK="+socket)
	cell.line(t)
	if err := cell.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	status, _ := cell.end(t, 4*time.Second)
	if text := cell.err.String(); status.ExitStatus() != 1 || !strings.Contains(text, "✗ watching p ended at step ") || !strings.Contains(text, "not touched") {
		t.Errorf("a cell: status %d: %s", status.ExitStatus(), text)
	}
	cell = spawn(t, "watch", "RLHF_ENGINE_SOCK="+socket)
	cell.line(t)
	if err := cell.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for len(must[rlhf.Status](t)(s.Status()).Watchers) > 0 {
		time.Sleep(time.Millisecond)
	}
	select {
	case err := <-trained:
		t.Fatalf("the training ended: %v", err)
	default:
	}
	before := must[rlhf.RunInfo](t)(run.Info()).Step
	for must[rlhf.RunInfo](t)(run.Info()).Step == before {
		time.Sleep(time.Millisecond)
	}
	end()
	if err := <-trained; !errors.Is(err, context.Canceled) {
		t.Errorf("the training ended with %v", err)
	}
}

// Status names the job, those in line and the states of the runs.
func TestStatus(t *testing.T) {
	gate := make(chan struct{})
	_, s, socket := start(t, enginetest.Options{Hook: func(method, run string) error {
		if method == "Step" && run == "busy" {
			<-gate
		}
		return nil
	}})
	release := sync.OnceFunc(func() { close(gate) })
	defer release()
	for _, name := range []string{"busy", "queued", "rests"} {
		must[rlhf.PPORun](t)(s.PPO(name, rlhf.PPO{Policy: "lm", PM: "pm", Planned: 3}))
	}
	must[rlhf.PPORun](t)(s.PPO("done", rlhf.PPO{Policy: "lm", PM: "pm", Planned: 2}))
	for name, n := range map[string]int{"rests": 1, "done": 2} {
		for _, err := range must[rlhf.PPORun](t)(s.OpenPPO(name)).Steps(n) {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	var calls sync.WaitGroup
	defer calls.Wait()
	defer release()
	calls.Go(func() {
		for range must[rlhf.PPORun](t)(s.OpenPPO("busy")).Train() {
		}
	})
	for must[rlhf.Status](t)(s.Status()).Job == nil {
		time.Sleep(time.Millisecond)
	}
	calls.Go(func() { must[rlhf.PPORun](t)(s.OpenPPO("queued")).Rollout() })
	for must[rlhf.Status](t)(s.Status()).Waiting == 0 {
		time.Sleep(time.Millisecond)
	}
	st := must[rlhf.Status](t)(s.Status())
	if j := st.Job; j.Run != "busy" || j.What != "training" || j.Of != 3 || j.Since.IsZero() || !strings.HasPrefix(j.Client, "pid ") {
		t.Errorf("job %+v", j)
	}
	if len(st.Line) != 1 || st.Line[0].Run != "queued" || st.Line[0].What != "rollout" {
		t.Errorf("line %+v", st.Line)
	}
	states := map[string]string{}
	for _, r := range st.Runs {
		states[r.Name] = r.State
	}
	for name, want := range map[string]string{"busy": rlhf.StateBusy, "queued": rlhf.StateWaiting, "rests": rlhf.StateStopped, "done": rlhf.StateDone} {
		if states[name] != want {
			t.Errorf("%s is %q, want %q", name, states[name], want)
		}
	}
	if st.Socket != socket || st.PID != os.Getpid() {
		t.Errorf("socket %q, pid %d", st.Socket, st.PID)
	}
}

// Stop ends what drives a run, from any session, and says how far it was.
func TestStop(t *testing.T) {
	_, s, socket := start(t, enginetest.Options{Step: 50 * time.Millisecond})
	run := ppo(t, s, "p")
	other := lab.Open(lab.Options{Socket: socket})
	var failed error
	for ev, err := range run.Steps(100000) {
		if failed = err; err == nil && ev.Step == 3 {
			calls, step, err := other.Stop("p")
			if err != nil || len(calls) != 1 || calls[0].What != "steps" || step < 3 || step != must[rlhf.RunInfo](t)(run.Info()).Step {
				t.Errorf("%+v, %d, %v", calls, step, err)
			}
			if st := must[rlhf.Status](t)(s.Status()); st.Job != nil {
				t.Errorf("it has not come to rest: %+v", st.Job)
			}
		}
	}
	if failed == nil || !strings.Contains(failed.Error(), "steps of p was stopped from elsewhere") {
		t.Errorf("the driver: %v", failed)
	}
	if calls, step, err := other.Stop("p"); err != nil || len(calls) != 0 || step < 3 {
		t.Errorf("at rest: %+v, %d, %v", calls, step, err)
	}
	if _, _, err := other.Stop("nobody"); err == nil || !strings.Contains(err.Error(), `no run "nobody"`) {
		t.Errorf("unknown: %v", err)
	}
}

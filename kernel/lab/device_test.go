package lab_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hhrlhf/kernel/engine/enginetest"
	"hhrlhf/kernel/lab"
	"hhrlhf/rlhf"
)

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

package lab_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"hhrlhf/kernel/engine"
	"hhrlhf/kernel/engine/enginetest"
	"hhrlhf/kernel/lab"
)

// TestMain is also the program of the child processes: engines and cells, to be
// killed. In the test's own process it checks that no goroutine is left behind.
func TestMain(m *testing.M) {
	if role := os.Getenv("LAB_TEST_CHILD"); role != "" {
		child(role)
		os.Exit(0)
	}
	code := m.Run()
	if left := leaked(5 * time.Second); code == 0 && left != "" {
		fmt.Fprintln(os.Stderr, "goroutines left behind:\n"+left)
		code = 1
	}
	os.Exit(code)
}

// child plays a part. "attach" and friends are what cells do.
func child(role string) {
	s := lab.Attach()
	switch role {
	case "engine":
		l, err := enginetest.New(enginetest.Options{Dir: os.Getenv("LAB_TEST_DIR"), Step: 20 * time.Millisecond})
		lab.Check(err)
		fmt.Fprintln(os.Stderr, "engine of the test begins")
		lab.Check(engine.Serve(context.Background(), engine.Options{
			Socket: os.Getenv("RLHF_ENGINE_SOCK"), Lab: l, Ready: func() { fmt.Println("ready") },
		}))
	case "steps":
		run := lab.Must(s.OpenPPO("p"))
		for ev, err := range run.Steps(1000) {
			lab.Check(err)
			fmt.Println("step", ev.Step)
		}
	case "far":
		lab.Check(far())
	case "near":
		lab.Check(near())
	case "watch":
		for ev, err := range s.Watch("p") {
			lab.Check(err)
			fmt.Println("step", ev.Step)
		}
	case "rollout":
		run := lab.Must(s.OpenPPO("second"))
		lab.Must(run.Rollout())
		fmt.Println("done")
	case "compute": // a session is declared, and no call in progress
		fmt.Println("step 0")
		time.Sleep(time.Minute)
	case "panic":
		run := lab.Must(s.OpenPPO("p"))
		for ev, err := range run.Steps(1000) {
			lab.Check(err)
			fmt.Println("step", ev.Step)
			panic("a mistake in the cell")
		}
	case "check":
		lab.Check(nil)
		fmt.Println(lab.Must(42, nil))
		lab.Must(0, errors.New("the second line\nis part of it"))
		fmt.Println("not reached")
	}
}

// leaked returns the stacks of the goroutines that are still in our code or in
// net/http after the given time.
func leaked(limit time.Duration) string {
	for deadline := time.Now().Add(limit); ; time.Sleep(20 * time.Millisecond) {
		buf := make([]byte, 1<<20)
		buf = buf[:runtime.Stack(buf, true)]
		var left []string
		for i, g := range strings.Split(string(buf), "\n\n") {
			if strings.Contains(g, "watchInterrupts") {
				continue // lives as long as the process, once there is a session
			}
			if i > 0 && (strings.Contains(g, "hhrlhf/") || strings.Contains(g, "net/http.")) {
				left = append(left, g)
			}
		}
		if len(left) == 0 || time.Now().After(deadline) {
			return strings.Join(left, "\n\n")
		}
	}
}

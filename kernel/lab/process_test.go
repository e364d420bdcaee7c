package lab_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"hhrlhf/kernel/engine/enginetest"
	"hhrlhf/kernel/lab"
	"hhrlhf/rlhf"
)

// A process is this test binary in another role.
type process struct {
	*exec.Cmd
	in  io.Writer
	out *bufio.Reader
	err *bytes.Buffer
}

// spawn starts a child; it is killed when the test ends.
func spawn(t *testing.T, role string, env ...string) *process {
	t.Helper()
	return spawnIn(t, nil, role, env...)
}

// spawnIn starts a child in namespaces of its own.
func spawnIn(t *testing.T, attr *syscall.SysProcAttr, role string, env ...string) *process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{Cmd: exec.Command(self), err: new(bytes.Buffer)}
	p.Env = append(os.Environ(), append(env, "LAB_TEST_CHILD="+role)...)
	p.Stderr = p.err
	p.SysProcAttr = attr
	in, err := p.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.in = in
	pipe, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.out = bufio.NewReader(pipe)
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if p.ProcessState == nil {
			_ = p.Process.Kill()
			_ = p.Wait()
		}
	})
	return p
}

// line reads one line of what the child prints.
func (p *process) line(t *testing.T) string {
	t.Helper()
	text, err := p.out.ReadString('\n')
	if err != nil {
		_ = p.Wait()
		t.Fatalf("the child ended: %v: %s", err, p.err)
	}
	return strings.TrimSpace(text)
}

// end waits for the child to end by itself, and returns its wait status and how
// long it took.
func (p *process) end(t *testing.T, limit time.Duration) (syscall.WaitStatus, time.Duration) {
	t.Helper()
	start := time.Now()
	timer := time.AfterFunc(limit, func() { _ = p.Process.Kill() })
	defer timer.Stop()
	_, _ = io.Copy(io.Discard, p.out)
	_ = p.Wait()
	took := time.Since(start)
	if took > limit {
		t.Errorf("took %v", took)
	}
	return p.ProcessState.Sys().(syscall.WaitStatus), took
}

// A cell that is killed, or panics, stops the training at a step boundary and
// takes nothing with it.
func TestCellDies(t *testing.T) {
	for _, role := range []string{"steps", "panic"} {
		t.Run(role, func(t *testing.T) {
			fake, s, socket := start(t, enginetest.Options{Step: 20 * time.Millisecond})
			run := ppo(t, s, "p")
			cell := spawn(t, role, "RLHF_ENGINE_SOCK="+socket)
			if got := cell.line(t); got != "step 1" {
				t.Fatalf("the cell prints %q", got)
			}
			if role == "steps" {
				cell.line(t)
				if err := cell.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
			begin := time.Now()
			if _, err := run.Rollout(); err != nil { // in line behind the dead cell's steps
				t.Fatal(err)
			}
			t.Logf("the next call was served after %v", time.Since(begin))
			info := must[rlhf.RunInfo](t)(run.Info())
			points := must[[]rlhf.Point](t)(run.History())
			if info.Step < 1 || info.Step > 50 || len(points) != info.Step {
				t.Errorf("the run is at step %d with %d points", info.Step, len(points))
			}
			if n := fake.Overlaps(); n != 0 {
				t.Errorf("%d overlaps", n)
			}
			for ev, err := range run.Steps(1) {
				if err != nil || ev.Step != info.Step+1 {
					t.Errorf("goes on with %+v, %v", ev, err)
				}
			}
		})
	}
}

// SIGINT ends the call in progress; the cell fails with the step in its text.
func TestCellInterrupted(t *testing.T) {
	fake, s, socket := start(t, enginetest.Options{Step: 20 * time.Millisecond})
	ppo(t, s, "p")
	cell := spawn(t, "steps", "RLHF_ENGINE_SOCK="+socket)
	cell.line(t)
	if err := cell.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	status, took := cell.end(t, 4*time.Second)
	text := cell.err.String()
	if status.ExitStatus() != 1 || !strings.Contains(text, "✗ steps of p interrupted at step ") || !strings.Contains(text, "of 1000; the run is kept: run the cell again") {
		t.Errorf("exit status %d: %s", status.ExitStatus(), text)
	}
	t.Logf("the cell ended %v after the interrupt", took)
	if st := must[rlhf.Status](t)(s.Status()); st.Busy != "" || st.Waiting != 0 {
		t.Errorf("status: %+v", st)
	}
	if n := fake.Overlaps(); n != 0 {
		t.Errorf("%d overlaps", n)
	}
}

// A session does not make a cell deaf that only computes.
func TestInterruptWithoutCall(t *testing.T) {
	cell := spawn(t, "compute")
	cell.line(t)
	if err := cell.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if status, _ := cell.end(t, 4*time.Second); !status.Signaled() || status.Signal() != syscall.SIGINT {
		t.Errorf("ended with %v, want by SIGINT", status)
	}
}

func TestCheckEndsTheCell(t *testing.T) {
	cell := spawn(t, "check")
	if got := cell.line(t); got != "42" {
		t.Errorf("Must returned %s", got)
	}
	status, _ := cell.end(t, 4*time.Second)
	if got, want := cell.err.String(), "✗ the second line\nis part of it\n"; status.ExitStatus() != 1 || got != want {
		t.Errorf("status %d, %q; want 1, %q", status.ExitStatus(), got, want)
	}
}

// An engine that is killed is reported with the end of its log; once another has
// taken its place, the same handle goes on from disk.
func TestEngineKilled(t *testing.T) {
	dir := shortDir(t)
	socket, log := filepath.Join(dir, "s"), filepath.Join(dir, "engine.log")
	runs := filepath.Join(dir, "runs")
	if err := os.Mkdir(runs, 0o700); err != nil {
		t.Fatal(err)
	}
	env := []string{"RLHF_ENGINE_SOCK=" + socket, "LAB_TEST_DIR=" + runs}
	first := spawn(t, "engine", env...)
	first.line(t)
	if err := os.WriteFile(log, []byte("fatal error: out of memory\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := lab.Open(lab.Options{Socket: socket, Log: log})
	run := ppo(t, s, "p")
	seen := 0
	var failed error
	for ev, err := range run.Steps(1000) {
		if err != nil {
			failed = err
			break
		}
		if seen = ev.Step; seen == 3 {
			if err := first.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = first.Wait()
	if !errors.Is(failed, lab.ErrNoEngine) || !strings.Contains(failed.Error(), "ended during the steps of p") || !strings.Contains(failed.Error(), "fatal error: out of memory") {
		t.Fatalf("got %v", failed)
	}
	if _, err := os.Lstat(socket); err != nil {
		t.Fatalf("the test wants a stale socket: %v", err)
	}
	got := make(chan error, 1)
	go func() { _, err := run.Info(); got <- err }() // waits for the next engine
	spawn(t, "engine", env...).line(t)
	if err := <-got; err != nil {
		t.Fatal(err)
	}
	info := must[rlhf.RunInfo](t)(run.Info())
	if info.Step < seen {
		t.Errorf("step %d was reported, the run is at %d", seen, info.Step)
	}
	for ev, err := range run.Steps(2) {
		if err != nil || ev.Step <= info.Step {
			t.Errorf("goes on with %+v, %v", ev, err)
		}
	}
}

package own_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hhrlhf/kernel/lab"
	"hhrlhf/kernel/launch/slot"
	"hhrlhf/kernel/own"
	"hhrlhf/rlhf"
	"hhrlhf/rlhf/local"
	"hhrlhf/rlhf/ppo"
)

const envProgram = "HHRLHF_TEST_OWN"

// The test program is also the reader's.
func TestMain(m *testing.M) {
	if os.Getenv(envProgram) == "" {
		os.Exit(m.Run())
	}
	nothing := func(*rlhf.Batch) error { return nil }
	if err := own.Serve(local.Own{Algorithms: map[string]ppo.Algorithm{"mine": {Advantages: nothing}, "yours": {Advantages: nothing}}}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// program is the reader's, with a home and a socket of its own, on the backend that needs
// no plugin.
func program(t *testing.T, socket string, args ...string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	cmd, out := exec.Command(os.Args[0], args...), &bytes.Buffer{}
	cmd.Env = append(os.Environ(), envProgram+"=1", "RLHF_ENGINE_SOCK="+socket, "RLHF_HOME="+filepath.Join(filepath.Dir(socket), "home"), "GOMLX_BACKEND=go", "RLHF_RUNS=")
	cmd.Stdout, cmd.Stderr = out, out
	return cmd, out
}

// sockets is a private folder whose path is short.
func sockets(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "own")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// A program that calls Serve by hand is an engine that knows its algorithms.
func TestServe(t *testing.T) {
	socket := filepath.Join(sockets(t), "e.sock")
	cmd, out := program(t, socket)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	s := lab.Open(lab.Options{Socket: socket, Wait: time.Minute})
	if _, err := s.Status(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	c := rlhf.PPO{Policy: "p", PM: "m", Data: rlhf.SynthSmall, Algorithm: "min"}
	if _, err := s.PPO("run", c); err == nil || !strings.Contains(err.Error(), `"min": this engine knows ["mine" "yours"]`) {
		t.Errorf("a name that nobody registered: %v", err)
	}
	c.Algorithm = "mine"
	if _, err := s.PPO("run", c); err == nil || strings.Contains(err.Error(), "engine knows") || !strings.Contains(err.Error(), `"p"`) {
		t.Errorf("a name that is registered, and no policy: %v", err)
	}
	other, text := program(t, socket)
	if err := other.Run(); err == nil || !strings.Contains(text.String(), fmt.Sprintf("another engine (pid %d)", cmd.Process.Pid)) {
		t.Errorf("a second engine at the socket: %v\n%s", err, text)
	}
	cmd.Process.Signal(unix.SIGTERM)
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if _, err := os.Stat(socket); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is left: %v", err)
	}
}

func TestUsage(t *testing.T) {
	socket := filepath.Join(sockets(t), "e.sock")
	cmd, out := program(t, socket, "-h")
	if err := cmd.Run(); err != nil || !strings.Contains(out.String(), `algorithm "mine", algorithm "yours"`) || !strings.Contains(out.String(), "-socket") {
		t.Errorf("%v\n%s", err, out)
	}
	cmd, out = program(t, socket, "train")
	if err := cmd.Run(); err == nil || !strings.Contains(out.String(), `["train"]`) {
		t.Errorf("an argument: %v\n%s", err, out)
	}
}

// A stand-in for the launcher, which starts what is put into the slot.
func TestHandOver(t *testing.T) {
	dir := sockets(t)
	socket, log := filepath.Join(dir, "e.sock"), filepath.Join(dir, "log")
	if err := os.WriteFile(log, []byte("launch: engine ended: of old\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := slot.Make(dir, t.TempDir(), log)
	if err != nil {
		t.Fatal(err)
	}
	taken := func() *slot.Program {
		for s.Look() == nil {
			time.Sleep(5 * time.Millisecond)
		}
		return s.Look()
	}
	say := func(lines string) {
		f, err := os.OpenFile(log, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Error(err)
			return
		}
		defer f.Close()
		fmt.Fprint(f, lines)
	}

	cell, out := program(t, socket)
	if err := cell.Start(); err != nil {
		t.Fatal(err)
	}
	p := taken()
	engine := exec.Command(p.Path, "engine", "-repo", ".", "-socket", socket, "-runs", filepath.Join(dir, "runs"))
	engine.Env = append(cell.Env, slot.Env+"=1")
	if err := engine.Start(); err != nil {
		t.Fatal(err)
	}
	defer engine.Process.Kill()
	if err := cell.Wait(); err != nil || !strings.Contains(out.String(), fmt.Sprintf("serves the notebook now (pid %d): algorithm", engine.Process.Pid)) {
		t.Errorf("%v\n%s", err, out)
	}
	engine.Process.Signal(unix.SIGTERM)
	if err := engine.Wait(); err != nil {
		t.Error(err)
	}
	if err := s.Empty(p); err != nil {
		t.Fatal(err)
	}

	// One that ends before it serves is taken out again, and the cell says why it ended.
	cell, out = program(t, socket)
	if err := cell.Start(); err != nil {
		t.Fatal(err)
	}
	say("launch: engine ended: the stock one\nlaunch: starting " + taken().Path + " engine\npanic: today not\nlaunch: engine ended: exit status 2\n")
	if err := cell.Wait(); err == nil || !strings.Contains(out.String(), "panic: today not") || !strings.Contains(out.String(), "stock engine takes over") || strings.Contains(out.String(), "of old") {
		t.Errorf("%v\n%s", err, out)
	}
	if s.Look() != nil {
		t.Error("the program that does not serve is left in the slot")
	}

	// Two cells: the later one is the engine.
	cell, out = program(t, socket)
	if err := cell.Start(); err != nil {
		t.Fatal(err)
	}
	taken()
	if _, err := s.Put("/proc/self/exe"); err != nil {
		t.Fatal(err)
	}
	if err := cell.Wait(); err == nil || !strings.Contains(out.String(), "another program took the engine's place") {
		t.Errorf("%v\n%s", err, out)
	}
	if s.Look() == nil {
		t.Error("the later program was taken out with the earlier")
	}
}

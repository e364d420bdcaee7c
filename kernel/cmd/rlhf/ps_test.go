package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"hhrlhf/kernel/engine"
	"hhrlhf/kernel/engine/enginetest"
	"hhrlhf/kernel/engine/socket"
	"hhrlhf/kernel/lab"
	"hhrlhf/rlhf"
)

// engineEnv makes [TestEngineProcess] an engine at the socket that it names.
const engineEnv = "RLHF_TEST_PS_ENGINE"

// TestEngineProcess is no test but the program of an engine that does arithmetic.
func TestEngineProcess(t *testing.T) {
	path, name, _ := strings.Cut(os.Getenv(engineEnv), " ")
	if path == "" {
		t.Skip("it is the program of the engines in the other tests of this file")
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	l, err := enginetest.New(enginetest.Options{Step: 5 * time.Millisecond, Dir: filepath.Dir(path)})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(os.Stderr, "first line\nsecond line")
	if err := engine.Serve(ctx, engine.Options{Socket: path, Name: name, Lab: l, Ready: func() { fmt.Println("ready") }}); err != nil {
		t.Fatal(err)
	}
}

// startEngine starts an engine of a name that no other has, and trains a run of that name in it.
func startEngine(t *testing.T) (name string, cmd *exec.Cmd, s *lab.Session, ended chan error) {
	t.Helper()
	t.Setenv("RLHF_HOME", t.TempDir())
	dir, err := os.MkdirTemp("", "ps")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	name = filepath.Base(dir)
	path := filepath.Join(dir, socket.Name)
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd = exec.Command(os.Args[0], "-test.run=^TestEngineProcess$")
	cmd.Env = append(os.Environ(), engineEnv+"="+path+" "+name)
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	s = lab.Open(lab.Options{Socket: path})
	run, err := s.PPO(name+"-run", rlhf.PPO{Policy: "lm", PM: "pm", Planned: 100000})
	if err != nil {
		t.Fatal(err)
	}
	ended = make(chan error, 1)
	going := make(chan bool)
	go func() {
		var failed error
		for ev, err := range run.Train() {
			if failed = err; ev.Step == 3 {
				close(going)
			}
		}
		ended <- failed
	}()
	<-going
	return name, cmd, s, ended
}

func TestPsAndStop(t *testing.T) {
	name, cmd, s, ended := startEngine(t)
	list, err := running(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := list.print(&out); err != nil {
		t.Fatal(err)
	}
	row := ""
	for l := range strings.Lines(out.String()) {
		if strings.HasPrefix(l, name+" ") {
			row = l
		}
	}
	for _, want := range []string{fmt.Sprint(" ", cmd.Process.Pid, " "), name + "-run: step ", " of 100000, ", " left ", socket.Name} {
		if !strings.Contains(row, want) {
			t.Errorf("the row lacks %q: %q in\n%s", want, row, &out)
		}
	}
	text, err := json.Marshal(list)
	if err != nil || !strings.Contains(string(text), `"run":"`+name+`-run"`) {
		t.Errorf("as JSON: %v, %.300s", err, text)
	}

	out.Reset()
	stop := stopper{out: &out, err: &out}
	if err := stop.one(t.Context(), name+"-run"); err != nil {
		t.Fatal(err)
	}
	st, err := s.Status()
	if err != nil || st.Job != nil || !strings.Contains(out.String(), fmt.Sprintf("is kept at step %d", st.Runs[0].Step)) || !strings.Contains(out.String(), "stopped training by pid") {
		t.Errorf("stopping the run: %v, %+v: %s", err, st.Job, &out)
	}
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "stopped from elsewhere") {
		t.Errorf("the driver: %v", err)
	}
	out.Reset()
	if err := stop.one(t.Context(), name+"-run"); err != nil || !strings.Contains(out.String(), "stands still already") {
		t.Errorf("again: %v: %s", err, &out)
	}
	if err := stop.one(t.Context(), "nobody-"+name); err == nil || !strings.Contains(err.Error(), name+" (pid ") {
		t.Errorf("unknown: %v", err)
	}

	out.Reset()
	go cmd.Wait() // or it stays as a zombie
	if err := stop.one(t.Context(), fmt.Sprint(cmd.Process.Pid)); err != nil || !strings.Contains(out.String(), "has ended") || !strings.Contains(out.String(), "all 1 runs are on disk") {
		t.Errorf("stopping the engine: %v: %s", err, &out)
	}
	if alive(cmd.Process.Pid) {
		t.Error("the engine lives")
	}
}

// Everything that can be in the list has a line: idle, frozen and stale engines, kernels
// with an engine of their own, with another's and with none.
func TestPsPrints(t *testing.T) {
	now := time.Now()
	kernel := socket.Kernel{PID: 10, Notebook: "notebooks/a.ipynb", Socket: "/run/a", Since: now}
	about := func(pid int, name string) socket.About { return socket.About{PID: pid, Name: name, Since: now} }
	var out bytes.Buffer
	err := listing{
		Engines: []engineLine{
			{Engine: socket.Engine{About: about(11, "a"), Socket: "/run/a", Kernel: &kernel}, Status: &rlhf.Status{RSSBytes: 5e8, Since: now}},
			{Engine: socket.Engine{About: about(21, "froz\x1ben"), Socket: "/run/b"}, Fault: "no answer\nin 3 s"},
			{Engine: socket.Engine{About: about(31, ""), Socket: "/run/c", Stale: true}},
		},
		Kernels: []socket.Kernel{kernel, {PID: 12, Socket: "/run/a", Since: now}, {PID: 13, Notebook: "b.ipynb", Socket: "/run/none", Since: now}},
	}.print(&out)
	want := `ENGINE   PID  UP        MEMORY  DOING                                        WAIT  WATCH  KERNEL  SOCKET
a        11   under 1s  500 MB  idle                                         0     0      10      /run/a
froz en  21   under 1s  -       does not say: no answer in 3 s               -     -      -       /run/b
-        31   -         -       stale: its engine was killed; nothing runs  -     -      -       /run/c

KERNEL  PID  UP        ENGINE
a       10   under 1s  11, its own
-       12   under 1s  11, another's
b       13   under 1s  none answers at /run/none
`
	squeeze := func(s string) string { return regexp.MustCompile(` +`).ReplaceAllString(s, " ") }
	if err != nil || squeeze(out.String()) != squeeze(want) {
		t.Errorf("%v\n%s", err, &out)
	}
}

// An engine that is stopped while it trains ends at a step boundary; one that was killed is stale.
func TestStopTrainingEngine(t *testing.T) {
	name, cmd, s, ended := startEngine(t)
	var out bytes.Buffer
	stop := stopper{out: &out, err: &out, asJSON: true}
	if err := stop.one(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	var what stopped
	if err := json.Unmarshal(out.Bytes(), &what); err != nil || what.PID != cmd.Process.Pid || len(what.Kept) != 1 || what.Kept[0].Run != name+"-run" || what.Kept[0].Step < 3 {
		t.Errorf("%v: %s", err, &out)
	}
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "the engine is shutting down; the run is kept") {
		t.Errorf("the driver: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := s.With(ctx).Status(); err == nil {
		t.Error("the engine answers")
	}
}

func TestLogs(t *testing.T) {
	name, _, _, _ := startEngine(t)
	path, err := findLog([]string{name})
	if err != nil || filepath.Base(path) != "log" {
		t.Fatalf("%q, %v", path, err)
	}
	for _, args := range [][]string{{"nobody-" + name}, {"gonb", name}} {
		if path, err := findLog(args); err == nil {
			t.Errorf("%q: found %s", args, path)
		}
	}
	read := func(n int) (lines []string) {
		err := printLog(t.Context(), path, n, false, func(l []byte) error { lines = append(lines, string(l)); return nil })
		if err != nil {
			t.Fatal(err)
		}
		return lines
	}
	if got := read(0); len(got) != 2 || got[0] != "first line" {
		t.Errorf("all: %q", got)
	}
	if got := read(1); len(got) != 1 || got[0] != "second line" {
		t.Errorf("the last line: %q", got)
	}
	// Following: what is added, in lines, also after the log was cut.
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	lines := make(chan string)
	done := make(chan error, 1)
	go func() {
		done <- printLog(ctx, path, 1, true, func(l []byte) error { lines <- string(l); return nil })
	}()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	next := func(want string) {
		t.Helper()
		if got := <-lines; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	next("second line")
	f.WriteString("half a ")
	f.WriteString("line\nanother\n")
	next("half a line")
	next("another")
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	f.WriteString("anew\n")
	next("anew")
	cancel()
	<-done
}

// The tail is found wherever the lines fall in the blocks that it is read by.
func TestTail(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	var all []string
	for i := range 3000 {
		all = append(all, fmt.Sprintf("%d %s", i, strings.Repeat("x", i%37)))
	}
	for _, end := range []string{"\n", ""} {
		if err := os.WriteFile(path, []byte(strings.Join(all, "\n")+end), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{1, 2, 700, 2999, 3000, 5000} {
			var got []string
			if err := printLog(t.Context(), path, n, false, func(l []byte) error { got = append(got, string(l)); return nil }); err != nil {
				t.Fatal(err)
			}
			if want := all[max(0, len(all)-n):]; len(got) != len(want) || got[0] != want[0] || got[len(got)-1] != want[len(want)-1] {
				t.Errorf("end %q, last %d: %d lines from %.20q", end, n, len(got), got[0])
			}
		}
	}
}

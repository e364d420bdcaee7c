package launch_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hhrlhf/kernel/engine/socket"
	"hhrlhf/kernel/lab"
	"hhrlhf/kernel/launch"
	. "hhrlhf/kernel/proxy/proxytest"
	"hhrlhf/rlhf"
)

// withLab makes a kernel's engine one that serves a lab.
func withLab(o *launch.Options) { o.EngineCmd = []string{os.Args[0], "lab", launch.SocketArg} }

const useLab = "import (\"fmt\"; \"hhrlhf/kernel/lab\"; \"hhrlhf/rlhf\")\n"

// TestTwoNotebooks lets two notebooks use the engine of the first: one drives a run, the
// other watches it, waits in line, is started anew, and is told when the first has ended.
func TestTwoNotebooks(t *testing.T) {
	t.Setenv(socket.NotebookEnv, "notebooks/first.ipynb")
	first := start(t, withLab)
	t.Setenv(socket.NotebookEnv, "notebooks/second.ipynb")
	path := strings.TrimSpace(first.Run("!echo $RLHF_ENGINE_SOCK").Stdout)
	second := start(t, withLab, func(o *launch.Options) { o.Env = []string{launch.EnvSocket + "=" + path} })

	s := lab.Open(lab.Options{Socket: path})
	drive := first.Send(Shell, "execute_request", Cell(useLab+"var s = lab.Attach()\n%%\n"+
		"run := lab.Must(s.PPO(\"p\", rlhf.PPO{Policy: \"lm\", PM: \"pm\", Planned: 4000}))\nlab.Must(s.PPO(\"q\", rlhf.PPO{Policy: \"lm\", PM: \"pm\"}))\n"+
		"for ev, err := range run.Train() { lab.Check(err); if ev.Step == 3 { fmt.Println(\"on\") } }"))
	first.WaitOutput(drive, "on", time.Minute)

	// Another notebook looks on, by the engine's name; interrupting it ends that alone.
	watch := second.Send(Shell, "execute_request", Cell(useLab+"var s = lab.At(\"first\")\n%%\n"+
		"st := lab.Must(s.Status())\nfmt.Println(\"name\", st.Name, \"busy\", st.Job.Run, \"by\", st.Job.Client)\nlast := 0\n"+
		"for ev, err := range s.Watch(\"p\") { lab.Check(err); if ev.Step != last+1 { fmt.Println(\"jump\", last, ev.Step) }; last = ev.Step; if ev.Left > 0 && len(ev.Samples) > 0 { fmt.Println(\"live\") } }\n"+
		"_ = rlhf.Tiny"))
	second.WaitOutput(watch, "live", time.Minute)
	second.Ask(Control, "interrupt_request", map[string]any{}, "interrupt_reply")
	r := second.Result(watch, time.Minute)
	if r.Status != "error" || !strings.Contains(r.Stderr, "watching p ended at step") || !strings.Contains(r.Stdout, "name first busy p by pid ") ||
		!strings.Contains(r.Stdout, " of first\n") || strings.Contains(r.Stdout, "jump") {
		t.Errorf("watching: %+v", r)
	}
	st, err := s.Status()
	if err != nil || st.Job == nil || st.Job.Run != "p" || len(st.Watchers) != 0 {
		t.Fatalf("after the watching: %+v, %v", st.Job, err)
	}

	// A device call of the second waits its turn, a read does not.
	wait := second.Send(Shell, "execute_request", Cell(useLab+"var s = lab.Attach()\n%%\n"+
		"fmt.Println(len(lab.Must(s.Runs())), \"runs\")\nlab.Must(lab.Must(s.OpenPPO(\"q\")).Rollout())\nfmt.Println(\"rolled out\")\n_ = rlhf.Tiny"))
	second.WaitOutput(wait, "2 runs", time.Minute)
	for len(line(t, s)) == 0 {
		time.Sleep(5 * time.Millisecond)
	}
	if l := line(t, s); l[0].Run != "q" || !strings.HasSuffix(l[0].Client, " of second") {
		t.Errorf("in line: %+v", l)
	}
	if calls, step, err := s.Stop("p"); err != nil || len(calls) != 1 || calls[0].What != "training" || step < 3 {
		t.Errorf("stop: %+v, %d, %v", calls, step, err)
	}
	if r := first.Result(drive, time.Minute); r.Status != "error" || !strings.Contains(r.Stderr, "was stopped from elsewhere") {
		t.Errorf("the driver: %+v", r)
	}
	if r := second.Result(wait, time.Minute); r.Status != "ok" || !strings.Contains(r.Stdout, "rolled out") {
		t.Errorf("who waited: %+v", r)
	}

	// Ending the second kernel leaves the engine, and its runs, alone.
	second.Ask(Control, "shutdown_request", map[string]any{"restart": true}, "shutdown_reply")
	if err := second.gone(10 * time.Second); err != nil {
		t.Errorf("the second launcher ended with %v", err)
	}
	if again, err := s.Status(); err != nil || again.PID != st.PID {
		t.Errorf("the engine %d became %d: %v", st.PID, again.PID, err)
	}
	second = start(t, withLab, func(o *launch.Options) { o.Env = []string{launch.EnvSocket + "=" + path} })

	// The end of the owner is told to the other, with what to do.
	watch = second.Send(Shell, "execute_request", Cell(useLab+"var s = lab.Attach()\n%%\nfmt.Println(\"on\")\n"+
		"for _, err := range lab.Must(s.OpenPPO(\"p\")).Train() { lab.Check(err) }\n_ = rlhf.Tiny"))
	for st, _ := s.Status(); st.Job == nil; st, _ = s.Status() {
		time.Sleep(5 * time.Millisecond)
	}
	unix.Kill(-first.cmd.Process.Pid, unix.SIGKILL)
	if r := second.Result(watch, time.Minute); r.Status != "error" || !strings.Contains(r.Stderr, "the other notebook's kernel") || !strings.Contains(r.Stderr, "rlhf ps") {
		t.Errorf("after the owner's end: %+v", r)
	}
}

func line(t *testing.T, s *lab.Session) []rlhf.Job {
	t.Helper()
	st, err := s.Status()
	if err != nil {
		t.Fatal(err)
	}
	return st.Line
}

// TestFound finds kernels and engines as rlhf ps does.
func TestFound(t *testing.T) {
	t.Setenv(socket.NotebookEnv, "notebooks/found me.ipynb")
	k := start(t, withLab)
	path := strings.TrimSpace(k.Run("!echo $RLHF_ENGINE_SOCK").Stdout)
	var found *socket.Engine
	for found == nil {
		engines, err := socket.Engines()
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range engines {
			if e.Socket == path {
				found = &e
			}
		}
		time.Sleep(5 * time.Millisecond) // it is starting
	}
	if found.Name != "found_me" || found.PID != k.find("lab ") || found.Stale || found.Kernel == nil || found.Kernel.PID != k.cmd.Process.Pid {
		t.Errorf("engine %+v", found)
	}
	var kernel *socket.Kernel
	for _, o := range socket.Kernels() {
		if o.PID == k.cmd.Process.Pid {
			kernel = &o
		}
	}
	if kernel == nil || kernel.Notebook != "notebooks/found me.ipynb" || kernel.Socket != path {
		t.Fatalf("kernel %+v", kernel)
	}
	for part, log := range kernel.Logs {
		if _, err := os.Stat(log); err != nil {
			t.Errorf("log of %s: %v", part, err)
		}
	}
	// Frozen, the launcher does not start another engine in the place of a killed one.
	unix.Kill(k.cmd.Process.Pid, unix.SIGSTOP)
	for !stopped(k.cmd.Process.Pid) {
		time.Sleep(time.Millisecond)
	}
	unix.Kill(found.PID, unix.SIGKILL)
	for stale := false; !stale; time.Sleep(5 * time.Millisecond) {
		engines, err := socket.Engines()
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range engines {
			stale = stale || e.Socket == path && e.Stale && e.PID == found.PID
		}
	}
	unix.Kill(k.cmd.Process.Pid, unix.SIGCONT)
}

// TestListensLocallyOnly looks at every TCP socket of a kernel with an engine. Those that
// listen are the five that Jupyter named in the connection file: on the loopback, and deaf to
// messages that are not signed with the file's key. The engine, gonb and the cells have none.
func TestListensLocallyOnly(t *testing.T) {
	k := start(t, withLab)
	if r := k.Run(useLab + "var s = lab.Attach()\n%%\nfmt.Println(lab.Must(s.Status()).Backend, rlhf.Tiny)"); r.Status != "ok" {
		t.Fatalf("%+v", r)
	}
	owners := map[string]int{} // pid by inode
	pids := []int{k.cmd.Process.Pid}
	for _, p := range k.family() {
		pid, _, _ := strings.Cut(p, " ")
		n, _ := strconv.Atoi(pid)
		pids = append(pids, n)
	}
	if len(pids) < 3 {
		t.Fatalf("processes %v: want the launcher, gonb and the engine at least", pids)
	}
	for _, pid := range pids {
		fds, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
		for _, fd := range fds {
			to, _ := os.Readlink(fd)
			if inode, ok := strings.CutPrefix(to, "socket:["); ok {
				owners[strings.TrimSuffix(inode, "]")] = pid
			}
		}
	}
	n := 0
	for _, table := range []string{"tcp", "tcp6", "udp", "udp6"} {
		text, err := os.ReadFile("/proc/net/" + table)
		if err != nil {
			t.Logf("%v", err) // a system without IPv6
			continue
		}
		for _, l := range strings.Split(string(text), "\n")[1:] {
			f := strings.Fields(l)
			if len(f) < 10 || owners[f[9]] == 0 {
				continue
			}
			const listening = "0A"
			if strings.HasPrefix(table, "tcp") && f[3] != listening {
				continue
			}
			n++
			if owners[f[9]] != k.cmd.Process.Pid || table != "tcp" || !strings.HasPrefix(f[1], "0100007F:") {
				t.Errorf("process %d of the kernel (launcher %d) listens on %s %s", owners[f[9]], k.cmd.Process.Pid, table, f[1])
			}
		}
	}
	if n != 5 {
		t.Errorf("%d sockets listen, want the five of the connection file", n)
	}
	if c, err := net.Dial("unix", k.socket()); err != nil {
		t.Errorf("the engine's socket: %v", err)
	} else {
		c.Close()
	}
}

// socket is the path of the kernel's engine.
func (k *kernelProcess) socket() string {
	found, _ := filepath.Glob(filepath.Join(k.run, "rlhf-*", socket.Name))
	if len(found) != 1 {
		k.t.Fatalf("sockets %q", found)
	}
	return found[0]
}

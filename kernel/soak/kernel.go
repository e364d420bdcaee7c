package soak

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"hhrlhf/kernel/lab"
	"hhrlhf/kernel/proxy/proxytest"
	"hhrlhf/rlhf"
)

// A failure is what the front-end could not go on after.
type failure string

// A reporter hears of the front-end's failures: those that end it are panics with a failure.
type reporter struct{ cleanups []func() }

func (r *reporter) Helper()          {}
func (r *reporter) Cleanup(f func()) { r.cleanups = append(r.cleanups, f) }
func (r *reporter) Errorf(format string, a ...any) {
	fmt.Fprintf(os.Stderr, "soak: "+format+"\n", a...)
}
func (r *reporter) Fatal(a ...any)                 { panic(failure(fmt.Sprint(a...))) }
func (r *reporter) Fatalf(format string, a ...any) { panic(failure(fmt.Sprintf(format, a...))) }

func (r *reporter) end() {
	for _, f := range slices.Backward(r.cleanups) {
		f()
	}
	r.cleanups = nil
}

// A kernel is a launcher in a process of its own, and the front-end attached to it.
type kernel struct {
	*proxytest.Client
	reporter reporter
	cmd      *exec.Cmd
	ended    chan struct{}
	dir      string
	run, tmp string // its XDG_RUNTIME_DIR, by which its processes are known, and its TMPDIR
	log      *os.File
}

// startKernel returns the kernel, and starts one if there is none.
func (s *soak) startKernel(ctx context.Context) (*kernel, error) {
	if s.kernel != nil {
		return s.kernel, nil
	}
	s.kernels++
	k := &kernel{ended: make(chan struct{}), dir: filepath.Join(s.dir, fmt.Sprintf("k%d", s.kernels))}
	k.run, k.tmp = filepath.Join(k.dir, "r"), filepath.Join(k.dir, "t")
	for _, dir := range []string{k.run, k.tmp} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
	}
	var err error
	if k.log, err = os.Create(filepath.Join(k.dir, "log")); err != nil {
		return nil, err
	}
	file := proxytest.WriteConnection(&k.reporter, k.dir)
	argv := s.o.Kernel(file, s.disk.path)
	k.cmd = exec.Command(argv[0], argv[1:]...)
	for _, e := range os.Environ() {
		switch name, _, _ := strings.Cut(e, "="); name {
		case "RLHF_ENGINE_SOCK", "RLHF_ENGINE_LOG", "RLHF_KERNEL_DIR", "RLHF_GONB_LIFE":
		default:
			k.cmd.Env = append(k.cmd.Env, e)
		}
	}
	k.cmd.Env = append(k.cmd.Env, "XDG_RUNTIME_DIR="+k.run, "TMPDIR="+k.tmp)
	k.cmd.Stdout, k.cmd.Stderr = k.log, k.log
	k.cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true}
	if err := k.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { k.cmd.Wait(); close(k.ended) }()
	s.kernel = k
	k.Client = proxytest.Dial(&k.reporter, file)
	return k, nil
}

// dropKernel ends a kernel that something is wrong with.
func (s *soak) dropKernel() {
	if s.kernel == nil {
		return
	}
	unix.Kill(s.kernel.cmd.Process.Pid, unix.SIGTERM)
	s.kernel.gone(20 * time.Second)
	s.forget()
}

// forget closes the front-end of a kernel that has ended.
func (s *soak) forget() {
	s.kernel.reporter.end()
	s.kernel.log.Close()
	os.RemoveAll(s.kernel.dir)
	s.kernel = nil
}

func (k *kernel) execute(code string) (id string) {
	return k.Send(proxytest.Shell, "execute_request", proxytest.Cell(code))
}

// poll reports whether a cell has ended, and how.
func (k *kernel) poll(id string) (r proxytest.Result, ended bool) {
	r = k.Result(id, 0)
	return r, r.Status != ""
}

// printed returns the last step that a cell has printed.
func printed(r proxytest.Result) int {
	lines := strings.Fields(r.Stdout)
	if len(lines) < 2 {
		return 0
	}
	n, _ := strconv.Atoi(lines[len(lines)-1])
	return n
}

// The parts of a kernel, by which its processes are told apart.
const (
	theLauncher = "launcher"
	theGuard    = "guard"
	theGonb     = "gonb"
	theGopls    = "gopls"
	theEngine   = "engine"
	theCell     = "cell" // its program, its relay, or what builds it
)

// family returns the kernel's processes by what they are.
func (k *kernel) family() map[string][]int {
	all := map[string][]int{}
	names, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, name := range names {
		env, err := os.ReadFile(name)
		if err != nil || !bytes.Contains(env, []byte("XDG_RUNTIME_DIR="+k.run+"\x00")) {
			continue
		}
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		cmdline, _ := os.ReadFile(filepath.Join(filepath.Dir(name), "cmdline"))
		argv := strings.Split(string(cmdline), "\x00")
		part := theCell
		switch {
		case pid == k.cmd.Process.Pid:
			part = theLauncher
		case filepath.Base(argv[0]) == "rlhf-guard":
			part = theGuard
		case slices.Contains(argv, "--kernel"):
			part = theGonb
		case filepath.Base(argv[0]) == "gopls":
			part = theGopls
		case len(argv) > 1 && argv[1] == "engine":
			part = theEngine
		}
		all[part] = append(all[part], pid)
	}
	return all
}

// one returns the process that is a part, 0 if there is none.
func (k *kernel) one(part string) int {
	if pids := k.family()[part]; len(pids) > 0 {
		return pids[0]
	}
	return 0
}

// gone waits for the end of the launcher and says what is left of the kernel.
func (k *kernel) gone(limit time.Duration) (left []string) {
	deadline := time.Now().Add(limit)
	select {
	case <-k.ended:
	case <-time.After(limit):
		left = append(left, fmt.Sprintf("the launcher still runs after %v", limit))
		unix.Kill(-k.cmd.Process.Pid, unix.SIGKILL)
	}
	for {
		still := slices.Clone(left)
		for part, pids := range k.family() {
			for _, pid := range pids {
				still = append(still, fmt.Sprintf("process %d (%s) is left: %s", pid, part, cmdline(pid)))
			}
		}
		for _, dir := range []string{k.run, k.tmp} {
			entries, _ := os.ReadDir(dir)
			for _, e := range entries {
				still = append(still, "file left: "+filepath.Join(dir, e.Name()))
			}
		}
		if len(still) == 0 || time.Now().After(deadline) {
			return still
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// left returns which processes of a cell still run when the time they have is over.
func (k *kernel) left(pids []int, limit time.Duration) []int {
	for deadline := time.Now().Add(limit); ; time.Sleep(20 * time.Millisecond) {
		now := k.family()[theCell]
		left := slices.DeleteFunc(slices.Clone(pids), func(pid int) bool { return !slices.Contains(now, pid) })
		if len(left) == 0 || time.Now().After(deadline) {
			return left
		}
	}
}

func cmdline(pid int) string {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return strings.ReplaceAll(strings.TrimRight(string(b), "\x00"), "\x00", " ")
}

// status asks the engine.
func (k *kernel) status(ctx context.Context) (rlhf.Status, error) {
	l, err := k.lab()
	if err != nil {
		return rlhf.Status{}, err
	}
	return l.With(ctx).Status()
}

func (k *kernel) lab() (*lab.Session, error) {
	sockets, _ := filepath.Glob(filepath.Join(k.run, "rlhf-*", "engine.sock"))
	if len(sockets) != 1 {
		return nil, errors.New("the engine has no socket")
	}
	return lab.Open(lab.Options{Socket: sockets[0], Wait: time.Second}), nil
}

// quiet waits until the engine has nothing to do.
func (k *kernel) quiet(limit time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	for {
		st, err := k.status(ctx)
		if err == nil && st.Busy == "" && st.Waiting == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the engine is not idle after %v: %q %v", limit, st.Busy, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

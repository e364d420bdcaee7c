package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// nobody is the user and group that programs run as where root calls.
const nobody = 65534

// run starts the helper in namespaces of its own and watches it to its end.
func run(ctx context.Context, p Program, l Limits) (End, error) {
	py, err := interpreter()
	if err != nil {
		return End{}, err
	}
	order, err := json.Marshal(order{Python: py, Source: p.Source, Limits: l, Root: os.Geteuid() == 0})
	if err != nil {
		return End{}, err
	}
	// The helper reads its order on descriptor 3 and tells on 4 what went wrong; both are
	// gone when the interpreter begins, and 4 without a word means that it has begun.
	orders, tell, err := pipes()
	if err != nil {
		return End{}, fmt.Errorf("sandbox: %w", err)
	}
	defer tell.Close()
	told, teller := tell, orders.teller
	cmd := exec.Command("/proc/self/exe")
	cmd.Args, cmd.Env, cmd.Dir = []string{Helper}, []string{}, "/"
	cmd.ExtraFiles = []*os.File{orders.read, teller}
	cmd.Stdin = bytes.NewReader(p.Input)
	cmd.WaitDelay = 5 * time.Second
	cmd.SysProcAttr = namespaces()

	var loud atomic.Bool
	kill := func() { _ = cmd.Process.Kill() } // process 1 of its namespace: the kernel kills the others
	stdout, stderr := &limited{limit: l.Output}, &limited{limit: l.Output}
	for _, w := range []*limited{stdout, stderr} {
		w.full = func() { loud.Store(true); kill() }
	}
	cmd.Stdout, cmd.Stderr = stdout, stderr

	// Pdeathsig follows the thread that started the helper, which must therefore live as long.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	began := time.Now()
	if err := cmd.Start(); err != nil {
		orders.close()
		if errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.ENOMEM) { // too busy, not unable
			return End{}, fmt.Errorf("sandbox: starting a process: %w", err)
		}
		return End{}, unavailable(err)
	}
	orders.closeChild()
	var late atomic.Bool
	clock := time.AfterFunc(l.Wall, func() { late.Store(true); kill() })
	stop := context.AfterFunc(ctx, kill)
	go func() { // a helper that died reads nothing: then it has told why, or was killed
		_, _ = orders.write.Write(order)
		orders.write.Close()
	}()
	wrong, _ := io.ReadAll(io.LimitReader(told, 4096))
	err = cmd.Wait()
	clock.Stop()
	stop()

	end := End{How: Exited, Stdout: stdout.kept, Stderr: stderr.kept, Wall: time.Since(began)}
	switch {
	case ctx.Err() != nil:
		return End{}, ctx.Err()
	case len(wrong) > 0:
		return End{}, unavailable(errors.New(string(wrong)))
	case late.Load():
		end.How = OutOfTime
	case loud.Load():
		end.How = TooMuchSaid
	default:
		status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
		if !ok {
			return End{}, fmt.Errorf("sandbox: %w", err)
		}
		if end.Code = status.ExitStatus(); status.Signaled() {
			end.How, end.Code = Signalled, int(status.Signal())
		}
	}
	return end, nil
}

// namespaces isolate the helper from its first instruction on.
func namespaces() *syscall.SysProcAttr {
	uid, gid := os.Geteuid(), os.Getegid()
	a := &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET |
			syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS | syscall.CLONE_NEWCGROUP,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: gid, Size: 1}},
		Setsid:      true, // kill(0, …) inside must not reach our process group
		Pdeathsig:   syscall.SIGKILL,
	}
	if uid == 0 {
		// The kernel exempts root from the limit on processes, so root's programs run as nobody.
		extra := syscall.SysProcIDMap{ContainerID: nobody, HostID: nobody, Size: 1}
		a.UidMappings, a.GidMappings = append(a.UidMappings, extra), append(a.GidMappings, extra)
		a.GidMappingsEnableSetgroups = true
	}
	return a
}

// limited keeps what it is given up to a limit, and calls full beyond it.
type limited struct {
	kept  []byte // no bytes.Buffer: io.Copy would find its ReadFrom, which knows no limit
	limit int
	full  func()
}

func (w *limited) Write(p []byte) (int, error) {
	room := w.limit - len(w.kept)
	w.kept = append(w.kept, p[:min(room, len(p))]...)
	if room < len(p) {
		w.full()
	}
	return len(p), nil // read on, so that nothing waits for us until the kill has come
}

// ends are the pipes between us and the helper.
type ends struct{ read, write, teller *os.File }

func pipes() (e ends, told *os.File, err error) {
	if e.read, e.write, err = os.Pipe(); err != nil {
		return e, nil, err
	}
	if told, e.teller, err = os.Pipe(); err != nil {
		e.read.Close()
		e.write.Close()
	}
	return e, told, err
}

func (e ends) closeChild() { e.read.Close(); e.teller.Close() }
func (e ends) close()      { e.closeChild(); e.write.Close() }

// unavailable adds to a failure what is the matter with this machine, as far as it shows.
func unavailable(err error) error {
	read := func(path string) string {
		text, _ := os.ReadFile(path)
		return strings.TrimSpace(string(text))
	}
	missing := "namespaces, tmpfs, seccomp or resource limits; a container may need --security-opt seccomp=unconfined, or a virtual machine in its place"
	switch {
	case read("/proc/sys/user/max_user_namespaces") == "0":
		missing = "user namespaces; an administrator can allow them: sysctl user.max_user_namespaces=10000"
	case read("/proc/sys/kernel/unprivileged_userns_clone") == "0":
		missing = "user namespaces for ordinary users; an administrator can allow them: sysctl kernel.unprivileged_userns_clone=1"
	case read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1":
		missing = "user namespaces for programs without an AppArmor profile; an administrator can allow them: sysctl kernel.apparmor_restrict_unprivileged_userns=0"
	}
	return &Unavailable{Missing: missing, Err: err}
}

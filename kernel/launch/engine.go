package launch

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// The engine is started again after a pause that doubles from the first to the
// second, and begins anew once it has lived for the third.
const (
	firstPause = 200 * time.Millisecond
	lastPause  = 30 * time.Second
	healthy    = 10 * time.Second
)

// An engine is the process that holds the models, kept running in the background.
type engine struct {
	stop chan struct{} // closed to end it
	done chan struct{} // closed when it has ended
}

// startEngine keeps the engine running until stopEngine. One that cannot be
// started is no reason for the kernel not to: the log says why, and cells that
// need it report the log's end.
func (k *kernel) startEngine() error {
	if len(k.o.EngineCmd) == 0 || k.getenv(EnvSocket) != k.dirs.socket() {
		return nil
	}
	e := &engine{make(chan struct{}), make(chan struct{})}
	k.engine = e
	go func() {
		defer close(e.done)
		pause := firstPause
		for {
			began := time.Now()
			if k.engineLife(e.stop) {
				return
			}
			if time.Since(began) > healthy {
				pause = firstPause
			}
			select {
			case <-e.stop:
				return
			case <-time.After(pause):
			}
			pause = min(2*pause, lastPause)
		}
	}()
	return nil
}

// engineLife runs the engine once and reports whether it was asked to end.
func (k *kernel) engineLife(stop <-chan struct{}) (stopped bool) {
	socket := k.dirs.socket()
	os.Remove(socket) // a killed engine leaves its socket behind
	log, err := openLog(k.getenv(EnvLog))
	if err != nil {
		k.log.Printf("engine's log: %v", err)
		return false
	}
	defer log.Close()
	argv := slices.Clone(k.o.EngineCmd)
	for i := range argv {
		argv[i] = strings.ReplaceAll(argv[i], SocketArg, socket)
	}
	fmt.Fprintf(log, "%s launch: starting %s\n", time.Now().Format(time.RFC3339), strings.Join(argv, " "))
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = k.env
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true, Pdeathsig: unix.SIGTERM}
	c, err := k.spawn.start(cmd)
	if err != nil {
		fmt.Fprintf(log, "launch: %v\n", err)
		return false
	}
	select {
	case <-c.exited:
	case <-stop:
		stopped = true
		cmd.Process.Signal(unix.SIGTERM)
		select {
		case <-c.exited:
		case <-time.After(k.o.Grace):
		}
	}
	unix.Kill(-cmd.Process.Pid, unix.SIGKILL) // and what it started
	<-c.exited
	fmt.Fprintf(log, "%s launch: engine ended: %s\n", time.Now().Format(time.RFC3339), c.cause)
	return stopped
}

// stopEngine ends the engine: SIGTERM, and SIGKILL after the grace.
func (k *kernel) stopEngine() {
	if k.engine == nil {
		return
	}
	close(k.engine.stop)
	<-k.engine.done
	k.engine = nil
}

// startGuard starts the process that cleans up if this one is killed: its
// standard input ends when this process does.
func (k *kernel) startGuard() error {
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	cmd := &exec.Cmd{Path: exe, Args: []string{guardName, k.dirs.run, k.dirs.tmp}, Stdin: r,
		SysProcAttr: &unix.SysProcAttr{Setsid: true}}
	if err := cmd.Start(); err != nil {
		w.Close()
		return fmt.Errorf("guard: %w", err)
	}
	k.guard, k.guardEnd = cmd, w
	return nil
}

// guardName is the name that the guard is started under.
const guardName = "rlhf-guard"

// guard waits for the end of its input and then does what is left to do of
// [kernel.close].
func guard(args []string) int {
	if len(args) != 2 || !strings.HasPrefix(filepath.Base(args[0]), "rlhf-") || !strings.HasPrefix(filepath.Base(args[1]), "rlhf-") {
		fmt.Fprintln(os.Stderr, "launch: the guard is started by the kernel only")
		return 2
	}
	io.Copy(io.Discard, os.Stdin)
	d := dirs{args[0], args[1]}
	if _, err := os.Stat(d.run); err != nil {
		return 0
	}
	const grace = 4 * time.Second // the engine may be writing a checkpoint
	sweep(envKernel+"="+d.run, grace)
	d.remove()
	return 0
}

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

	"hhrlhf/kernel/launch/slot"
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
	var err error
	if k.slot, err = slot.Make(k.dirs.run, k.dirs.tmp, k.getenv(EnvLog)); err != nil {
		return err
	}
	e := &engine{make(chan struct{}), make(chan struct{})}
	k.engine = e
	go func() {
		defer close(e.done)
		pause := firstPause
		for {
			began := time.Now()
			program := k.slot.Look()
			if k.engineLife(e.stop, program) {
				return
			}
			if time.Since(began) > healthy {
				pause = firstPause
			}
			wait := time.NewTimer(pause)
			pause = min(2*pause, lastPause)
			replaced, unwatch := k.watchSlot(program)
			select {
			case <-e.stop:
			case <-wait.C:
			case <-replaced:
				pause = firstPause
			}
			unwatch()
			wait.Stop()
			select {
			case <-e.stop:
				return
			default:
			}
		}
	}()
	return nil
}

// engineLife runs the engine once, until it ends or the slot holds another program, and
// reports whether it was asked to end. program is what the slot held.
func (k *kernel) engineLife(stop <-chan struct{}, program *slot.Program) (stopped bool) {
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
	env := k.env
	if program != nil { // an engine of a reader's own, with the stock engine's arguments
		argv[0], env = program.Path, append(slices.Clone(env), slot.Env+"=1")
	}
	fmt.Fprintf(log, "%s launch: starting %s\n", time.Now().Format(time.RFC3339), strings.Join(argv, " "))
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = env
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true, Pdeathsig: unix.SIGTERM}
	c, err := k.spawn.start(cmd)
	if err != nil {
		fmt.Fprintf(log, "launch: %v\n", err)
		return false
	}
	replaced, unwatch := k.watchSlot(program)
	defer unwatch()
	select {
	case <-c.exited:
	case <-stop:
		stopped = true
	case <-replaced:
	}
	cmd.Process.Signal(unix.SIGTERM)
	select {
	case <-c.exited:
	case <-time.After(k.o.Grace):
	}
	unix.Kill(-cmd.Process.Pid, unix.SIGKILL) // and what it started
	<-c.exited
	fmt.Fprintf(log, "%s launch: engine ended: %s\n", time.Now().Format(time.RFC3339), c.cause)
	return stopped
}

// watchSlot closes replaced when the slot no longer holds the program; unwatch ends it.
func (k *kernel) watchSlot(program *slot.Program) (replaced <-chan struct{}, unwatch func()) {
	changed, quit := make(chan struct{}), make(chan struct{})
	go func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for program.Same(k.slot.Look()) {
			select {
			case <-tick.C:
			case <-quit:
				return
			}
		}
		close(changed)
	}()
	return changed, func() { close(quit) }
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

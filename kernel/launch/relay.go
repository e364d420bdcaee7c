package launch

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// Shim turns the process into the kernel's guard or a cell's relay if it was
// started as one, and returns otherwise. Call it first in main.
func Shim() {
	if filepath.Base(os.Args[0]) == guardName {
		os.Exit(guard(os.Args[1:]))
	}
	if os.Getenv("GONB_TMP_DIR") == "" || filepath.Dir(os.Args[0]) != os.Getenv("GONB_TMP_DIR") {
		return
	}
	if program := os.Args[0] + ".cell"; exists(program) {
		os.Exit(relay(program))
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// relay runs the cell's program and passes its output on in pieces of whole
// runes. Otherwise it is not to be noticed: signals, standard input and the
// pipes of gonbui reach the program, and its way of ending becomes the relay's.
func relay(program string) int {
	runtime.LockOSThread() // the program's parent-death signal is this thread's
	// Nothing else ends a cell whose gonb was killed.
	unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0)
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT, unix.SIGUSR1, unix.SIGUSR2)

	cmd := exec.Command(program, os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Stdin = os.Stdin
	cmd.SysProcAttr = &unix.SysProcAttr{Pdeathsig: unix.SIGKILL}
	var copies sync.WaitGroup
	for _, s := range []struct {
		from *io.Writer
		to   *os.File
	}{{&cmd.Stdout, os.Stdout}, {&cmd.Stderr, os.Stderr}} {
		r, w, err := os.Pipe()
		if err != nil {
			fmt.Fprintf(os.Stderr, "launch: %v\n", err)
			return 1
		}
		*s.from = w
		defer w.Close()
		packets(s.to)
		copies.Go(func() { copyRunes(s.to, r) })
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		fmt.Fprintf(os.Stderr, "launch: %v\n", err)
		return 1
	}
	cmd.Stdout.(*os.File).Close()
	cmd.Stderr.(*os.File).Close()
	go func() {
		for s := range signals {
			cmd.Process.Signal(s)
		}
	}()
	copies.Wait()
	err := cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		fmt.Fprintf(os.Stderr, "launch: %v\n", err)
		return 1
	}
	// For %%time; a cell goes on without.
	state := cmd.ProcessState
	used := fmt.Sprintf(`{"start":%d,"end":%d,"cpu":%.6f}`, began.UnixNano(), time.Now().UnixNano(), (state.UserTime() + state.SystemTime()).Seconds())
	os.WriteFile(os.Args[0]+".used", []byte(used), 0o600)
	status := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !status.Signaled() {
		return status.ExitStatus()
	}
	switch s := status.Signal(); s {
	case unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGKILL:
		signal.Reset(s)
		unix.Kill(os.Getpid(), s)
		select {}
	default:
		// At most others Go's runtime would print the relay's own stack.
		fmt.Fprintf(os.Stderr, "signal: %v\n", s)
		return 128 + int(s)
	}
}

// packetSize is the most that a pipe takes as one packet (PIPE_BUF).
const packetSize = 4096

// packets makes a pipe keep each write together: a read then returns exactly
// one (O_DIRECT, see pipe(2)). What is no pipe stays as it is.
func packets(f *os.File) {
	flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFL, 0)
	if err == nil {
		unix.FcntlInt(f.Fd(), unix.F_SETFL, flags|unix.O_DIRECT)
	}
}

// linger is how long copyRunes waits for the rest of a line. Go's runtime
// prints a panic in small pieces, each of which would be an output of its own.
const linger = 5 * time.Millisecond

// copyRunes copies in writes of at most packetSize bytes that end with a whole
// rune and, where that costs no more than linger, with a line. Bytes that are
// no UTF-8 pass unchanged.
func copyRunes(to io.Writer, from io.Reader) error {
	timed, _ := from.(interface{ SetReadDeadline(time.Time) error })
	buf := make([]byte, packetSize)
	held := 0 // bytes at the beginning of buf that are yet to be written
	waits := false
	for {
		n, err := from.Read(buf[held:])
		n += held
		if partial := err == nil && n < len(buf) && n > 0 && buf[n-1] != '\n'; partial && timed != nil {
			if !waits { // else the deadline stands
				waits = timed.SetReadDeadline(time.Now().Add(linger)) == nil
			}
			if waits {
				held = n
				continue
			}
		}
		if waits {
			waits = false
			timed.SetReadDeadline(time.Time{})
			if errors.Is(err, os.ErrDeadlineExceeded) {
				err = nil
			}
		}
		cut := n
		if err == nil {
			cut = n - unfinished(buf[:n])
		}
		if cut > 0 {
			if _, werr := to.Write(buf[:cut]); werr != nil {
				return werr
			}
		}
		held = copy(buf, buf[cut:n])
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// unfinished returns how many bytes at the end of b begin a rune that needs more.
func unfinished(b []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(b); n++ {
		tail := b[len(b)-n:]
		if utf8.RuneStart(tail[0]) {
			if utf8.FullRune(tail) {
				return 0
			}
			return n
		}
	}
	return 0
}

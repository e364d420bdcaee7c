package lab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"hhrlhf/kernel/engine/socket"
	"hhrlhf/kernel/engine/wire"
)

// ErrNoEngine is wrapped by the errors of calls that no engine answered.
var ErrNoEngine = errors.New("no engine")

// Error is what an engine returned in place of a result. Kind is one of the
// Kind constants of package wire.
type Error = wire.Error

// noEngine explains that nothing answered at the socket for so long.
func (s *Session) noEngine(err error, waited time.Duration) error {
	switch {
	case s.unknown != nil:
		return fmt.Errorf("lab: %w to call: %w", ErrNoEngine, s.unknown)
	case s.o.Socket == "":
		return fmt.Errorf("lab: RLHF_ENGINE_SOCK is not set, so there is %w to call: choose the kernel \"RLHF (GoNB)\", or set it to the socket of an engine that you have started", ErrNoEngine)
	case errors.Is(err, socket.ErrUnsafe):
		return fmt.Errorf("lab: %w is called: %w", ErrNoEngine, err)
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("lab: %w that may be used at %s: the socket belongs to another user (%v)", ErrNoEngine, s.o.Socket, err)
	case !s.owned():
		return fmt.Errorf("lab: %w answers at %s, waited %v (%v): it is not this kernel's own engine, so restarting this kernel does not help: %s. Runs continue from disk%s", ErrNoEngine, s.o.Socket, waited, err, elsewhere, s.logTail())
	}
	return fmt.Errorf("lab: %w answers at %s, waited %v (%v): restart the kernel; runs continue from disk%s", ErrNoEngine, s.o.Socket, waited, err, s.logTail())
}

// elsewhere says what to do about an engine that somebody else started.
const elsewhere = `start again what serves it (the other notebook's kernel, rlhf engine, or the ssh -L that forwards it); "rlhf ps" lists the engines there are, and lab.Attach() uses this kernel's own`

// died explains that the engine was there when the call began.
func (s *Session) died(what string, err error) error {
	if !s.owned() {
		return fmt.Errorf("lab: %w any more: the connection to %s broke during the %s (%v). Either the engine ended, or what forwards its socket; a run stops at its next step boundary then, and is on disk. Run the cell again to go on, and if that does not help: %s%s", ErrNoEngine, s.o.Socket, what, err, elsewhere, s.logTail())
	}
	return fmt.Errorf("lab: %w any more: it ended during the %s (%v). What the run had done is on disk: run the cell again to go on, and if that does not help, restart the kernel%s", ErrNoEngine, what, err, s.logTail())
}

// owned reports whether the engine is the one that this cell's kernel started.
// Outside of kernels there is no telling, and the one named is taken for it.
func (s *Session) owned() bool {
	kernel := os.Getenv(socket.KernelDirEnv)
	return kernel == "" && !s.chosen || filepath.Dir(s.o.Socket) == kernel
}

// logTail returns the last lines of the engine's log, ready to be appended.
func (s *Session) logTail() string {
	const lines, bytes = 12, 4096
	if s.o.Log == "" {
		return ""
	}
	f, err := os.Open(s.o.Log)
	if err != nil {
		return ""
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return ""
	}
	from := max(0, info.Size()-bytes)
	text := make([]byte, info.Size()-from)
	n, _ := f.ReadAt(text, from)
	tail := strings.Split(strings.TrimSpace(string(text[:n])), "\n")
	if from > 0 && len(tail) > 1 {
		tail = tail[1:] // the first is cut
	}
	tail = tail[max(0, len(tail)-lines):]
	return "\nThe end of the engine's log, " + s.o.Log + ":\n  " + strings.Join(tail, "\n  ")
}

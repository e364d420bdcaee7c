package launch

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
)

// A spawner starts processes from one thread that lives as long as the program:
// Linux sends a child's parent-death signal when the thread that started it
// ends, and Go's threads come and go.
type spawner chan func()

func newSpawner() spawner {
	s := make(spawner)
	go func() {
		runtime.LockOSThread()
		for f := range s {
			f()
		}
	}()
	return s
}

// A child is a started process.
type child struct {
	cmd    *exec.Cmd
	exited chan struct{}
	cause  string // after exited
}

// start starts cmd and waits for its end in the background.
func (s spawner) start(cmd *exec.Cmd) (*child, error) {
	err := make(chan error)
	s <- func() { err <- cmd.Start() }
	if err := <-err; err != nil {
		return nil, err
	}
	c := &child{cmd: cmd, exited: make(chan struct{})}
	go func() {
		c.cause = cause(cmd.Wait())
		close(c.exited)
	}()
	return c, nil
}

// cause says how a process ended.
func cause(err error) string {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return "exit status 0"
	case errors.As(err, &exit):
		return exit.ProcessState.String()
	}
	return err.Error()
}

// maxLog is the size from which a log is cut to its last quarter when it is opened.
const maxLog = 1 << 20

// openLog opens a log for appending.
func openLog(path string) (*os.File, error) {
	if b, err := os.ReadFile(path); err == nil && len(b) > maxLog {
		if err := os.WriteFile(path, b[len(b)-maxLog/4:], 0o600); err != nil {
			return nil, err
		}
	}
	return os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
}

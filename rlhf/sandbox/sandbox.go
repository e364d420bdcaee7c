package sandbox

import (
	"context"
	"fmt"
	"time"
)

// A Program is Python source and what it reads on its standard input.
type Program struct {
	Source string
	Input  []byte
}

// Limits bound a run. Zero fields take the default.
type Limits struct {
	Wall      time.Duration // of the whole run, start of the interpreter included. Default 10 s
	CPU       time.Duration // of each process, whole seconds, rounded up. Default 5 s
	Memory    int64         // bytes of address space of each process. Default 512 MiB
	Processes int           // and threads, all together. Default 2
	Output    int           // bytes on each of the two outputs. Default 64 KiB
}

// The defaults of Limits.
const (
	DefaultWall      = 10 * time.Second
	DefaultCPU       = 5 * time.Second
	DefaultMemory    = 512 << 20
	DefaultProcesses = 2
	DefaultOutput    = 64 << 10
)

// Filled returns the limits with the defaults in the place of zeros.
func (l Limits) Filled() Limits {
	if l.Wall == 0 {
		l.Wall = DefaultWall
	}
	if l.CPU == 0 {
		l.CPU = DefaultCPU
	}
	if l.Memory == 0 {
		l.Memory = DefaultMemory
	}
	if l.Processes == 0 {
		l.Processes = DefaultProcesses
	}
	if l.Output == 0 {
		l.Output = DefaultOutput
	}
	return l
}

// Validate reports a limit under which nothing could run.
func (l Limits) Validate() error {
	switch {
	case l.Wall <= 0:
		return fmt.Errorf("sandbox: Limits.Wall = %v, want more than 0", l.Wall)
	case l.CPU <= 0:
		return fmt.Errorf("sandbox: Limits.CPU = %v, want more than 0", l.CPU)
	case l.Memory < 64<<20:
		return fmt.Errorf("sandbox: Limits.Memory = %d bytes, want at least 64 MiB: the interpreter itself needs some", l.Memory)
	case l.Processes < 1:
		return fmt.Errorf("sandbox: Limits.Processes = %d, want at least 1", l.Processes)
	case l.Output < 1:
		return fmt.Errorf("sandbox: Limits.Output = %d bytes, want at least 1", l.Output)
	}
	return nil
}

// How a run ended.
const (
	Exited      = "exited"          // by itself; Code says with what
	Signalled   = "signal"          // a signal ended it, mostly that of the limit on processor time; Code is its number
	OutOfTime   = "out of time"     // the wall clock; everything was killed
	TooMuchSaid = "too much output" // more than Limits.Output; everything was killed
)

// An End is how a program ended. Nothing in it can be trusted beyond what it says
// of the kernel's doing: a program may print and exit as it likes, see package humaneval for a
// verdict that it cannot forge.
type End struct {
	How    string // one of the above
	Code   int
	Stdout []byte // at most Limits.Output bytes each
	Stderr []byte
	Wall   time.Duration
}

// Run runs a program and waits for its end. The error is of the sandbox or of ctx,
// never of the program: a machine that cannot isolate is told as an [*Unavailable].
func Run(ctx context.Context, p Program, l Limits) (End, error) {
	l = l.Filled()
	if err := l.Validate(); err != nil {
		return End{}, err
	}
	return run(ctx, p, l)
}

// Check says whether this machine can isolate a program, by isolating one.
func Check(ctx context.Context) error {
	end, err := Run(ctx, Program{Source: "print('isolated')"}, Limits{Wall: time.Minute, CPU: time.Minute})
	if err != nil {
		return err
	}
	if end.How != Exited || end.Code != 0 || string(end.Stdout) != "isolated\n" {
		return fmt.Errorf("sandbox: a program of one line did not run (%s, %d): %.300s", end.How, end.Code, end.Stderr)
	}
	return nil
}

// Unavailable says why no program is run on this machine.
type Unavailable struct {
	Missing string // what the machine lacks
	Err     error
}

func (u *Unavailable) Error() string {
	return fmt.Sprintf("sandbox: untrusted code is not run here, because it could not be held in: %s (%v)", u.Missing, u.Err)
}

func (u *Unavailable) Unwrap() error { return u.Err }

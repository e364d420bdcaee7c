package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"

	"hhrlhf/kernel/engine/socket"
	"hhrlhf/kernel/lab"
	"hhrlhf/rlhf"
)

func stopCommand() command {
	return command{
		name: "stop", args: "[run, name or pid]", maxArgs: 1,
		short: "stop a run at its next step boundary, or an engine",
		long: `
Nothing that was trained is lost: a run stops after the step in progress, is on disk,
and goes on when its cell is run again. What was kept is printed.

  rlhf stop ppo-1              the calls that drive this run, whichever notebook made them
  rlhf stop shared             the engine of that name (or pid), and what it trains
  rlhf stop -all               all your engines on this machine

An engine that a notebook's kernel has started is started again by it, without models
and idle; to end that one too, shut its kernel down in Jupyter.`,
		bind: func(fs *flag.FlagSet) func(context.Context, []string) error {
			all := fs.Bool("all", false, "stop all your engines")
			asJSON := fs.Bool("json", false, "print a JSON object for each that was stopped")
			return func(ctx context.Context, args []string) error {
				if *all == (len(args) == 1) {
					return errors.New("stop: name a run, or an engine by its name or pid (rlhf ps), or give -all")
				}
				s := stopper{out: os.Stdout, err: os.Stderr, asJSON: *asJSON}
				if *all {
					return s.all(ctx)
				}
				return s.one(ctx, args[0])
			}
		},
	}
}

// A stopper stops things and says what was kept.
type stopper struct {
	out, err io.Writer
	asJSON   bool
}

// A stopped is what was stopped.
type stopped struct {
	Engine string     `json:"engine"`
	PID    int        `json:"pid"`
	Run    string     `json:"run,omitempty"` // "": the engine itself
	Step   int        `json:"step,omitempty"`
	Calls  []rlhf.Job `json:"calls,omitempty"`
	Kept   []keptRun  `json:"kept,omitempty"`
	Kernel int        `json:"kernel,omitempty"` // starts the engine again
}

// A keptRun is a run that was in use, and its last step.
type keptRun struct {
	Run  string `json:"run"`
	Step int    `json:"step"`
}

// one stops the engine, or else the run, of a name.
func (s stopper) one(ctx context.Context, name string) error {
	found, err := living()
	if err != nil {
		return err
	}
	// Engines of that name; those that have such a run, and those in which it is in use:
	// engines may share a folder of runs.
	var fit, with, using []socket.Engine
	for _, e := range found {
		if e.Is(name) {
			fit = append(fit, e)
		}
		st, err := statusOf(ctx, e)
		if err != nil {
			continue
		}
		for _, r := range st.Runs {
			if r.Name == name {
				with = append(with, e)
				if r.InUse() {
					using = append(using, e)
				}
			}
		}
	}
	switch {
	case len(fit) > 0 && len(with) > 0:
		return fmt.Errorf("stop: %q is an engine and a run: name the engine by its pid, or stop the run in a cell", name)
	case len(fit) > 1:
		return fmt.Errorf("stop: there are %d engines called %q: name one by its pid (rlhf ps)", len(fit), name)
	case len(fit) == 1:
		return s.engine(ctx, fit[0])
	case len(with) == 0:
		return fmt.Errorf("stop: no engine is called %q and none has a run of that name: %s", name, listed(found))
	}
	if len(using) == 0 {
		using = with[:1]
	}
	for _, e := range using {
		if err := s.run(ctx, e, name); err != nil {
			return err
		}
	}
	return nil
}

func (s stopper) all(ctx context.Context) error {
	found, err := living()
	if err != nil {
		return err
	}
	if len(found) == 0 {
		fmt.Fprintln(s.err, "no engine of yours runs on this machine")
	}
	for _, e := range found {
		err = errors.Join(err, s.engine(ctx, e))
	}
	return err
}

// living are the engines that run.
func living() ([]socket.Engine, error) {
	found, err := engines()
	var alive []socket.Engine
	for _, e := range found {
		if !e.Stale {
			alive = append(alive, e)
		}
	}
	return alive, err
}

func listed(found []socket.Engine) string {
	if len(found) == 0 {
		return "no engine of yours runs on this machine"
	}
	var names []string
	for _, e := range found {
		names = append(names, fmt.Sprintf("%s (pid %d)", e.Name, e.PID))
	}
	return "there are " + strings.Join(names, ", ")
}

// run stops the calls that drive a run.
func (s stopper) run(ctx context.Context, e socket.Engine, name string) error {
	l := lab.Open(lab.Options{Socket: e.Socket, Wait: time.Second}).With(ctx).(*lab.Session)
	stop := newProgress(s.err, "stop").waiting("waiting for the step in progress of " + name)
	calls, step, err := l.Stop(name)
	stop()
	if err != nil {
		return fmt.Errorf("stop: %s: %w", name, err)
	}
	if s.asJSON {
		return printJSON(s.out, stopped{Engine: e.Name, PID: e.PID, Run: name, Step: step, Calls: calls})
	}
	if len(calls) == 0 {
		_, err = fmt.Fprintf(s.out, "%s stands still already, at step %d (engine %s, pid %d)\n", name, step, e.Name, e.PID)
		return err
	}
	for _, c := range calls {
		fmt.Fprintf(s.out, "%s: stopped %s by %s (engine %s, pid %d)\n", name, c.What, printable(c.Client), e.Name, e.PID)
	}
	_, err = fmt.Fprintf(s.out, "%s is kept at step %d: run its cell again to go on\n", name, step)
	return err
}

// ends is how long an engine may take to end: a step, and a checkpoint.
const ends = 45 * time.Second

// engine stops an engine and waits for its end.
func (s stopper) engine(ctx context.Context, e socket.Engine) error {
	before, err := statusOf(ctx, e)
	if err != nil {
		before = rlhf.Status{}
	}
	if err := syscall.Kill(e.PID, syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop: engine %s (pid %d): %w", e.Name, e.PID, err)
	}
	stop := newProgress(s.err, "stop").waiting(fmt.Sprintf("waiting for the step in progress of %s (pid %d)", e.Name, e.PID))
	defer stop()
	deadline := time.Now().Add(ends)
	for alive(e.PID) {
		if time.Now().After(deadline) {
			return fmt.Errorf("stop: engine %s (pid %d) has not ended after %v: kill -9 %[2]d ends it, and a run loses the step in progress at most", e.Name, e.PID, ends)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("stop: engine %s (pid %d) was told to end and is at its last step: %w", e.Name, e.PID, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
	what := stopped{Engine: e.Name, PID: e.PID}
	for _, r := range before.Runs {
		if r.InUse() {
			what.Kept = append(what.Kept, keptRun{r.Name, r.Step})
		}
	}
	if e.Kernel != nil {
		what.Kernel = e.Kernel.PID
	}
	if s.asJSON {
		return printJSON(s.out, what)
	}
	fmt.Fprintf(s.out, "engine %s (pid %d) has ended\n", e.Name, e.PID)
	for _, r := range what.Kept {
		fmt.Fprintf(s.out, "  %s is kept, at step %d or the one after it\n", r.Run, r.Step)
	}
	if n := len(before.Runs); n > 0 {
		fmt.Fprintf(s.out, "  all %d runs are on disk in %s\n", n, before.Dir)
	}
	if what.Kernel != 0 {
		fmt.Fprintf(s.out, "  its kernel (pid %d) starts an empty engine in its place; shut that kernel down in Jupyter to end both\n", what.Kernel)
	}
	return nil
}

// alive reports whether a process runs; one that has ended and was not waited for does not.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	// The name before the state, in brackets, may hold anything.
	state := string(stat[bytes.LastIndexByte(stat, ')')+1:])
	return !strings.HasPrefix(state, " Z")
}

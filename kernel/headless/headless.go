// Package headless executes notebooks without a browser, cell by cell, with the
// kernel and the private Python that package setup installs:
//
//	err := headless.Run(ctx, "notebooks/00_tour.ipynb", headless.Options{
//		Dirs: in.Dirs, Report: headless.Printer(os.Stderr, "00_tour")})
//
// Outputs are saved into the notebook or elsewhere, what was executed before a
// failing cell too. The work is done by nbclient, in the script run.py.
package headless

import (
	"bufio"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"hhrlhf/kernel/engine/socket"
	"hhrlhf/kernel/setup"
)

//go:embed run.py
var script string

// SizeEnv carries a notebook's one dial to its cells.
const SizeEnv = "RLHF_SIZE"

// RunsEnv names the folder in which the engine keeps its runs.
const RunsEnv = "RLHF_RUNS"

// Sizes are the values of the dial.
var Sizes = []string{"tiny", "default", "large"}

// Options of [Run].
type Options struct {
	Dirs   setup.Dirs
	Out    string      // file to save the executed notebook to; "" saves nothing
	Size   string      // one of Sizes; "" leaves the environment as it is
	Runs   string      // folder of the runs; "" leaves the environment as it is
	Kernel string      // kernelspec; "" is setup.KernelName
	Report func(Event) // called for each event, in order; nil for none
	Stderr io.Writer   // what the kernel writes outside of cells; nil discards it
}

// An Event is one step of an execution.
type Event struct {
	Event   string  `json:"event"`             // begin, ready, cell, done, failed, interrupted, broken, end
	Cell    int     `json:"cell,omitempty"`    // number of the code cell, from 1
	Cells   int     `json:"cells,omitempty"`   // begin: how many there are
	Seconds float64 `json:"seconds,omitempty"` // ready, done, failed: of this step; end: in all
	Source  string  `json:"source,omitempty"`  // cell, failed: the cell's code
	Error   string  `json:"error,omitempty"`   // failed, broken
	Stderr  string  `json:"stderr,omitempty"`  // failed: what the cell wrote to stderr, a panic's stack for one
	OK      bool    `json:"ok,omitempty"`      // end
	Saved   string  `json:"saved,omitempty"`   // end: the file written
}

// A CellError is a failing cell.
type CellError struct {
	Notebook string
	Cell     int // number of the code cell, from 1
	Source   string
	Text     string // the error as Jupyter shows it
	Stderr   string
}

// Error names the cell and quotes its code and the end of what it said.
func (e *CellError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: cell %d failed\n", e.Notebook, e.Cell)
	indent(&b, "    ", e.Source, 0)
	indent(&b, "  | ", e.Stderr, 30)
	if !strings.HasSuffix(strings.TrimSpace(e.Stderr), strings.TrimSpace(e.Text)) { // an exit status stands in both
		indent(&b, "  | ", e.Text, 30)
	}
	return strings.TrimRight(b.String(), "\n")
}

// indent writes the last most lines of text (all if 0), each behind a prefix.
func indent(b *strings.Builder, prefix, text string, most int) {
	text = strings.TrimSpace(text)
	if text == "" {
		return
	}
	lines := strings.Split(text, "\n")
	if most > 0 && len(lines) > most {
		lines = append([]string{"..."}, lines[len(lines)-most:]...)
	}
	for _, line := range lines {
		b.WriteString(prefix + line + "\n")
	}
}

// Run executes one notebook. It returns a *[CellError] at the first failing
// cell, ctx's error if that ended it, or what went wrong outside of the cells.
func Run(ctx context.Context, notebook string, o Options) error {
	if _, err := os.Stat(notebook); err != nil {
		return fmt.Errorf("headless: %w", err)
	}
	if o.Kernel == "" {
		o.Kernel = setup.KernelName
	}
	out := o.Out
	if out != "" {
		var err error
		if out, err = filepath.Abs(out); err != nil {
			return fmt.Errorf("headless: %w", err)
		}
	}
	cmd := exec.CommandContext(ctx, o.Dirs.Python(), "-c", script, notebook, out, o.Kernel)
	// As Jupyter's server does, so that rlhf ps can say which notebook this is.
	cmd.Env = append(setup.JupyterEnv(o.Dirs, os.Environ()), socket.NotebookEnv+"="+notebook)
	if o.Size != "" {
		cmd.Env = append(cmd.Env, SizeEnv+"="+o.Size)
	}
	if o.Runs != "" {
		cmd.Env = append(cmd.Env, RunsEnv+"="+o.Runs)
	}
	cmd.Stderr = o.Stderr
	// Its own group, so that Ctrl-C reaches the kernel through nbclient, in order;
	// interrupted it saves what it has, and is killed only if that hangs.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	cmd.WaitDelay = 20 * time.Second
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("headless: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("headless: %w; run: go run ./kernel/cmd/rlhf setup", err)
	}
	failure, ended := follow(stdout, notebook, o.Report)
	waitErr := cmd.Wait()
	if ctx.Err() != nil {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what is left of the group, as a rule nothing
		return fmt.Errorf("headless: %s: %w", notebook, context.Cause(ctx))
	}
	if failure != nil {
		return failure
	}
	if waitErr != nil || !ended {
		return fmt.Errorf("headless: %s: the executing Python ended early: %v", notebook, waitErr)
	}
	return nil
}

// follow reads the events until the script closes its output.
func follow(r io.Reader, notebook string, report func(Event)) (failure error, ended bool) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 64<<20) // a cell's error can be long
	for lines.Scan() {
		var e Event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil || e.Event == "" {
			continue // a stray print of some Python package
		}
		if report != nil {
			report(e)
		}
		switch e.Event {
		case "failed":
			failure = &CellError{Notebook: notebook, Cell: e.Cell, Source: e.Source, Text: e.Error, Stderr: e.Stderr}
		case "broken":
			failure = fmt.Errorf("headless: %s: %s", notebook, e.Error)
		case "interrupted":
			failure = errors.New("headless: " + notebook + ": interrupted")
		case "end":
			ended = true
		}
	}
	if err := lines.Err(); err != nil && failure == nil {
		failure = fmt.Errorf("headless: %s: %w", notebook, err)
	}
	return failure, ended
}

// Printer returns a Report that prints a line per cell, and one every quarter of
// a minute while a cell runs. Its lines begin with name.
func Printer(w io.Writer, name string) func(Event) {
	p := &printer{w: w, name: name}
	return p.report
}

type printer struct {
	w     io.Writer
	name  string
	cells int
	stop  func()

	mu sync.Mutex
}

func (p *printer) printf(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(p.w, "%s  %s\n", p.name, fmt.Sprintf(format, args...))
}

func (p *printer) report(e Event) {
	if p.stop != nil && e.Event != "begin" {
		p.stop()
		p.stop = nil
	}
	switch e.Event {
	case "begin":
		p.cells = e.Cells
	case "ready":
		p.printf("kernel ready in %.1f s", e.Seconds)
	case "cell":
		p.watch(e.Cell, firstLine(e.Source))
	case "done":
		p.printf("cell %2d/%d  %6.1f s", e.Cell, p.cells, e.Seconds)
	case "failed":
		p.printf("cell %2d/%d  %6.1f s  FAILED", e.Cell, p.cells, e.Seconds)
	case "end":
		if e.Saved != "" {
			p.printf("%.1f s in all, saved to %s", e.Seconds, e.Saved)
		} else {
			p.printf("%.1f s in all, outputs not saved", e.Seconds)
		}
	}
}

// watch prints that a cell is still running until the next event.
func (p *printer) watch(cell int, first string) {
	start, done := time.Now(), make(chan struct{})
	p.stop = func() { close(done) }
	go func() {
		tick := time.NewTicker(15 * time.Second)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				p.printf("cell %2d/%d  running for %.0f s: %s", cell, p.cells, time.Since(start).Seconds(), first)
			case <-done:
				return
			}
		}
	}()
}

// firstLine is the first line of a cell that is code of its own.
func firstLine(source string) string {
	for line := range strings.Lines(source) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "%") && !strings.HasPrefix(line, "//") {
			return line
		}
	}
	return strings.TrimSpace(source)
}

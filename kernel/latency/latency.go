// Package latency measures how long a notebook's cells take to answer: ours, those
// of stock gonb and those of ipykernel beside each other, while the engine is idle
// and while it trains.
//
// An answer is the time from the execute_request to the idle status behind the
// cell's last output, measured by jupyter_client in the private Python, the same
// for all kernels. Every answer is of a cell whose text is new, so that no
// compiler's cache has it. What only the first cell of its kind pays (an empty
// cache, a program to compile for the device) is left out.
//
// One engine serves all three kernels. Under load it trains a tiny language model
// the whole time; a training step of another run then waits for its turn, so Step
// is measured without load only.
package latency

import (
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"hhrlhf/kernel/engine/wire"
	"hhrlhf/kernel/launch"
	"hhrlhf/kernel/setup"
)

//go:embed latency.py
var script string

// Options of [Measure].
type Options struct {
	Dirs   setup.Dirs
	Rlhf   string // the rlhf command
	N      int    // answers per cell
	Report func(what string, done, of int)
}

// A Row is one cell in one kernel.
type Row struct {
	Kernel  string    `json:"kernel"`
	Cell    string    `json:"cell"` // one of Cells, or "start": from the start to ready
	Load    bool      `json:"load"` // the engine trained meanwhile
	Median  float64   `json:"median_s"`
	Min     float64   `json:"min_s"`
	Max     float64   `json:"max_s"`
	Seconds []float64 `json:"seconds"`         // of all answers, in order
	Error   string    `json:"error,omitempty"` // why there are none
}

// A Result is a whole table.
type Result struct {
	Cores int    `json:"cores"`
	Go    string `json:"go"`
	Rows  []Row  `json:"rows"`
}

// Find returns the row of a cell, nil if it was not measured.
func (r *Result) Find(kernel, cell string, load bool) *Row {
	for i := range r.Rows {
		if row := &r.Rows[i]; row.Kernel == kernel && row.Cell == cell && row.Load == load {
			return row
		}
	}
	return nil
}

// Measure starts an engine and the kernels, and measures them. It leaves nothing
// behind.
func Measure(ctx context.Context, o Options) (*Result, error) {
	dir, err := os.MkdirTemp("", "rl")
	if err != nil {
		return nil, fmt.Errorf("latency: %w", err)
	}
	defer os.RemoveAll(dir)
	env := append(setup.JupyterEnv(o.Dirs, os.Environ()), "JUPYTER_DATA_DIR="+dir, "JUPYTER_RUNTIME_DIR="+filepath.Join(dir, "runtime"),
		launch.EnvSocket+"="+filepath.Join(dir, "e.sock"))
	if err := writeSpecs(dir, o); err != nil {
		return nil, fmt.Errorf("latency: %w", err)
	}
	o.Report("starting an engine", 0, 0)
	stop, err := startEngine(ctx, dir, o, env)
	if err != nil {
		return nil, err
	}
	defer stop()
	r := &Result{Cores: runtime.NumCPU(), Go: runtime.Version()}
	for _, loaded := range []bool{false, true} {
		rows, err := measure(ctx, o, env, loaded)
		if err != nil {
			return nil, err
		}
		r.Rows = append(r.Rows, rows...)
	}
	return r, nil
}

// writeSpecs writes the kernelspecs.
func writeSpecs(dir string, o Options) error {
	d := o.Dirs
	for name, argv := range map[string][]string{
		"ours": {o.Rlhf, "kernel", "-repo", d.Repo, "{connection_file}"},
		"stock": {filepath.Join(d.Bin(), "gonb"), "--kernel", "{connection_file}", "-raw_error=true", "-logtostderr=false",
			"-extra_log=" + filepath.Join(dir, "stock.log"), "-go_work=" + d.Repo},
		"python": {d.Python(), "-m", "ipykernel_launcher", "-f", "{connection_file}"},
	} {
		b, err := json.Marshal(map[string]any{"argv": argv, "display_name": name, "language": name, "interrupt_mode": "message"})
		if err != nil {
			return err
		}
		folder := filepath.Join(dir, "kernels", name)
		if err := errors.Join(os.MkdirAll(folder, 0o700), os.WriteFile(filepath.Join(folder, "kernel.json"), b, 0o600)); err != nil {
			return err
		}
	}
	return nil
}

// startEngine starts an engine with runs of its own and waits until it listens.
func startEngine(ctx context.Context, dir string, o Options, env []string) (stop func(), err error) {
	socket := filepath.Join(dir, "e.sock")
	cmd := exec.Command(o.Rlhf, "engine", "-repo", o.Dirs.Repo, "-socket", socket, "-runs", filepath.Join(dir, "runs"))
	var log bytes.Buffer
	cmd.Env, cmd.Stdout, cmd.Stderr = env, &log, &log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("latency: engine: %w", err)
	}
	exited := make(chan struct{})
	go func() { cmd.Wait(); close(exited) }()
	stop = func() {
		cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-exited:
		case <-time.After(10 * time.Second):
			cmd.Process.Kill()
			<-exited
		}
	}
	for {
		if _, err := os.Stat(socket); err == nil {
			return stop, nil
		}
		select {
		case <-exited:
			return nil, fmt.Errorf("latency: the engine ended: %s\n%s", cmd.ProcessState, log.String())
		case <-ctx.Done():
			stop()
			return nil, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// measure runs the script once.
func measure(ctx context.Context, o Options, env []string, loaded bool) ([]Row, error) {
	p := plan{N: o.N, Kernels: []kernel{goKernel(Ours, "ours", "bench-ours", !loaded), goKernel(Stock, "stock", "bench-stock", !loaded),
		pythonKernel("bench-python", !loaded)}}
	p.Kernels[2].Setup[0] = fmt.Sprintf("HEADERS = {%q: %q}\n", wire.HeaderProtocol, wire.ProtocolID()) + p.Kernels[2].Setup[0]
	if loaded {
		busy := goKernel("", "ours", "bench-load", true)
		p.Load = &load{Spec: "ours", Setup: busy.Setup,
			Code: "%%\nfor e, err := range lab.Must(lab.Attach().OpenLM(\"bench-load\")).Steps(100000) {\n\tlab.Check(err)\n\tif e.Point != nil && e.Step == 3 { fmt.Println(\"on\") }\n}"}
	}
	b, err := json.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("latency: %w", err)
	}
	cmd := exec.CommandContext(ctx, o.Dirs.Python(), "-c", script)
	cmd.Env, cmd.Stdin = env, bytes.NewReader(b)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	// Interrupted, it ends its kernels.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	cmd.WaitDelay = 20 * time.Second
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("latency: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("latency: %w; run: go run ./kernel/cmd/rlhf setup", err)
	}
	rows := follow(out, loaded, o.Report)
	if err := cmd.Wait(); err != nil {
		text := strings.TrimSpace(stderr.String())
		return nil, fmt.Errorf("latency: the measuring Python ended: %w\n%s", err, text[max(0, len(text)-2000):])
	}
	return rows, nil
}

// follow reads what the script writes.
func follow(r io.Reader, loaded bool, report func(what string, done, of int)) []Row {
	var rows []Row
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e struct {
			Row
			Done, Of int
		}
		if json.Unmarshal(lines.Bytes(), &e) != nil || e.Kernel == "" {
			continue
		}
		if e.Of > 0 {
			what := e.Kernel + ", " + e.Cell
			if loaded {
				what += ", while the engine trains"
			}
			report(what, e.Done, e.Of)
			continue
		}
		e.Load = loaded
		if sorted := slices.Sorted(slices.Values(e.Seconds)); len(sorted) > 0 {
			e.Min, e.Max, e.Median = sorted[0], sorted[len(sorted)-1], median(sorted)
		}
		rows = append(rows, e.Row)
	}
	return rows
}

// median of sorted values.
func median(sorted []float64) float64 {
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

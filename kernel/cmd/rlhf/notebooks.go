package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"hhrlhf/kernel/engine/socket"
	"hhrlhf/kernel/headless"
	"hhrlhf/kernel/launch"
	"hhrlhf/kernel/setup"
)

// firstNotebook is what rlhf lab opens.
const firstNotebook = "notebooks/00_tour.ipynb"

func labCommand() command {
	return command{
		name: "lab", args: "[notebook] [-- jupyter arguments]", maxArgs: 1, passArgs: true,
		short: "open JupyterLab on the first notebook, or on the one named",
		long: `
Installs what is missing, then starts JupyterLab with settings of its own: your
own Jupyter configuration and kernels are neither used nor changed.

  rlhf lab
  rlhf lab notebooks/01_real_comparisons.ipynb
  rlhf lab -engine shared                     its notebooks use that engine (rlhf ps)
  rlhf lab -- --no-browser --port 8890        on a server, behind an SSH tunnel`,
		bind: func(fs *flag.FlagSet) func(context.Context, []string) error {
			engine := fs.String("engine", "", "`name`, process id or socket of an engine for all notebooks (default: one of its own for each)")
			return func(ctx context.Context, args []string) error {
				if err := useEngine(*engine); err != nil {
					return fmt.Errorf("lab: -engine: %w", err)
				}
				return runLab(ctx, args)
			}
		},
	}
}

// useEngine makes the kernels that are started from here use an engine that is there.
func useEngine(name string) error {
	if name == "" {
		return nil
	}
	path, err := socket.Resolve(name)
	if err != nil {
		return err
	}
	if err := socket.Check(path); err != nil {
		return err
	}
	return os.Setenv(launch.EnvSocket, path)
}

func runLab(ctx context.Context, args []string) error {
	i := slices.Index(args, "--")
	notebook, extra := firstNotebook, args[i+1:]
	in, err := setup.Ensure(ctx, setup.Options{Progress: os.Stderr})
	if err != nil {
		return err
	}
	if i == 1 {
		abs, err := filepath.Abs(args[0])
		if err != nil {
			return err
		}
		if notebook, err = filepath.Rel(in.Dirs.Repo, abs); err != nil || strings.HasPrefix(notebook, "..") {
			return fmt.Errorf("lab: %s is not inside %s, where cells find the library", args[0], in.Dirs.Repo)
		}
		if _, err := os.Stat(abs); err != nil {
			return fmt.Errorf("lab: %w", err)
		}
	}
	argv := []string{in.Dirs.Python(), "-m", "jupyterlab",
		"--ServerApp.root_dir=" + in.Dirs.Repo,
		"--LabApp.default_url=/lab/tree/" + filepath.ToSlash(notebook)}
	if os.Geteuid() == 0 {
		argv = append(argv, "--allow-root")
	}
	argv = append(argv, extra...)
	if err := os.Chdir(in.Dirs.Repo); err != nil {
		return err
	}
	// JupyterLab takes this process's place, so that Ctrl-C and the terminal are its own.
	err = syscall.Exec(argv[0], argv, setup.JupyterEnv(in.Dirs, os.Environ()))
	return fmt.Errorf("lab: %s: %w", argv[0], err)
}

// runFlags are the flags of rlhf run.
type runFlags struct {
	out     string
	runs    string
	size    string
	timeout time.Duration
	asJSON  bool
	verbose bool
}

func runCommand() command {
	return command{
		name: "run", args: "notebook...", minimum: 1, maxArgs: -1,
		short: "execute notebooks without a browser and save their outputs",
		long: `
Installs what is missing, then executes each notebook from its first cell to its
last. Stops at the first failing cell with status 1, prints the cell, its code and
the error, and saves what was executed so far. Ctrl-C saves too.

  rlhf run notebooks/00_tour.ipynb                    outputs go into the notebook
  rlhf run -o out.ipynb notebooks/00_tour.ipynb       or elsewhere
  rlhf run -size tiny notebooks/*.ipynb               quick check, nothing is saved
  rlhf run -runs my-runs notebooks/00_tour.ipynb      keep the models; go on with them next time
  rlhf run -json notebooks/00_tour.ipynb              events for programs, one a line`,
		bind: func(fs *flag.FlagSet) func(context.Context, []string) error {
			var f runFlags
			fs.StringVar(&f.out, "o", "", "`file` to save to, or a folder for several notebooks")
			fs.StringVar(&f.runs, "runs", os.Getenv(headless.RunsEnv), "`folder` of the runs (default: $"+headless.RunsEnv+", else an empty one for each notebook, deleted afterwards)")
			fs.StringVar(&f.size, "size", "default", strings.Join(headless.Sizes, ", ")+"; other sizes than default are saved only with -o")
			fs.DurationVar(&f.timeout, "timeout", 0, "end a notebook after this long, as 30m; 0 is never")
			fs.BoolVar(&f.asJSON, "json", false, "print events as JSON on standard output")
			fs.BoolVar(&f.verbose, "v", false, "print what the kernel says outside of cells")
			return func(ctx context.Context, args []string) error { return runNotebooks(ctx, f, args) }
		},
	}
}

func runNotebooks(ctx context.Context, f runFlags, notebooks []string) error {
	if !slices.Contains(headless.Sizes, f.size) {
		return fmt.Errorf("run: -size %q, want one of %s", f.size, strings.Join(headless.Sizes, ", "))
	}
	if f.timeout < 0 {
		return fmt.Errorf("run: -timeout %v, want 0 or more", f.timeout)
	}
	targets := make([]string, len(notebooks))
	for i, notebook := range notebooks {
		if _, err := os.Stat(notebook); err != nil {
			return fmt.Errorf("run: %w", err)
		}
		var err error
		if targets[i], err = f.target(notebook, len(notebooks) > 1); err != nil {
			return err
		}
	}
	in, err := setup.Ensure(ctx, setup.Options{Progress: os.Stderr})
	if err != nil {
		return err
	}
	for i, notebook := range notebooks {
		if err := f.one(ctx, in.Dirs, notebook, targets[i]); err != nil {
			return err
		}
	}
	return nil
}

// target says where a notebook's outputs go, "" for nowhere.
func (f runFlags) target(notebook string, several bool) (string, error) {
	if f.out == "" {
		if f.size != "default" {
			return "", nil // what is committed are the default's outputs
		}
		return notebook, nil
	}
	info, err := os.Stat(f.out)
	if err == nil && info.IsDir() {
		return filepath.Join(f.out, filepath.Base(notebook)), nil
	}
	if several {
		return "", fmt.Errorf("run: -o %s is not a folder, and several notebooks need one", f.out)
	}
	return f.out, nil
}

// one executes one notebook.
func (f runFlags) one(ctx context.Context, d setup.Dirs, notebook, target string) error {
	if f.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, f.timeout, fmt.Errorf("not done after %v (-timeout)", f.timeout))
		defer cancel()
	}
	runs := f.runs
	if runs == "" {
		// Executing a notebook means from nothing: what an earlier execution has
		// trained would be shown instead of trained.
		var err error
		if runs, err = os.MkdirTemp(d.Data, "executing-"); err != nil {
			return fmt.Errorf("run: %w", err)
		}
		defer os.RemoveAll(runs)
	}
	runs, err := filepath.Abs(runs)
	if err != nil {
		return fmt.Errorf("run: %w", err)
	}
	o := headless.Options{Dirs: d, Out: target, Size: f.size, Runs: runs,
		Report: headless.Printer(os.Stderr, strings.TrimSuffix(filepath.Base(notebook), ".ipynb"))}
	var kernelLog tail
	o.Stderr = &kernelLog
	if f.verbose {
		o.Stderr = os.Stderr
	}
	if f.asJSON {
		enc := json.NewEncoder(os.Stdout)
		o.Report = func(e headless.Event) { enc.Encode(e) }
	}
	err = headless.Run(ctx, notebook, o)
	var cell *headless.CellError
	if err != nil && !errors.As(err, &cell) && ctx.Err() == nil {
		// What the kernel wrote is the reason where no cell is.
		io.Copy(os.Stderr, strings.NewReader(kernelLog.String()))
	}
	return err
}

// A tail keeps the end of what is written to it.
type tail struct{ kept []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p...)
	if over := len(t.kept) - 8<<10; over > 0 {
		t.kept = t.kept[over:]
	}
	return len(p), nil
}

func (t *tail) String() string { return string(t.kept) }

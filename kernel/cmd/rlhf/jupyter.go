package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"hhrlhf/kernel/setup"
)

func jupyterCommand() command {
	return command{
		name: "jupyter", args: "program [arguments]", minimum: 1, maxArgs: -1, raw: true,
		short: "run a program of the private Jupyter: papermill, nbconvert, ...",
		long: `
Installs what is missing, then runs a program of the private environment with
JupyterLab's settings and our kernel. What follows its name is the program's own.

  rlhf jupyter papermill notebooks/00_tour.ipynb out.ipynb -p size tiny -p runs my-runs
  rlhf jupyter papermill --help-notebook notebooks/00_tour.ipynb
  rlhf jupyter nbconvert --to html notebooks/00_tour.ipynb
  rlhf jupyter nbconvert --to markdown --output-dir site notebooks/*.ipynb
  rlhf jupyter kernelspec list

papermill's parameters size and runs are those of rlhf run; any other becomes a Go
variable that replaces the notebook's own of that name.`,
		bind: func(*flag.FlagSet) func(context.Context, []string) error { return runJupyter },
	}
}

func runJupyter(ctx context.Context, args []string) error {
	in, err := setup.Ensure(ctx, setup.Options{Progress: os.Stderr})
	if err != nil {
		return err
	}
	program, err := jupyterProgram(in.Dirs, args[0])
	if err != nil {
		return err
	}
	// The program takes this process's place: Ctrl-C and the terminal are its own.
	argv := append([]string{in.Dirs.Python(), program}, args[1:]...)
	err = syscall.Exec(argv[0], argv, setup.JupyterEnv(in.Dirs, os.Environ()))
	return fmt.Errorf("jupyter: %s: %w", argv[0], err)
}

// jupyterProgram finds a program of the private environment by the name that
// follows "jupyter", or by its own.
func jupyterProgram(d setup.Dirs, name string) (string, error) {
	bin := filepath.Join(d.Venv(), "bin")
	for _, file := range []string{"jupyter-" + name, name} {
		path := filepath.Join(bin, file)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && filepath.Base(file) == file {
			return path, nil
		}
	}
	var names []string
	for _, pattern := range []string{"jupyter-*", "papermill"} {
		found, _ := filepath.Glob(filepath.Join(bin, pattern))
		for _, f := range found {
			names = append(names, strings.TrimPrefix(filepath.Base(f), "jupyter-"))
		}
	}
	slices.Sort(names)
	return "", fmt.Errorf("jupyter: there is no program %q in %s; there are %s", name, bin, strings.Join(names, ", "))
}

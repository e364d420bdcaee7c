package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"hhrlhf/kernel/engine"
	"hhrlhf/kernel/headless"
	"hhrlhf/kernel/setup"
)

// dataEnv names a folder of data sets, each a folder or file of that name: the
// run's Data "hh-rlhf" is $HHRLHF_DATA/hh-rlhf.
const dataEnv = "HHRLHF_DATA"

// readyEnv marks a process whose environment is as XLA needs it.
const readyEnv = "RLHF_ENGINE_ENV"

func engineCommand() command {
	return command{
		name: "engine", short: "serve models and training to notebooks (the kernel starts it)",
		long: `
Owns the device, the models and the compiled programs, and serves them over a unix
socket until it is interrupted. A notebook's kernel starts its own; started by
hand, on a GPU host for one, several notebooks can use it:

  gpu$     rlhf engine -socket ~/rlhf/engine.sock
  laptop$  ssh -N -L /tmp/engine.sock:rlhf/engine.sock gpu &
  laptop$  RLHF_ENGINE_SOCK=/tmp/engine.sock rlhf lab

GOMLX_BACKEND chooses the backend as in every GoMLX program. HHRLHF_DATA names a
folder of data sets: a run with Data "hh-rlhf" reads $HHRLHF_DATA/hh-rlhf.`,
		bind: func(fs *flag.FlagSet) func(context.Context, []string) error {
			socket := fs.String("socket", "", "`path` of the unix socket (default: engine.sock in the data folder)")
			runs := fs.String("runs", os.Getenv(headless.RunsEnv), "`folder` of the runs (default: $"+headless.RunsEnv+", else runs in the data folder)")
			repo := fs.String("repo", "", "`folder` of the module, the one around the working folder by default")
			return func(ctx context.Context, _ []string) error {
				d, err := setup.FindDirs(*repo)
				if err != nil {
					return err
				}
				return runEngine(ctx, d, *socket, *runs)
			}
		},
	}
}

func runEngine(ctx context.Context, d setup.Dirs, socket, runs string) error {
	if err := readyEnviron(d); err != nil {
		return err
	}
	if socket == "" {
		socket = filepath.Join(d.Data, "engine", "engine.sock")
	}
	runs = runsFolder(d, runs)
	lab, err := openLab(ctx, d, runs)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	log.Info("backend open", "backend", os.Getenv("GOMLX_BACKEND"), "runs", runs)
	return engine.Serve(ctx, engine.Options{Socket: socket, Lab: lab, Log: log})
}

// released is the name of the paper's comparisons, the one data set that is
// fetched where no local folder is given.
const released = "hh-rlhf"

// dataset finds a data set by name: in the folder that HHRLHF_DATA names, or, for
// the released comparisons, in the cache of the hub. "" means there is none.
func dataset(ctx context.Context, d setup.Dirs, name string) (string, error) {
	root := os.Getenv(dataEnv)
	switch {
	case root == "" && name == released:
		return setup.Hub(d, os.Stderr).Fetch(ctx)
	case root == "" || !filepath.IsLocal(name):
		return "", nil
	}
	path := filepath.Join(root, name)
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("engine: %s=%s holds no %s: %w", dataEnv, root, name, err)
	}
	return path, nil
}

// readyEnviron starts the process anew with [setup.Env], once: the C library
// reads its tunables, and the loader its paths, before main begins.
func readyEnviron(d setup.Dirs) error {
	env, err := setup.Env(d, os.Environ())
	if err != nil {
		return err
	}
	if os.Getenv(readyEnv) != "" || slices.Equal(env, os.Environ()) {
		return nil
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	err = syscall.Exec(self, os.Args, append(env, readyEnv+"=1"))
	return fmt.Errorf("engine: %s: %w", self, err)
}

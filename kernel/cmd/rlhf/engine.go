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
	"hhrlhf/kernel/setup"
	"hhrlhf/rlhf"
)

// openLab makes the lab that the engine serves, on the backend that
// GOMLX_BACKEND names, with its runs in a folder.
var openLab func(ctx context.Context, runs string) (rlhf.Lab, error)

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

GOMLX_BACKEND chooses the backend as in every GoMLX program.`,
		bind: func(fs *flag.FlagSet) func(context.Context, []string) error {
			socket := fs.String("socket", "", "`path` of the unix socket (default: engine.sock in the data folder)")
			runs := fs.String("runs", "", "`folder` of the runs (default: runs in the data folder)")
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
	if runs == "" {
		runs = filepath.Join(d.Data, "runs")
	}
	if openLab == nil {
		return fmt.Errorf("engine: this build has no in-process lab to serve")
	}
	lab, err := openLab(ctx, runs)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	return engine.Serve(ctx, engine.Options{Socket: socket, Lab: lab, Log: log,
		Ready: func() {
			log.Info("engine ready", "socket", socket, "runs", runs, "backend", os.Getenv("GOMLX_BACKEND"))
		}})
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

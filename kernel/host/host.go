// Package host opens the lab of this machine, for whoever holds the models in his own
// process: the engine, the stages from a shell, and a reader's own engine (package own).
// It says where runs, data sets and models are, and what the environment must hold.
package host

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"hhrlhf/kernel/engine"
	"hhrlhf/kernel/engine/socket"
	"hhrlhf/kernel/setup"
	"hhrlhf/rlhf/local"
)

// DataEnv names a folder of data sets, each a folder or file of that name: the
// run's Data "hh-rlhf" is $HHRLHF_DATA/hh-rlhf.
const DataEnv = "HHRLHF_DATA"

// readyEnv marks a process whose environment is as XLA needs it.
const readyEnv = "RLHF_ENGINE_ENV"

// An Engine says what to serve, and where.
type Engine struct {
	Name   string // what people call it, one word. "": the notebook's name, else "engine"
	Socket string // "": engine.sock in the data folder
	Runs   string // folder of the runs. "": runs in the data folder
	Own    local.Own
	Keep   int64  // bytes of models that may stay loaded unused, see [local.Options]
	Build  string // in replies and errors. "": the module's version
}

// Serve serves the lab until ctx ends. The environment must be as [Ready] makes it.
func Serve(ctx context.Context, d setup.Dirs, e Engine) error {
	if e.Socket == "" {
		e.Socket = filepath.Join(Sockets(d), socket.Name)
	}
	if e.Name = cmp.Or(e.Name, socket.Notebook(), "engine"); strings.ContainsAny(e.Name, "/ \t\n") {
		return fmt.Errorf("engine: name %q, want one word without a slash", e.Name)
	}
	lab, err := Open(ctx, d, e)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	log.Info("backend open", "backend", os.Getenv("GOMLX_BACKEND"), "runs", Runs(d, e.Runs))
	o := engine.Options{Socket: e.Socket, Name: e.Name, Lab: lab, Log: log, Version: e.Build}
	if os.Getenv(socket.KernelDirEnv) != "" {
		o.LogFile = os.Getenv(socket.LogEnv)
	}
	return engine.Serve(ctx, o)
}

// Sockets is the folder of the socket of an engine that no kernel started.
func Sockets(d setup.Dirs) string { return filepath.Join(d.Data, "engine") }

// Open opens the lab that an engine would serve. The environment must be as [Ready] makes
// it; that sets GOMLX_BACKEND, too.
func Open(ctx context.Context, d setup.Dirs, e Engine) (*local.Lab, error) {
	return local.Open(local.Options{
		Dir:      Runs(d, e.Runs),
		Backend:  os.Getenv("GOMLX_BACKEND"),
		Datasets: func(name string) (string, error) { return dataset(ctx, d, name) },
		Models:   func(name string) (string, error) { return setup.Models(d, os.Stderr).Path(ctx, name) },
		Own:      e.Own,
		Keep:     e.Keep,
	})
}

// Runs is the folder of the runs that a flag asks for.
func Runs(d setup.Dirs, runs string) string {
	if runs == "" {
		return filepath.Join(d.Data, "runs")
	}
	return runs
}

// released is the name of the paper's comparisons, the one data set that is
// fetched where no local folder is given.
const released = "hh-rlhf"

// dataset finds a data set by name: in the folder that HHRLHF_DATA names, or, for
// the released comparisons, in the cache of the hub. "" means there is none.
func dataset(ctx context.Context, d setup.Dirs, name string) (string, error) {
	root := os.Getenv(DataEnv)
	switch {
	case root == "" && name == released:
		return setup.Hub(d, os.Stderr).Fetch(ctx)
	case root == "" || !filepath.IsLocal(name):
		return "", nil
	}
	path := filepath.Join(root, name)
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("engine: %s=%s holds no %s: %w", DataEnv, root, name, err)
	}
	return path, nil
}

// Ready starts the process anew with [setup.Env], once: the C library reads its
// tunables, and the loader its paths, before main begins.
func Ready(d setup.Dirs) error {
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

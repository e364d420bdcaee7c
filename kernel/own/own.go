package own

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"hhrlhf/kernel/headless"
	"hhrlhf/kernel/host"
	"hhrlhf/kernel/launch/slot"
	"hhrlhf/kernel/setup"
	"hhrlhf/rlhf/local"
	"hhrlhf/rlhf/pjrt"
)

// socketEnv names the engine's socket, for cells and for engines.
const socketEnv = "RLHF_ENGINE_SOCK"

// Serve makes this program the engine: of the notebook that it belongs to, and then it
// returns when the engine answers; else of whoever asks at its socket, and then it
// returns when it is interrupted. Where a kernel has started it as its engine it does not
// return.
func Serve(a local.Own) error {
	if os.Getenv(slot.Env) != "" {
		if err := serve(a, os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	socket := os.Getenv(socketEnv)
	s, found, err := slot.Beside(socket)
	switch {
	case err != nil:
		return fmt.Errorf("own: %w", err)
	case found:
		return handOver(s, socket, describe(a))
	}
	return serve(a, os.Args[1:])
}

// Stock gives the notebook's runs back to its stock engine.
func Stock() error {
	socket := os.Getenv(socketEnv)
	s, found, err := slot.Beside(socket)
	switch {
	case err != nil:
		return fmt.Errorf("own: %w", err)
	case !found:
		return fmt.Errorf("own: %s=%q is not the engine of a notebook's kernel: stop the program that serves there", socketEnv, socket)
	}
	return giveBack(s, socket)
}

// serve is the engine: args are those of rlhf engine.
func serve(a local.Own, args []string) error {
	home, err := pjrt.FindHome()
	if err != nil {
		return err
	}
	fs := flag.NewFlagSet("engine", flag.ContinueOnError)
	fs.Usage = func() {
		fmt.Fprintf(fs.Output(), "An engine that knows %s.\nIt serves a notebook whose %s names its socket, until it is interrupted.\n\n", describe(a), socketEnv)
		fs.PrintDefaults()
	}
	e := host.Engine{Own: a, Build: describe(a)}
	fs.StringVar(&e.Socket, "socket", os.Getenv(socketEnv), "`path` of the unix socket (default: $"+socketEnv+", else engine.sock in the data folder)")
	fs.StringVar(&e.Runs, "runs", os.Getenv(headless.RunsEnv), "`folder` of the runs (default: $"+headless.RunsEnv+", else runs in the data folder)")
	repo := fs.String("repo", "", "`folder` of the module hhrlhf (a kernel names it; nothing here needs it)")
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return fmt.Errorf("own: %w", err)
	}
	if fs.NArg() > 0 {
		return fmt.Errorf("own: %q: an engine takes no arguments; see -h", fs.Args())
	}
	d := setup.Dirs{Data: home.Data, Cache: home.Cache, Repo: *repo}
	if err := host.Ready(d); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGTERM, unix.SIGINT, unix.SIGHUP)
	defer stop()
	return host.Serve(ctx, d, e)
}

// describe lists what a program brings.
func describe(a local.Own) string {
	var parts []string
	for _, p := range []struct {
		what  string
		names []string
	}{{"algorithm", slices.Sorted(maps.Keys(a.Algorithms))}, {"loss", slices.Sorted(maps.Keys(a.Losses))}} {
		for _, name := range p.names {
			parts = append(parts, fmt.Sprintf("%s %q", p.what, name))
		}
	}
	if len(parts) == 0 {
		parts = []string{"nothing of its own"}
	}
	return strings.Join(parts, ", ")
}

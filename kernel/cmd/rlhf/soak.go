package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"hhrlhf/kernel/setup"
	"hhrlhf/kernel/soak"
)

// soakFlags are the flags of rlhf soak.
type soakFlags struct {
	o      soak.Options
	log    string
	asJSON bool
}

func soakCommand() command {
	return command{
		name: "soak", short: "train for an hour while everything around it is broken on purpose",
		long: `
Trains small runs through a kernel of its own, as a notebook does, while cells, gonb,
the engine and the launcher are interrupted, restarted and killed, and the disk of the
runs is full, limited or slow. After every blow it checks that the run is the
beginning of what a straight run of the same seed gives, number for number, that no
process, file or open file is left, and at the end that the engine's memory is flat.

  rlhf soak -for 1h                      the long one
  rlhf soak                              every blow once, some minutes
  rlhf soak -for 10m -seed 3 -log log    another draw; -log keeps an event a line

It needs what rlhf setup installs, and touches none of your runs. As root the runs lie
on a small disk of their own (a tmpfs) that can be filled and made slow; without, files
are limited in size and the engine is stopped in the middle of a checkpoint instead.
The status is 1 if anything is not as it must be.`,
		bind: func(fs *flag.FlagSet) func(context.Context, []string) error {
			var f soakFlags
			repo := fs.String("repo", "", "`folder` of the module that cells import, the one around the working folder by default")
			fs.DurationVar(&f.o.For, "for", 0, "how long blows fall; 0: until each has fallen")
			fs.Uint64Var(&f.o.Seed, "seed", 0, "decides which blow falls when")
			fs.DurationVar(&f.o.Every, "every", 10*time.Second, "mean `time` from the start of a cell to a blow")
			fs.IntVar(&f.o.Steps, "steps", 150, "steps of a round's policy; its models have a third")
			fs.StringVar(&f.log, "log", "", "`file` for one JSON object an event, the summary last")
			fs.BoolVar(&f.asJSON, "json", false, "print the same on standard output")
			return func(ctx context.Context, _ []string) error {
				d, err := setup.FindDirs(*repo)
				if err != nil {
					return err
				}
				return runSoak(ctx, d, f, os.Stdout, os.Stderr)
			}
		},
	}
}

func runSoak(ctx context.Context, d setup.Dirs, f soakFlags, out, progress io.Writer) (err error) {
	const command = "soak"
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("%s: %w", command, err)
	}
	f.o.Kernel = func(connection, runs string) []string {
		return []string{self, "kernel", "-repo", d.Repo, "-runs", runs, "-engine", self, connection}
	}
	f.o.Engine = func(socket, runs string) []string {
		return []string{self, "engine", "-repo", d.Repo, "-runs", runs, "-socket", socket}
	}
	log := io.Discard
	if f.log != "" {
		file, err := os.Create(f.log)
		if err != nil {
			return fmt.Errorf("%s: -log: %w", command, err)
		}
		defer func() { err = errors.Join(err, file.Close()) }()
		log = file
	}
	if f.asJSON {
		log, out = io.MultiWriter(log, out), progress
	}
	lines := json.NewEncoder(log)
	f.o.Event = func(e soak.Event) {
		_ = lines.Encode(e)
		fmt.Fprintln(out, e)
	}
	p := newProgress(progress, command)
	f.o.Say = func(text string) { p.say("%s", text) }
	began := time.Now()
	r, err := soak.Run(ctx, f.o)
	if err != nil && r.Rounds == 0 {
		return err
	}
	_ = lines.Encode(r)
	fmt.Fprintf(out, "\n%s", r)
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("%s: stopped after %s", command, ago(time.Since(began)))
	case r.Faults > 0:
		return fmt.Errorf("%s: %d faults: %s", command, r.Faults, strings.Join(r.All(), "\n  "))
	}
	return nil
}

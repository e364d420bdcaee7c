package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"syscall"

	"hhrlhf/kernel/launch"
	"hhrlhf/kernel/setup"
	"hhrlhf/rlhf/pjrt"
)

// rebuiltEnv marks a kernel that has just been brought up to date.
const rebuiltEnv = "RLHF_REBUILT"

func kernelCommand() command {
	return command{
		name: "kernel", args: "connection_file", minimum: 1, maxArgs: 1,
		short: "be a Jupyter kernel (Jupyter starts it)",
		long: `
What the kernelspec "RLHF (GoNB)" names. Starts gonb behind our proxy, and the
engine; all end with it. If a source of the module has changed since the command
was built, it is built again first.`,
		bind: func(fs *flag.FlagSet) func(context.Context, []string) error {
			repo := fs.String("repo", "", "`folder` of the module that cells import, the one around the working folder by default")
			runs := fs.String("runs", "", "`folder` of the runs (see rlhf engine -h)")
			engine := fs.String("engine", "", "`program` that serves the engine (default: the installed rlhf)")
			return func(ctx context.Context, args []string) error {
				d, err := setup.FindDirs(*repo)
				if err != nil {
					return err
				}
				if err := freshen(ctx, d); err != nil {
					return err
				}
				return runKernel(ctx, d, args[0], *runs, cmp.Or(*engine, d.Rlhf()))
			}
		},
	}
}

// freshen rebuilds the installed command and, if that changed it, starts it anew
// in this process's place. Sources that do not compile keep the old one.
func freshen(ctx context.Context, d setup.Dirs) error {
	self, err := os.Executable()
	if err != nil || self != d.Rlhf() || os.Getenv(rebuiltEnv) != "" {
		return nil
	}
	changed, err := setup.Rebuild(ctx, d, pjrt.NewProgress(os.Stderr, "rlhf"))
	if err != nil {
		fmt.Fprintf(os.Stderr, "rlhf: the engine stays as it was built before: %v\n", err)
		return nil
	}
	if !changed {
		return nil
	}
	err = syscall.Exec(self, os.Args, append(os.Environ(), rebuiltEnv+"=1"))
	return fmt.Errorf("kernel: %s: %w", self, err)
}

// kernelVersion is what front-ends show: the revision of the sources.
func kernelVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	return revision(info)
}

func runKernel(ctx context.Context, d setup.Dirs, connection, runs, program string) error {
	base := os.Environ()
	env, err := setup.Env(d, base)
	if err != nil {
		return err
	}
	engine := []string{program, "engine", "-repo", d.Repo, "-socket", launch.SocketArg}
	if runs != "" {
		abs, err := filepath.Abs(runs)
		if err != nil {
			return err
		}
		engine = append(engine, "-runs", abs)
	}
	return launch.Run(ctx, launch.Options{
		ConnectionFile: connection,
		Repo:           d.Repo,
		Gonb:           filepath.Join(d.Bin(), "gonb"),
		BinDir:         d.Bin(),
		EngineCmd:      engine,
		History:        d.History(),
		Version:        kernelVersion(),
		Env:            slices.DeleteFunc(env, func(e string) bool { return slices.Contains(base, e) }),
	})
}

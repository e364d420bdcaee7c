package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime/debug"
	"strings"
	"text/tabwriter"

	"github.com/gomlx/compute"
	_ "github.com/gomlx/compute/gobackend" // for GOMLX_BACKEND=go
	_ "github.com/gomlx/go-xla/compute/xla"

	"hhrlhf/kernel/setup"
	"hhrlhf/rlhf/models"
	"hhrlhf/rlhf/pjrt"
)

func setupCommand() command {
	return command{
		name: "setup", short: "install what is missing (lab and run do it by themselves)",
		long: `
Installs the XLA plugin, gonb with gopls and goimports, JupyterLab in a private
virtual environment and the kernel "RLHF (GoNB)". Everything goes to
~/.local/share/hhrlhf and ~/.cache/hhrlhf (XDG_DATA_HOME and XDG_CACHE_HOME are
respected; RLHF_HOME=/some/folder moves all of it). Interrupt it and run it again
as you like; once all is in place it needs no network.

  rlhf setup                  for the CPU
  rlhf setup -backend cuda    for an NVIDIA GPU too, and use it (3 GB to fetch)
  rlhf setup -backend cpu     back to the CPU
  rlhf setup -model smollm2   only fetch a pretrained model, for rlhf lm -h
  rlhf setup -remove          take away what setup has made; runs stay
  rlhf setup -model smollm2 -remove          take away only the model

Models:
` + knownModels(),
		bind: func(fs *flag.FlagSet) func(context.Context, []string) error {
			backend := fs.String("backend", "", `"cpu" or "cuda"; without it what was chosen last, at first cpu`)
			model := fs.String("model", "", "`name` of a pretrained model to fetch, and nothing else")
			remove := fs.Bool("remove", false, "undo the set-up")
			return func(ctx context.Context, _ []string) error {
				if *model != "" {
					return runModel(ctx, *model, *remove)
				}
				if *remove {
					return runRemove(ctx)
				}
				in, err := setup.Ensure(ctx, setup.Options{Backend: *backend, Progress: os.Stderr})
				if err != nil {
					return err
				}
				fmt.Printf("everything is in place in %s, backend %s\n", in.Dirs.Data, in.Backend)
				return nil
			}
		},
	}
}

// knownModels lists the models that set-up can fetch, one a line.
func knownModels() string {
	text := ""
	for _, c := range models.Known() {
		text += fmt.Sprintf("  %-10s %s, %d MB\n", c.Name, c.About, c.Size>>20)
	}
	return text
}

// runModel fetches a pretrained model or takes it away.
func runModel(ctx context.Context, name string, remove bool) error {
	d, err := homeDirs()
	if err != nil {
		return err
	}
	if remove {
		if err := setup.RemoveModel(ctx, d, name); err != nil {
			return err
		}
		fmt.Println("removed", name)
		return nil
	}
	path, err := setup.InstallModel(ctx, d, name, os.Stderr)
	if err != nil {
		return err
	}
	fmt.Println(path)
	return nil
}

// homeDirs returns the folders of this user for commands that need no module;
// where the working folder is inside ours, with it.
func homeDirs() (setup.Dirs, error) {
	home, err := pjrt.FindHome()
	if err != nil {
		return setup.Dirs{}, err
	}
	repo, _ := setup.FindRepo("")
	return setup.Dirs{Data: home.Data, Cache: home.Cache, Repo: repo}, nil
}

func runRemove(ctx context.Context) error {
	d, err := setup.FindDirs("")
	if err != nil {
		return err
	}
	kept, err := setup.Remove(ctx, d, os.Stderr)
	if err != nil {
		return err
	}
	for _, path := range kept {
		fmt.Println("kept, not made by setup:", path)
	}
	fmt.Println("removed")
	return nil
}

func doctorCommand() command {
	return command{
		name: "doctor", short: "list every part, what is wrong with it and the cure",
		long: `
Looks at every part without changing anything or using the network, and starts
the backend once to see which device answers. Ends with status 1 if something is
wrong.

  rlhf doctor
  rlhf doctor -json                       for programs
  GOMLX_BACKEND=xla:cuda rlhf doctor      would that backend work?`,
		bind: func(fs *flag.FlagSet) func(context.Context, []string) error {
			asJSON := fs.Bool("json", false, "print a JSON array of parts")
			return func(ctx context.Context, _ []string) error {
				d, err := setup.FindDirs("")
				if err != nil {
					return err
				}
				parts := setup.Doctor(ctx, d, probeInChild)
				if *asJSON {
					enc := json.NewEncoder(os.Stdout)
					enc.SetIndent("", "  ")
					if err := enc.Encode(parts); err != nil {
						return err
					}
				} else {
					printParts(parts)
				}
				if !setup.Healthy(parts) {
					return errSaid
				}
				return nil
			}
		},
	}
}

func printParts(parts []setup.Part) {
	w := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	for _, p := range parts {
		mark := "ok"
		if !p.OK {
			mark = "WRONG"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", mark, p.Name, p.Version, p.Path)
	}
	w.Flush()
	for _, p := range parts {
		if !p.OK {
			fmt.Printf("\n%s: %s\n  cure: %s\n", p.Name, p.Fault, p.Cure)
		}
	}
}

// probeInChild opens the backend in a process of its own: a broken plugin ends
// in a crash, and the environment has to be right before the process begins.
func probeInChild(ctx context.Context, env []string) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, self, "probe")
	cmd.Env = env
	out, err := cmd.CombinedOutput()
	text := strings.TrimSpace(string(out))
	lines := strings.Split(text, "\n")
	if err != nil {
		return "", fmt.Errorf("%s (%w)", strings.TrimPrefix(lines[len(lines)-1], "rlhf: "), err)
	}
	return lines[len(lines)-1], nil
}

func probeCommand() command {
	return command{
		name: "probe", hidden: true, short: "open the backend that GOMLX_BACKEND names and describe it",
		long: "Used by rlhf doctor.",
		bind: func(*flag.FlagSet) func(context.Context, []string) error {
			return func(context.Context, []string) error {
				backend, err := compute.NewWithConfig(os.Getenv("GOMLX_BACKEND"))
				if err != nil {
					// Only the reason: GoMLX's errors carry a stack.
					reason, _, _ := strings.Cut(err.Error(), "\n")
					return fmt.Errorf("%s", reason)
				}
				defer backend.Finalize()
				fmt.Println(backend.Description())
				return nil
			}
		},
	}
}

func versionCommand() command {
	return command{
		name: "version", short: "print the versions that are built in",
		long: "Prints the module's revision and the versions of what it is built from.",
		bind: func(*flag.FlagSet) func(context.Context, []string) error {
			return func(context.Context, []string) error {
				info, ok := debug.ReadBuildInfo()
				if !ok {
					return fmt.Errorf("this binary carries no build information; build it with go build")
				}
				fmt.Println("rlhf", revision(info), info.GoVersion)
				for _, dep := range info.Deps {
					switch dep.Path {
					case "github.com/gomlx/gomlx", "github.com/gomlx/go-xla", "github.com/gomlx/compute", "github.com/janpfeifer/gonb":
						fmt.Println(dep.Path, dep.Version)
					}
				}
				return nil
			}
		},
	}
}

// revision is the commit a binary was built from, where Go recorded one.
func revision(info *debug.BuildInfo) string {
	rev, dirty := "", ""
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			rev = s.Value
		case "vcs.modified":
			if s.Value == "true" {
				dirty = "+changes"
			}
		}
	}
	if rev == "" {
		return info.Main.Version
	}
	return rev[:min(12, len(rev))] + dirty
}

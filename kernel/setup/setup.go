package setup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"hhrlhf/rlhf/pjrt"
)

// Backends that setup can install.
const (
	CPU  = "cpu"
	CUDA = "cuda"
)

// Options say what to install. The zero value is right for a CPU host.
type Options struct {
	Dirs     Dirs      // zero: FindDirs("")
	Backend  string    // CPU, CUDA, or "" for what was chosen last (CPU at first)
	Progress io.Writer // progress lines with elapsed times; nil for none
}

// Installed says where the parts are.
type Installed struct {
	Dirs    Dirs
	Backend string // CPU or CUDA
	Plugin  string // the plugin of that backend, absolute
}

// A part is one thing that setup installs.
type part struct {
	name string
	// ready says whether the part is installed as wanted, without the network.
	ready func(ctx context.Context) bool
	// install makes it ready, clearing away what an interrupted run left, and
	// reports whether it changed anything.
	install func(ctx context.Context, log *pjrt.Progress) (changed bool, err error)
	need    int64 // bytes of free space, 0 for little
}

// Ensure installs what is missing and returns where all is. It is safe to call
// from several processes at once. The error names the part and the cure.
func Ensure(ctx context.Context, o Options) (Installed, error) {
	if o.Dirs == (Dirs{}) {
		d, err := FindDirs("")
		if err != nil {
			return Installed{}, err
		}
		o.Dirs = d
	}
	d := o.Dirs
	if o.Backend == "" {
		o.Backend = chosenBackend(d)
	}
	parts, err := plan(d, o.Backend)
	if err != nil {
		return Installed{}, err
	}
	if err := os.MkdirAll(d.Data, 0o755); err != nil {
		return Installed{}, fmt.Errorf("setup: %w; the folder must be writable, or set %s to one that is", err, pjrt.HomeEnv)
	}
	whole := pjrt.NewProgress(o.Progress, "setup")
	unlock, err := pjrt.Lock(ctx, d.lock(), whole)
	if err != nil {
		return Installed{}, fmt.Errorf("setup: %w", err)
	}
	defer unlock()

	changed := false
	for _, p := range parts {
		if p.ready(ctx) {
			continue
		}
		if err := pjrt.CheckSpace(d.Data, p.need); err != nil {
			return Installed{}, fmt.Errorf("setup: %s: %w", p.name, err)
		}
		did, err := p.install(ctx, pjrt.NewProgress(o.Progress, p.name))
		changed = changed || did
		if err != nil {
			if ctx.Err() != nil {
				return Installed{}, fmt.Errorf("setup: interrupted at %s, run it again to go on: %w", p.name, context.Cause(ctx))
			}
			return Installed{}, fmt.Errorf("setup: %s: %w", p.name, err)
		}
	}
	if err := pjrt.WriteFile(d.backend(), []byte(o.Backend+"\n"), 0o644); err != nil {
		return Installed{}, fmt.Errorf("setup: %w", err)
	}
	if changed {
		whole.Printf("everything is in place (%s)", d.Data)
	}
	return Installed{Dirs: d, Backend: o.Backend, Plugin: pluginPath(d, o.Backend)}, nil
}

// plan lists the parts for a backend in the order of installation.
func plan(d Dirs, backend string) ([]part, error) {
	parts := []part{toolchainPart(d), pluginPart(d), toolsPart(d), venvPart(d), commandPart(d), kernelPart(d)}
	switch backend {
	case CPU:
	case CUDA:
		parts = append(parts, cudaPart(d))
	default:
		return nil, fmt.Errorf("setup: backend %q, want %q or %q", backend, CPU, CUDA)
	}
	return parts, nil
}

// pluginPart is the XLA plugin for the CPU, which tests use on GPU hosts too.
func pluginPart(d Dirs) part {
	installer := func(w io.Writer) (*pjrt.Installer, error) {
		in, err := pjrt.Default(w)
		if err != nil {
			return nil, err
		}
		in.Dir, in.Cache = d.pjrt(), d.Cache
		return in, nil
	}
	return part{
		name: "plugin",
		ready: func(context.Context) bool {
			in, err := installer(nil)
			if err != nil {
				return false
			}
			_, _, ok := in.Find()
			return ok
		},
		install: func(ctx context.Context, log *pjrt.Progress) (bool, error) {
			in, err := installer(log.Writer())
			if err != nil {
				return false, err
			}
			_, err = in.Ensure(ctx)
			return true, err
		},
	}
}

// pluginPath is where the plugin of a backend lies once installed.
func pluginPath(d Dirs, backend string) string {
	if backend == CUDA {
		return filepath.Join(d.CUDA(), filepath.FromSlash(cudaPlugin))
	}
	return filepath.Join(d.pjrt(), pjrt.FileName)
}

// chosenBackend returns what the last setup installed for, CPU if nothing.
func chosenBackend(d Dirs) string {
	content, err := os.ReadFile(d.backend())
	if err == nil && string(content) == CUDA+"\n" {
		return CUDA
	}
	return CPU
}

// claim makes dir a folder of ours, emptied of what an unfinished run left. A
// folder that someone else made is an error: setup must not delete it.
func claim(dir string) error {
	mark := filepath.Join(dir, ownerMark)
	if _, err := os.Stat(dir); err == nil {
		if _, err := os.Stat(mark); err != nil {
			return fmt.Errorf("%s exists but was not made by rlhf; move it away, or set %s to another folder", dir, pjrt.HomeEnv)
		}
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	} else if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return claimed(dir)
}

// claimed marks dir as made by setup.
func claimed(dir string) error {
	return os.WriteFile(filepath.Join(dir, ownerMark), []byte("made by rlhf setup, removed by rlhf setup -remove\n"), 0o644)
}

// ownerMark is the file that says a folder was made by setup.
const ownerMark = ".rlhf-setup"

// Package pjrt finds the XLA plugin for the CPU, and installs it where it is
// missing, so that a test, a notebook and the engine all load the same file:
//
//	path, err := pjrt.Ensure(ctx, os.Stderr)	// microseconds once installed
//	config, err := pjrt.Backend(ctx, os.Stderr)	// "xla:<path>", or what GOMLX_BACKEND says
//
// # Where the plugin comes from
//
// On Linux x86-64 it is the wheel of [CPUWheel], fetched with the user's own pip
// (so through the user's own index, proxy and certificates) and held to a pinned
// checksum: everyone gets the same bytes, so one seed gives one result on every
// machine. Where pip cannot deliver it, and on other platforms, go-xla's own
// release of the plugin is used ([Release]); that one has no published checksum,
// hence the order. Either way the choice is written down in the stamp beside the
// file and stays until it is removed.
//
// # Guarantees
//
// Nothing is visible before it is whole: work happens in a staging folder, under
// a file lock that processes share, and ends in a rename followed by a stamp. An
// interrupted installation is cleared and taken up again by the next call. Once
// the stamp and the file agree no lock is taken and no network is touched.
package pjrt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// FileName is the plugin's name on disk. GoMLX takes a plugin for a CPU one when
// its path contains "cpu", and shares buffers with it only then.
const FileName = "pjrt_c_api_cpu_plugin.so"

// needBytes is the free space an installation asks for: the plugin (260 MB),
// its archive beside it (64 MB) and some air.
const needBytes = 400 << 20

// A Source fetches the plugin from one place.
type Source interface {
	// Name says what is fetched, version included; it goes into the stamp.
	Name() string
	// Fetch leaves the plugin somewhere below stage, an empty folder on the
	// same file system as the target, and returns its path. Archives worth
	// keeping over an interrupt go to cache.
	Fetch(ctx context.Context, stage, cache string, log *Progress) (path string, err error)
}

// An Installer puts the plugin into Dir. [Ensure] uses the default one; the
// fields are there for setup's flags and for tests.
type Installer struct {
	Dir      string    // folder of the plugin and its stamp
	Cache    string    // folder for downloads
	Sources  []Source  // tried in this order
	Need     int64     // bytes of free space asked for; 0 means no check
	Progress io.Writer // progress lines; nil for none
}

// Default returns the Installer that [Ensure] uses. It fails only if no home
// folder can be found.
func Default(progress io.Writer) (*Installer, error) {
	home, err := FindHome()
	if err != nil {
		return nil, err
	}
	return &Installer{
		Dir:      filepath.Join(home.Data, "pjrt"),
		Cache:    home.Cache,
		Sources:  []Source{CPUWheel, Release{Version: ReleaseVersion}},
		Need:     needBytes,
		Progress: progress,
	}, nil
}

// Ensure returns the absolute path of the CPU plugin, installing it first where
// it is missing or damaged. Several processes may call it at once: one installs,
// the others wait. Progress lines with elapsed seconds go to progress (nil for
// none); nothing is printed when there is nothing to do.
func Ensure(ctx context.Context, progress io.Writer) (string, error) {
	in, err := Default(progress)
	if err != nil {
		return "", err
	}
	return in.Ensure(ctx)
}

// Dir returns the folder that holds, or will hold, the CPU plugin.
func Dir() (string, error) {
	in, err := Default(nil)
	if err != nil {
		return "", err
	}
	return in.Dir, nil
}

// ErrEmptyBackend is returned by [Backend] when GOMLX_BACKEND is set to nothing,
// which GoMLX would silently read as its slow pure-Go backend.
var ErrEmptyBackend = errors.New(`pjrt: GOMLX_BACKEND is set but empty, which GoMLX reads as its slow pure-Go backend; ` +
	`unset it to use XLA on the CPU, or name a backend such as "xla:cpu", "xla:cuda" or "go"`)

// Backend returns the GoMLX backend configuration to use: the value of
// GOMLX_BACKEND where the user has set it, else XLA with the CPU plugin that
// [Ensure] provides.
func Backend(ctx context.Context, progress io.Writer) (string, error) {
	if v, set := os.LookupEnv("GOMLX_BACKEND"); set {
		if v == "" {
			return "", ErrEmptyBackend
		}
		return v, nil
	}
	path, err := Ensure(ctx, progress)
	if err != nil {
		return "", err
	}
	return "xla:" + path, nil
}

// Find returns the plugin's path and stamp if it is installed and has the size
// its stamp says, and never touches the network.
func (in *Installer) Find() (path string, stamp Stamp, ok bool) {
	path = filepath.Join(in.Dir, FileName)
	stamp, err := ReadStamp(in.Dir)
	if err != nil {
		return path, Stamp{}, false
	}
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() || info.Size() != stamp.Size {
		return path, stamp, false
	}
	return path, stamp, true
}

// Ensure is [Ensure] for this Installer.
func (in *Installer) Ensure(ctx context.Context) (string, error) {
	if path, _, ok := in.Find(); ok {
		return path, nil
	}
	if err := os.MkdirAll(in.Dir, 0o755); err != nil {
		return "", fmt.Errorf("pjrt: %w; the folder must be writable, or set %s to one that is", err, HomeEnv)
	}
	log := NewProgress(in.Progress, "plugin")
	unlock, err := Lock(ctx, filepath.Join(in.Dir, "lock"), log)
	if err != nil {
		return "", fmt.Errorf("pjrt: %w", err)
	}
	defer unlock()
	if path, _, ok := in.Find(); ok { // another process was faster
		return path, nil
	}
	if err := ClearStages(in.Dir); err != nil {
		return "", fmt.Errorf("pjrt: %w", err)
	}
	if err := CheckSpace(in.Dir, in.Need); err != nil {
		return "", fmt.Errorf("pjrt: %w", err)
	}
	var faults []error
	for _, src := range in.Sources {
		path, err := in.install(ctx, src, log)
		if err == nil {
			return path, nil
		}
		if ctx.Err() != nil {
			return "", fmt.Errorf("pjrt: interrupted, the next call takes it up again: %w", ctx.Err())
		}
		log.Printf("%s: %v", src.Name(), err)
		faults = append(faults, fmt.Errorf("%s: %w", src.Name(), err))
	}
	return "", fmt.Errorf("pjrt: no source of the XLA plugin for the CPU works:\n%w\nany one of them is enough; "+
		"a plugin of your own can be named with GOMLX_BACKEND=xla:/path/to/%s", errors.Join(faults...), FileName)
}

// install fetches from one source and moves the result into place.
func (in *Installer) install(ctx context.Context, src Source, log *Progress) (string, error) {
	start := time.Now()
	log.Printf("installing %s", src.Name())
	stage, err := NewStage(in.Dir)
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(stage)
	file, err := src.Fetch(ctx, stage, in.Cache, log)
	if err != nil {
		return "", err
	}
	sum, size, err := HashFile(file)
	if err != nil {
		return "", err
	}
	if err := os.Chmod(file, 0o755); err != nil {
		return "", err
	}
	path := filepath.Join(in.Dir, FileName)
	if err := os.Rename(file, path); err != nil {
		return "", err
	}
	stamp := Stamp{Version: src.Name(), File: FileName, Size: size, SHA256: sum}
	if err := stamp.Write(in.Dir); err != nil {
		return "", err
	}
	log.Printf("installed %s in %.1f s", src.Name(), time.Since(start).Seconds())
	return path, nil
}

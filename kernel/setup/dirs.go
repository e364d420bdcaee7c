package setup

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/mod/modfile"

	"hhrlhf/rlhf/pjrt"
)

// KernelName is the kernelspec's name in notebook metadata.
const KernelName = "rlhf-gonb"

const modulePath = "hhrlhf"

// Dirs are the folders that setup works with, all absolute.
type Dirs struct {
	Data  string // what is installed
	Cache string // what can be fetched again
	Repo  string // root of the Go module
}

// FindDirs returns the folders of this user, with the module that encloses the
// folder from (the working folder if from is empty).
func FindDirs(from string) (Dirs, error) {
	home, err := pjrt.FindHome()
	if err != nil {
		return Dirs{}, fmt.Errorf("setup: %w", err)
	}
	repo, err := FindRepo(from)
	if err != nil {
		return Dirs{}, err
	}
	return Dirs{Data: home.Data, Cache: home.Cache, Repo: repo}, nil
}

// FindRepo returns the root of the module hhrlhf that encloses the folder from,
// or the working folder if from is empty.
func FindRepo(from string) (string, error) {
	dir, err := filepath.Abs(from)
	if err != nil {
		return "", fmt.Errorf("setup: %w", err)
	}
	for d := dir; ; d = filepath.Dir(d) {
		content, err := os.ReadFile(filepath.Join(d, "go.mod"))
		if err == nil && modfile.ModulePath(content) == modulePath {
			return d, nil
		}
		if d == filepath.Dir(d) {
			return "", fmt.Errorf("setup: %s is not inside the module %s; go to the folder that holds its go.mod and try again", dir, modulePath)
		}
	}
}

// Bin holds gonb, gopls, goimports and rlhf.
func (d Dirs) Bin() string { return filepath.Join(d.Data, "bin") }

// Rlhf is the installed command, which the kernelspec names.
func (d Dirs) Rlhf() string { return filepath.Join(d.Bin(), "rlhf") }

// Venv is the private virtual environment.
func (d Dirs) Venv() string { return filepath.Join(d.Data, "venv") }

// Python is the interpreter of the private virtual environment.
func (d Dirs) Python() string { return filepath.Join(d.Venv(), "bin", "python") }

// Jupyter is Jupyter's data folder: kernelspec, configuration, runtime files.
func (d Dirs) Jupyter() string { return filepath.Join(d.Data, "jupyter") }

// Spec is the folder of the kernelspec.
func (d Dirs) Spec() string { return filepath.Join(d.Jupyter(), "kernels", KernelName) }

// History is the file of the cells that were run, which the kernels write.
func (d Dirs) History() string { return filepath.Join(d.Data, "history.jsonl") }

// CUDA is the folder of XLA for NVIDIA GPUs.
func (d Dirs) CUDA() string { return filepath.Join(d.Data, "cuda") }

func (d Dirs) pjrt() string    { return filepath.Join(d.Data, "pjrt") }
func (d Dirs) build() string   { return filepath.Join(d.Data, "build") }
func (d Dirs) pip() string     { return filepath.Join(d.Cache, "pip") }
func (d Dirs) lock() string    { return filepath.Join(d.Data, "setup.lock") }
func (d Dirs) backend() string { return filepath.Join(d.Data, "backend") }

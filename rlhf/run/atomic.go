package run

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// ErrNoSpace is wrapped by errors of writes that did not fit on the disk, or
// into the user's quota or file-size limit.
var ErrNoSpace = errors.New("no space left")

// Names of things that are being made or taken away. Directories and files with
// these prefixes are never read, and are removed by the next writer.
const (
	tempPrefix = ".tmp-"
	gonePrefix = ".gone-"
)

// writeError explains a failed write of size bytes to path; 0 where that is not known.
func writeError(path string, size int64, err error) error {
	needed := ""
	if size > 0 {
		needed = fmt.Sprintf(" for %d bytes", size)
	}
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG) {
		return fmt.Errorf("run: %s: %w%s (%w); remove runs that are no longer needed, keep fewer checkpoints, or move the store to another disk",
			path, ErrNoSpace, needed, err)
	}
	return fmt.Errorf("run: %w", err)
}

// writeFile replaces path by data, so that a reader sees the old or the new
// contents and a crash leaves one of them. Errors of space name shown, the path
// that the user knows, which may differ from path for a directory in the making.
func writeFile(path, shown string, data []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), tempPrefix)
	if err != nil {
		return writeError(shown, int64(len(data)), err)
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return writeError(shown, int64(len(data)), err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return writeError(shown, int64(len(data)), err)
	}
	return syncDir(filepath.Dir(path))
}

// WriteFile replaces path by data, so that a reader sees the old or the new contents
// and a crash leaves one of them; see [ErrNoSpace].
func WriteFile(path string, data []byte) error { return writeFile(path, path, data) }

// makeDir makes a directory, readable by its owner only, if it is not there.
func makeDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return writeError(dir, 0, err)
	}
	return nil
}

// syncDir makes a rename in dir survive a power failure.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("run: %w", err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("run: %w", err)
	}
	return nil
}

// removeDir takes a directory away in one step for whoever lists its parent,
// and only then deletes what it holds. It needs no space, for it is the cure of a
// full disk.
func removeDir(dir string) error {
	gone := filepath.Join(filepath.Dir(dir), gonePrefix+filepath.Base(dir))
	err := os.RemoveAll(gone)
	if err == nil {
		err = os.Rename(dir, gone)
	}
	if err == nil {
		err = os.RemoveAll(gone)
	}
	if err != nil {
		return fmt.Errorf("run: %w", err)
	}
	return nil
}

// removeStale deletes what a killed process left half made or half deleted in dir.
func removeStale(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("run: %w", err)
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), tempPrefix) && !strings.HasPrefix(e.Name(), gonePrefix) {
			continue
		}
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return fmt.Errorf("run: %w", err)
		}
	}
	return nil
}

package run

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// ErrLocked is wrapped by the errors of writers that find another one at work.
var ErrLocked = errors.New("run is being written by another process")

const lockFile = "lock"

// Lock makes this Run the run's one writer, until [Run.Close] or the end of the
// process, however it ends (flock(2)). The error [ErrLocked] says which
// process has it. Methods that write call Lock themselves.
//
// The first call also clears away what a killed writer has left: unfinished
// checkpoints, and a last line of metrics or samples without its end.
func (r *Run) Lock() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lockForWriting()
}

// lockForWriting is Lock for callers that hold r.mu.
func (r *Run) lockForWriting() error {
	if r.lock.Locked() {
		return nil
	}
	if err := r.takeLock(); err != nil {
		return err
	}
	err := errors.Join(
		makeDir(r.checkpointDir()),
		removeStale(r.dir),
		removeStale(r.checkpointDir()),
		dropTornLine(filepath.Join(r.dir, metricsFile)),
		dropTornLine(filepath.Join(r.dir, samplesFile)),
	)
	if err != nil {
		r.lock.Unlock()
		return err
	}
	return nil
}

func (r *Run) takeLock() error {
	path := filepath.Join(r.dir, lockFile)
	ok, err := r.lock.TryLock()
	if err != nil {
		return writeError(path, 0, err)
	}
	if !ok {
		holder := "an unknown process"
		if pid, err := os.ReadFile(path); err == nil && len(bytes.TrimSpace(pid)) > 0 {
			holder = "process " + string(bytes.TrimSpace(pid))
		}
		return fmt.Errorf("run: %w: %s holds %s; close it there or end that process", ErrLocked, holder, path)
	}
	pid := strconv.Itoa(os.Getpid()) + "\n"
	if err := os.WriteFile(path, []byte(pid), 0o600); err != nil {
		r.lock.Unlock()
		return writeError(path, int64(len(pid)), err)
	}
	return nil
}

// Close gives the lock back. The run can still be read, and a later write takes
// the lock anew.
func (r *Run) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.lock.Unlock(); err != nil {
		return fmt.Errorf("run: %w", err)
	}
	return nil
}

package run

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"hhrlhf/rlhf/internal/safetensors"
)

// LoadCheckpoint returns the newest checkpoint that is whole. Newer ones that are
// not are named in its Skipped. The error is [ErrNoCheckpoint] if none was saved,
// and names every one if none can be read.
//
// Before writing on, call [Run.TruncateAfter] with the checkpoint's Step.
func (r *Run) LoadCheckpoint() (*Checkpoint, error) {
	const tries = 3 // a writer in another process may delete what was just listed
	for try := 1; ; try++ {
		ck, err := r.loadNewest()
		if err == nil || try == tries || !errors.Is(err, fs.ErrNotExist) {
			return ck, err
		}
	}
}

func (r *Run) loadNewest() (*Checkpoint, error) {
	all, err := r.checkpoints()
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("run: %w: %s", ErrNoCheckpoint, r.dir)
	}
	var skipped []error
	for _, c := range slices.Backward(all) {
		ck, err := readCheckpoint(filepath.Join(r.checkpointDir(), c.name))
		if err == nil && ck.Step != c.step {
			err = fmt.Errorf("run: %s: %s says step %d", filepath.Join(r.checkpointDir(), c.name), stateFile, ck.Step)
		}
		if err == nil {
			ck.Skipped = errors.Join(skipped...)
			return ck, nil
		}
		skipped = append(skipped, err)
	}
	return nil, fmt.Errorf("run: none of the %d checkpoints of %q can be read:\n%w", len(all), r.Name(), errors.Join(skipped...))
}

func readCheckpoint(dir string) (*Checkpoint, error) {
	statePath, tensorsPath := filepath.Join(dir, stateFile), filepath.Join(dir, tensorsFile)
	data, err := readSmall(statePath, maxState+4<<10) // the fields around the state have less than 4 kB
	if err != nil {
		return nil, err
	}
	var s stateJSON
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, fmt.Errorf("run: %s: %w", statePath, err)
	}
	if s.Format != 1 {
		return nil, fmt.Errorf("run: %s: format = %d, want 1", statePath, s.Format)
	}
	f, err := os.Open(tensorsPath)
	if err != nil {
		return nil, fmt.Errorf("run: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("run: %w", err)
	}
	if info.Size() != s.Tensors.Bytes {
		return nil, fmt.Errorf("run: %s: %d bytes, want %d", tensorsPath, info.Size(), s.Tensors.Bytes)
	}
	sum := crc32.New(castagnoli)
	tensors, err := safetensors.Read(io.TeeReader(bufio.NewReaderSize(f, 1<<20), sum), info.Size())
	if err != nil {
		return nil, fmt.Errorf("run: %s: %w", tensorsPath, err)
	}
	if got := fmt.Sprintf("%08x", sum.Sum32()); got != s.Tensors.CRC32C {
		return nil, fmt.Errorf("run: %s: CRC-32C %s, want %s: the file has changed since it was written", tensorsPath, got, s.Tensors.CRC32C)
	}
	return &Checkpoint{Step: s.Step, State: s.State, Tensors: tensors}, nil
}

func readSmall(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("run: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("run: %w", err)
	case int64(len(data)) > limit:
		return nil, fmt.Errorf("run: %s: more than %d bytes", path, limit)
	}
	return data, nil
}

package run

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"

	"hhrlhf/rlhf/internal/safetensors"
)

// ErrNoCheckpoint is wrapped by the error of LoadCheckpoint where none was saved.
var ErrNoCheckpoint = errors.New("run has no checkpoint")

const (
	checkpointsDir = "checkpoints"

	stateFile   = "state.json"
	tensorsFile = "tensors.safetensors"

	defaultKeep = 2
	maxState    = 64 << 20 // bytes of Checkpoint.State
)

// A Checkpoint is the whole state of a run after a step: what is needed to go on
// as if the run had never stopped.
type Checkpoint struct {
	Step    int             // steps done; 0 or more
	State   json.RawMessage // counters, data order, generators: whatever the stage keeps besides tensors
	Tensors []Tensor        // parameters and optimiser state, in the stage's order

	// Skipped is set by LoadCheckpoint where newer checkpoints could not be read: it
	// names each and what is wrong with it. Show it to the user.
	Skipped error
}

// stateJSON is the content of state.json.
type stateJSON struct {
	Format  int             `json:"format"`
	Step    int             `json:"step"`
	Tensors fileSum         `json:"tensors"`
	State   json.RawMessage `json:"state"`
}

// fileSum is what the tensors' file must be. CRC-32C finds accidents, not forgers.
type fileSum struct {
	Bytes  int64  `json:"bytes"`
	CRC32C string `json:"crc32c"` // 8 hexadecimal digits
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (r *Run) checkpointDir() string { return filepath.Join(r.dir, checkpointsDir) }

// savedCheckpoint is a directory of the form 000003-step12: checkpoints are
// numbered in the order in which they were saved, so that a run that was taken back
// to an earlier step still finds its newest.
type savedCheckpoint struct {
	name         string
	number, step int
}

var checkpointName = regexp.MustCompile(`^(\d{6,})-step(\d+)$`)

// checkpoints lists what is saved, oldest first.
func (r *Run) checkpoints() ([]savedCheckpoint, error) {
	entries, err := os.ReadDir(r.checkpointDir())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("run: %w", err)
	}
	var all []savedCheckpoint
	for _, e := range entries {
		m := checkpointName.FindStringSubmatch(e.Name())
		if m == nil || !e.IsDir() {
			continue
		}
		number, err1 := strconv.Atoi(m[1])
		step, err2 := strconv.Atoi(m[2])
		if err1 == nil && err2 == nil {
			all = append(all, savedCheckpoint{e.Name(), number, step})
		}
	}
	slices.SortFunc(all, func(a, b savedCheckpoint) int { return a.number - b.number })
	return all, nil
}

// SaveCheckpoint writes a checkpoint and then deletes all but the newest
// [Run.Keep]. If it fails, or the process dies in it, the checkpoints before it
// are untouched.
func (r *Run) SaveCheckpoint(ck Checkpoint) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if ck.Step < 0 {
		return fmt.Errorf("run: checkpoint of %q: step = %d, want 0 or more", r.Name(), ck.Step)
	}
	if err := r.lockForWriting(); err != nil {
		return err
	}
	all, err := r.checkpoints()
	if err != nil {
		return err
	}
	number := 1
	if len(all) > 0 {
		number = all[len(all)-1].number + 1
	}
	final := filepath.Join(r.checkpointDir(), fmt.Sprintf("%06d-step%d", number, ck.Step))
	if err := r.writeCheckpoint(final, ck); err != nil {
		return err
	}
	keep := r.Keep
	if keep <= 0 {
		keep = defaultKeep
	}
	for _, old := range all[:max(0, len(all)+1-keep)] {
		if err := removeDir(filepath.Join(r.checkpointDir(), old.name)); err != nil {
			return err
		}
	}
	return nil
}

// writeCheckpoint makes the directory final, beside its place first.
func (r *Run) writeCheckpoint(final string, ck Checkpoint) error {
	sum, err := sumTensors(ck.Tensors)
	if err != nil {
		return fmt.Errorf("run: checkpoint of step %d of %q: %w", ck.Step, r.Name(), err)
	}
	if len(ck.State) == 0 {
		ck.State = json.RawMessage("null")
	}
	if len(ck.State) > maxState {
		return fmt.Errorf("run: checkpoint of step %d of %q: state has %d bytes, want at most %d; keep bulk in tensors", ck.Step, r.Name(), len(ck.State), maxState)
	}
	var state bytes.Buffer
	enc := json.NewEncoder(&state)
	enc.SetEscapeHTML(false) // which would make the state longer
	if err := enc.Encode(stateJSON{Format: 1, Step: ck.Step, Tensors: sum, State: ck.State}); err != nil {
		return fmt.Errorf("run: checkpoint of step %d of %q: state: %w", ck.Step, r.Name(), err)
	}
	need := sum.Bytes + int64(state.Len())

	temp, err := os.MkdirTemp(r.checkpointDir(), tempPrefix)
	if err != nil {
		return writeError(final, need, err)
	}
	defer os.RemoveAll(temp) // nothing is left there if all goes well
	err = r.writeNew(filepath.Join(temp, tensorsFile), func(w io.Writer) error { return WriteTensors(w, ck.Tensors) })
	if err == nil {
		err = r.writeNew(filepath.Join(temp, stateFile), func(w io.Writer) error {
			_, err := w.Write(state.Bytes())
			return err
		})
	}
	if err != nil {
		return writeError(final, need, err)
	}
	if r.Sync {
		if err := syncDir(temp); err != nil {
			return err
		}
	}
	if err := os.Rename(temp, final); err != nil {
		return writeError(final, need, err)
	}
	if r.Sync {
		return syncDir(r.checkpointDir())
	}
	return nil
}

// sumTensors returns what the file of the tensors will be.
func sumTensors(tensors []Tensor) (fileSum, error) {
	crc, size := crc32.New(castagnoli), new(countingWriter)
	err := safetensors.Write(io.MultiWriter(crc, size), tensors)
	return fileSum{Bytes: int64(*size), CRC32C: fmt.Sprintf("%08x", crc.Sum32())}, err
}

// A countingWriter counts the bytes that are written to it.
type countingWriter int64

func (n *countingWriter) Write(p []byte) (int, error) {
	*n += countingWriter(len(p))
	return len(p), nil
}

func (r *Run) writeNew(path string, write func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<20) // many tensors are small
	err = write(w)
	if err == nil {
		err = w.Flush()
	}
	if err == nil && r.Sync {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

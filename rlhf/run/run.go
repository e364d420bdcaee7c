package run

import (
	"bytes"
	"encoding/json"
	"sync"

	"github.com/gofrs/flock"
)

// A Run is one run of a store. Its methods are safe for concurrent use; those that
// write hold the run's lock from the first write until [Run.Close].
type Run struct {
	// Keep is the number of checkpoints that SaveCheckpoint leaves; 0 means 2. With 1,
	// a checkpoint that the disk corrupts has none before it to fall back to.
	Keep int

	// Sync makes SaveCheckpoint wait until the checkpoint is on the disk. Without it
	// a checkpoint survives the death of the process at any moment, but the
	// newest may be lost with the power.
	Sync bool

	dir      string
	manifest Manifest

	mu   sync.Mutex // held by writers
	lock *flock.Flock
}

// Name returns the run's name.
func (r *Run) Name() string { return r.manifest.Name }

// Dir returns the run's directory, where stages keep files of their own, such as a
// tokenizer.
func (r *Run) Dir() string { return r.dir }

// Manifest returns the run's manifest.
func (r *Run) Manifest() Manifest {
	m := r.manifest
	m.Config = json.RawMessage(bytes.Clone(m.Config))
	return m
}

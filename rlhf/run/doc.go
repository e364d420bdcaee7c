// Package run keeps training runs on disk: one directory a run, with a manifest,
// metrics, samples and checkpoints, so that whatever happens to the process a run
// can be reopened by name and continued.
//
//	store, err := run.OpenStore(dir)
//	r, err := store.Create(run.Manifest{Name: "ppo-1", Kind: "ppo", Seed: 7, Config: cfg})
//	defer r.Close()
//	err = r.AppendMetrics(1, map[string]float64{"objective/kl": 0.02})
//	err = r.SaveCheckpoint(run.Checkpoint{Step: 1, State: state, Tensors: tensors})
//
// and, in a later process,
//
//	r, err := store.Open("ppo-1")
//	ck, err := r.LoadCheckpoint()
//	err = r.TruncateAfter(ck.Step) // then train on from ck.Step + 1
//
// A run directory holds
//
//	manifest.json                     what the run is and was made from
//	metrics.jsonl                     {"step":1,"objective/kl":0.02}, one line a step
//	samples.jsonl                     {"step":1,"sample":…}
//	checkpoints/000003-step12/        state.json and tensors.safetensors
//	lock                              held by the process that writes
//
// # Crashes
//
// Manifests and checkpoints are written beside their place and renamed, lines are
// written in one call: a process that is killed at any moment leaves the newest
// checkpoint whole and at most the last line torn, which readers skip and the next
// writer removes. A power failure can undo what the operating system had not
// written yet; [Run.Sync] makes each checkpoint wait for the disk. Every
// checkpoint carries a checksum, and one that fails it is passed over for the one
// before it.
//
// # Seeds
//
// One [Seed] a run, and a named stream for every consumer and step: see
// [Seed.Stream].
//
// # Errors
//
// [ErrExists], [ErrNotFound], [ErrLocked], [ErrNoCheckpoint] and [ErrNoSpace] are for
// callers that decide on them; every error names the file and the value at fault.
//
// # Differences from the paper
//
// The paper does not describe how its runs were kept.
package run

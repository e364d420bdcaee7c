package run_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"hhrlhf/rlhf/run"
)

// A run that somebody else has made may hold links: nothing is written through
// one, nothing waits for a pipe, and removing it removes the link.
func TestForeignRun(t *testing.T) {
	for _, name := range []string{"lock", "metrics.jsonl", "samples.jsonl", "manifest.json", "checkpoints", "checkpoints/000001-step1/state.json", "."} {
		for _, kind := range []string{"link", "pipe"} {
			s := newStore(t)
			r, err := s.Create(run.Manifest{Name: "r"})
			check(t, err)
			check(t, r.AppendMetrics(1, map[string]float64{"x": 1}))
			check(t, r.SaveCheckpoint(run.Checkpoint{Step: 1}))
			check(t, r.Close())
			path, target := filepath.Join(r.Dir(), name), filepath.Join(t.TempDir(), "mine")
			if _, err := os.Lstat(path); err == nil {
				check(t, os.Rename(path, target))
			} else {
				check(t, os.WriteFile(target, []byte("precious"), 0o600))
			}
			if kind == "link" {
				check(t, os.Symlink(target, path))
			} else {
				check(t, unix.Mkfifo(path, 0o600))
			}
			if _, err := s.Open("r"); err == nil || !strings.Contains(err.Error(), path) {
				t.Errorf("%s as a %s: error %v, want one that names it", name, kind, err)
			}
			if kind == "pipe" && (name == "lock" || name == ".") {
				continue // no run any more
			}
			before, _ := os.ReadFile(target)
			err = s.Remove("r")
			if (name == "lock") != (err != nil) {
				t.Errorf("%s as a %s: Remove: %v", name, kind, err)
			}
			if after, _ := os.ReadFile(target); string(after) != string(before) {
				t.Errorf("%s: what it points at has changed from %q to %q", name, before, after)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: what it points at is gone: %v", name, err)
			}
		}
	}
}

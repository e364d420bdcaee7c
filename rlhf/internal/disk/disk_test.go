package disk_test

import (
	"os"
	"path/filepath"
	"testing"

	"hhrlhf/rlhf/internal/disk"
)

// Files count wherever they lie, and links to them do not.
func TestSize(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "a", "b"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, n := range map[string]int{"x": 3, "a/y": 40, "a/b/z": 500} {
		if err := os.WriteFile(filepath.Join(dir, name), make([]byte, n), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("x", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if got := disk.Size(dir); got != 543 {
		t.Errorf("%d bytes, want 543", got)
	}
	if got := disk.Size(filepath.Join(dir, "gone")); got != 0 {
		t.Errorf("a folder that is not there has %d bytes", got)
	}
}

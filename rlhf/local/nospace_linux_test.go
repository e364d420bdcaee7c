package local_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/local"
	"hhrlhf/rlhf/run"
)

// A disk that is full in the middle of training: the error names the file and the
// cure, no step is lost, and with room again the run ends as a straight one does.
func TestDiskFull(t *testing.T) {
	small := t.TempDir()
	if err := unix.Mount("tmpfs", small, "tmpfs", 0, "size=16m"); err != nil {
		t.Skipf("no small disk to fill: mounting a tmpfs: %v", err)
	}
	defer unix.Unmount(small, unix.MNT_DETACH)
	straight := t.TempDir()
	a, err := open(t, straight).LM("lm", lmConfig)
	if err != nil {
		t.Fatal(err)
	}
	train(t, a, 6)

	l := openWith(t, local.Options{Dir: small, Keep: -1})
	r, err := l.LM("lm", lmConfig)
	if err != nil {
		t.Fatal(err)
	}
	other, err := l.LM("other", lmConfig)
	if err != nil {
		t.Fatal(err)
	}
	train(t, other, 1)
	train(t, r, 2)
	free := fillDisk(t, small)
	var last error
	for range 2 { // again, as a user would try
		if _, err := other.LogP([]rlhf.Transcript{{Prompt: "a", Response: "b"}}); err != nil { // for which idle runs are put away
			t.Fatal(err)
		}
		last = nil
		for _, err := range r.Steps(1) {
			last = err
		}
		if !errors.Is(last, run.ErrNoSpace) || !strings.Contains(last.Error(), filepath.Join(small, "lm")) || !strings.Contains(last.Error(), "remove runs") {
			t.Fatalf("error %v", last)
		}
	}
	if !strings.Contains(last.Error(), "goes on from step 4") {
		t.Errorf("after two steps on a full disk: %v", last)
	}
	free()
	if points := train(t, r, 1); points[0].Step != 5 {
		t.Errorf("went on with step %d, want 5: steps 3 and 4 were done", points[0].Step)
	}
	// The last step, after which there is nothing left to do but to keep it.
	free = fillDisk(t, small)
	for _, err := range r.Steps(1) {
		last = err
	}
	if !errors.Is(last, run.ErrNoSpace) {
		t.Fatalf("error %v", last)
	}
	free()
	for e, err := range r.Train() {
		t.Errorf("at the plan's end: %+v, %v", e, err)
	}
	same(t, straight, small, "lm")
}

// fillDisk fills a disk to its last byte; the returned function frees it.
func fillDisk(t *testing.T, dir string) (free func()) {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, "fill"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for block := make([]byte, 64<<10); len(block) > 0; {
		if _, err := f.Write(block); err != nil {
			block = block[:len(block)/2]
		}
	}
	return func() {
		if err := os.Remove(f.Name()); err != nil {
			t.Fatal(err)
		}
	}
}

package run_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"hhrlhf/rlhf/run"
)

// fillDisk saves a checkpoint that does not fit on the disk, after one that does,
// and says what is not as it should be. It is no test function because a
// child process calls it too.
func fillDisk(r *run.Run) error {
	if err := r.SaveCheckpoint(checkpointOf(1, 1000)); err != nil {
		return err
	}
	err := r.SaveCheckpoint(checkpointOf(2, 500_000))
	if !errors.Is(err, run.ErrNoSpace) {
		return fmt.Errorf("saving 2 MB: %v, want %v", err, run.ErrNoSpace)
	}
	for _, part := range []string{
		filepath.Join(r.Dir(), "checkpoints", "000002-step2"), "no space left for 2000", "remove runs that are no longer needed",
	} {
		if !strings.Contains(err.Error(), part) {
			return fmt.Errorf("error %q does not say %q", err, part)
		}
	}
	entries, err := os.ReadDir(filepath.Join(r.Dir(), "checkpoints"))
	if err != nil || len(entries) != 1 {
		return fmt.Errorf("the failed checkpoint left %v (%v)", entries, err)
	}
	if ck, err := r.LoadCheckpoint(); err != nil || ck.Step != 1 || ck.Skipped != nil {
		return fmt.Errorf("after the failure the checkpoint is %v, %v", ck, err)
	}
	return r.SaveCheckpoint(checkpointOf(3, 1000)) // what fits can still be saved
}

func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("no small disk to fill: mounting a tmpfs: %v", err)
	}
	defer unix.Unmount(dir, 0)
	s, err := run.OpenStore(dir)
	check(t, err)
	r, err := s.Create(run.Manifest{Name: "r"})
	check(t, err)
	defer r.Close()
	check(t, fillDisk(r))

	// Fill what is left, then write lines until one does not fit.
	fill, err := os.Create(filepath.Join(dir, "fill"))
	check(t, err)
	block := make([]byte, 4096)
	for err == nil {
		_, err = fill.Write(block)
	}
	fill.Close()
	n := 0
	for err = nil; err == nil && n < 10_000; n++ {
		err = r.AppendMetrics(n, map[string]float64{"x": 0.123456789})
	}
	wantError(t, err, run.ErrNoSpace, "metrics.jsonl")
	points, err := r.Metrics()
	if err != nil || len(points) != n-1 {
		t.Errorf("%d lines after %d that fit: %v", len(points), n-1, err)
	}
	if text := read(t, r, "metrics.jsonl"); text != "" && !strings.HasSuffix(text, "\n") {
		t.Error("the line that did not fit left its beginning")
	}
	_, err = s.Create(run.Manifest{Name: "second"})
	wantError(t, err, run.ErrNoSpace, "second")
	check(t, r.Close())
	check(t, s.Remove("r")) // the cure works on a full disk
}

func TestFileSizeLimit(t *testing.T) {
	s := newStore(t)
	r, err := s.Create(run.Manifest{Name: "r"})
	check(t, err)
	check(t, r.Close())
	out, err := child(t, "limit", s.Dir()).Output()
	if err != nil || string(out) != "done\n" {
		t.Errorf("under a limit of 1 MB a file: %v\n%s", err, out)
	}
}

// saveUnderLimit is fillDisk in a process that may write 1 MB a file.
func saveUnderLimit() {
	limit := unix.Rlimit{Cur: 1 << 20, Max: 1 << 20}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &limit); err != nil {
		panic(err)
	}
	s, err := run.OpenStore(os.Args[1])
	if err != nil {
		panic(err)
	}
	r, err := s.Open("r")
	if err != nil {
		panic(err)
	}
	if err := fillDisk(r); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("done")
}

package sandbox

import (
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// Under the limit on addresses Go's heap can't grow: an allocation there has ended one helper in some hundreds, and
// which one depended on how full the heap was.
func TestNothingIsAllocatedUnderTheLimit(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "python3")
	image, err := newImage(missing)
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(10, func() {
		if e := image.exec(unix.RLIM_INFINITY); e != syscall.ENOENT {
			t.Errorf("executing a file that is not there: %v", e)
		}
	}); n != 0 {
		t.Errorf("%v allocations between the limit and the program", n)
	}
	if n := testing.AllocsPerRun(10, func() { _ = syscall.Exec(missing, nil, nil) }); n == 0 {
		t.Error("syscall.Exec allocates nothing either: then this test shows nothing")
	}
}

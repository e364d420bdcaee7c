package memory_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"hhrlhf/rlhf/memory"
)

func TestFree(t *testing.T) {
	root := t.TempDir()
	write := func(name, content string) {
		t.Helper()
		name = filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if _, known := memory.Free(root); known {
		t.Error("a system that tells nothing is known")
	}
	write("proc/meminfo", "MemTotal: 99 kB\nMemAvailable:    2048 kB\n")
	if free, _ := memory.Free(root); free != 2<<20 {
		t.Errorf("%d bytes free, want 2 MiB", free)
	}
	write("sys/fs/cgroup/memory.max", "max\n")
	write("sys/fs/cgroup/memory.current", "1000000\n")
	if free, _ := memory.Free(root); free != 2<<20 {
		t.Errorf("without a limit %d bytes free, want 2 MiB", free)
	}
	write("sys/fs/cgroup/memory.max", "1500000\n")
	write("sys/fs/cgroup/memory.stat", "anon 1\ninactive_file 200000\n")
	if free, _ := memory.Free(root); free != 700000 {
		t.Errorf("within a limit %d bytes free, want 700000", free)
	}
}

func TestPlan(t *testing.T) {
	p := memory.Plan{
		{What: "weights", Bytes: 3e9}, {What: "cache", Program: "rollout", Bytes: 5e8},
		{What: "activations", Program: "update", Bytes: 1e9}, {What: "logits", Program: "update", Bytes: 2e8}, {What: "moments", Bytes: 1e9},
	}
	if p.Resident() != 4e9 || p.Peak() != 5.2e9 {
		t.Errorf("resident %d, peak %d, want 4.0 and 5.2 GB: programs do not run at once", p.Resident(), p.Peak())
	}
	if err := p.Fit("ppo", 6e9, ""); err != nil {
		t.Error(err)
	}
	err := p.Fit("ppo", 5e9, "lower Batch")
	if !errors.Is(err, memory.ErrTooLarge) {
		t.Fatalf("5.2 GB in 5.0: %v", err)
	}
	for _, want := range []string{"ppo needs about 5.2 GB, 5.0 GB are free", "lower Batch", "while update: logits", "200 MB"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v lacks %q", err, want)
		}
	}
}

func TestHeld(t *testing.T) {
	if bytes, known := memory.Held(-1); known || bytes != 0 {
		t.Errorf("a process that there is not holds %d bytes", bytes)
	}
	before, known := memory.Held(os.Getpid())
	if !known {
		t.Skip("this system does not tell a process's memory")
	}
	taken := make([]byte, 64<<20)
	for i := range taken { // the system gives what is written to
		taken[i] = 1
	}
	if after, _ := memory.Held(os.Getpid()); after-before < 60<<20 {
		t.Errorf("%d bytes held, and %d after taking 64 MiB", before, after)
	}
	runtime.KeepAlive(taken)
}

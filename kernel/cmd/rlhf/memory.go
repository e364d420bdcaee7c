package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// demand refuses work that needs more memory than is free, unless force is set;
// then it only warns. what names the work and cure what to do about it.
func demand(w io.Writer, what string, need int64, cure string, force bool) error {
	free, known := freeMemory("/")
	if !known || need <= free {
		return nil
	}
	text := fmt.Sprintf("%s needs about %s of memory, %s are free", what, gigabytes(need), gigabytes(free))
	if force {
		fmt.Fprintf(w, "%s; going on because of -force\n", text)
		return nil
	}
	return fmt.Errorf("%s; %s, end other programs, or try all the same with -force", text, cure)
}

// freeMemory is what the process may still take: the smaller of what the machine
// has free and what the limit of its control group leaves. root is "/" but in tests.
func freeMemory(root string) (bytes int64, known bool) {
	if kb := field(filepath.Join(root, "proc/meminfo"), "MemAvailable:"); kb > 0 {
		bytes, known = kb<<10, true
	}
	group := filepath.Join(root, "sys/fs/cgroup")
	limit, okLimit := readNumber(filepath.Join(group, "memory.max")) // absent or "max" without a limit
	used, okUsed := readNumber(filepath.Join(group, "memory.current"))
	used -= field(filepath.Join(group, "memory.stat"), "inactive_file") // given back when memory is short
	if okLimit && okUsed && (!known || limit-used < bytes) {
		bytes, known = max(0, limit-used), true
	}
	return bytes, known
}

func readNumber(path string) (int64, bool) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	return n, err == nil
}

// field reads the number behind a name in a file of names and numbers, 0 without it.
func field(path, name string) int64 {
	b, _ := os.ReadFile(path)
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) >= 2 && f[0] == name {
			n, _ := strconv.ParseInt(f[1], 10, 64)
			return n
		}
	}
	return 0
}

func gigabytes(n int64) string {
	if n < 1e9 {
		return fmt.Sprintf("%.0f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.1f GB", float64(n)/1e9)
}

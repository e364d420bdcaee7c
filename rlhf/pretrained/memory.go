package pretrained

import (
	"bufio"
	"bytes"
	"os"
	"strconv"
	"strings"
)

// freeMemory returns the bytes that a process may still take: what Linux calls
// available, and no more than the control group leaves. ok is false where
// neither is known.
func freeMemory() (free int64, ok bool) {
	if data, err := os.ReadFile("/proc/meminfo"); err == nil {
		free, ok = available(data)
	}
	const group = "/sys/fs/cgroup/"
	limit, err1 := number(group + "memory.max")
	current, err2 := number(group + "memory.current")
	inactive, err3 := inactiveFile(group + "memory.stat")
	if err1 == nil && err2 == nil && err3 == nil {
		if left := limit - current + inactive; !ok || left < free {
			free, ok = max(left, 0), true
		}
	}
	return free, ok
}

// available finds MemAvailable in the text of /proc/meminfo.
func available(meminfo []byte) (int64, bool) {
	for lines := bufio.NewScanner(bytes.NewReader(meminfo)); lines.Scan(); {
		if f := strings.Fields(lines.Text()); len(f) == 3 && f[0] == "MemAvailable:" && f[2] == "kB" {
			kb, err := strconv.ParseInt(f[1], 10, 53)
			return kb << 10, err == nil
		}
	}
	return 0, false
}

// number reads a file that holds one number; "max" is an error.
func number(path string) (int64, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64)
}

// inactiveFile returns the bytes of cached files that a control group's limit
// counts and that the kernel gives up on demand.
func inactiveFile(path string) (int64, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(data)) {
		if v, ok := strings.CutPrefix(line, "inactive_file "); ok {
			return strconv.ParseInt(strings.TrimSpace(v), 10, 64)
		}
	}
	return 0, nil
}

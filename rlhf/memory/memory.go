// Package memory knows how much memory is free, and what a piece of work will need.
package memory

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// ErrTooLarge is wrapped by the error of a plan that does not fit.
var ErrTooLarge = errors.New("not enough memory")

// Free is what the process may still take: what Linux calls available, and no more
// than the limit of its control group leaves. root is "/" but in tests. known is false
// where the system tells neither.
func Free(root string) (bytes int64, known bool) {
	if kb := field(filepath.Join(root, "proc/meminfo"), "MemAvailable:"); kb > 0 {
		bytes, known = kb<<10, true
	}
	group := filepath.Join(root, "sys/fs/cgroup")
	limit, okLimit := number(filepath.Join(group, "memory.max")) // absent or "max" without a limit
	used, okUsed := number(filepath.Join(group, "memory.current"))
	used -= field(filepath.Join(group, "memory.stat"), "inactive_file") // given back when memory is short
	if okLimit && okUsed && (!known || limit-used < bytes) {
		bytes, known = max(0, limit-used), true
	}
	return bytes, known
}

// Held is the resident memory of a process; known is false where the system does not tell.
func Held(pid int) (bytes int64, known bool) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0, false
	}
	fields := strings.Fields(string(b))
	if len(fields) < 2 {
		return 0, false
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize()), err == nil
}

func number(path string) (int64, bool) {
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

// A Line is one thing that takes memory. Program names the program in which it is there
// alone; "" is there all the time.
type Line struct {
	What    string `json:"what"`
	Program string `json:"program,omitempty"`
	Bytes   int64  `json:"bytes"`
}

// A Plan lists what a piece of work will hold.
type Plan []Line

// Resident is what is held all the time.
func (p Plan) Resident() int64 { return p.of("") }

// Peak is the most that is held at once: what is resident, and the largest program.
func (p Plan) Peak() int64 {
	var most int64
	for _, program := range p.programs() {
		most = max(most, p.of(program))
	}
	return p.Resident() + most
}

func (p Plan) of(program string) (sum int64) {
	for _, l := range p {
		if l.Program == program {
			sum += l.Bytes
		}
	}
	return sum
}

func (p Plan) programs() (names []string) {
	for _, l := range p {
		if l.Program != "" && !slices.Contains(names, l.Program) {
			names = append(names, l.Program)
		}
	}
	return names
}

// Fit returns an error that wraps ErrTooLarge if the plan's peak is more than what is
// free. cure says what to change.
func (p Plan) Fit(what string, free int64, cure string) error {
	if p.Peak() <= free {
		return nil
	}
	return fmt.Errorf("%s needs about %s, %s are free: %w; %s\n%s", what, Text(p.Peak()), Text(free), ErrTooLarge, cure, p)
}

// String is the plan as a table.
func (p Plan) String() string {
	var b strings.Builder
	write := func(what string, bytes int64) { fmt.Fprintf(&b, "%-52s %9s\n", what, Text(bytes)) }
	for _, l := range p {
		if l.Program == "" {
			write(l.What, l.Bytes)
		}
	}
	for _, program := range p.programs() {
		for _, l := range p {
			if l.Program == program {
				write("while "+program+": "+l.What, l.Bytes)
			}
		}
	}
	write("at most at once", p.Peak())
	return b.String()
}

// Text words a number of bytes.
func Text(n int64) string {
	switch {
	case n < 1e7:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	case n < 1e9:
		return fmt.Sprintf("%.0f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.1f GB", float64(n)/1e9)
}

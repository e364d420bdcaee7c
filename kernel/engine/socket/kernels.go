package socket

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// KernelDirEnv is the variable that names a kernel's folder to all its descendants.
const KernelDirEnv = "RLHF_KERNEL_DIR"

// LogEnv carries the path of an engine's log to the engine that a kernel starts and to cells.
const LogEnv = "RLHF_ENGINE_LOG"

// kernelFile lies in a kernel's folder.
const kernelFile = "kernel.json"

// A Kernel says what runs behind a notebook.
type Kernel struct {
	PID      int               `json:"pid"`
	Started  string            `json:"started"` // of the process, as the system counts: tells it from a later one of the same id
	Notebook string            `json:"notebook,omitempty"`
	Socket   string            `json:"socket"` // of the engine that its cells use
	Logs     map[string]string `json:"logs"`   // path by part: "kernel", "gonb", "engine"
	Since    time.Time         `json:"since"`
}

// Write puts the kernel's description into its folder, for [Kernels]. PID, Started
// and Since are filled in.
func (k Kernel) Write(dir string) error {
	k.PID, k.Started, k.Since = os.Getpid(), startOf(os.Getpid()), time.Now().Round(time.Second)
	text, err := json.Marshal(k)
	if err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	return os.WriteFile(filepath.Join(dir, kernelFile), append(text, '\n'), 0o600)
}

// Kernels returns the kernels of this user on this machine, oldest first.
func Kernels() []Kernel {
	var found []Kernel
	for _, dir := range kernelFolders() {
		if k, err := readKernel(dir); err == nil && k.Started != "" && k.Started == startOf(k.PID) {
			found = append(found, k)
		}
	}
	slices.SortStableFunc(found, func(a, b Kernel) int { return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.PID, b.PID)) })
	return found
}

// readKernel reads the description in a folder that is ours alone.
func readKernel(dir string) (Kernel, error) {
	var k Kernel
	if err := private(dir); err != nil {
		return k, err
	}
	f, err := os.OpenFile(filepath.Join(dir, kernelFile), os.O_RDONLY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return k, err
	}
	defer f.Close()
	return k, json.NewDecoder(io.LimitReader(f, 64<<10)).Decode(&k)
}

// kernelFolders are the folders of this user's kernels: those that running processes
// name, and those that lie where kernels make them.
func kernelFolders() []string {
	dirs := marks(KernelDirEnv)
	for _, root := range []string{os.Getenv("XDG_RUNTIME_DIR"), fmt.Sprintf("/run/user/%d", os.Getuid()), os.TempDir(), "/tmp"} {
		if root == "" {
			continue
		}
		some, _ := filepath.Glob(filepath.Join(root, "rlhf-*"))
		dirs = append(dirs, some...)
	}
	slices.Sort(dirs)
	return slices.DeleteFunc(slices.Compact(dirs), func(dir string) bool { return !filepath.IsAbs(dir) || private(dir) != nil })
}

// startOf says when a process began, in the system's ticks; "" if there is none.
func startOf(pid int) string {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	// The name, in brackets, may hold anything; the start is field 22.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) < 20 {
		return ""
	}
	return fields[19]
}

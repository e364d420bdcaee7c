package socket

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const lockSuffix = ".lock"

// An About says which engine serves a socket.
type About struct {
	PID     int       `json:"pid"`
	Name    string    `json:"name,omitempty"` // for people, need not be the only one
	Log     string    `json:"log,omitempty"`  // path; "": its standard error
	Version string    `json:"version,omitempty"`
	Since   time.Time `json:"since,omitzero"`
}

// An Engine is one that was found. A stale one has ended without removing its socket.
type Engine struct {
	About
	Socket string  `json:"socket"`
	Stale  bool    `json:"stale,omitempty"`
	Kernel *Kernel `json:"kernel,omitempty"` // that started it and ends it; nil: none
}

// Engines returns the engines of this user on this machine, oldest first: those that
// listen, wherever that is, and stale ones in the folders of kernels and in also.
// It follows no symbolic link and enters no folder that others can.
func Engines(also ...string) ([]Engine, error) {
	paths, err := listening()
	if err != nil {
		return nil, err
	}
	folders := append(kernelFolders(), also...)
	for _, dir := range folders {
		paths = append(paths, filepath.Join(dir, Name))
	}
	return at(paths), nil
}

// at returns the engines at those of the paths that have one.
func at(paths []string) []Engine {
	slices.Sort(paths)
	var found []Engine
	for _, path := range slices.Compact(paths) {
		if e, ok := look(path); ok {
			found = append(found, e)
		}
	}
	slices.SortStableFunc(found, func(a, b Engine) int { return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.PID, b.PID)) })
	return found
}

// Name is what the socket of a kernel's engine is called in its folder.
const Name = "engine.sock"

// look reads what lies beside a socket; what is not an engine's, or not safe, is passed over.
func look(path string) (Engine, bool) {
	if Check(path) != nil {
		return Engine{}, false
	}
	f, err := os.OpenFile(path+lockSuffix, os.O_RDONLY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return Engine{}, false
	}
	defer f.Close()
	e := Engine{Socket: path}
	if e.About, err = readAbout(f); err != nil {
		return Engine{}, false
	}
	if k, err := readKernel(filepath.Dir(path)); err == nil && filepath.Base(path) == Name {
		e.Kernel = &k
	}
	conn, err := net.DialTimeout("unix", path, time.Second)
	if err != nil {
		e.Stale = errors.Is(err, syscall.ECONNREFUSED)
		return e, e.Stale
	}
	defer conn.Close()
	peer, err := PeerOf(conn)
	if err != nil || peer.UID != os.Geteuid() {
		return Engine{}, false
	}
	e.PID = peer.PID // what the system says goes before what a file says
	return e, true
}

// readAbout reads a lock's file, or any start of it.
func readAbout(f io.Reader) (About, error) {
	var a About
	err := json.NewDecoder(io.LimitReader(f, 64<<10)).Decode(&a)
	return a, err
}

// listening returns the paths of this user's listening sockets with a lock beside them.
func listening() ([]string, error) {
	f, err := os.Open("/proc/net/unix")
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	defer f.Close()
	const accepting = 0x10000 // __SO_ACCEPTCON
	var paths []string
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		// Num RefCount Protocol Flags Type St Inode Path
		fields := strings.SplitN(strings.Join(strings.Fields(lines.Text()), " "), " ", 8)
		if len(fields) < 8 || !filepath.IsAbs(fields[7]) {
			continue
		}
		flags, err := strconv.ParseUint(fields[3], 16, 64)
		if err != nil || flags&accepting == 0 {
			continue
		}
		if info, err := os.Lstat(fields[7] + lockSuffix); err == nil && info.Mode().IsRegular() && owner(info) == os.Geteuid() {
			paths = append(paths, fields[7])
		}
	}
	return paths, lines.Err()
}

// Resolve returns the socket of the engine that is meant: by its path, if there is a
// slash in it, else by its name, its process id or its kernel's. An error lists the engines there are.
func Resolve(engine string) (string, error) {
	if strings.Contains(engine, "/") {
		return filepath.Abs(engine)
	}
	paths, err := listening() // the living ones: cells have no time for the others
	if err != nil {
		return "", err
	}
	var fit, there []string
	for _, e := range at(paths) {
		if e.Stale {
			continue
		}
		there = append(there, fmt.Sprintf("%s (pid %d)", e.Name, e.PID))
		if e.Is(engine) {
			fit = append(fit, e.Socket)
		}
	}
	switch {
	case len(fit) == 1:
		return fit[0], nil
	case len(fit) > 1:
		return "", fmt.Errorf("there are %d engines called %q: name one by its pid: %s", len(fit), engine, strings.Join(there, ", "))
	case len(there) == 0:
		return "", fmt.Errorf("there is no engine %q, and none at all on this machine: start its notebook's kernel, or rlhf engine -name %[1]s", engine)
	}
	return "", fmt.Errorf("there is no engine %q; there are %s (rlhf ps says more)", engine, strings.Join(there, ", "))
}

// Is reports whether the engine may be called so: its name, its pid or its kernel's.
func (e Engine) Is(name string) bool {
	return name == e.Name || name == strconv.Itoa(e.PID) || e.Kernel != nil && name == strconv.Itoa(e.Kernel.PID)
}

// marks are the values that a variable has in the environments of this user's processes.
func marks(variable string) []string {
	var values []string
	names, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, name := range names {
		env, err := os.ReadFile(name) // of another user's process it is refused
		if err != nil {
			continue
		}
		for _, kv := range bytes.Split(env, []byte{0}) {
			if value, ok := bytes.CutPrefix(kv, []byte(variable+"=")); ok && len(value) > 0 {
				values = append(values, string(value))
			}
		}
	}
	slices.Sort(values)
	return slices.Compact(values)
}

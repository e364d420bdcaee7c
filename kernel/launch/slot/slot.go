// Package slot is the place beside a notebook's engine socket where a program is left that
// is to be the engine. The kernel's launcher looks there: it starts what stands in the
// slot, and its stock engine while the slot is empty. Whoever may write there may also
// start programs as this user, so nothing is gained by it that he does not have.
package slot

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

const (
	name    = "own"    // of the slot, beside the socket
	program = "engine" // in the slot
	logName = "log"    // in the slot, a link to the engine's log
)

// Env is set in the environment of an engine that is started from a slot.
const Env = "RLHF_OWN_ENGINE"

// A Slot is the folder of one kernel.
type Slot struct{ dir string }

// Make makes the slot of a kernel whose engine's socket lies in sockets. Programs are
// kept in dir, where they may be executed; log is the engine's log.
func Make(sockets, dir, log string) (Slot, error) {
	s := Slot{filepath.Join(dir, name)}
	if err := os.Mkdir(s.dir, 0o700); err != nil {
		return s, fmt.Errorf("slot: %w", err)
	}
	if err := errors.Join(os.Symlink(s.dir, filepath.Join(sockets, name)), os.Symlink(log, filepath.Join(s.dir, logName))); err != nil {
		return s, fmt.Errorf("slot: %w", err)
	}
	return s, nil
}

// Beside finds the slot of the kernel that keeps the engine of a socket. There is none
// where the engine was started by hand. A slot that others can write to is an error.
func Beside(socket string) (s Slot, found bool, err error) {
	if socket == "" {
		return s, false, nil
	}
	dir, err := filepath.EvalSymlinks(filepath.Join(filepath.Dir(socket), name))
	if errors.Is(err, fs.ErrNotExist) {
		return s, false, nil
	}
	if err != nil {
		return s, false, fmt.Errorf("slot: %w", err)
	}
	for _, d := range []string{filepath.Dir(socket), dir} {
		info, err := os.Stat(d)
		if err != nil {
			return s, false, fmt.Errorf("slot: %w", err)
		}
		st, ok := info.Sys().(*syscall.Stat_t)
		if !ok || int(st.Uid) != os.Geteuid() || info.Mode().Perm()&0o077 != 0 {
			return s, false, fmt.Errorf("slot: %s is not yours alone (mode %04o): the engine of another user is not replaced", d, info.Mode().Perm())
		}
	}
	return Slot{dir}, true, nil
}

// A Program is what stands in a slot, nil if nothing does.
type Program struct {
	Path string
	info fs.FileInfo
}

// Look returns what stands in the slot.
func (s Slot) Look() *Program {
	path := filepath.Join(s.dir, program)
	info, err := os.Lstat(path)
	if err != nil || !info.Mode().IsRegular() {
		return nil
	}
	return &Program{path, info}
}

// Same reports whether p and q are one file, or both nothing.
func (p *Program) Same(q *Program) bool {
	if p == nil || q == nil {
		return p == q
	}
	return os.SameFile(p.info, q.info)
}

// RunsAs reports whether the process runs p.
func (p *Program) RunsAs(pid int) bool {
	info, err := os.Stat(fmt.Sprintf("/proc/%d/exe", pid))
	return err == nil && os.SameFile(info, p.info)
}

// Put puts a copy of the program at path into the slot, in the place of what stands there.
func (s Slot) Put(path string) (*Program, error) {
	from, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("slot: %w", err)
	}
	defer from.Close()
	to, err := os.CreateTemp(s.dir, program+"-*")
	if err != nil {
		return nil, fmt.Errorf("slot: %w", err)
	}
	defer os.Remove(to.Name()) // where it was not renamed
	_, err = io.Copy(to, from)
	if err := errors.Join(err, to.Chmod(0o700), to.Close()); err != nil {
		return nil, fmt.Errorf("slot: copying the program: %w", err)
	}
	info, err := os.Lstat(to.Name())
	if err != nil {
		return nil, fmt.Errorf("slot: %w", err)
	}
	p := &Program{filepath.Join(s.dir, program), info}
	if err := os.Rename(to.Name(), p.Path); err != nil {
		return nil, fmt.Errorf("slot: %w", err)
	}
	return p, nil
}

// Empty takes p out of the slot if it still stands there.
func (s Slot) Empty(p *Program) error {
	if !p.Same(s.Look()) || p == nil {
		return nil
	}
	return os.Remove(p.Path)
}

// Log is the path of the engine's log.
func (s Slot) Log() string { return filepath.Join(s.dir, logName) }

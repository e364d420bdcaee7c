package soak

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// diskSize is the size of the small disk: some rounds fit on it.
const diskSize = "96m"

// A disk is the folder of the runs, which can be made to fail.
type disk struct {
	path  string
	small bool // it is a file system of its own, and this process may make it slow
}

// newDisk makes the folder, on a disk of its own where that is allowed.
func newDisk(path string) (*disk, error) {
	if err := os.Mkdir(path, 0o700); err != nil {
		return nil, err
	}
	err := unix.Mount("tmpfs", path, "tmpfs", 0, "mode=0700,size="+diskSize)
	return &disk{path: path, small: err == nil}, nil
}

func (d *disk) close() {
	if d.small {
		unix.Unmount(d.path, unix.MNT_DETACH)
	}
}

// blows returns a deck: each blow that can fall on this machine.
func (d *disk) blows() []string {
	deck := []string{"interrupt", "interrupt", "cell", "cell", "gonb", "engine", "launcher", "restart", "limit", "slow"}
	if d.small {
		deck = append(deck, "full")
	}
	return deck
}

// order is the order of the blows in the table.
func (d *disk) order() []string { return slices.Compact(d.blows()) }

// fill fills the disk to its last byte; the returned function frees it.
func (d *disk) fill() (free func(), err error) {
	path := filepath.Join(d.path, "fill") // no run: its name is a file's
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	for block := make([]byte, 64<<10); len(block) > 0; {
		if _, err := f.Write(block); err != nil {
			block = block[:len(block)/2]
		}
	}
	return func() { f.Close(); os.Remove(path) }, nil
}

// limit lets a process write files of a few kilobytes at most.
func limit(pid int) (free func(), err error) {
	var old unix.Rlimit
	if err := unix.Prlimit(pid, unix.RLIMIT_FSIZE, nil, &old); err != nil {
		return nil, fmt.Errorf("prlimit: %w", err)
	}
	low := unix.Rlimit{Cur: 4096, Max: old.Max}
	if err := unix.Prlimit(pid, unix.RLIMIT_FSIZE, &low, nil); err != nil {
		return nil, fmt.Errorf("prlimit: %w", err)
	}
	return func() { unix.Prlimit(pid, unix.RLIMIT_FSIZE, &old, nil) }, nil
}

// openDelay is how long a slow disk takes to open a file.
const openDelay = 300 * time.Millisecond

// slow makes the disk slow; the returned function makes it fast again.
func (d *disk) slow(engine int) (fast func(), err error) {
	if !d.small {
		return d.stop(engine), nil
	}
	fd, err := unix.FanotifyInit(unix.FAN_CLASS_CONTENT|unix.FAN_CLOEXEC|unix.FAN_NONBLOCK, unix.O_RDONLY|unix.O_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("fanotify: %w", err)
	}
	if err := unix.FanotifyMark(fd, unix.FAN_MARK_ADD|unix.FAN_MARK_MOUNT, unix.FAN_OPEN_PERM, unix.AT_FDCWD, d.path); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("fanotify: %w", err)
	}
	f := os.NewFile(uintptr(fd), "fanotify") // closing it lets all pass that waits
	var late sync.WaitGroup
	stopped := make(chan struct{})
	allow := func(file int32) {
		r := unix.FanotifyResponse{Fd: file, Response: unix.FAN_ALLOW}
		f.Write((*[unsafe.Sizeof(r)]byte)(unsafe.Pointer(&r))[:])
		unix.Close(int(file))
	}
	late.Go(func() {
		buf := make([]byte, 4096)
		for {
			n, err := f.Read(buf)
			if err != nil {
				return
			}
			for rest := buf[:n]; len(rest) > 0; {
				m := (*unix.FanotifyEventMetadata)(unsafe.Pointer(&rest[0]))
				file, pid := m.Fd, int(m.Pid)
				rest = rest[m.Event_len:]
				if pid == os.Getpid() {
					allow(file)
					continue
				}
				late.Go(func() {
					select {
					case <-time.After(openDelay):
					case <-stopped:
					}
					allow(file)
				})
			}
		}
	})
	return func() {
		unix.FanotifyMark(fd, unix.FAN_MARK_FLUSH|unix.FAN_MARK_MOUNT, 0, unix.AT_FDCWD, d.path)
		close(stopped)
		f.SetReadDeadline(time.Now())
		late.Wait()
		f.Close()
	}, nil
}

// stop stops the engine, in the middle of a checkpoint if there is one within a second.
func (d *disk) stop(engine int) (fast func()) {
	for deadline := time.Now().Add(time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if half, _ := filepath.Glob(filepath.Join(d.path, "*", "checkpoints", ".tmp-*")); len(half) > 0 {
			break
		}
	}
	unix.Kill(engine, unix.SIGSTOP)
	return func() { unix.Kill(engine, unix.SIGCONT) }
}

// leftovers lists what is half made or half deleted on the disk. A run that was being
// created when its process was killed stays for an hour: it could be another process's.
func (d *disk) leftovers() []string {
	var all []string
	for _, pattern := range []string{".gone-*", "*/.*", "*/checkpoints/.*"} {
		found, _ := filepath.Glob(filepath.Join(d.path, pattern))
		all = append(all, found...)
	}
	slices.Sort(all)
	return all
}

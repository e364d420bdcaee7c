package socket

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// A Listener is a listening socket and the lock that says whose it is.
type Listener struct {
	*net.UnixListener
	lock *os.File
}

// Close stops listening, removes the socket and gives the lock back. The lock's
// file stays: removing it would race with the next engine.
func (l *Listener) Close() error {
	err := l.UnixListener.Close()
	l.lock.Close()
	return err
}

// Listen makes the socket of the engine that about describes; its PID and Since
// are filled in. Whoever can open the socket can use the device and read the runs,
// so it refuses places where somebody else may have a hand.
func Listen(path string, about About) (*Listener, error) {
	if path == "" {
		return nil, errors.New("engine: no socket path")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("engine: %w", err)
	}
	if limit := len(syscall.RawSockaddrUnix{}.Path) - 1; len(path) > limit {
		return nil, fmt.Errorf("engine: socket path is %d bytes long and the system allows %d: %s: choose a shorter folder (RLHF_ENGINE_SOCK, or TMPDIR)", len(path), limit, path)
	}
	if err := makeDir(filepath.Dir(path)); err != nil {
		return nil, err
	}
	about.PID, about.Since = os.Getpid(), time.Now().Round(time.Second)
	lock, err := lockFile(path+lockSuffix, about)
	if err != nil {
		return nil, err
	}
	l, err := bind(path)
	if err != nil {
		lock.Close()
		return nil, err
	}
	return &Listener{UnixListener: l, lock: lock}, nil
}

// makeDir makes dir with mode 0700, or checks that it is ours alone.
func makeDir(dir string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return fmt.Errorf("engine: socket folder: %w", err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("engine: socket folder: %w", err)
	}
	if err := private(dir); err != nil {
		return fmt.Errorf("engine: %w", err)
	}
	return nil
}

// lockFile takes the lock that the engine of a socket holds while it lives, and
// writes into it who that is. The system gives the lock back however the process ends.
func lockFile(path string, about About) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("engine: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		other, _ := readAbout(f)
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("engine: another engine (pid %d) serves %s: stop it (rlhf stop %[1]d), or choose another socket", other.PID, strings.TrimSuffix(path, lockSuffix))
		}
		return nil, fmt.Errorf("engine: lock %s: %w", path, err)
	}
	err = f.Truncate(0)
	if err == nil {
		err = json.NewEncoder(f).Encode(about)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("engine: lock %s: %w", path, err)
	}
	return f, nil
}

// bind listens on path, in the place of a socket that a killed engine left. The
// caller holds the lock, so no living engine's socket is removed.
func bind(path string) (*net.UnixListener, error) {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("engine: %w", err)
	case info.Mode().Type() == fs.ModeSymlink:
		return nil, fmt.Errorf("engine: %s is a symbolic link, not a socket: remove it", path)
	case owner(info) != os.Geteuid():
		return nil, fmt.Errorf("engine: %s belongs to user %d, not to you (%d)", path, owner(info), os.Geteuid())
	case info.Mode().Type() != fs.ModeSocket:
		return nil, fmt.Errorf("engine: %s exists and is not a socket: remove it, or choose another path", path)
	default:
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("engine: stale socket: %w", err)
		}
	}
	// The mode that a socket has before it is bound is the one it gets: there is no
	// moment in which others could open it.
	private := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var failed error
		err := c.Control(func(fd uintptr) { failed = syscall.Fchmod(int(fd), 0o600) })
		return errors.Join(err, failed)
	}}
	l, err := private.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, fmt.Errorf("engine: %w", err)
	}
	return l.(*net.UnixListener), nil
}

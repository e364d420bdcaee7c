package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// A listener is a listening socket and the lock that says whose it is.
type listener struct {
	*net.UnixListener
	lock *os.File
}

// Close stops listening, removes the socket and gives the lock back. The lock's
// file stays: removing it would race with the next engine.
func (l *listener) Close() error {
	err := l.UnixListener.Close()
	l.lock.Close()
	return err
}

// listen makes the socket. Whoever can open it can use the device and read the
// runs, so it refuses places where somebody else may have a hand.
func listen(path string) (*listener, error) {
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
	if err := privateDir(filepath.Dir(path)); err != nil {
		return nil, err
	}
	lock, err := lockFile(path + ".lock")
	if err != nil {
		return nil, err
	}
	l, err := bind(path)
	if err != nil {
		lock.Close()
		return nil, err
	}
	return &listener{UnixListener: l, lock: lock}, nil
}

// privateDir makes dir with mode 0700, or checks that it is ours alone.
func privateDir(dir string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return fmt.Errorf("engine: socket folder: %w", err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("engine: socket folder: %w", err)
	}
	info, err := os.Lstat(dir)
	switch {
	case err != nil:
		return fmt.Errorf("engine: socket folder: %w", err)
	case info.Mode()&fs.ModeSymlink != 0:
		return fmt.Errorf("engine: socket folder %s is a symbolic link: name the folder itself", dir)
	case !info.IsDir():
		return fmt.Errorf("engine: socket folder %s is a file", dir)
	case owner(info) != os.Geteuid():
		return fmt.Errorf("engine: socket folder %s belongs to user %d, not to you (%d): choose a folder of your own", dir, owner(info), os.Geteuid())
	case info.Mode().Perm()&0o077 != 0:
		return fmt.Errorf("engine: socket folder %s has mode %04o, so others can reach into it: chmod 700 %[1]s, or choose another", dir, info.Mode().Perm())
	}
	return nil
}

// lockFile takes the lock that the engine of a socket holds while it lives. The
// system gives it back however the process ends.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("engine: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		pid := make([]byte, 20)
		n, _ := f.Read(pid)
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("engine: another engine (pid %s) serves %s: stop it, or choose another socket", pid[:n], strings.TrimSuffix(path, ".lock"))
		}
		return nil, fmt.Errorf("engine: lock %s: %w", path, err)
	}
	if err := f.Truncate(0); err == nil {
		_, err = fmt.Fprint(f, os.Getpid())
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
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("engine: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, fmt.Errorf("engine: %w", err)
	}
	return l, nil
}

func owner(info fs.FileInfo) int {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(st.Uid)
	}
	return -1
}

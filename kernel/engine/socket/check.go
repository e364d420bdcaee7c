package socket

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
)

// ErrUnsafe is wrapped by the errors of sockets that somebody else may have a hand in.
var ErrUnsafe = errors.New("not safe to use")

// Dial connects to the engine at path, after it has looked at the socket and its
// folder, and hangs up on a process of another user. An error of the system, such as
// that there is no socket, is wrapped; of a socket that may be another's it is [ErrUnsafe].
func Dial(ctx context.Context, path string) (net.Conn, error) {
	if err := Check(path); err != nil {
		return nil, err
	}
	conn, err := new(net.Dialer).DialContext(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	peer, err := PeerOf(conn)
	if err == nil && peer.UID != os.Geteuid() {
		err = fmt.Errorf("the process behind it (pid %d) is of user %d, you are user %d: %w", peer.PID, peer.UID, os.Geteuid(), ErrUnsafe)
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("socket %s: %w", path, err)
	}
	return conn, nil
}

// Check returns an error if the socket at path, or its folder, is a symbolic link,
// belongs to another user or is open to others. What is wrong is named with its cure.
func Check(path string) error {
	dir := filepath.Dir(path)
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if err := private(dir); err != nil {
		return fmt.Errorf("%w: %w", err, ErrUnsafe)
	}
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		err = fmt.Errorf("socket %s is a symbolic link: name the socket itself", path)
	case info.Mode().Type() != fs.ModeSocket:
		err = fmt.Errorf("%s is not a socket", path)
	case owner(info) != os.Geteuid():
		err = fmt.Errorf("socket %s belongs to user %d, not to you (%d)", path, owner(info), os.Geteuid())
	case info.Mode().Perm()&0o077 != 0:
		err = fmt.Errorf("socket %s has mode %04o, so others can open it: chmod 600 %[1]s", path, info.Mode().Perm())
	default:
		return nil
	}
	return fmt.Errorf("%w: %w", err, ErrUnsafe)
}

// private returns an error unless dir is a folder that only its user, this one, can enter.
func private(dir string) error {
	info, err := os.Lstat(dir)
	switch {
	case err != nil:
		return fmt.Errorf("socket folder: %w", err)
	case info.Mode()&fs.ModeSymlink != 0:
		return fmt.Errorf("socket folder %s is a symbolic link: name the folder itself", dir)
	case !info.IsDir():
		return fmt.Errorf("socket folder %s is a file", dir)
	case owner(info) != os.Geteuid():
		return fmt.Errorf("socket folder %s belongs to user %d, not to you (%d): choose a folder of your own (mkdir -m 700)", dir, owner(info), os.Geteuid())
	case info.Mode().Perm()&0o077 != 0:
		return fmt.Errorf("socket folder %s has mode %04o, so others can reach into it: chmod 700 %[1]s, or choose another", dir, info.Mode().Perm())
	}
	return nil
}

func owner(info fs.FileInfo) int {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(st.Uid)
	}
	return -1
}

// A Peer is the process at the other end of a connection, as the system knows it:
// who connected, or who began to listen.
type Peer struct{ PID, UID int }

// PeerOf asks the system who is at the other end of a unix connection.
func PeerOf(conn net.Conn) (Peer, error) {
	u, ok := conn.(*net.UnixConn)
	if !ok {
		return Peer{}, fmt.Errorf("a %T is no unix connection", conn)
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return Peer{}, err
	}
	var cred *syscall.Ucred
	var asked error
	err = raw.Control(func(fd uintptr) {
		cred, asked = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	})
	if err := errors.Join(err, asked); err != nil {
		return Peer{}, fmt.Errorf("who is at the other end: %w", err)
	}
	return Peer{PID: int(cred.Pid), UID: int(cred.Uid)}, nil
}

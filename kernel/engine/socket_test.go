package engine_test

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"hhrlhf/kernel/engine"
	"hhrlhf/kernel/engine/enginetest"
)

// shortDir is t.TempDir without the test's name, which could make a socket's
// path too long.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "eng")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// tryServe serves for a moment: it returns Serve's error, or nil once it accepts calls.
func tryServe(t *testing.T, socket string) error {
	t.Helper()
	lab, err := enginetest.New(enginetest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	return engine.Serve(ctx, engine.Options{Socket: socket, Lab: lab, Ready: cancel})
}

func TestSocketModes(t *testing.T) {
	old := syscall.Umask(0) // the modes must not depend on it
	defer syscall.Umask(old)
	socket := filepath.Join(shortDir(t), "new", "engine.sock")
	serve(t, engine.Options{Socket: socket})
	for path, want := range map[string]os.FileMode{filepath.Dir(socket): 0o700, socket: 0o600, socket + ".lock": 0o600} {
		info, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %04o, want %04o", filepath.Base(path), got, want)
		}
	}
}

func TestSocketRefused(t *testing.T) {
	for _, c := range []struct {
		name string
		make func(dir string) (socket string)
		want string
	}{
		{"symlink", func(dir string) string {
			os.Symlink(filepath.Join(dir, "target"), filepath.Join(dir, "s"))
			return filepath.Join(dir, "s")
		}, "symbolic link"},
		{"folder is a symlink", func(dir string) string {
			os.Mkdir(filepath.Join(dir, "real"), 0o700)
			os.Symlink(filepath.Join(dir, "real"), filepath.Join(dir, "link"))
			return filepath.Join(dir, "link", "s")
		}, "symbolic link"},
		{"lock is a symlink", func(dir string) string {
			os.Symlink(filepath.Join(dir, "precious"), filepath.Join(dir, "s.lock"))
			return filepath.Join(dir, "s")
		}, "too many levels of symbolic links"},
		{"regular file", func(dir string) string {
			os.WriteFile(filepath.Join(dir, "s"), []byte("precious"), 0o600)
			return filepath.Join(dir, "s")
		}, "is not a socket"},
		{"open folder", func(dir string) string {
			os.Chmod(dir, 0o755)
			return filepath.Join(dir, "s")
		}, "chmod 700"},
		{"file as folder", func(dir string) string {
			os.WriteFile(filepath.Join(dir, "f"), nil, 0o600)
			return filepath.Join(dir, "f", "s")
		}, "is a file"},
		{"too long", func(dir string) string {
			return filepath.Join(dir, strings.Repeat("x", 108))
		}, "the system allows"},
		{"empty", func(string) string { return "" }, "no socket path"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := shortDir(t)
			err := tryServe(t, c.make(dir))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
			if text, err := os.ReadFile(filepath.Join(dir, "s")); err == nil && string(text) != "precious" {
				t.Errorf("the file was changed to %q", text)
			}
		})
	}
}

func TestSocketOfAnotherUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can make another user's files")
	}
	dir := shortDir(t)
	if err := os.Chown(dir, 12345, -1); err != nil {
		t.Fatal(err)
	}
	if err := tryServe(t, filepath.Join(dir, "s")); err == nil || !strings.Contains(err.Error(), "belongs to user 12345") {
		t.Errorf("folder: got %v", err)
	}
	dir = shortDir(t)
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := os.Lchown(filepath.Join(dir, "s"), 12345, -1); err != nil {
		t.Fatal(err)
	}
	if err := tryServe(t, filepath.Join(dir, "s")); err == nil || !strings.Contains(err.Error(), "belongs to user 12345") {
		t.Errorf("socket: got %v", err)
	}
}

// Another user can't call an engine, even knowing the path.
func TestDialAsAnotherUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can run a process as another user")
	}
	dir := shortDir(t)
	if err := os.Chmod(dir, 0o755); err != nil { // the test binary is reachable, the socket's folder decides
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(dir, "dial")
	text, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(bin, text, 0o755); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "private", "s")
	serve(t, engine.Options{Socket: socket})
	dial := func(cred *syscall.Credential) (string, error) {
		cmd := exec.Command(bin)
		cmd.Dir = "/"
		cmd.Env = []string{"ENGINE_TEST_DIAL=" + socket}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cred}
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := dial(nil); err != nil || !strings.Contains(out, " 200 OK") {
		t.Fatalf("as ourselves: %v: %s", err, out)
	}
	nobody := &syscall.Credential{Uid: 65534, Gid: 65534}
	out, err := dial(nobody)
	if err == nil || !strings.Contains(out, "permission denied") {
		t.Errorf("as another user: %v: %s", err, out)
	}
	// Each of the two bars is enough by itself.
	if err := os.Chmod(filepath.Dir(socket), 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := dial(nobody); err == nil || !strings.Contains(out, "permission denied") {
		t.Errorf("as another user, the folder open: %v: %s", err, out)
	}
	// And with both open the engine itself refuses.
	if err := os.Chmod(socket, 0o666); err != nil {
		t.Fatal(err)
	}
	if out, err := dial(nobody); err != nil || !strings.Contains(out, " 403 ") || !strings.Contains(out, "it serves user 0 only, and the caller is user 65534") {
		t.Errorf("as another user, all open: %v: %s", err, out)
	}
}

func TestSecondEngine(t *testing.T) {
	socket := filepath.Join(shortDir(t), "s")
	stop := serve(t, engine.Options{Socket: socket})
	err := tryServe(t, socket)
	if err == nil || !strings.Contains(err.Error(), "another engine (pid ") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Lstat(socket); err != nil {
		t.Errorf("the first engine's socket is gone: %v", err)
	}
	stop()
	if _, err := os.Lstat(socket); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is left after the shutdown: %v", err)
	}
	if err := tryServe(t, socket); err != nil {
		t.Errorf("after the first engine has ended: %v", err)
	}
}

// A killed engine leaves its socket; the next takes its place.
func TestStaleSocket(t *testing.T) {
	socket := filepath.Join(shortDir(t), "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	done := make(chan error, 1)
	go func() { done <- tryServe(t, socket) }()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("did not start")
	}
}

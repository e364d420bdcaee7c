package socket_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"hhrlhf/kernel/engine/socket"
)

// dialEnv makes the test's program one that dials the socket it names.
const dialEnv = "SOCKET_TEST_DIAL"

func TestMain(m *testing.M) {
	if path := os.Getenv(dialEnv); path != "" {
		conn, err := socket.Dial(context.Background(), path)
		if err != nil {
			fmt.Print(err)
			os.Exit(3)
		}
		conn.Close()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// folder is a private folder whose path leaves room for sockets.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sock")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// listen makes a socket as an engine does, which accepts and says nothing.
func listen(t *testing.T, path string, about socket.About) *socket.Listener {
	t.Helper()
	l, err := socket.Listen(path, about)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// A client does not talk to a socket that somebody else may have put there.
func TestDialRefuses(t *testing.T) {
	root := os.Geteuid() == 0
	for _, c := range []struct {
		name string
		make func(t *testing.T, dir string) (path string)
		want string
		root bool
	}{
		{"symlink", func(t *testing.T, dir string) string {
			listen(t, filepath.Join(dir, "real"), socket.About{})
			os.Symlink(filepath.Join(dir, "real"), filepath.Join(dir, "s"))
			return filepath.Join(dir, "s")
		}, "is a symbolic link: name the socket itself", false},
		{"folder is a symlink", func(t *testing.T, dir string) string {
			listen(t, filepath.Join(dir, "real", "s"), socket.About{})
			os.Symlink(filepath.Join(dir, "real"), filepath.Join(dir, "link"))
			return filepath.Join(dir, "link", "s")
		}, "is a symbolic link: name the folder itself", false},
		{"file", func(t *testing.T, dir string) string {
			os.WriteFile(filepath.Join(dir, "s"), nil, 0o600)
			return filepath.Join(dir, "s")
		}, "is not a socket", false},
		{"open folder", func(t *testing.T, dir string) string {
			listen(t, filepath.Join(dir, "s"), socket.About{})
			os.Chmod(dir, 0o711)
			return filepath.Join(dir, "s")
		}, "chmod 700", false},
		{"open socket", func(t *testing.T, dir string) string {
			listen(t, filepath.Join(dir, "s"), socket.About{})
			os.Chmod(filepath.Join(dir, "s"), 0o660)
			return filepath.Join(dir, "s")
		}, "chmod 600", false},
		{"another's folder", func(t *testing.T, dir string) string {
			listen(t, filepath.Join(dir, "s"), socket.About{})
			os.Chown(dir, 65534, -1)
			return filepath.Join(dir, "s")
		}, "belongs to user 65534", true},
		{"another's socket", func(t *testing.T, dir string) string {
			listen(t, filepath.Join(dir, "s"), socket.About{})
			os.Lchown(filepath.Join(dir, "s"), 65534, -1)
			return filepath.Join(dir, "s")
		}, "belongs to user 65534", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.root && !root {
				t.Skip("only root can make another user's files")
			}
			_, err := socket.Dial(t.Context(), c.make(t, folder(t)))
			if !errors.Is(err, socket.ErrUnsafe) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want ErrUnsafe with %q", err, c.want)
			}
		})
	}
	path := filepath.Join(folder(t), "s")
	if _, err := socket.Dial(t.Context(), path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no socket: %v", err)
	}
	listen(t, path, socket.About{})
	conn, err := socket.Dial(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if peer, err := socket.PeerOf(conn); err != nil || peer != (socket.Peer{PID: os.Getpid(), UID: os.Geteuid()}) {
		t.Errorf("peer %+v, %v", peer, err)
	}
}

// Another user's client is told whose the socket is, and one whose socket was
// replaced by another user's process hangs up.
func TestDialAsAnother(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can run a process as another user")
	}
	dir := folder(t)
	os.Chmod(dir, 0o755)
	bin := filepath.Join(dir, "dial")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(bin, program, 0o755); err != nil {
		t.Fatal(err)
	}
	dial := func(path string) string {
		cmd := exec.Command(bin)
		cmd.Dir, cmd.Env = "/", []string{dialEnv + "=" + path}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		out, _ := cmd.CombinedOutput()
		return string(out)
	}
	path := filepath.Join(dir, "mine", "s")
	listen(t, path, socket.About{})
	if out := dial(path); !strings.Contains(out, "permission denied") {
		t.Errorf("as it is: %q", out)
	}
	os.Chmod(filepath.Dir(path), 0o755)
	os.Chmod(path, 0o666)
	if out := dial(path); !strings.Contains(out, "belongs to user 0, not to you (65534)") {
		t.Errorf("wide open: %q", out)
	}
	// Files as they should be, but the process behind the socket is root's.
	os.Chmod(filepath.Dir(path), 0o700)
	os.Chmod(path, 0o600)
	os.Chown(filepath.Dir(path), 65534, 65534)
	os.Lchown(path, 65534, 65534)
	if out := dial(path); !strings.Contains(out, "is of user 0, you are user 65534") {
		t.Errorf("another's process: %q", out)
	}
}

func TestEnginesAndResolve(t *testing.T) {
	name := fmt.Sprintf("engine-of-test-%d", os.Getpid())
	l := listen(t, filepath.Join(folder(t), "s"), socket.About{Name: name, Log: "/log"})
	twin := listen(t, filepath.Join(folder(t), "with space"), socket.About{Name: name})
	only := func() (found []socket.Engine) {
		all, err := socket.Engines()
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range all {
			if e.Name == name {
				found = append(found, e)
			}
		}
		return found
	}
	if e := only(); len(e) != 2 || e[0].PID != os.Getpid() || e[0].Stale || time.Since(e[0].Since) > time.Minute {
		t.Errorf("found %+v", e)
	}
	if _, err := socket.Resolve(name); err == nil || !strings.Contains(err.Error(), "there are 2 engines") {
		t.Errorf("two of a name: %v", err)
	}
	twin.Close()
	if path, err := socket.Resolve(name); err != nil || path != l.Addr().String() {
		t.Errorf("by name: %q, %v", path, err)
	}
	if path, err := socket.Resolve("/some/where"); err != nil || path != "/some/where" {
		t.Errorf("by path: %q, %v", path, err)
	}
	if _, err := socket.Resolve("nobody"); err == nil || !strings.Contains(err.Error(), name) {
		t.Errorf("unknown: %v", err)
	}
	// What is open to others, or is a link, is not listed.
	os.Chmod(filepath.Dir(l.Addr().String()), 0o755)
	if e := only(); len(e) != 0 {
		t.Errorf("open to others: %+v", e)
	}
}

// Whatever lies in a folder that looks like a kernel's ends neither the search nor the program.
func TestOddFolders(t *testing.T) {
	tmp := folder(t)
	t.Setenv("XDG_RUNTIME_DIR", tmp)
	for i, text := range []string{"", "{", "[]", `{"pid":-1,"started":""}`, `{"pid":"x"}`, strings.Repeat("[", 100000), `{"pid":1,"started":"7","logs":{"engine":"/etc/passwd"}}`} {
		dir := filepath.Join(tmp, fmt.Sprintf("rlhf-%d", i))
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		for _, file := range []string{"kernel.json", "engine.sock.lock"} {
			if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, "engine.sock"), Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		os.Chmod(filepath.Join(dir, "engine.sock"), 0o600)
	}
	// Links, of the files and of the folder, to what would be a kernel and its engine.
	away := folder(t)
	if err := (socket.Kernel{Socket: tmp + "/linked"}).Write(away); err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("linked-%d", os.Getpid())
	os.WriteFile(filepath.Join(away, "lock"), fmt.Appendf(nil, `{"name":%q}`, name), 0o600)
	linked := filepath.Join(tmp, "rlhf-link")
	os.Mkdir(linked, 0o700)
	os.Symlink(filepath.Join(away, "kernel.json"), filepath.Join(linked, "kernel.json"))
	os.Symlink(filepath.Join(away, "lock"), filepath.Join(linked, "engine.sock.lock"))
	os.Symlink(away, filepath.Join(tmp, "rlhf-away"))
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(linked, "engine.sock"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	os.Chmod(l.Addr().String(), 0o600)
	for _, k := range socket.Kernels() {
		if k.PID == 1 || k.PID == -1 || strings.HasPrefix(k.Socket, tmp) {
			t.Errorf("a kernel was read from what is none: %+v", k)
		}
	}
	engines, err := socket.Engines()
	if err != nil {
		t.Error(err)
	}
	for _, e := range engines {
		if e.Name == name {
			t.Errorf("an engine was read from a link: %+v", e)
		}
	}
	// One that is there, as a kernel writes it.
	mine := filepath.Join(tmp, "rlhf-mine")
	os.Mkdir(mine, 0o700)
	if err := (socket.Kernel{Socket: tmp + "/x", Logs: map[string]string{}}).Write(mine); err != nil {
		t.Fatal(err)
	}
	seen := false
	for _, k := range socket.Kernels() {
		seen = seen || k.Socket == tmp+"/x" && k.PID == os.Getpid()
	}
	if !seen {
		t.Error("a kernel that runs was not found")
	}
}

func TestNotebook(t *testing.T) {
	for path, want := range map[string]string{"": "", "notebooks/09_ppo_run.ipynb": "09_ppo_run", "my\r\nnotebook ü.ipynb": "my__notebook__", "a/b": "b"} {
		t.Setenv(socket.NotebookEnv, path)
		if got := socket.Notebook(); got != want {
			t.Errorf("%q: %q, want %q", path, got, want)
		}
	}
}

package sandbox_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"hhrlhf/rlhf/sandbox"
)

// isolated skips where this machine forbids isolation, and says what is missing.
func isolated(t *testing.T) {
	t.Helper()
	err := sandbox.Check(t.Context())
	var missing *sandbox.Unavailable
	if errors.As(err, &missing) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func run(t *testing.T, source string, l sandbox.Limits) sandbox.End {
	t.Helper()
	end, err := sandbox.Run(t.Context(), sandbox.Program{Source: source}, l)
	if err != nil {
		t.Fatal(err)
	}
	return end
}

// attempt is a program that says "escaped" where body does what it should not, and "held" and why where it cannot.
func attempt(body string) string {
	return "import os, sys, socket, ctypes, subprocess\ntry:\n    " + strings.ReplaceAll(strings.TrimSpace(body), "\n", "\n    ") +
		"\n    print('escaped')\nexcept BaseException as e:\n    print('held', repr(e))\n"
}

func TestRunsAProgram(t *testing.T) {
	isolated(t)
	end, err := sandbox.Run(t.Context(), sandbox.Program{Source: "import sys, math\nprint(sys.stdin.read()[::-1], math.comb(5, 2))\nsys.exit(3)", Input: []byte("olleh")}, sandbox.Limits{})
	if err != nil || end.How != sandbox.Exited || end.Code != 3 || string(end.Stdout) != "hello 10\n" {
		t.Errorf("%+v, %v", end, err)
	}
}

// Each program does what it must not where it runs plainly, and is held in the sandbox.
func TestHeldIn(t *testing.T) {
	isolated(t)
	home := t.TempDir()
	secret := filepath.Join(home, "secret.txt")
	if err := os.WriteFile(secret, []byte("secret"), 0o666); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	unixSocket := filepath.Join(home, "s")
	u, err := net.Listen("unix", unixSocket)
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	t.Setenv("SECRET", "in the environment")
	leaked, err := syscall.Dup(1) // as C libraries open files: it stays open in what is started
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(leaked)
	port := l.Addr().(*net.TCPAddr).Port
	for _, c := range []struct{ name, body string }{
		{"reads a file", fmt.Sprintf("open(%q).read()", secret)},
		{"writes a file", fmt.Sprintf("open(%q, 'w').write('x')", filepath.Join(home, "new"))},
		{"appends to a file", fmt.Sprintf("open(%q, 'a').write('x')", secret)},
		{"deletes a file", fmt.Sprintf("os.remove(%q)", filepath.Join(home, "new"))},
		{"lists /tmp", "assert len(os.listdir('/tmp')) > 0"},
		{"reads /etc/passwd", "open('/etc/passwd').read()"},
		{"writes to /tmp", "open('/tmp/hhrlhf-escape', 'w').close(); os.remove('/tmp/hhrlhf-escape')"},
		{"writes where it is", "open('escape', 'w').close(); os.remove('escape')"},
		{"writes to shared memory", "open('/dev/shm/hhrlhf-escape', 'w').close(); os.remove('/dev/shm/hhrlhf-escape')"},
		{"sees processes", "assert os.path.exists('/proc/self/status')"},
		{"sees the program that runs it", fmt.Sprintf("os.kill(%d, 0)", os.Getpid())},
		{"starts a shell", "subprocess.run(['/bin/sh', '-c', 'true'], check=True)"},
		{"connects", fmt.Sprintf("socket.create_connection(('127.0.0.1', %d), 2)", port)},
		{"listens", "s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen()"},
		{"connects to a unix socket", fmt.Sprintf("socket.socket(socket.AF_UNIX).connect(%q)", unixSocket)},
		{"reads the environment", "os.environ['SECRET']"},
		{"finds an open descriptor", fmt.Sprintf("os.fstat(%d)", leaked)},
		{"makes memory that nobody counts", "os.memfd_create('x')"},
		{"makes a namespace", "libc = ctypes.CDLL(None, use_errno=True)\nif libc.unshare(0x10000000): raise OSError(ctypes.get_errno())"},
	} {
		t.Run(c.name, func(t *testing.T) {
			source := attempt(c.body)
			plain := exec.Command("python3", "-c", source)
			plain.Dir = home
			if out, err := plain.Output(); err != nil || !strings.HasSuffix(string(out), "escaped\n") {
				t.Errorf("without a sandbox: %q, %v; the attempt shows nothing", out, err)
			}
			if end := run(t, source, sandbox.Limits{}); end.How != sandbox.Exited || !strings.HasPrefix(string(end.Stdout), "held ") {
				t.Errorf("in the sandbox: %s %q %q", end.How, end.Stdout, end.Stderr)
			}
		})
	}
	// What is there are the traces of the plain runs: one x, appended.
	if text, err := os.ReadFile(secret); err != nil || len(text) > len("secretx") {
		t.Errorf("the file is %q, %v", text, err)
	}
}

// What nobody would try outside.
func TestHostile(t *testing.T) {
	isolated(t)
	tight := sandbox.Limits{Wall: 20 * time.Second, CPU: time.Second, Memory: 128 << 20, Output: 4096}
	syscallNumber := func(name, number, args string) string {
		return attempt("libc = ctypes.CDLL(None, use_errno=True)\nif libc.syscall(" + number + args + ") < 0: raise OSError(ctypes.get_errno(), " + fmt.Sprintf("%q", name) + ")")
	}
	held := func(e sandbox.End) bool {
		return e.How == sandbox.Exited && strings.Contains(string(e.Stdout), "held") && !strings.Contains(string(e.Stdout), "escaped")
	}
	cases := []struct {
		name, source string
		want         func(sandbox.End) bool
	}{
		{"fork bomb", "import os\nn = 0\nwhile True:\n    try:\n        if os.fork() == 0:\n            while True: os.fork()\n        n += 1\n    except OSError as e:\n        print('held', n, e); break\n", held},
		{"threads", "import threading, time\nn = 0\ntry:\n    while n < 100:\n        threading.Thread(target=time.sleep, args=(9,), daemon=True).start(); n += 1\n    print('escaped')\nexcept RuntimeError as e:\n    print('held', n, e)\n", held},
		{"memory bomb", attempt("x = [bytearray(1 << 20) for _ in range(1 << 20)]"), held},
		{"one large number", attempt("x = 1 << (1 << 34)"), held},
		{"shared memory", attempt("import mmap\nkeep = [mmap.mmap(-1, 1 << 24) for _ in range(64)]"), held},
		{"endless loop", "while True: pass", func(e sandbox.End) bool {
			return e.How == sandbox.Signalled && (e.Code == int(syscall.SIGXCPU) || e.Code == int(syscall.SIGKILL))
		}},
		{"endless loop that will not be told", "import signal\nsignal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass", func(e sandbox.End) bool {
			return e.How == sandbox.Signalled && e.Code == int(syscall.SIGKILL)
		}},
		{"gigabytes of output", "while True: print('x' * 4096)", func(e sandbox.End) bool { return e.How == sandbox.TooMuchSaid && len(e.Stdout) == 4096 }},
		{"gigabytes of complaints", "import sys\nwhile True: sys.stderr.write('x' * 4096)", func(e sandbox.End) bool { return e.How == sandbox.TooMuchSaid && len(e.Stderr) == 4096 }},
		{"kills its parent", "import os, signal\nprint('parent', os.getppid())\nos.kill(os.getppid(), signal.SIGKILL)", func(e sandbox.End) bool {
			return strings.HasPrefix(string(e.Stdout), "parent 0\n") || len(e.Stdout) == 0
		}},
		{"kills everybody", "import os, signal\ntry:\n    os.kill(-1, signal.SIGKILL)\n    print('escaped')\nexcept OSError as e:\n    print('held', e)", held},
		{"traces", syscallNumber("ptrace", "101", ", 0, 0, 0, 0"), held},
		{"mounts", syscallNumber("mount", "165", ", b'tmpfs', b'/usr', b'tmpfs', 0, 0"), held},
		{"asks for io_uring", syscallNumber("io_uring_setup", "425", ", 8, ctypes.create_string_buffer(200)"), held},
		{"asks for bpf", syscallNumber("bpf", "321", ", 0, 0, 0"), held},
		{"clones a user namespace", syscallNumber("clone", "56", ", 0x10000000 | 17, 0, 0, 0, 0"), held},
		{"makes itself root", attempt("os.setuid(12345)"), held},
		{"raises its limits", attempt("import resource\nresource.setrlimit(resource.RLIMIT_NPROC, (9999, 9999))"), held},
		{"makes a device", attempt("os.mknod('/null', 0o20666, os.makedev(1, 3))"), held},
		{"breaks out by chroot", attempt("os.chroot('/usr')"), held},
		{"changes the standard library", attempt("open(os.__file__, 'a').write('x')"), held},
	}
	if runtime.GOARCH != "amd64" { // the numbers above are of x86-64
		t.Skip("the numbers of the system calls are those of x86-64")
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if end := run(t, c.source, tight); !c.want(end) {
				t.Errorf("%s %d: %.300q %.300q", end.How, end.Code, end.Stdout, end.Stderr)
			}
		})
	}
}

// The calls of another architecture have other numbers: a filter that knew only its own would let them pass.
func TestOtherArchitecture(t *testing.T) {
	isolated(t)
	if runtime.GOARCH != "amd64" {
		t.Skip("int 0x80 is of x86-64")
	}
	// getpid by the 32-bit gate: mov eax, 20; int 0x80; ret
	source := "import ctypes, mmap\nm = mmap.mmap(-1, 4096, prot=7)\nm.write(b'\\xb8\\x14\\x00\\x00\\x00\\xcd\\x80\\xc3')\n" +
		"print(ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(m)))(), flush=True)"
	if out, err := exec.Command("python3", "-c", source).Output(); err != nil || len(out) == 0 {
		t.Skipf("this kernel has no 32-bit calls: %v", err)
	}
	if end := run(t, source, sandbox.Limits{}); end.How != sandbox.Signalled || end.Code != int(syscall.SIGSYS) {
		t.Errorf("%s %d %q %q, want SIGSYS", end.How, end.Code, end.Stdout, end.Stderr)
	}
}

// A child that has left its session and closed everything dies with the program all the same.
func TestNothingStaysBehind(t *testing.T) {
	isolated(t)
	mark := fmt.Sprintf("%d.%d", 1000+os.Getpid(), time.Now().UnixNano()%1e9)
	source := "import os, time\nif os.fork() == 0:\n    os.setsid()\n    os.close(0); os.close(1); os.close(2)\n    while True: time.sleep(" + mark + ")\n"
	daemons := func() (n int) {
		entries, err := filepath.Glob("/proc/[0-9]*/comm")
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			dir := filepath.Dir(e)
			line, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
			if strings.Contains(string(line), "/program.py") {
				n++
			}
		}
		return n
	}
	// While it runs it is seen, or the count below would say nothing.
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := sandbox.Run(ctx, sandbox.Program{Source: source + "time.sleep(9999)"}, sandbox.Limits{Wall: time.Hour})
		done <- err
	}()
	deadline := time.Now().Add(30 * time.Second)
	for daemons() < 2 && time.Now().Before(deadline) {
		time.Sleep(10 * time.Millisecond)
	}
	if n := daemons(); n < 2 {
		t.Errorf("%d processes while it runs, want the program and its child", n)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if end := run(t, source, sandbox.Limits{}); end.How != sandbox.Exited {
		t.Errorf("%+v", end)
	}
	if n := daemons(); n != 0 {
		t.Errorf("%d processes are left", n)
	}
}

func TestWallClock(t *testing.T) {
	isolated(t)
	end := run(t, "import time\nprint('begun', flush=True)\ntime.sleep(9999)", sandbox.Limits{Wall: 2 * time.Second})
	if end.How != sandbox.OutOfTime || end.Wall > time.Minute {
		t.Errorf("%s after %v", end.How, end.Wall)
	}
}

func TestLimitsRefused(t *testing.T) {
	for _, l := range []sandbox.Limits{{Wall: -1}, {CPU: -1}, {Memory: 1}, {Processes: -1}, {Output: -1}} {
		if _, err := sandbox.Run(t.Context(), sandbox.Program{}, l); err == nil || !strings.Contains(err.Error(), "sandbox: Limits.") {
			t.Errorf("%+v: %v", l, err)
		}
	}
}

// Where user namespaces are forbidden nothing is run, and the error says what is missing. The
// test forbids them for a copy of itself, in a namespace whose limit it may set.
func TestRefusesWithoutNamespaces(t *testing.T) {
	const inside = "HHRLHF_SANDBOX_FORBIDDEN"
	if os.Getenv(inside) != "" {
		if err := os.WriteFile("/proc/sys/user/max_user_namespaces", []byte("0"), 0); err != nil {
			fmt.Println("cannot forbid:", err)
			os.Exit(4)
		}
		mark := filepath.Join(os.TempDir(), "hhrlhf-ran")
		end, err := sandbox.Run(context.Background(), sandbox.Program{Source: "open(" + fmt.Sprintf("%q", mark) + ", 'w')\nprint('ran')"}, sandbox.Limits{})
		fmt.Printf("%s|%s|%v\n", end.How, end.Stdout, err)
		os.Exit(0)
	}
	isolated(t)
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestRefusesWithoutNamespaces$")
	cmd.Env = append(os.Environ(), inside+"=1", "TMPDIR="+t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Skipf("this machine cannot forbid namespaces: %v: %s", err, out)
	}
	if text := string(out); !strings.HasPrefix(text, "||sandbox: untrusted code is not run here") || !strings.Contains(text, "sysctl user.max_user_namespaces") {
		t.Errorf("%s", text)
	}
}

package launch_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hhrlhf/kernel/engine"
	"hhrlhf/kernel/engine/enginetest"
	"hhrlhf/kernel/engine/socket"
	"hhrlhf/kernel/launch"
	"hhrlhf/kernel/proxy/proxytest"
)

// The test program is also the kernel's launcher, its guard, the cells' relay
// and a stand-in for the engine.
const envOptions = "HHRLHF_TEST_LAUNCH"

func TestMain(m *testing.M) {
	launch.Shim()
	if len(os.Args) == 3 && os.Args[1] == "engine" {
		os.Exit(fakeEngine(os.Args[2]))
	}
	if len(os.Args) == 3 && os.Args[1] == "lab" {
		os.Exit(labEngine(os.Args[2]))
	}
	if s := os.Getenv(envOptions); s != "" {
		os.Unsetenv(envOptions)
		var o launch.Options
		if err := json.Unmarshal([]byte(s), &o); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		if o.ConnectionFile == "" && len(os.Args) == 2 { // started by Jupyter
			o.ConnectionFile = os.Args[1]
		}
		if err := launch.Run(context.Background(), o); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// labEngine serves a lab of arithmetic whose steps take 30 ms.
func labEngine(path string) int {
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGTERM)
	defer stop()
	l, err := enginetest.New(enginetest.Options{Step: 30 * time.Millisecond})
	if err == nil {
		err = engine.Serve(ctx, engine.Options{Socket: path, Name: socket.Notebook(), Lab: l, Still: time.Second})
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

// fakeEngine answers each connection with its process id.
func fakeEngine(socket string) int {
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGTERM)
	defer stop()
	l, err := net.Listen("unix", socket)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("engine ready")
	context.AfterFunc(ctx, func() { l.Close() })
	for {
		c, err := l.Accept()
		if err != nil {
			fmt.Println("engine stopped in order")
			return 0
		}
		fmt.Fprintln(c, os.Getpid())
		c.Close()
	}
}

// A kernelProcess is a launcher in a process of its own.
type kernelProcess struct {
	*proxytest.Client
	t    *testing.T
	cmd  *exec.Cmd
	done chan error
	run  string // XDG_RUNTIME_DIR
	tmp  string // TMPDIR
	file string
	logs string
}

// start starts a kernel as Jupyter does and attaches to it.
func start(t *testing.T, change ...func(*launch.Options)) *kernelProcess {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a built gonb and compiles cells: not with -short")
	}
	bin, err := proxytest.Tools()
	if err != nil {
		t.Fatal(err)
	}
	k := &kernelProcess{t: t, done: make(chan error, 1), run: shortDir(t), tmp: shortDir(t), logs: t.TempDir()}
	k.file = proxytest.WriteConnection(t, k.logs)
	repo, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	o := launch.Options{ConnectionFile: k.file, Repo: repo, BinDir: bin, LogDir: k.logs, Version: "test",
		History: filepath.Join(k.logs, "history.jsonl"), Warm: -1,
		EngineCmd: []string{os.Args[0], "engine", launch.SocketArg}}
	for _, f := range change {
		f(&o)
	}
	b, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	k.cmd = exec.Command(os.Args[0])
	k.cmd.Env = append(os.Environ(), envOptions+"="+string(b), "XDG_RUNTIME_DIR="+k.run, "TMPDIR="+k.tmp)
	k.cmd.Dir = t.TempDir()
	k.cmd.Stderr = os.Stderr
	k.cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true}
	if err := k.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { k.done <- k.cmd.Wait() }()
	t.Cleanup(func() {
		k.cmd.Process.Signal(unix.SIGTERM)
		select {
		case <-k.done:
		case <-time.After(15 * time.Second):
			k.cmd.Process.Kill()
		}
		if t.Failed() {
			logs, _ := filepath.Glob(filepath.Join(k.logs, "*.log"))
			for _, l := range logs {
				b, _ := os.ReadFile(l)
				t.Logf("%s:\n%s", filepath.Base(l), b[max(0, len(b)-3000):])
			}
		}
	})
	k.Client = proxytest.Dial(t, k.file)
	return k
}

// shortDir is a temporary folder whose path leaves room for sockets.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "k")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// family lists the processes of the kernel, as "pid name", the launcher excepted.
func (k *kernelProcess) family() []string {
	var out []string
	names, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, name := range names {
		env, err := os.ReadFile(name)
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		if err != nil || pid == k.cmd.Process.Pid || !strings.Contains(string(env), "XDG_RUNTIME_DIR="+k.run+"\x00") {
			continue
		}
		comm, _ := os.ReadFile(filepath.Join(filepath.Dir(name), "cmdline"))
		out = append(out, fmt.Sprintf("%d %s", pid, strings.ReplaceAll(string(comm), "\x00", " ")))
	}
	return out
}

// find returns the pid of the process of the kernel whose command line contains s, or 0.
func (k *kernelProcess) find(s string) int {
	for _, p := range k.family() {
		pid, args, _ := strings.Cut(p, " ")
		if strings.Contains(args, s) {
			n, _ := strconv.Atoi(pid)
			return n
		}
	}
	return 0
}

// gone checks that the launcher ends with the wanted error and leaves nothing.
func (k *kernelProcess) gone(limit time.Duration) error {
	k.t.Helper()
	var err error
	select {
	case err = <-k.done:
		k.done <- err
	case <-time.After(limit):
		k.t.Fatalf("launcher still runs after %v", limit)
	}
	deadline := time.Now().Add(limit)
	for {
		left := k.family()
		for _, dir := range []string{k.run, k.tmp} {
			entries, _ := os.ReadDir(dir)
			for _, e := range entries {
				left = append(left, filepath.Join(dir, e.Name()))
			}
		}
		if len(left) == 0 {
			return err
		}
		if time.Now().After(deadline) {
			k.t.Fatalf("left behind:\n%s", strings.Join(left, "\n"))
		}
		time.Sleep(20 * time.Millisecond)
	}
}

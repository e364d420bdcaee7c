package launch

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"hhrlhf/kernel/engine/socket"
	"hhrlhf/kernel/launch/slot"
	"hhrlhf/kernel/proxy"
)

// Names of the variables that cells and the engine find in their environment.
const (
	EnvSocket = "RLHF_ENGINE_SOCK" // path of the engine's unix socket
	EnvLog    = socket.LogEnv      // path of the engine's log
)

// SocketArg stands for the engine's socket in [Options.EngineCmd].
const SocketArg = "{socket}"

// Options says what a kernel consists of.
type Options struct {
	ConnectionFile string // from Jupyter
	Repo           string // module root that cells import from, empty: none
	Gonb           string // path of gonb, empty: found in BinDir or PATH
	BinDir         string // put before PATH: gonb, gopls, goimports
	// EngineCmd is the command that serves the engine, [SocketArg] in it stands
	// for the socket, which RLHF_ENGINE_SOCK names too. Empty: no engine.
	EngineCmd []string
	Env       []string // more environment for gonb and the engine, as "name=value"
	LogDir    string   // for the logs of gonb and the engine, empty: in the kernel's temporary folder
	History   string   // path of the cells' history, empty: kept in memory
	Version   string   // shown by the front-end
	// Grace is how long the engine may take to end after SIGTERM; 0: 4 s, for
	// Jupyter waits 5 s before it kills.
	Grace time.Duration
	// Warm is how long a kernel is idle before it warms gopls up, once; 0: 2 s, negative: never.
	Warm time.Duration
}

// Run serves one kernel until its front-end shuts it down, ctx ends, SIGTERM,
// SIGINT or SIGHUP comes or the parent ends (nil in all these cases), or it
// cannot be kept running.
func Run(ctx context.Context, o Options) (err error) {
	defer func() {
		if err != nil && !strings.HasPrefix(err.Error(), "launch: ") {
			err = fmt.Errorf("launch: %w", err)
		}
	}()
	if o.Grace == 0 {
		o.Grace = 4 * time.Second
	}
	if o.Warm == 0 {
		o.Warm = 2 * time.Second
	}
	conn, err := proxy.ReadConnection(o.ConnectionFile)
	if err != nil {
		return err
	}
	if o.Repo != "" {
		if o.Repo, err = filepath.Abs(o.Repo); err != nil {
			return err
		}
		if _, err := os.Stat(filepath.Join(o.Repo, "go.mod")); err != nil {
			return fmt.Errorf("Repo = %s, want the folder of a go.mod: %w", o.Repo, err)
		}
	}

	ctx, stop := signal.NotifyContext(ctx, unix.SIGTERM, unix.SIGINT, unix.SIGHUP)
	defer stop()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go watchParent(ctx, cancel)

	d, err := makeDirs()
	if err != nil {
		return err
	}
	k := &kernel{o: o, dirs: d, spawn: newSpawner()}
	defer k.close()
	if err := k.prepare(); err != nil {
		return err
	}
	if err := k.startEngine(); err != nil {
		return err
	}
	err = proxy.Run(ctx, proxy.Options{
		Connection: conn, ConnectionName: filepath.Base(o.ConnectionFile), Dir: d.run,
		Start: k.startGonb, Show: k.show(), Doc: k.doc, Repo: o.Repo, GoRoot: k.goRoot(ctx), History: o.History, Version: o.Version, Warm: max(o.Warm, 0), Log: k.log,
	})
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return err
}

// A kernel is the state of one Run.
type kernel struct {
	o       Options
	dirs    dirs
	spawn   spawner
	log     *log.Logger
	logFile *os.File
	env     []string // of all children
	goTool  string   // the real go command
	slot    slot.Slot

	guard    *exec.Cmd
	guardEnd io.Closer // closing it tells the guard that this process is gone

	lives    int // of gonb
	gonb     *child
	gonbMark string
	engine   *engine
}

// prepare makes what gonb and the engine are started with: the log, the guard,
// the shim on PATH, the environment.
func (k *kernel) prepare() error {
	if k.o.LogDir == "" {
		k.o.LogDir = k.dirs.tmp
	}
	if err := os.MkdirAll(k.o.LogDir, 0o700); err != nil {
		return err
	}
	var err error
	k.logFile, err = openLog(k.logPath("kernel"))
	if err != nil {
		return err
	}
	k.log = log.New(k.logFile, "", log.LstdFlags|log.Lmicroseconds)
	if err := k.startGuard(); err != nil {
		return err
	}
	if k.goTool, err = exec.LookPath("go"); err != nil {
		return fmt.Errorf("the go command: %w; install Go or add it to PATH", err)
	}
	if k.goTool, err = filepath.Abs(k.goTool); err != nil {
		return err
	}
	if err := k.writeShim(); err != nil {
		return err
	}
	k.env = k.environ()
	// For rlhf ps and its like, and for lab.At in another notebook.
	return socket.Kernel{
		Notebook: os.Getenv(socket.NotebookEnv), Socket: k.getenv(EnvSocket),
		Logs: map[string]string{"kernel": k.logPath("kernel"), "gonb": k.logPath("gonb"), "engine": k.logPath("engine")},
	}.Write(k.dirs.run)
}

// logPath names a log of this kernel: those of two notebooks lie side by side.
func (k *kernel) logPath(what string) string {
	id := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(k.o.ConnectionFile), "kernel-"), ".json")
	return filepath.Join(k.o.LogDir, what+"-"+id+".log")
}

// environ returns the environment of gonb and the engine.
func (k *kernel) environ() []string {
	env := map[string]string{}
	var names []string
	set := func(kv string) {
		name, value, _ := strings.Cut(kv, "=")
		if _, ok := env[name]; !ok {
			names = append(names, name)
		}
		env[name] = value
	}
	for _, kv := range os.Environ() {
		set(kv)
	}
	for _, kv := range k.o.Env {
		set(kv)
	}
	path := k.dirs.bin()
	if k.o.BinDir != "" {
		path += string(os.PathListSeparator) + k.o.BinDir
	}
	set("PATH=" + path + string(os.PathListSeparator) + env["PATH"])
	set(envKernel + "=" + k.dirs.run)
	if env[EnvSocket] == "" {
		set(EnvSocket + "=" + k.dirs.socket())
	}
	set(EnvLog + "=" + k.logPath("engine"))
	// Cells are built in a workspace of gonb's: it must be in force, and go
	// refuses -mod=mod in one.
	delete(env, "GOWORK")
	if f, ok := env["GOFLAGS"]; ok {
		env["GOFLAGS"] = strings.Join(strings.Fields(strings.ReplaceAll(" "+f+" ", " -mod=mod ", " ")), " ")
	}
	out := make([]string, 0, len(names))
	for _, name := range names {
		if value, ok := env[name]; ok {
			out = append(out, name+"="+value)
		}
	}
	return out
}

// getenv reads the environment of the children.
func (k *kernel) getenv(name string) string {
	for _, kv := range k.env {
		if n, v, _ := strings.Cut(kv, "="); n == name {
			return v
		}
	}
	return ""
}

// showPackage has the function Value, which shows a cell's last expression.
const showPackage = "hhrlhf/kernel/show"

// show returns the package that shows values, if the module has it.
func (k *kernel) show() string {
	if k.o.Repo == "" || !exists(filepath.Join(k.o.Repo, "kernel", "show", "value.go")) {
		return ""
	}
	return showPackage
}

// goRoot returns Go's own folder, empty if Go does not say.
func (k *kernel) goRoot(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, k.goTool, "env", "GOROOT").Output()
	if err != nil {
		k.log.Printf("go env GOROOT: %v", err)
	}
	return strings.TrimSpace(string(out))
}

// close ends everything that the kernel started, gonb and cells first, since
// they hold the engine busy.
func (k *kernel) close() {
	k.stopGonb()
	k.stopEngine()
	sweep(envKernel+"="+k.dirs.run, time.Second)
	k.dirs.remove()
	if k.guard != nil {
		k.guardEnd.Close()
		k.guard.Wait()
	}
	if k.logFile != nil {
		k.logFile.Close()
	}
}

// watchParent ends the kernel when its parent has ended: a child of a dead
// parent gets another one.
func watchParent(ctx context.Context, cancel context.CancelFunc) {
	parent := os.Getppid()
	for ctx.Err() == nil {
		if os.Getppid() != parent {
			cancel()
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// dirs are the two private folders of a kernel: sockets go where paths are
// short, what cells build where programs may be executed and space is.
type dirs struct{ run, tmp string }

func (d dirs) socket() string { return filepath.Join(d.run, socket.Name) }
func (d dirs) bin() string    { return filepath.Join(d.tmp, "bin") }
func (d dirs) remove()        { os.RemoveAll(d.run); os.RemoveAll(d.tmp) }

// maxSocket is the length of a unix socket's path on Linux.
const maxSocket = 107

// makeDirs creates the folders with mode 0700.
func makeDirs() (dirs, error) {
	var b [4]byte
	rand.Read(b[:])
	name := "rlhf-" + hex.EncodeToString(b[:])
	// The longest socket in run is the engine's, in tmp gopls's.
	run, err := makeDir(name, socket.Name, os.Getenv("XDG_RUNTIME_DIR"), os.TempDir())
	if err != nil {
		return dirs{}, err
	}
	tmp, err := makeDir(name+"-t", "10/gonb_01234567/gopls_socket", os.TempDir())
	if err != nil {
		os.RemoveAll(run)
		return dirs{}, err
	}
	return dirs{run, tmp}, nil
}

// makeDir creates a folder in the first root that takes it and leaves room for
// the path of a socket in it.
func makeDir(name, socket string, roots ...string) (string, error) {
	var why error
	for _, root := range roots {
		if root == "" {
			continue
		}
		path := filepath.Join(root, name)
		if n := len(filepath.Join(path, socket)); n > maxSocket {
			why = errors.Join(why, fmt.Errorf("%s: a socket's path in it has %d bytes, at most %d; set TMPDIR to a shorter folder", root, n, maxSocket))
		} else if err := os.Mkdir(path, 0o700); err != nil {
			why = errors.Join(why, err)
		} else {
			return path, nil
		}
	}
	return "", fmt.Errorf("private folder: %w", why)
}

package frontend_test

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"hhrlhf/kernel/headless"
	"hhrlhf/kernel/setup"
)

// token lets the test into its JupyterLab.
const token = "frontend-test"

// mark is a variable that every process of a test inherits, so that what is left
// of them can be found.
const mark = "RLHF_FRONTEND_TEST"

// A jupyterLab is a JupyterLab of its own: its folder, settings and signatures
// are the test's, kernel and Python those of set-up.
type jupyterLab struct {
	t    *testing.T
	in   setup.Installed
	port int
	root string // of the notebooks
	mark string
	log  string
}

// startLab starts JupyterLab as `rlhf lab` does, with tiny sizes. It ends, with
// its kernels, when the test does, and the test fails if a process is left.
func startLab(t *testing.T) *jupyterLab {
	t.Helper()
	in, err := setup.Ensure(t.Context(), setup.Options{Progress: os.Stderr})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	l := &jupyterLab{t: t, in: in, root: filepath.Join(dir, "notebooks"), mark: mark + "=" + rand.Text(), log: filepath.Join(dir, "lab.log")}
	settings := filepath.Join(dir, "settings")
	for _, d := range []string{l.root, filepath.Join(dir, "home"), settings} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.CopyFS(settings, os.DirFS(filepath.Join(in.Dirs.Jupyter(), "lab", "settings"))); err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(l.log)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	servers := filepath.Join(dir, "runtime")
	cmd := exec.Command(in.Dirs.Python(), "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", "--port=0", "--allow-root",
		"--expose-app-in-browser", "--ServerApp.root_dir="+l.root, "--IdentityProvider.token="+token,
		"--NotebookNotary.db_file="+filepath.Join(dir, "signatures.db"))
	cmd.Env = append(setup.JupyterEnv(in.Dirs, os.Environ()),
		"JUPYTER_RUNTIME_DIR="+servers, "JUPYTERLAB_SETTINGS_DIR="+settings, "JUPYTERLAB_WORKSPACES_DIR="+filepath.Join(dir, "workspaces"),
		headless.SizeEnv+"="+cmp.Or(os.Getenv(headless.SizeEnv), "tiny"), headless.RunsEnv+"="+filepath.Join(dir, "runs"), l.mark)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() { l.stop(cmd.Process, ended) })
	// Port 0 lets the system choose, and the server's own file says what it chose.
	until(t, "JupyterLab's server file", time.Minute, func() (bool, string) {
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("JupyterLab ended: %v\n%s", err, l.said())
		default:
		}
		files, _ := filepath.Glob(filepath.Join(servers, "jpserver-*.json"))
		if len(files) == 0 {
			return false, l.said()
		}
		raw, _ := os.ReadFile(files[0])
		_, rest, _ := strings.Cut(string(raw), `"port": `)
		l.port, _ = strconv.Atoi(rest[:max(0, strings.IndexAny(rest, ",\n}"))])
		return l.port > 0, string(raw)
	})
	until(t, "an answer of JupyterLab", time.Minute, func() (bool, string) {
		res, err := http.Get(l.url("api/status"))
		if err != nil {
			return false, err.Error()
		}
		res.Body.Close()
		return res.StatusCode == http.StatusOK, res.Status
	})
	return l
}

func (l *jupyterLab) url(path string) string {
	return fmt.Sprintf("http://127.0.0.1:%d/%s?token=%s", l.port, path, token)
}

// said is the end of the server's log.
func (l *jupyterLab) said() string {
	b, _ := os.ReadFile(l.log)
	return string(b[max(0, len(b)-4000):])
}

// stop ends the server as Ctrl-C does and looks for what it left.
func (l *jupyterLab) stop(p *os.Process, ended <-chan error) {
	if l.t.Failed() {
		l.t.Logf("JupyterLab's log ends:\n%s", l.said())
	}
	p.Signal(syscall.SIGTERM)
	select {
	case <-ended:
	case <-time.After(30 * time.Second):
		l.t.Error("JupyterLab did not end within 30 s of SIGTERM")
		syscall.Kill(-p.Pid, syscall.SIGKILL)
		<-ended
	}
	leftNothing(l.t, l.mark)
}

// leftNothing checks that no process with the mark is left, and kills those that are.
func leftNothing(t *testing.T, mark string) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		var left []string
		names, _ := filepath.Glob("/proc/[0-9]*/environ")
		for _, name := range names {
			env, err := os.ReadFile(name)
			if err != nil || !strings.Contains(string(env), mark+"\x00") {
				continue
			}
			line, _ := os.ReadFile(filepath.Join(filepath.Dir(name), "cmdline"))
			left = append(left, filepath.Base(filepath.Dir(name))+" "+strings.ReplaceAll(string(line), "\x00", " "))
		}
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			for _, l := range left {
				pid, _ := strconv.Atoi(strings.Fields(l)[0])
				syscall.Kill(pid, syscall.SIGKILL)
			}
			t.Errorf("processes left behind:\n%s", strings.Join(left, "\n"))
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// until waits for a condition and fails with what it said last.
func until(t *testing.T, what string, limit time.Duration, ok func() (bool, string)) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for {
		done, said := ok()
		if done {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("waited %v for %s: %s", limit, what, said)
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-t.Context().Done():
			t.Fatalf("waiting for %s: %v", what, context.Cause(t.Context()))
		}
	}
}

// file is the path of a notebook.
func (l *jupyterLab) file(name string) string { return filepath.Join(l.root, name) }

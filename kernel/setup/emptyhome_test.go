package setup_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"hhrlhf/kernel/setup"
)

const smallNotebook = `{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [
 {"cell_type": "code", "id": "a", "metadata": {}, "execution_count": null, "outputs": [],
  "source": "import \"fmt\"\n%%\nfmt.Println(\"hello from a cell\")"}]}`

// TestEmptyHome is what a new user does, with an empty HOME and an empty Go
// cache: run, run again without a network, lab, doctor, remove. It takes minutes
// and several hundred megabytes of downloads, so it runs when asked for.
func TestEmptyHome(t *testing.T) {
	if os.Getenv("RLHF_TEST_EMPTY_HOME") == "" {
		t.Skip("RLHF_TEST_EMPTY_HOME is not set: the test downloads and builds everything, which takes minutes")
	}
	repo, err := setup.FindRepo("")
	if err != nil {
		t.Fatal(err)
	}
	home, err := os.MkdirTemp("", "rlhf-home-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		exec.Command("chmod", "-R", "u+w", home).Run() // Go's module cache is read-only
		os.RemoveAll(home)
	})
	notebook := filepath.Join(repo, "notebooks", "00_tour.ipynb")
	if os.Getenv("RLHF_TEST_EMPTY_HOME") != "tour" {
		notebook = filepath.Join(home, "small.ipynb")
		if err := os.WriteFile(notebook, []byte(smallNotebook), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	out := filepath.Join(home, "out.ipynb")
	env := emptyEnv(home)
	step := func(env []string, args ...string) (time.Duration, error) {
		t.Helper()
		cmd := exec.Command("go", append([]string{"run", "./kernel/cmd/rlhf"}, args...)...)
		cmd.Dir, cmd.Env = repo, env
		var said bytes.Buffer
		cmd.Stdout, cmd.Stderr = io.MultiWriter(&said, os.Stderr), io.MultiWriter(&said, os.Stderr)
		start := time.Now()
		err := cmd.Run()
		took := time.Since(start)
		t.Logf("rlhf %s: %.1f s", strings.Join(args, " "), took.Seconds())
		if err != nil {
			return took, fmt.Errorf("rlhf %v: %w\n%s", args, err, said.String())
		}
		return took, nil
	}

	if _, err := step(env, "run", "-o", out, notebook); err != nil {
		t.Fatal(err)
	}
	if content, err := os.ReadFile(out); err != nil || !bytes.Contains(content, []byte(`"output_type"`)) {
		t.Errorf("no outputs saved: %v", err)
	}

	for _, env := range [][]string{env, append(slices.Clone(env), "PIP_INDEX_URL=http://127.0.0.1:1/", "PIP_RETRIES=0")} {
		if _, err := step(env, "setup", "-model", "smollm2"); err != nil {
			t.Error(err)
		}
	}

	// Everything is there: no network, and quick. go run itself is most of it.
	offline := append(slices.Clone(env), "GOPROXY=off", "PIP_INDEX_URL=http://127.0.0.1:1/", "PIP_FIND_LINKS=", "PIP_RETRIES=0",
		"http_proxy=http://127.0.0.1:1", "https_proxy=http://127.0.0.1:1")
	took, err := step(offline, "setup")
	if err != nil {
		t.Error(err)
	}
	if took > 30*time.Second {
		t.Errorf("a second set-up took %v", took)
	}
	if _, err := step(offline, "doctor"); err != nil {
		t.Error(err)
	}
	tryLab(t, repo, env)
	if _, err := step(env, "setup", "-remove"); err != nil {
		t.Error(err)
	}
	for _, name := range []string{".local/share/hhrlhf", ".cache/hhrlhf", ".jupyter", ".ipython", ".local/share/jupyter"} {
		if _, err := os.Stat(filepath.Join(home, name)); err == nil {
			t.Errorf("left in the home folder: %s", name)
		}
	}
}

// emptyEnv is this environment for an empty home: what says where the user's
// folders and Go's caches are is taken out, where registries are stays.
func emptyEnv(home string) []string {
	var env []string
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		switch {
		case strings.HasPrefix(name, "XDG_"), strings.HasPrefix(name, "JUPYTER"), strings.HasPrefix(name, "RLHF_"),
			strings.HasPrefix(name, "GOMLX_"), name == "HOME", name == "GOPATH", name == "GOCACHE", name == "GOMODCACHE", name == "GOBIN":
		default:
			env = append(env, entry)
		}
	}
	return append(env, "HOME="+home)
}

// tryLab starts JupyterLab and asks it for its kernels.
func tryLab(t *testing.T, repo string, env []string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	cmd := exec.Command("go", "run", "./kernel/cmd/rlhf", "lab", "--", "--no-browser",
		fmt.Sprintf("--port=%d", port), "--ServerApp.port_retries=0", "--IdentityProvider.token=t")
	cmd.Dir, cmd.Env, cmd.Stderr = repo, env, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		cmd.Wait()
	}()
	for start := time.Now(); time.Since(start) < time.Minute; time.Sleep(500 * time.Millisecond) {
		resp, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/api/kernelspecs?token=t", port))
		if err != nil {
			continue
		}
		var specs struct {
			Default     string
			Kernelspecs map[string]any
		}
		err = json.NewDecoder(resp.Body).Decode(&specs)
		resp.Body.Close()
		if err != nil || specs.Default != setup.KernelName || len(specs.Kernelspecs) != 1 {
			t.Errorf("kernels %+v, %v; want %s alone", specs, err, setup.KernelName)
		}
		t.Logf("rlhf lab answered after %.1f s", time.Since(start).Seconds())
		return
	}
	t.Error("rlhf lab did not answer within a minute")
}

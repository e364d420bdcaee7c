package setup_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"hhrlhf/kernel/setup"
	"hhrlhf/rlhf/models"
	"hhrlhf/rlhf/pjrt"
)

func TestMain(m *testing.M) {
	if os.Getenv("RLHF_TEST_EMPTY_HOME") == "" {
		setup.FakeBuilds()
	}
	os.Exit(m.Run())
}

// fakeGo answers go env and "builds" text files; every call goes to $LOG.
const fakeGo = `#!/bin/sh
PATH=/usr/bin:/bin
echo "go $*" >> "$LOG"
case "$1" in
env) case "$2" in
	GOVERSION) echo "${FAKE_GOVERSION:-go1.26.8}";;
	CC) echo "${FAKE_CC:-sh}";;
	CGO_ENABLED) echo 1;;
	esac;;
install)
	[ -n "$FAKE_GO_FAIL" ] && { echo "tool.go:1:1: syntax error" >&2; exit 1; }
	echo "example.com/gonb v1.2.3 go1.26.8" > "$GOBIN/gonb"
	echo "example.com/x/tools/gopls v0.9.0 go1.26.8" > "$GOBIN/gopls";;
build) [ "$2" = -o ] && { echo "hhrlhf/kernel/cmd/rlhf v0 go1.26.8"; cat kernel/source; } > "$3";;
esac
`

// fakePython is both python3 and the interpreter of the environments it makes.
const fakePython = `#!/bin/sh
PATH=/usr/bin:/bin
echo "python $*" >> "$LOG"
case "$*" in
*"version_info"*) echo "${FAKE_PYTHON:-3.11}";;
*importlib.metadata*) echo 4.6.6; echo 0.11.0; echo 3.0.17;;
"-m venv "*) mkdir -p "$3/bin"; cp "$0" "$3/bin/python";;
*" install "*)
	[ -n "$FAKE_PIP_HANG" ] && exec sleep 60
	[ -n "$FAKE_PIP_FAIL" ] && { echo "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES" >&2; exit 1; }
	while [ $# -gt 0 ]; do [ "$1" = --target ] && target=$2; shift; done
	if [ -n "$target" ]; then
		mkdir -p $target/jax_plugins/xla_cuda13 $target/nvidia/cu13/bin
		for n in cu13 cudnn nccl nvshmem; do mkdir -p $target/nvidia/$n/lib; done
		touch $target/jax_plugins/xla_cuda13/xla_cuda_plugin.so $target/nvidia/cu13/bin/ptxas
		mkdir $target/nvidia_cublas-13.4.1.1.dist-info
	fi;;
esac
`

const fakeMod = `module hhrlhf

go 1.26.5

require (
	example.com/gonb v1.2.3
	example.com/x/tools v0.5.0
	example.com/x/tools/gopls v0.9.0
)

tool (
	example.com/gonb
	example.com/x/tools/gopls
)
`

// world is an empty home, a module, and PATH with the fakes alone.
type world struct {
	t   *testing.T
	d   setup.Dirs
	log string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	root := t.TempDir()
	w := &world{t: t, log: filepath.Join(root, "log"),
		d: setup.Dirs{Data: filepath.Join(root, "data"), Cache: filepath.Join(root, "cache"), Repo: filepath.Join(root, "repo")}}
	w.write("repo/go.mod", fakeMod, 0o644)
	w.write("repo/kernel/source", "first", 0o644)
	w.write("bin/go", fakeGo, 0o755)
	w.write("bin/python3", fakePython, 0o755)
	if err := os.Symlink("/bin/sh", filepath.Join(root, "bin", "sh")); err != nil {
		t.Fatal(err)
	}
	w.write("data/pjrt/"+pjrt.FileName, "plugin", 0o755)
	sum, size, err := pjrt.HashFile(filepath.Join(w.d.Data, "pjrt", pjrt.FileName))
	if err != nil {
		t.Fatal(err)
	}
	if err := (pjrt.Stamp{Version: "fake plugin", Size: size, SHA256: sum}).Write(filepath.Join(w.d.Data, "pjrt")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", filepath.Join(root, "bin"))
	t.Setenv("LOG", w.log)
	t.Setenv("GOMLX_BACKEND", "")
	os.Unsetenv("GOMLX_BACKEND")
	t.Setenv(pjrt.HomeEnv, w.d.Data)
	os.Unsetenv(pjrt.HomeEnv)
	t.Setenv(setup.ModelsEnv, "")
	return w
}

func (w *world) write(name, content string, mode os.FileMode) {
	w.t.Helper()
	name = filepath.Join(filepath.Dir(w.log), filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), mode); err != nil {
		w.t.Fatal(err)
	}
}

// calls returns the fakes' calls since the last time, those that only ask left out.
func (w *world) calls() []string {
	content, _ := os.ReadFile(w.log)
	os.Remove(w.log)
	var list []string
	for line := range strings.Lines(string(content)) {
		if !strings.HasPrefix(line, "go env") && !strings.HasPrefix(line, "python -c") && strings.HasPrefix(line, "go ") || strings.HasPrefix(line, "python -m") {
			list = append(list, strings.TrimSpace(line))
		}
	}
	return list
}

func (w *world) ensure(o setup.Options) (string, error) {
	w.t.Helper()
	var out bytes.Buffer
	o.Dirs, o.Progress = w.d, &out
	_, err := setup.Ensure(w.t.Context(), o)
	return out.String(), err
}

func (w *world) mustEnsure(o setup.Options) string {
	w.t.Helper()
	out, err := w.ensure(o)
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

// tree lists all files and folders below the data and cache folders.
func (w *world) tree() []string {
	var list []string
	for _, root := range []string{w.d.Data, w.d.Cache} {
		filepath.WalkDir(root, func(path string, _ os.DirEntry, err error) error {
			if err == nil {
				rel, _ := filepath.Rel(filepath.Dir(root), path)
				list = append(list, rel)
			}
			return nil
		})
	}
	return list
}

func TestEnsureFromNothingThenNothing(t *testing.T) {
	w := newWorld(t)
	out := w.mustEnsure(setup.Options{})
	for _, want := range []string{"gonb v1.2.3, gopls v0.9.0", "JupyterLab and", "built ", "kernelspec rlhf-gonb", "everything is in place"} {
		if !strings.Contains(out, want) {
			t.Errorf("progress lacks %q:\n%s", want, out)
		}
	}
	if n := len(w.calls()); n != 4 { // install tool, venv, pip, build
		t.Errorf("%d calls, want 4", n)
	}
	if out := w.mustEnsure(setup.Options{}); out != "" {
		t.Errorf("a second set-up says %q, want nothing", out)
	}
	if calls := w.calls(); len(calls) != 1 || !strings.HasPrefix(calls[0], "go build") {
		t.Errorf("a second set-up called %q, want go build alone", calls)
	}
}

func TestEnsureFollowsWhatChanges(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(w *world)
		want   string // a call that must come
	}{
		{"a source", func(w *world) { w.write("repo/kernel/source", "second", 0o644) }, ""},
		{"a tool gone", func(w *world) { os.Remove(filepath.Join(w.d.Bin(), "gopls")) }, "go install tool"},
		{"a tool of another version", func(w *world) { w.write("data/bin/gonb", "example.com/gonb v1.0.0 go1.26.8", 0o755) }, "go install tool"},
		{"another Go", func(w *world) { w.write("data/bin/gonb", "example.com/gonb v1.2.3 go1.20", 0o755) }, "go install tool"},
		{"stamp of the venv gone", func(w *world) { os.Remove(filepath.Join(w.d.Venv(), "stamp.json")) }, "python -m venv"},
		{"another Python", func(w *world) { w.t.Setenv("FAKE_PYTHON", "3.12") }, "python -m venv"},
		{"kernelspec edited", func(w *world) { w.write("data/jupyter/kernels/rlhf-gonb/kernel.json", "{}", 0o644) }, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.mustEnsure(setup.Options{})
			w.calls()
			c.change(w)
			if out := w.mustEnsure(setup.Options{}); out == "" {
				t.Error("nothing was done")
			}
			if calls := w.calls(); c.want != "" && !strings.Contains(strings.Join(calls, "\n"), c.want) {
				t.Errorf("calls %q, want %q among them", calls, c.want)
			}
			if out := w.mustEnsure(setup.Options{}); out != "" {
				t.Errorf("not settled after one set-up: %q", out)
			}
		})
	}
}

func TestRebuildReplacesTheCommand(t *testing.T) {
	w := newWorld(t)
	w.mustEnsure(setup.Options{})
	before, err := os.Open(w.d.Rlhf()) // as a running process holds it
	if err != nil {
		t.Fatal(err)
	}
	defer before.Close()
	w.write("repo/kernel/source", "second", 0o644)
	changed, err := setup.Rebuild(t.Context(), w.d, nil)
	if err != nil || !changed {
		t.Fatalf("changed %v, %v", changed, err)
	}
	var old bytes.Buffer
	old.ReadFrom(before)
	now, _ := os.ReadFile(w.d.Rlhf())
	if !strings.HasSuffix(old.String(), "first") || !strings.HasSuffix(string(now), "second") {
		t.Errorf("running copy %q, installed %q", old.String(), now)
	}
}

func TestEnsureInterrupted(t *testing.T) {
	w := newWorld(t)
	t.Setenv("FAKE_PIP_HANG", "1")
	ctx, cancel := context.WithTimeout(t.Context(), 700*time.Millisecond)
	defer cancel()
	_, err := setup.Ensure(ctx, setup.Options{Dirs: w.d})
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "interrupted at venv, run it again") {
		t.Fatalf("error %v", err)
	}
	os.Unsetenv("FAKE_PIP_HANG")
	w.calls()
	w.mustEnsure(setup.Options{})
	if calls := strings.Join(w.calls(), "\n"); strings.Contains(calls, "install tool") || !strings.Contains(calls, "-m venv") {
		t.Errorf("not taken up where it was: %s", calls)
	}
}

func TestEnsureErrorsNameTheCure(t *testing.T) {
	for _, c := range []struct {
		name   string
		damage func(w *world)
		want   []string
	}{
		{"no go", func(w *world) { os.Remove(filepath.Join(os.Getenv("PATH"), "go")) }, []string{"go is not on PATH"}},
		{"old go", func(w *world) { w.t.Setenv("FAKE_GOVERSION", "go1.21.3") }, []string{"is go1.21.3, want go1.26"}},
		{"no compiler", func(w *world) { w.t.Setenv("FAKE_CC", "nocc") }, []string{"nocc is not on PATH", "apt install gcc"}},
		{"no python", func(w *world) { os.Remove(filepath.Join(os.Getenv("PATH"), "python3")) }, []string{"none is on PATH", "apt install python3"}},
		{"old python", func(w *world) { w.t.Setenv("FAKE_PYTHON", "3.9") }, []string{"python3 is 3.9", "3.10 or newer"}},
		{"wrong hashes", func(w *world) { w.t.Setenv("FAKE_PIP_FAIL", "1") }, []string{"DO NOT MATCH THE HASHES", "pip config list"}},
		{"tools do not build", func(w *world) { w.t.Setenv("FAKE_GO_FAIL", "1") }, []string{"go install tool", "syntax error"}},
		{"a stranger's venv", func(w *world) { w.write("data/venv/precious", "", 0o644) }, []string{"was not made by rlhf", "move it away"}},
		{"a tool without a version", func(w *world) {
			w.write("repo/go.mod", "module hhrlhf\ntool example.com/none\n", 0o644)
		}, []string{"no require line for the tool example.com/none"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			c.damage(w)
			_, err := w.ensure(setup.Options{})
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error lacks %q: %v", want, err)
				}
			}
		})
	}
	w := newWorld(t)
	if _, err := w.ensure(setup.Options{Backend: "tpu"}); err == nil || !strings.Contains(err.Error(), `backend "tpu", want "cpu" or "cuda"`) {
		t.Errorf("unknown backend: %v", err)
	}
}

func TestEnsureConcurrently(t *testing.T) {
	w := newWorld(t)
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if _, err := setup.Ensure(t.Context(), setup.Options{Dirs: w.d}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	installs := 0
	for _, call := range w.calls() {
		if strings.Contains(call, "install tool") {
			installs++
		}
	}
	if installs != 1 {
		t.Errorf("tools were installed %d times", installs)
	}
}

func TestKernelspec(t *testing.T) {
	w := newWorld(t)
	w.mustEnsure(setup.Options{})
	content, err := os.ReadFile(filepath.Join(w.d.Spec(), "kernel.json"))
	if err != nil {
		t.Fatal(err)
	}
	var spec struct {
		Argv          []string
		DisplayName   string `json:"display_name"`
		Language      string
		InterruptMode string `json:"interrupt_mode"`
	}
	if err := json.Unmarshal(content, &spec); err != nil {
		t.Fatal(err)
	}
	want := []string{w.d.Rlhf(), "kernel", "-repo", w.d.Repo, "{connection_file}"}
	if !slices.Equal(spec.Argv, want) || spec.DisplayName != "RLHF (GoNB)" || spec.Language != "go" || spec.InterruptMode != "message" {
		t.Errorf("spec %+v", spec)
	}
	module := filepath.Join(w.d.Venv(), "lib", "python3.11", "site-packages", "rlhf_papermill.py")
	if content, err := os.ReadFile(module); err != nil || !strings.Contains(string(content), `papermill_translators.register("go", Go)`) {
		t.Errorf("papermill's module: %v", err)
	}
	if err := os.WriteFile(module, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	w.mustEnsure(setup.Options{})
	if content, _ := os.ReadFile(module); len(content) == 0 {
		t.Error("a damaged module of papermill stays")
	}
	kernels, _ := os.ReadDir(filepath.Join(w.d.Jupyter(), "kernels"))
	if len(kernels) != 1 {
		t.Errorf("%d kernelspecs, want one", len(kernels))
	}
}

func TestRemoveLeavesOthersFiles(t *testing.T) {
	w := newWorld(t)
	w.mustEnsure(setup.Options{})
	w.mustEnsure(setup.Options{Backend: setup.CUDA})
	if err := os.Mkdir(filepath.Join(w.d.Data, "runs"), 0o755); err != nil { // an engine that was never used
		t.Fatal(err)
	}
	if kept, err := setup.Remove(t.Context(), w.d, nil); err != nil || len(kept) != 0 {
		t.Fatalf("kept %v, %v", kept, err)
	}
	if left := w.tree(); len(left) != 0 {
		t.Errorf("left: %v", left)
	}

	w = newWorld(t)
	w.mustEnsure(setup.Options{})
	w.write("data/runs/ppo-1/manifest.json", "{}", 0o644)
	w.write("data/bin/mine", "", 0o755)
	w.write("data/jupyter/kernels/other/kernel.json", "{}", 0o644)
	kept, err := setup.Remove(t.Context(), w.d, nil)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(kept)
	want := []string{filepath.Join(w.d.Bin(), "mine"), filepath.Join(w.d.Jupyter(), "kernels", "other"), filepath.Join(w.d.Data, "runs")}
	if !slices.Equal(kept, want) {
		t.Errorf("kept %q, want %q", kept, want)
	}
	for _, name := range []string{"bin/mine", "runs/ppo-1/manifest.json", "jupyter/kernels/other/kernel.json"} {
		if _, err := os.Stat(filepath.Join(w.d.Data, name)); err != nil {
			t.Error(err)
		}
	}
	if kept, err := setup.Remove(t.Context(), setup.Dirs{Data: filepath.Join(t.TempDir(), "none")}, nil); err != nil || kept != nil {
		t.Errorf("nothing to remove: %v, %v", kept, err)
	}
}

func TestCUDA(t *testing.T) {
	w := newWorld(t)
	out := w.mustEnsure(setup.Options{Backend: setup.CUDA})
	if !strings.Contains(out, "jax-cuda13-pjrt==0.10.0 (1 of 16") || !strings.Contains(out, "nvidia-nvvm==13.2.78 (16 of 16") {
		t.Errorf("progress %q", out)
	}
	env, err := setup.Env(w.d, []string{"LD_LIBRARY_PATH=/mine"})
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(env, "\n")
	plugin := filepath.Join(w.d.CUDA(), "jax_plugins", "xla_cuda13", "pjrt_c_api_cuda_plugin.so")
	for _, want := range []string{"GOMLX_BACKEND=xla:" + plugin, filepath.Join(w.d.CUDA(), "nvidia", "cu13", "lib"), ":/mine"} {
		if !strings.Contains(text, want) {
			t.Errorf("environment lacks %q:\n%s", want, text)
		}
	}
	// Where go-xla looks for the libraries: beside the plugin's folder.
	for _, name := range []string{plugin, filepath.Join(filepath.Dir(filepath.Dir(plugin)), "nvidia", "bin", "ptxas")} {
		if _, err := os.Stat(name); err != nil {
			t.Error(err)
		}
	}
	parts := setup.Doctor(t.Context(), w.d, func(context.Context, []string) (string, error) {
		return "", errors.New("no CUDA-capable device is detected")
	})
	if p := find(t, parts, "plugin cuda"); !p.OK || p.Version != "jax-cuda13-pjrt==0.10.0" {
		t.Errorf("plugin %+v", p)
	}
	if p := find(t, parts, "nvidia-cublas"); !p.OK || p.Version != "13.4.1.1" {
		t.Errorf("an installed library: %+v", p)
	}
	if p := find(t, parts, "nvidia-cudnn-cu13"); p.OK || !strings.Contains(p.Fault, "missing") {
		t.Errorf("a missing library: %+v", p)
	}
	if p := find(t, parts, "backend"); p.OK || !strings.Contains(p.Fault, "no device answers") {
		t.Errorf("backend %+v", p)
	}
	if devices, _ := filepath.Glob("/dev/nvidia[0-9]*"); len(devices) == 0 {
		if p := find(t, parts, "GPU"); p.OK || !strings.Contains(p.Fault, "no device answers") {
			t.Errorf("GPU %+v", p)
		}
	}
	w.mustEnsure(setup.Options{Backend: setup.CPU})
	if env, _ := setup.Env(w.d, nil); !strings.Contains(strings.Join(env, "\n"), "GOMLX_BACKEND=xla:"+filepath.Join(w.d.Data, "pjrt")) {
		t.Errorf("back on the CPU: %q", env)
	}
}

func find(t *testing.T, parts []setup.Part, name string) setup.Part {
	t.Helper()
	for _, p := range parts {
		if p.Name == name {
			return p
		}
	}
	t.Fatalf("no part %q in %+v", name, parts)
	return setup.Part{}
}

func TestDoctor(t *testing.T) {
	w := newWorld(t)
	probe := func(_ context.Context, env []string) (string, error) {
		return "fake device", nil
	}
	// Before anything is installed, each part says so and names the cure.
	parts := setup.Doctor(t.Context(), w.d, probe)
	for _, name := range []string{"gonb", "gopls", "venv", "rlhf", "kernelspec"} {
		if p := find(t, parts, name); p.OK || p.Fault == "" || !strings.Contains(p.Cure, "setup") {
			t.Errorf("%s: %+v", name, p)
		}
	}
	if setup.Healthy(parts) {
		t.Error("an empty home is healthy")
	}
	if len(w.calls()) != 0 {
		t.Error("the doctor installed something")
	}

	w.mustEnsure(setup.Options{})
	parts = setup.Doctor(t.Context(), w.d, probe)
	for _, p := range parts {
		if !p.OK {
			t.Errorf("%+v", p)
		}
		if p.Path == "" {
			t.Errorf("%s has no path", p.Name)
		}
	}
	if p := find(t, parts, "backend"); p.Version != "fake device" {
		t.Errorf("backend %+v", p)
	}
	out, err := json.Marshal(parts[0])
	if err != nil || !regexp.MustCompile(`^\{"name":"go","version":"go1.26.8","path":".*","ok":true\}$`).Match(out) {
		t.Errorf("JSON %s, %v", out, err)
	}

	// A plugin that changed on disk, although its size did not.
	w.write("data/pjrt/"+pjrt.FileName, "PLUGIN", 0o755)
	if p := find(t, setup.Doctor(t.Context(), w.d, probe), "plugin cpu"); p.OK || !strings.Contains(p.Fault, "sha256") {
		t.Errorf("damaged plugin: %+v", p)
	}
	t.Setenv("GOMLX_BACKEND", "")
	if p := find(t, setup.Doctor(t.Context(), w.d, probe), "backend"); p.OK || !strings.Contains(p.Fault, "set but empty") {
		t.Errorf("empty GOMLX_BACKEND: %+v", p)
	}
}

func TestModels(t *testing.T) {
	w := newWorld(t)
	w.mustEnsure(setup.Options{})
	part := func() setup.Part { return find(t, setup.Doctor(t.Context(), w.d, nil), "model smollm2") }
	// It is a choice, so its absence is no fault.
	if p := part(); !p.OK || !strings.Contains(p.Version, "not installed (rlhf setup -model smollm2)") {
		t.Errorf("absent: %+v", p)
	}
	if _, err := setup.Models(w.d, nil).Path(t.Context(), "smollm2"); !errors.Is(err, models.ErrNotInstalled) {
		t.Errorf("absent: %v", err)
	}
	name := filepath.Join("data", models.Folder, models.SmolLM2.File)
	w.write(name, "short", 0o644)
	if p := part(); p.OK || p.Fault != "is not of the right size" {
		t.Errorf("a file of another size: %+v", p)
	}
	path := filepath.Join(w.d.Models(), models.SmolLM2.File)
	if err := os.Truncate(path, models.SmolLM2.Size); err != nil { // sparse
		t.Fatal(err)
	}
	if p := part(); p.OK || p.Path != path || !strings.Contains(p.Fault, "sha256 is ") || !strings.Contains(p.Cure, "rlhf setup -model smollm2") {
		t.Errorf("a file of other bytes: %+v", p)
	}
	// What is there is not fetched again.
	w.calls()
	if got, err := setup.InstallModel(t.Context(), w.d, "smollm2", nil); err != nil || got != path || len(w.calls()) != 0 {
		t.Errorf("installing what is there: %q, %v", got, err)
	}
	// The variable's folder comes first, and is never changed.
	other := t.TempDir()
	t.Setenv(setup.ModelsEnv, other)
	mine := filepath.Join(other, models.SmolLM2.File)
	if err := os.Link(path, mine); err != nil {
		t.Fatal(err)
	}
	if got, err := setup.Models(w.d, nil).Path(t.Context(), "smollm2"); err != nil || got != mine {
		t.Errorf("with %s: %q, %v, want %q", setup.ModelsEnv, got, err, mine)
	}
	if kept, err := setup.Remove(t.Context(), w.d, nil); err != nil || len(kept) != 0 {
		t.Errorf("kept %v, %v", kept, err)
	}
	if _, err := os.Stat(mine); err != nil {
		t.Errorf("the user's own file is gone: %v", err)
	}
	for _, err := range []error{setup.RemoveModel(t.Context(), w.d, "gpt"), func() error {
		_, err := setup.InstallModel(t.Context(), w.d, "gpt", nil)
		return err
	}()} {
		if err == nil || !strings.Contains(err.Error(), `-model "gpt", want one of: smollm2`) {
			t.Errorf("an unknown name: %v", err)
		}
	}
}

func TestEnv(t *testing.T) {
	d := setup.Dirs{Data: "/data", Cache: "/cache", Repo: "/repo"}
	env, err := setup.Env(d, []string{"A=1", "GLIBC_TUNABLES=glibc.malloc.check=1"})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"A=1", "GLIBC_TUNABLES=glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold=4294967296:glibc.malloc.trim_threshold=8589934592:glibc.malloc.arena_max=1:glibc.malloc.check=1",
		"GOMLX_BACKEND=xla:/data/pjrt/pjrt_c_api_cpu_plugin.so", "GOMLX_NO_AUTO_INSTALL=1", "PJRT_PLUGIN_LIBRARY_PATH=/data/pjrt"}
	if !slices.Equal(env, want) {
		t.Errorf("got  %q\nwant %q", env, want)
	}
	again, err := setup.Env(d, env)
	if err != nil || !slices.Equal(again, env) {
		t.Errorf("not stable: %q, %v", again, err)
	}
	if env, err := setup.Env(d, []string{"GOMLX_BACKEND=go"}); err != nil || !slices.Contains(env, "GOMLX_BACKEND=go") {
		t.Errorf("the user's choice: %q, %v", env, err)
	}
	if _, err := setup.Env(d, []string{"GOMLX_BACKEND="}); !errors.Is(err, pjrt.ErrEmptyBackend) {
		t.Errorf("set but empty: %v", err)
	}
}

func TestJupyterEnv(t *testing.T) {
	d := setup.Dirs{Data: "/data", Cache: "/cache", Repo: "/repo"}
	env := setup.JupyterEnv(d, []string{"PATH=/bin", "JUPYTER_PATH=/mine", "PYTHONPATH=/x", "HOME=/h"})
	for _, want := range []string{"PATH=/data/bin:/bin", "HOME=/h", "JUPYTER_DATA_DIR=/data/jupyter", "JUPYTER_CONFIG_DIR=/data/jupyter/config"} {
		if !slices.Contains(env, want) {
			t.Errorf("lacks %q: %q", want, env)
		}
	}
	for _, entry := range env {
		if strings.HasPrefix(entry, "JUPYTER_PATH=") || strings.HasPrefix(entry, "PYTHONPATH=") {
			t.Errorf("keeps %q", entry)
		}
	}
}

// Every locked package has hashes, and only exact versions are asked for.
func TestLockedFiles(t *testing.T) {
	pin := regexp.MustCompile(`^[a-z0-9-]+==[0-9][0-9a-z.]*( ;.*)? \\$`)
	hash := regexp.MustCompile(`^    --hash=sha256:[0-9a-f]{64}( \\)?$`)
	for name, content := range map[string]string{"requirements.txt": setup.Requirements, "requirements-cuda.txt": setup.RequirementsCUDA} {
		bare := ""
		for i, line := range strings.Split(strings.TrimSpace(content), "\n") {
			switch {
			case strings.HasPrefix(line, "#"):
			case pin.MatchString(line) && bare == "":
				bare = line
			case hash.MatchString(line):
				bare = ""
			default:
				t.Errorf("%s:%d: %q is neither a pin nor a hash of one", name, i+1, line)
			}
		}
		if bare != "" {
			t.Errorf("%s: %q has no hash", name, bare)
		}
	}
	in, err := os.ReadFile("requirements.in")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(in)) {
		if want := strings.ReplaceAll(strings.TrimSpace(line), "_", "-"); !strings.Contains(setup.Requirements, "\n"+want+" \\\n") {
			t.Errorf("requirements.txt lacks %s of requirements.in", want)
		}
	}
}

func TestFindRepo(t *testing.T) {
	w := newWorld(t)
	deep := filepath.Join(w.d.Repo, "a", "b")
	os.MkdirAll(deep, 0o755)
	if got, err := setup.FindRepo(deep); err != nil || got != w.d.Repo {
		t.Errorf("got %s, %v, want %s", got, err, w.d.Repo)
	}
	if _, err := setup.FindRepo(filepath.Dir(w.d.Repo)); err == nil || !strings.Contains(err.Error(), "not inside the module hhrlhf") {
		t.Errorf("outside: %v", err)
	}
}

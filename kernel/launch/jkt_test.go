package launch_test

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hhrlhf/kernel/launch"
	"hhrlhf/kernel/proxy/proxytest"
	"hhrlhf/kernel/setup"
)

//go:embed testdata/jupyter_kernel_test.py
var jktScript string

// envStock runs the conformance tests against stock gonb too and prints the table.
const envStock = "HHRLHF_JKT_STOCK"

// TestJupyterKernelTest runs every test of Jupyter's conformance suite, each
// against a kernel of its own in a session of its own. All of them pass; one that
// the suite skips would fail here, with its reason.
func TestJupyterKernelTest(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a Python and a kernel for each test: not with -short")
	}
	python := jktPython(t)
	bin, err := proxytest.EditorTools()
	if err != nil {
		t.Fatal(err)
	}
	kernels := jktKernels(t, bin)
	list, status := jkt(t, python, kernels, "ours", "list", time.Minute)
	if status != 0 {
		t.Fatalf("list of tests: %s", list)
	}
	names := strings.Fields(list)
	if len(names) < 13 { // what version 0.7.0 has
		t.Errorf("the suite has only the tests %q", names)
	}
	table := "| test | stock gonb | ours |\n|---|---|---|\n"
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			if os.Getenv(envStock) != "" {
				table += fmt.Sprintf("| %s | %s | %s |\n", name, verdict(jkt(t, python, kernels, "stock", name, time.Minute)),
					verdict(jkt(t, python, kernels, "ours", name, 2*time.Minute)))
				return
			}
			t.Parallel()
			if out, status := jkt(t, python, kernels, "ours", name, 2*time.Minute); status != 0 {
				t.Errorf("status %d\n%s", status, out)
				logs, _ := filepath.Glob(filepath.Join(kernels, "kernel-*.log"))
				for _, name := range logs {
					text, _ := os.ReadFile(name)
					t.Logf("%s:\n%s", filepath.Base(name), text)
				}
			}
		})
	}
	if os.Getenv(envStock) != "" {
		t.Logf("\n%s", table)
	}
}

// jktPython returns a Python that has jupyter_kernel_test, or skips.
func jktPython(t *testing.T) string {
	t.Helper()
	d, err := setup.FindDirs("")
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(d.Python(), "-c", "import jupyter_kernel_test").CombinedOutput(); err != nil {
		t.Skipf("no Python with jupyter_kernel_test (%v %s): go run ./kernel/cmd/rlhf setup installs it", err, out)
	}
	return d.Python()
}

// jktKernels writes the kernelspecs "ours" and "stock" and returns their Jupyter folder.
func jktKernels(t *testing.T, bin string) string {
	t.Helper()
	dir := t.TempDir()
	repo, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	o, err := json.Marshal(launch.Options{Repo: repo, BinDir: bin, LogDir: dir, Version: "test", Warm: -1,
		History: filepath.Join(dir, "history.jsonl"), EngineCmd: []string{os.Args[0], "engine", launch.SocketArg}})
	if err != nil {
		t.Fatal(err)
	}
	for name, spec := range map[string]map[string]any{
		"ours": {"argv": []string{os.Args[0], "{connection_file}"}, "env": map[string]string{envOptions: string(o)}},
		"stock": {"argv": []string{filepath.Join(bin, "gonb"), "--kernel", "{connection_file}", "-raw_error=true", "-logtostderr=false",
			"-extra_log=" + filepath.Join(dir, "stock.log"), "-go_work=" + repo},
			"env": map[string]string{"PATH": bin + string(os.PathListSeparator) + os.Getenv("PATH")}},
	} {
		spec["display_name"], spec["language"], spec["interrupt_mode"] = name, "go", "message"
		b, err := json.Marshal(spec)
		if err != nil {
			t.Fatal(err)
		}
		folder := filepath.Join(dir, "kernels", name)
		if err := errors.Join(os.MkdirAll(folder, 0o700), os.WriteFile(filepath.Join(folder, "kernel.json"), b, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// jkt runs one test and ends all that it started.
func jkt(t *testing.T, python, kernels, kernel, name string, limit time.Duration) (out string, status int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, python, "-c", jktScript, name)
	cmd.Env = append(os.Environ(), "JKT_KERNEL="+kernel, "JUPYTER_PATH="+kernels, "JUPYTER_DATA_DIR="+kernels,
		"JUPYTER_RUNTIME_DIR="+filepath.Join(kernels, "runtime"), "TMPDIR="+shortDir(t), "XDG_RUNTIME_DIR="+shortDir(t))
	cmd.Dir = t.TempDir()
	var buf bytes.Buffer
	cmd.Stdout, cmd.Stderr = &buf, &buf
	cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true}
	cmd.Cancel = func() error { return endSession(cmd.Process.Pid) }
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer endSession(cmd.Process.Pid)
	err := cmd.Wait()
	if ctx.Err() != nil {
		return buf.String() + "\nno answer in " + limit.String(), 124
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%v\n%s", err, buf.String())
	}
	return buf.String(), cmd.ProcessState.ExitCode()
}

// endSession kills the groups of a session: a kernel leads a group of its own.
func endSession(session int) error {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		b, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		var pid, parent, group, of int
		var state string
		fmt.Sscanf(filepath.Base(filepath.Dir(path)), "%d", &pid)
		_, rest, _ := strings.Cut(string(b), ") ")
		fmt.Sscanf(rest, "%s %d %d %d", &state, &parent, &group, &of)
		if of == session {
			unix.Kill(pid, unix.SIGKILL)
		}
	}
	return nil
}

// verdict is a cell of the table: the reason of a failure in a few words.
func verdict(out string, status int) string {
	switch status {
	case 0:
		return "pass"
	case 3:
		_, why, _ := strings.Cut(out, "SKIPPED: ")
		return "skipped: " + strings.TrimSpace(why)
	case 124:
		return "**hangs**"
	}
	last := ""
	for line := range strings.Lines(out) {
		if strings.Contains(line, "Error: ") || strings.HasPrefix(line, "_queue.Empty") || strings.HasPrefix(line, "KeyError") {
			last = strings.TrimSpace(line)
		}
	}
	return "fail: " + strings.ReplaceAll(last, "|", `\|`)
}

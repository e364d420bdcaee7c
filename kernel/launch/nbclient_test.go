package launch_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hhrlhf/kernel/proxy/proxytest"
)

// nbclientScript executes the cells it is given and prints their outputs as JSON.
const nbclientScript = `
import json, sys, nbformat
from nbclient import NotebookClient
nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in json.load(sys.stdin)])
NotebookClient(nb, timeout=300, kernel_name="ours", allow_errors=True).execute()
print(json.dumps([c.outputs for c in nb.cells]))
`

// TestNbclient runs what this kernel adds to cells as nbclient, nbconvert and
// papermill do.
func TestNbclient(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a Python and a kernel: not with -short")
	}
	python := jktPython(t)
	bin, err := proxytest.EditorTools()
	if err != nil {
		t.Fatal(err)
	}
	dir := jktKernels(t, bin)
	cells, err := json.Marshal([]string{"%%time\nfmt.Println(\"hello\")", "%%\n6 * 7", "%history 1", "%doc strings.ToUpper", "%%\npanic(\"boom\")", "%%\nx := 1"})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(python, "-c", nbclientScript)
	cmd.Env = append(os.Environ(), "JUPYTER_PATH="+dir, "JUPYTER_DATA_DIR="+dir, "JUPYTER_RUNTIME_DIR="+filepath.Join(dir, "runtime"),
		"TMPDIR="+shortDir(t), "XDG_RUNTIME_DIR="+shortDir(t))
	cmd.Dir, cmd.Stdin = t.TempDir(), strings.NewReader(string(cells))
	cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true}
	cmd.WaitDelay = 5 * time.Second
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if cmd.Process != nil {
		endSession(cmd.Process.Pid)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	var got [][]struct {
		Type          string `json:"output_type"`
		Text          string
		Data          map[string]any
		Ename, Evalue string
		Traceback     []string
	}
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if len(got) != 6 {
		t.Fatalf("%d cells, want 6: %s", len(got), out)
	}
	if o := got[0]; len(o) != 2 || o[0].Text != "hello\n" || !strings.HasPrefix(o[1].Text, "build ") || !strings.HasSuffix(o[1].Text, " in all\n") {
		t.Errorf("%%%%time: %+v", o)
	}
	if o := got[1]; len(o) != 1 || o[0].Type != "execute_result" || o[0].Data["text/plain"] != "42" {
		t.Errorf("expression: %+v", o)
	}
	if o := got[2]; len(o) != 1 || !strings.Contains(o[0].Text, "6 * 7") {
		t.Errorf("history: %+v", o)
	}
	if o := got[4]; len(o) != 1 || o[0].Ename != "panic" || o[0].Evalue != "boom" || o[0].Traceback[0] != "Line 2: panic: boom" {
		t.Errorf("panic: %+v", o)
	}
	if o := got[5]; len(o) != 1 || o[0].Ename != "CompileError" || !strings.HasPrefix(o[0].Traceback[0], "Line 2: x is set and never used") {
		t.Errorf("compile error: %+v", o)
	}
}

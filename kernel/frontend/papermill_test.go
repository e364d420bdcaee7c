package frontend_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"hhrlhf/kernel/setup"
)

// TestPapermill executes a notebook with a parameter of every kind, and with
// those that are refused.
func TestPapermill(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a kernel: not with -short")
	}
	in, err := setup.Ensure(t.Context(), setup.Options{Progress: os.Stderr})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	path, out := filepath.Join(dir, "in.ipynb"), filepath.Join(dir, "out.ipynb")
	write(t, path, []string{"parameters"}, `import (
	"fmt"
	"os"

	"hhrlhf/kernel/lab"
)

var (
	size  = lab.Size()
	steps = 10 // of training
	name  = "first"
)`, `%%
for _, v := range []any{size, steps, name, quick, rate, list, mixed, dict, nothing} {
	fmt.Printf("%T %v\n", v, v)
}
fmt.Println(os.Getenv("RLHF_RUNS"))`)
	// Found as VS Code finds it: by a link in Jupyter's own folder, and nothing else of ours.
	kernels := filepath.Join(dir, "jupyter", "kernels")
	if err := os.MkdirAll(kernels, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(in.Dirs.Spec(), filepath.Join(kernels, setup.KernelName)); err != nil {
		t.Fatal(err)
	}
	mill := func(args ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), in.Dirs.Python(), append([]string{"-m", "papermill", "--no-progress-bar"}, args...)...)
		cmd.Env = append(os.Environ(), "JUPYTER_DATA_DIR="+filepath.Join(dir, "jupyter"), "JUPYTER_PATH=", "JUPYTER_CONFIG_DIR="+dir)
		cmd.Dir = dir
		said, err := cmd.CombinedOutput()
		return string(said), err
	}
	said, err := mill(path, out, "-p", "size", "tiny", "-p", "runs", "mine", "-p", "steps", "3", "-r", "name", "a \"quoted\" \\ name\nof two lines, é 😀",
		"-p", "quick", "True", "-p", "rate", "1e-05", "-y", "{list: [1, 2], mixed: [1, a], dict: {a: 1, b: 2.5}, nothing: null}")
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	nb := read(t, out)
	var printed strings.Builder
	for _, o := range nb.Cells[2].Outputs {
		printed.WriteString(string(o.Text))
	}
	want := `rlhf.Size tiny
int 3
string a "quoted" \ name
of two lines, é 😀
bool true
float64 1e-05
[]int [1 2]
[]interface {} [1 a]
map[string]float64 map[a:1 b:2.5]
<nil> <nil>
` + filepath.Join(dir, "mine") + "\n"
	if printed.String() != want {
		t.Errorf("printed\n%s\nwant\n%s", printed.String(), want)
	}

	said, err = mill("--help-notebook", path)
	for _, want := range []string{"size: string", "runs: string", "steps:", "10", "of training"} {
		if err != nil || !strings.Contains(said, want) {
			t.Errorf("--help-notebook: %v, lacks %q:\n%s", err, want, said)
		}
	}
}

// refuse prints what becomes of each set of parameters.
const refuse = `
import json, sys
import papermill
from rlhf_papermill import Go
for p in json.load(sys.stdin):
    try:
        print(repr(Go.codify(p)))
    except Exception as e:
        print(type(e).__name__, e)
`

// TestRefusedParameters gives what cannot be Go.
func TestRefusedParameters(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Python: not with -short")
	}
	in, err := setup.Ensure(t.Context(), setup.Options{Progress: os.Stderr})
	if err != nil {
		t.Fatal(err)
	}
	cases := []struct{ parameters, want string }{
		{`{"size": "huge"}`, "PapermillException parameter size = 'huge', want one of tiny, default, large"},
		{`{"func": 1}`, "PapermillException parameter 'func' cannot be the name of a Go variable"},
		{`{"two-words": 1}`, "PapermillException parameter 'two-words' cannot be"},
		{`{"x = 1; import \"os\"\nvar y": 1}`, "PapermillException parameter 'x = 1; import"},
		{`{"big": 9223372036854775808}`, "PapermillException parameter 9223372036854775808 does not fit into Go's int"},
		{`{"far": Infinity}`, "PapermillException parameter inf: Go has no literal for it"},
		{`{"runs": "a\nb"}`, "PapermillException parameter runs"},
		{`{"good": -9223372036854775808}`, `'// Parameters\nvar good = -9223372036854775808\n'`},
	}
	var all []string
	for _, c := range cases {
		all = append(all, c.parameters)
	}
	cmd := exec.CommandContext(t.Context(), in.Dirs.Python(), "-c", refuse)
	cmd.Env = setup.JupyterEnv(in.Dirs, os.Environ())
	cmd.Stdin = strings.NewReader("[" + strings.Join(all, ",") + "]")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	got := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(got) != len(cases) {
		t.Fatalf("%d answers to %d sets:\n%s", len(got), len(cases), out)
	}
	for i, c := range cases {
		if !strings.HasPrefix(got[i], c.want) {
			t.Errorf("%s: %s, want %s", c.parameters, got[i], c.want)
		}
	}
}

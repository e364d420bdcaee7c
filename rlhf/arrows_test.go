package rlhf_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "hhrlhf/"

// arrows lists, for each package of the library, the packages of this module
// that it may import. The order is that of the stages: imports point one way.
var arrows = map[string][]string{
	"rlhf":                      {"rlhf/memory"},
	"rlhf/pjrt":                 {"rlhf/internal/disk"},
	"rlhf/synth":                {"rlhf"},
	"rlhf/data":                 {"rlhf"},
	"rlhf/hub":                  {"rlhf/internal/disk"},
	"rlhf/eval":                 {"rlhf"},
	"rlhf/tasks":                {"rlhf", "rlhf/eval", "rlhf/synth"}, // drives whatever can be asked
	"rlhf/memory":               {},
	"rlhf/sandbox":              {},
	"rlhf/humaneval":            {"rlhf/sandbox"},
	"rlhf/watch":                {"rlhf"},
	"rlhf/models":               {"rlhf/hub", "rlhf/pjrt"},
	"rlhf/tokenizer":            {"rlhf"},
	"rlhf/internal/disk":        {},
	"rlhf/internal/safetensors": {},
	"rlhf/run":                  {"rlhf", "rlhf/internal/safetensors"},
	"rlhf/internal/gx":          {"rlhf/pjrt"},
	"rlhf/internal/rltest":      {"rlhf/internal/gx", "rlhf/models", "rlhf/pjrt"},
	"rlhf/rl":                   {"rlhf/internal/gx"},
	"rlhf/internal/fit":         {"rlhf/internal/gx", "rlhf/rl"},
	"rlhf/lm":                   {"rlhf", "rlhf/internal/gx", "rlhf/internal/fit"},
	"rlhf/pretrained":           {"rlhf/lm", "rlhf/memory", "rlhf/tokenizer", "rlhf/internal/gx", "rlhf/internal/safetensors"},
	"rlhf/sample":               {"rlhf/lm", "rlhf/internal/gx"},
	"rlhf/pm":                   {"rlhf", "rlhf/data", "rlhf/eval", "rlhf/lm", "rlhf/rl", "rlhf/tokenizer", "rlhf/internal/gx", "rlhf/internal/fit"},
	"rlhf/distill":              {"rlhf", "rlhf/eval", "rlhf/lm", "rlhf/rl", "rlhf/tokenizer", "rlhf/internal/gx", "rlhf/internal/fit", "rlhf/internal/safetensors"},
	"rlhf/ppo":                  {"rlhf", "rlhf/lm", "rlhf/memory", "rlhf/rl", "rlhf/sample", "rlhf/tokenizer", "rlhf/internal/gx", "rlhf/internal/fit"}, // not pm: anything that scores will do
	"rlhf/direct":               {"rlhf", "rlhf/lm", "rlhf/internal/gx", "rlhf/internal/fit"},
	"rlhf/bench":                {"rlhf", "rlhf/lm", "rlhf/pm", "rlhf/ppo", "rlhf/pretrained", "rlhf/sample", "rlhf/tokenizer", "rlhf/internal/gx"},
	"rlhf/online":               {"rlhf", "rlhf/eval", "rlhf/run", "rlhf/synth"},                                                                             // drives a Lab, whichever it is
	"rlhf/study":                {"rlhf", "rlhf/data", "rlhf/eval", "rlhf/humaneval", "rlhf/online", "rlhf/run", "rlhf/sandbox", "rlhf/synth", "rlhf/tasks"}, // drives a Lab, whichever it is
	"rlhf/local": {"rlhf", "rlhf/direct", "rlhf/memory", "rlhf/distill", "rlhf/data", "rlhf/eval", "rlhf/synth", "rlhf/tokenizer", "rlhf/run", "rlhf/lm", "rlhf/pretrained", "rlhf/sample", "rlhf/pm", "rlhf/ppo", "rlhf/watch",
		"rlhf/internal/gx", "rlhf/internal/fit"},
}

// strangers are modules that parts of the tree must not import, and why.
var strangers = []struct{ tree, path, why, except string }{
	{"rlhf", "github.com/janpfeifer/gonb", "the library knows no notebook", ""},
	{"rlhf", "gonum.org/v1/plot", "pictures are kernel/show's", ""},
	{"rlhf", "net/http", "the library opens no sockets", "rlhf/pjrt"}, // which asks whether a download is possible
	{"rlhf/data", "github.com/gomlx", "notebook cells import it", ""},
	{"rlhf/eval", "github.com/gomlx", "notebook cells import it", ""},
	{"rlhf/models", "github.com/gomlx/gomlx", "set-up needs no tensors", ""},
	{"rlhf/synth", "github.com/gomlx", "notebook cells import it", ""},
	{"rlhf/tasks", "github.com/gomlx", "notebook cells import it", ""},
	{"rlhf/tokenizer", "github.com/gomlx", "no tensors are needed", ""},
	{"rlhf/run", "github.com/gomlx", "no tensors are needed", ""},
	{"rlhf/online", "github.com/gomlx", "notebook cells import it", ""},
	{"rlhf/study", "github.com/gomlx", "notebook cells import it", ""},
	{"rlhf/humaneval", "github.com/gomlx", "notebook cells import it", ""},
	{"kernel/lab", "github.com/gomlx", "a cell must build in a second", ""},
	{"kernel/show", "github.com/gomlx", "a cell must build in a second", ""},
	{"kernel/feedback", "github.com/gomlx", "a cell must build in a second", ""},
}

// imports reads the files of every package below the module's root, tests left
// out; reading them here lets the test cache notice a change.
func imports(t *testing.T) map[string][]string {
	t.Helper()
	root := ".."
	found := map[string][]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && path != root || d.Name() == "testdata") {
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		pkg, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		found[pkg] = append(found[pkg], paths(f)...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func paths(f *ast.File) []string {
	var out []string
	for _, spec := range f.Imports {
		out = append(out, strings.Trim(spec.Path.Value, `"`))
	}
	return out
}

func TestArrows(t *testing.T) {
	found := imports(t)
	for pkg, paths := range found {
		inLibrary := pkg == "rlhf" || strings.HasPrefix(pkg, "rlhf/")
		allowed, known := arrows[pkg]
		if inLibrary && !known {
			t.Errorf("%s is not in the table of arrows", pkg)
		}
		for _, p := range paths {
			own, ok := strings.CutPrefix(p, module)
			if ok && inLibrary && !slices.Contains(allowed, own) {
				t.Errorf("%s imports %s, which its arrows do not allow", pkg, own)
			}
		}
		for _, s := range strangers {
			if pkg == s.except || pkg != s.tree && !strings.HasPrefix(pkg, s.tree+"/") {
				continue
			}
			for _, p := range paths {
				if p == s.path || strings.HasPrefix(p, s.path+"/") {
					t.Errorf("%s imports %s: %s", pkg, p, s.why)
				}
			}
		}
	}
	for pkg := range arrows {
		if _, ok := found[pkg]; !ok {
			t.Errorf("%s is in the table of arrows but not in the tree", pkg)
		}
	}
}

// cellPackages are what a cell imports; following their imports must never reach
// the tensor library.
func TestCellsLinkNoTensors(t *testing.T) {
	found := imports(t)
	for _, start := range []string{"kernel/lab", "kernel/show", "kernel/feedback", "rlhf", "rlhf/eval", "rlhf/humaneval", "rlhf/online", "rlhf/study", "rlhf/synth", "rlhf/tasks"} {
		seen := map[string]bool{}
		var visit func(pkg string)
		visit = func(pkg string) {
			if seen[pkg] {
				return
			}
			seen[pkg] = true
			for _, p := range found[pkg] {
				if strings.HasPrefix(p, "github.com/gomlx/") {
					t.Errorf("%s reaches %s through %s", start, p, pkg)
				}
				if own, ok := strings.CutPrefix(p, module); ok {
					visit(own)
				}
			}
		}
		visit(start)
		if len(seen) == 0 || len(found[start]) == 0 {
			t.Errorf("%s was not found: the test sees nothing", start)
		}
	}
}

func TestEveryPackageHasADoc(t *testing.T) {
	for pkg := range imports(t) {
		docs := 0
		files, err := filepath.Glob(filepath.Join("..", pkg, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			src, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			f, err := parser.ParseFile(token.NewFileSet(), name, src, parser.ParseComments|parser.PackageClauseOnly)
			if err != nil {
				t.Fatal(err)
			}
			if f.Doc.Text() != "" {
				docs++
			}
		}
		if docs != 1 {
			t.Errorf("%s has %d package comments, want 1", pkg, docs)
		}
	}
}

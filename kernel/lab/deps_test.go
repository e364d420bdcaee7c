package lab_test

import (
	"go/build"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// allowed are the packages of other modules that a cell may come to link, with
// the reason. Anything else makes every cell slower to build: GoMLX alone costs
// seconds.
var allowed = map[string]string{
	"github.com/janpfeifer/gonb/gonbui": "Sync, without which displays are lost",
}

// slow are packages of the standard library that may not be linked either.
var slow = map[string]string{
	"net/http": "0.3 s more to link, in every cell",
}

// Cells must build fast, so this package may not come to link a tensor library.
// The sources are read here, in the test's process, because the test cache would
// not notice an import that another program finds.
func TestImports(t *testing.T) {
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	if bad := forbidden(t, root, "hhrlhf/kernel/lab"); len(bad) > 0 {
		t.Errorf("not allowed:\n%s", strings.Join(bad, "\n"))
	}
	// The test of the test: it finds what is there.
	for pkg, what := range map[string]string{"hhrlhf/rlhf/internal/gx": "gomlx", "hhrlhf/kernel/engine": "net/http"} {
		if bad := forbidden(t, root, pkg); !strings.Contains(strings.Join(bad, "\n"), what) {
			t.Errorf("did not find that %s imports %s", pkg, what)
		}
	}
}

// forbidden returns "package imports package" for each import, direct or not,
// that is neither of the standard library, nor ours, nor allowed.
func forbidden(t *testing.T, root, pkg string) []string {
	t.Helper()
	var bad []string
	seen := map[string]bool{}
	for todo := []string{pkg}; len(todo) > 0; {
		pkg, todo = todo[0], todo[1:]
		if seen[pkg] {
			continue
		}
		seen[pkg] = true
		for _, imp := range imports(t, filepath.Join(root, strings.TrimPrefix(pkg, "hhrlhf"))) {
			first, _, _ := strings.Cut(imp, "/")
			switch {
			case first == "hhrlhf":
				todo = append(todo, imp)
			case slow[imp] != "":
				bad = append(bad, pkg+" imports "+imp+": "+slow[imp])
			case strings.Contains(first, ".") && allowed[imp] == "":
				bad = append(bad, pkg+" imports "+imp)
			}
		}
	}
	return bad
}

// imports returns what the files of a folder import, tests aside.
func imports(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		if ok, err := build.Default.MatchFile(dir, e.Name()); err != nil || !ok {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, e.Name()), nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range f.Imports {
			path, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, path)
		}
	}
	return all
}

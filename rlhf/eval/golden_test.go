package eval_test

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// Every golden case has a test in the library, and that test a negative: it goes
// through golden, perturbs an input, or computes a known mistake and sees the
// difference. A case without one is named here, and so is a test that only agrees.
func TestGoldenCasesAreAllTested(t *testing.T) {
	dir := os.Getenv("HHRLHF_GOLDEN")
	if dir == "" {
		if os.Getenv("HHRLHF_DATA") == "" {
			t.Skip("golden numbers: neither HHRLHF_GOLDEN nor HHRLHF_DATA is set")
		}
		dir = filepath.Join(os.Getenv("HHRLHF_DATA"), "..", "golden")
	}
	text, err := os.ReadFile(filepath.Join(dir, "correctness.json"))
	if err != nil {
		t.Skip("golden numbers: ", err)
	}
	var file struct {
		Cases []struct{ Name string }
	}
	if err := json.Unmarshal(text, &file); err != nil || len(file.Cases) < 30 {
		t.Fatalf("%d golden cases, error %v", len(file.Cases), err)
	}
	tested, negative := casesNamed(t, "..")
	for _, c := range file.Cases {
		switch {
		case c.Name == "dpo_loss": // the library has no DPO: the reader writes it, in notebook 13
		case !tested[c.Name]:
			t.Errorf("golden case %q has no test", c.Name)
		case !negative[c.Name]:
			t.Errorf("golden case %q has tests that compute no mistake", c.Name)
		}
	}
	if negative["no_such_case"] || !negative["bradley_terry_mle"] {
		t.Error("the audit finds what is not there, or not what is")
	}
}

// negatives are the marks of a test that can fail: the helpers that perturb, and a mistake.
var negatives = regexp.MustCompile(`golden\(|Perturb\(|differ\(|istake|Diff\(`)

// casesNamed are the strings that test files below dir name, and those that stand beside a
// negative.
func casesNamed(t *testing.T, dir string) (tested, negative map[string]bool) {
	t.Helper()
	tested, negative = map[string]bool{}, map[string]bool{}
	files := token.NewFileSet()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") || path == filepath.Join(dir, "eval", "golden_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if !bytes.Contains(text, []byte("olden(")) {
			return nil
		}
		file, err := parser.ParseFile(files, path, text, 0)
		if err != nil {
			return err
		}
		for _, decl := range file.Decls {
			body := text // a table's negatives stand elsewhere in its file
			if f, ok := decl.(*ast.FuncDecl); ok {
				body = text[files.Position(f.Pos()).Offset:files.Position(f.End()).Offset]
			}
			ast.Inspect(decl, func(n ast.Node) bool {
				if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
					if name, err := strconv.Unquote(lit.Value); err == nil {
						tested[name], negative[name] = true, negative[name] || negatives.Match(body)
					}
				}
				return true
			})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return tested, negative
}

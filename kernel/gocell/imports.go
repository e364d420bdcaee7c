package gocell

import (
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Known are the packages that cells name without importing them, by name:
// goimports finds them when the cell runs.
var Known = map[string]string{
	"bufio": "bufio", "bytes": "bytes", "cmp": "cmp", "context": "context", "errors": "errors", "exec": "os/exec", "filepath": "path/filepath",
	"flag": "flag", "fmt": "fmt", "http": "net/http", "io": "io", "json": "encoding/json", "log": "log", "maps": "maps", "math": "math",
	"os": "os", "rand": "math/rand/v2", "reflect": "reflect", "regexp": "regexp", "runtime": "runtime", "slices": "slices", "sort": "sort",
	"strconv": "strconv", "strings": "strings", "sync": "sync", "testing": "testing", "time": "time", "unicode": "unicode", "utf8": "unicode/utf8",
	"gonbui": "github.com/janpfeifer/gonb/gonbui",
	"rlhf":   "hhrlhf/rlhf", "lab": "hhrlhf/kernel/lab", "show": "hhrlhf/kernel/show", "synth": "hhrlhf/rlhf/synth", "eval": "hhrlhf/rlhf/eval",
	"online": "hhrlhf/rlhf/online", "memory": "hhrlhf/rlhf/memory", "data": "hhrlhf/rlhf/data",
}

// Imports returns the import paths of a Go file, by the name they go by in it.
// What does not parse behind the imports is no matter.
func Imports(file string) map[string]string {
	found := map[string]string{}
	f, _ := parser.ParseFile(token.NewFileSet(), "", file, parser.ImportsOnly)
	if f == nil {
		return found
	}
	for _, spec := range f.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue
		}
		name := defaultName(p)
		if spec.Name != nil {
			name = spec.Name.Name
		}
		found[name] = p
	}
	return found
}

// defaultName is the name of a package by its path: the last element that is no
// version.
func defaultName(p string) string {
	name := path.Base(p)
	if len(name) > 1 && name[0] == 'v' && strings.Trim(name[1:], "0123456789") == "" && path.Dir(p) != "." {
		name = path.Base(path.Dir(p))
	}
	return name
}

// Header returns an import declaration in one line, for [Compose]: of the
// memorised imports, by name, and of the known packages, those that code uses and
// does not import itself.
func Header(code string, memorised map[string]string) string {
	file, ok := Compose(code, "")
	if !ok {
		return ""
	}
	own := Imports(file)
	used := selected(file)
	var specs []string
	for _, name := range slices.Sorted(maps.Keys(used)) {
		p := memorised[name]
		if p == "" {
			p = Known[name]
		}
		if own[name] == "" && p != "" {
			specs = append(specs, name+" "+strconv.Quote(p))
		}
	}
	for _, name := range []string{".", "_"} {
		if p := memorised[name]; p != "" && own[name] != p {
			specs = append(specs, name+" "+strconv.Quote(p))
		}
	}
	if len(specs) == 0 {
		return ""
	}
	return "import (" + strings.Join(specs, "; ") + ")"
}

// selected returns the names in front of a dot.
func selected(file string) map[string]bool {
	names := map[string]bool{}
	var s scanner.Scanner
	f := token.NewFileSet().AddFile("", -1, len(file))
	s.Init(f, []byte(file), nil, 0)
	last := ""
	for {
		_, tok, lit := s.Scan()
		switch tok {
		case token.EOF:
			return names
		case token.PERIOD:
			if last != "" {
				names[last] = true
			}
			last = ""
		case token.IDENT:
			last = lit
		default:
			last = ""
		}
	}
}

// Memory returns a file that gonb has composed without its function main: the
// declarations that later cells find. It returns the imports too, by name. A file
// that does not parse has none of either.
func Memory(file string) (text string, imports map[string]string) {
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, "", file, parser.SkipObjectResolution)
	if err != nil {
		return "package main\n", map[string]string{}
	}
	text = file
	for _, d := range f.Decls {
		if d, ok := d.(*ast.FuncDecl); ok && d.Recv == nil && d.Name.Name == "main" {
			from, to := fset.Position(d.Pos()).Offset, fset.Position(d.End()).Offset
			text = file[:from] + file[to:]
		}
	}
	return text, Imports(file)
}

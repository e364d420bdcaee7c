package gocell

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// exported lists the exported names of the package in a folder; of one of its
// types, its fields and methods, if typ is not empty.
func exported(folder, typ string) []string {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil
	}
	var names []string
	add := func(name string) {
		if ast.IsExported(name) && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(folder, e.Name()), nil, parser.SkipObjectResolution)
		if err != nil {
			continue
		}
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if receiver(d) == typ {
					add(d.Name.Name)
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					members(spec, typ, add)
				}
			}
		}
	}
	return names
}

// receiver is the name of a method's type, empty for a function.
func receiver(d *ast.FuncDecl) string {
	if d.Recv == nil || len(d.Recv.List) == 0 {
		return ""
	}
	e := d.Recv.List[0].Type
	if star, ok := e.(*ast.StarExpr); ok {
		e = star.X
	}
	if index, ok := e.(*ast.IndexExpr); ok {
		e = index.X
	}
	id, _ := e.(*ast.Ident)
	if id == nil {
		return "?"
	}
	return id.Name
}

// members adds the names that a declaration declares, or the members of typ.
func members(spec ast.Spec, typ string, add func(string)) {
	switch spec := spec.(type) {
	case *ast.ValueSpec:
		for _, n := range spec.Names {
			if typ == "" {
				add(n.Name)
			}
		}
	case *ast.TypeSpec:
		if typ == "" {
			add(spec.Name.Name)
		}
		if typ == "" || spec.Name.Name != typ {
			return
		}
		var list *ast.FieldList
		switch t := spec.Type.(type) {
		case *ast.StructType:
			list = t.Fields
		case *ast.InterfaceType:
			list = t.Methods
		default:
			return
		}
		for _, field := range list.List {
			for _, n := range field.Names {
				add(n.Name)
			}
		}
	}
}

// near returns the names that could have been meant, the nearest first, three at
// most.
func near(name string, names []string) []string {
	type scored struct {
		name string
		d    int
	}
	var found []scored
	low := strings.ToLower(name)
	for _, n := range names {
		l := strings.ToLower(n)
		d := levenshtein.ComputeDistance(low, l)
		if min(len(low), len(l)) > 2 && (strings.HasPrefix(l, low) || strings.HasPrefix(low, l)) {
			d = min(d, 2)
		}
		if d <= max(1, len(low)/3) || d <= 2 && len(low) > 3 {
			found = append(found, scored{n, d})
		}
	}
	slices.SortStableFunc(found, func(a, b scored) int { return a.d - b.d })
	var out []string
	for _, f := range found[:min(3, len(found))] {
		out = append(out, f.name)
	}
	return out
}

package gocell

import (
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
	"strings"
)

// Value is the function that [Prepare] calls with a cell's last expression.
const Value = "rlhfValue"

// shown returns the cell with its last expression handed to [Value], and whether
// there is one. No line moves.
func shown(code string) (string, bool) {
	lines := strings.Split(code, "\n")
	if foreign(lines) {
		return code, false
	}
	hasMain := false
	for i, kind := range classify(lines) {
		word, _, _ := strings.Cut(trim(lines[i]), " ")
		if kind == command && (word == "%test" || word == "%wasm" || word == "%exec") {
			return code, false
		}
		hasMain = hasMain || kind == mainLine
	}
	file, _ := Compose(code, "")
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, "", file, parser.SkipObjectResolution)
	if err != nil {
		return code, false
	}
	var body *ast.BlockStmt
	for _, d := range f.Decls {
		if d, ok := d.(*ast.FuncDecl); ok && d.Recv == nil && d.Name.Name == "main" {
			body = d.Body
		}
	}
	if body == nil || len(body.List) == 0 {
		return code, false
	}
	last, ok := body.List[len(body.List)-1].(*ast.ExprStmt)
	if !ok || !displayed(last.X) || semicolon(file[fset.Position(last.End()).Offset:]) {
		return code, false
	}
	open, shut := Value+"(", ")"
	if !hasMain && fset.Position(body.Lbrace).Line == 1 { // Compose opened it
		if len(body.List) > 1 || len(f.Decls) > 1 {
			return code, false
		}
		open, shut = "func main() { "+open, shut+" }"
	}
	insert := func(at token.Pos, text string) {
		p := fset.Position(at)
		i, column := p.Line-2, p.Column-1
		lines[i] = lines[i][:column] + text + lines[i][column:]
	}
	insert(last.End(), shut)
	insert(last.Pos(), open)
	return strings.Join(lines, "\n"), true
}

// displayed reports whether the value of a last expression is shown: see the
// package's comment for the rule.
func displayed(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.ParenExpr:
		return displayed(e.X)
	case *ast.UnaryExpr:
		return e.Op != token.ARROW
	case *ast.CallExpr:
		return valued(e.Fun)
	case *ast.BadExpr:
		return false
	}
	return true
}

// valued reports whether a call of fun has one value that Go does not let a
// statement ignore, or is lab.Must.
func valued(fun ast.Expr) bool {
	switch fun := fun.(type) {
	case *ast.ParenExpr:
		return valued(fun.X)
	case *ast.ArrayType, *ast.MapType, *ast.ChanType, *ast.InterfaceType, *ast.FuncType, *ast.StructType:
		return true
	case *ast.Ident:
		return builtins[fun.Name]
	case *ast.SelectorExpr:
		pkg, ok := fun.X.(*ast.Ident)
		return ok && pkg.Name == "lab" && fun.Sel.Name == "Must"
	}
	return false
}

// builtins are the predeclared functions and types whose call is no statement.
var builtins = map[string]bool{
	"append": true, "cap": true, "complex": true, "imag": true, "len": true, "make": true, "max": true, "min": true, "new": true, "real": true,
	"any": true, "bool": true, "byte": true, "error": true, "float32": true, "float64": true, "complex64": true, "complex128": true,
	"int": true, "int8": true, "int16": true, "int32": true, "int64": true, "rune": true, "string": true,
	"uint": true, "uint8": true, "uint16": true, "uint32": true, "uint64": true, "uintptr": true,
}

// semicolon reports whether a text begins with a written semicolon, comments
// aside.
func semicolon(text string) bool {
	var s scanner.Scanner
	file := token.NewFileSet().AddFile("", -1, len(text))
	s.Init(file, []byte(text), nil, 0)
	_, tok, lit := s.Scan()
	return tok == token.SEMICOLON && lit == ";"
}

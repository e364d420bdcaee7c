package gocell

import (
	"fmt"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// Around is what an explanation may draw on.
type Around struct {
	Cell    int           // number of the cell that failed
	Code    string        // as its writer wrote it
	Earlier []EarlierCell // of the same life of the kernel, oldest first
	Repo    string        // folder of the module that cells import, empty: none
	GoRoot  string        // Go's own folder
}

// An EarlierCell is a cell that ran before.
type EarlierCell struct {
	Cell   int
	Source string
}

// most is the number of errors that are explained; one often brings others along.
const most = 3

var (
	ansi     = regexp.MustCompile("\x1b\\[[0-9;]*m")
	cellLine = regexp.MustCompile(`^Cell(?:\[(\d+)\]:)? Line (\d+)`)
)

// Explain returns a sentence for each of the first errors in gonb's traceback of
// a cell that did not compile: the line in the cell, what is wrong, and, for the
// common ones, what to do. It returns nothing for a traceback without any.
func Explain(traceback []string, a Around) []string {
	var out []string
	seen := map[string]bool{}
	for _, entry := range traceback {
		lines := strings.Split(strings.TrimSpace(ansi.ReplaceAllString(entry, "")), "\n")
		message := strings.TrimSpace(lines[len(lines)-1])
		where := ""
		if at := cellLine.FindStringSubmatch(lines[0]); at != nil && len(lines) > 1 {
			where = "line " + at[2]
			if cell, err := strconv.Atoi(at[1]); err == nil && cell != a.Cell {
				where = fmt.Sprintf("cell [%d], %s", cell, where)
			}
		}
		what := a.explain(message)
		if what == "" && where != "" {
			what = message + "."
		}
		if what == "" || seen[what] || len(out) == most {
			continue
		}
		seen[what] = true
		if where != "" {
			what = where + ": " + what
		}
		out = append(out, strings.ToUpper(what[:1])+what[1:])
	}
	return out
}

// An advice explains the errors that a pattern matches.
type advice struct {
	pattern *regexp.Regexp
	text    func(a Around, m []string) string
}

func plain(format string) func(Around, []string) string {
	return func(_ Around, m []string) string {
		args := make([]any, len(m)-1)
		for i := range args {
			args[i] = m[i+1]
		}
		return fmt.Sprintf(format, args...)
	}
}

// advices are tried in order. The messages are those of Go 1.26's compiler and
// parser, and of go build.
var advices = []advice{
	{regexp.MustCompile(`^declared and not used: (\S+)$`),
		plain("%[1]s is set and never used, which Go refuses. Use it, or write _ in its place.")},
	{regexp.MustCompile(`^"([^"]+)" imported (?:as \S+ )?and not used`),
		plain("the import %[1]q is not used. Take it out.")},
	{regexp.MustCompile(`^expected declaration, found (.+)$`),
		plain("a statement (it begins with %[1]s) stands outside of a function. Write a line %%%% above the cell's statements.")},
	{regexp.MustCompile(`^(?:syntax error: )?non-declaration statement outside function body`),
		plain("a statement stands outside of a function. Write a line %%%% above the cell's statements.")},
	{regexp.MustCompile(`^undefined: (\w+)\.(\w+)$`), Around.undefinedInPackage},
	{regexp.MustCompile(`^undefined: (\w+)$`), Around.undefined},
	{regexp.MustCompile(`^\S+\.(\w+) undefined \(type \*?(?:(\S+)\.)?(\w+) has no field or method \w+(.*)\)$`), Around.noMember},
	{regexp.MustCompile(`^assignment mismatch: 1 variable but (.+?) returns 2 values$`),
		plain("%[1]s returns two values, as a rule what you want and an error. lab.Must(...) around it ends the cell at an error and leaves one.")},
	{regexp.MustCompile(`^(?:multiple-value )?(.+?) \(value of type \((.+)\)\) in (?:single-value context|argument|.*value)`), Around.multiple},
	{regexp.MustCompile(`^multiple-value (.+) in single-value context`), Around.multiple},
	{regexp.MustCompile(`^assignment mismatch: (\d+) variables? but (.+?) returns (\d+) values?$`),
		plain("%[2]s returns %[3]s value(s), and %[1]s name(s) stand on the left.")},
	{regexp.MustCompile(`^no new variables on left side of :=`),
		plain("every name left of := exists already. Write = to give it another value.")},
	{regexp.MustCompile(`^(.+) \(.*\) is not used$`),
		plain("the value of %[1]s is not used. Only a cell's last expression is shown: assign it, or print it with fmt.Println.")},
	{regexp.MustCompile(`^(\w+) redeclared in this block`),
		plain("%[1]s is declared twice. Rename one, or forget the one of an earlier cell with %%rm %[1]s.")},
	{regexp.MustCompile(`package (\S+) is not in std`), Around.noPackage},
	{regexp.MustCompile(`does not contain package (\S+)$`), Around.noPackage},
	{regexp.MustCompile(`no required module provides package (\S+?)[;:]?(?:\s|$)`), Around.noPackage},
	{regexp.MustCompile(`cannot find (?:package|module providing package) "?([^\s":;]+)`), Around.noPackage},
	{regexp.MustCompile(`^missing return`),
		plain("the function promises a value, and can end without return.")},
}

// explain returns what an error means; empty if it speaks for itself.
func (a Around) explain(message string) string {
	for _, ad := range advices {
		if m := ad.pattern.FindStringSubmatch(message); m != nil {
			if text := ad.text(a, m); text != "" {
				return text
			}
		}
	}
	return ""
}

// multiple explains several values in the place of one.
func (a Around) multiple(m []string) string {
	if len(m) > 2 && !strings.HasSuffix(m[2], "error") {
		return fmt.Sprintf("%s returns several values (%s) where one is wanted. Give them names first.", m[1], m[2])
	}
	return fmt.Sprintf("%s returns a value and an error where one value is wanted. lab.Must(%s) ends the cell at an error and leaves the value.", m[1], m[1])
}

// undefined explains a name that is nowhere: a package, or what was in an
// earlier cell and is gone.
func (a Around) undefined(m []string) string {
	name := m[1]
	for i := len(a.Earlier) - 1; i >= 0; i-- {
		e := a.Earlier[i]
		if sets(e.Source, name) {
			return fmt.Sprintf("%s was set in cell [%d], below %%%%, and went when that cell ended: every cell is a new process. "+
				"Set it again here, or declare it above %%%% (var %s = ...), which every later cell repeats.", name, e.Cell, name)
		}
		if topLevel(e.Source, name) {
			return fmt.Sprintf("%s is declared in cell [%d], which did not compile, or the kernel was started anew since. Run that cell again.", name, e.Cell)
		}
	}
	if p := Known[name]; p != "" {
		return fmt.Sprintf("there is no %s here. Import the package: import %q.", name, p)
	}
	if names := near(name, a.names()); len(names) > 0 {
		return fmt.Sprintf("there is no %s. Did you mean %s?", name, list(names))
	}
	return fmt.Sprintf("there is no %s. Is the name right, and has the cell that declares it been run?", name)
}

// sets reports whether a cell's main function sets a name.
func sets(code, name string) bool {
	quoted := regexp.QuoteMeta(name)
	short := regexp.MustCompile(`(?m)(^|[\s,;{(])` + quoted + `(\s*,[^=\n:]*)?\s*:=`)
	long := regexp.MustCompile(`(?m)^\s*var\s+` + quoted + `\b`)
	_, main, ok := strings.Cut("\n"+code, "\n%%")
	if !ok {
		_, main, ok = strings.Cut(code, "func main()")
	}
	return ok && (short.MatchString(main) || long.MatchString(main))
}

// topLevel reports whether a cell declares a name for later cells.
func topLevel(code, name string) bool {
	file, ok := Compose(code, "")
	if !ok {
		return false
	}
	f, _ := parser.ParseFile(token.NewFileSet(), "", file, 0)
	return f != nil && f.Scope != nil && f.Scope.Lookup(name) != nil && name != "main"
}

// names are what the cell and those before it declare.
func (a Around) names() []string {
	var names []string
	for _, code := range append([]string{a.Code}, sources(a.Earlier)...) {
		file, ok := Compose(code, "")
		if !ok {
			continue
		}
		if f, _ := parser.ParseFile(token.NewFileSet(), "", file, 0); f != nil && f.Scope != nil {
			for name := range f.Scope.Objects {
				names = append(names, name)
			}
		}
	}
	return names
}

func sources(cells []EarlierCell) []string {
	var out []string
	for _, c := range cells {
		out = append(out, c.Source)
	}
	return out
}

// undefinedInPackage explains pkg.Name.
func (a Around) undefinedInPackage(m []string) string {
	pkg, name := m[1], m[2]
	p := a.path(pkg)
	if p == "" {
		return ""
	}
	if names := near(name, exported(a.folder(p), "")); len(names) > 0 {
		return fmt.Sprintf("package %s has no %s. Did you mean %s?", pkg, name, list(prefixed(pkg, names)))
	}
	return fmt.Sprintf("package %s has no %s. %%doc %s lists what it has.", pkg, name, pkg)
}

// noMember explains x.Name of a type that has none.
func (a Around) noMember(m []string) string {
	name, pkg, typ, hint := m[1], m[2], m[3], m[4]
	if _, meant, ok := strings.Cut(hint, "but does have "); ok {
		meant = meant[strings.LastIndex(meant, " ")+1:]
		return fmt.Sprintf("%s has no %s. Did you mean %s?", typ, name, strings.TrimSuffix(meant, ")"))
	}
	if pkg != "" {
		p := a.path(pkg[strings.LastIndex(pkg, "/")+1:])
		if names := near(name, exported(a.folder(p), typ)); p != "" && len(names) > 0 {
			return fmt.Sprintf("%s has no %s. Did you mean %s?", typ, name, list(names))
		}
		return fmt.Sprintf("%s has no %s. %%doc %s.%s lists what it has.", typ, name, filepath.Base(pkg), typ)
	}
	return fmt.Sprintf("%s has no field or method %s.", typ, name)
}

// noPackage explains an import path that leads nowhere.
func (a Around) noPackage(m []string) string {
	if rest, ok := strings.CutPrefix(m[1], "hhrlhf/"); ok {
		return fmt.Sprintf("this module has no package %s. Packages for cells are hhrlhf/rlhf, hhrlhf/kernel/lab and hhrlhf/kernel/show.", rest)
	}
	return fmt.Sprintf("package %q is in neither Go's library nor this module's requirements. Is the path right? Cells fetch nothing: "+
		"add a module to the repository's go.mod first (go get, in a terminal).", m[1])
}

// path is the import path of a package by its name in the cells.
func (a Around) path(pkg string) string {
	for _, code := range append([]string{a.Code}, sources(a.Earlier)...) {
		if file, ok := Compose(code, ""); ok {
			if p := Imports(file)[pkg]; p != "" {
				return p
			}
		}
	}
	return Known[pkg]
}

// folder is where the source of a package lies, if it is Go's or the module's.
func (a Around) folder(path string) string {
	if rest, ok := strings.CutPrefix(path, "hhrlhf/"); ok && a.Repo != "" {
		return filepath.Join(a.Repo, rest)
	}
	return filepath.Join(a.GoRoot, "src", path)
}

func prefixed(pkg string, names []string) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = pkg + "." + n
	}
	return out
}

// list joins names as a sentence does.
func list(names []string) string {
	if len(names) == 1 {
		return names[0]
	}
	return strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
}

package gocell_test

import (
	"fmt"
	"go/parser"
	"go/token"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hhrlhf/kernel/gocell"
)

func TestCompose(t *testing.T) {
	for _, c := range []struct{ code, header, want string }{
		{"%%\nx := 1", "", "package main\nfunc main() {\nx := 1\n}\n"},
		{"import \"fmt\"\nfunc f() {}\n%% -n 3\nf()", "import (os \"os\")",
			"package main; import (os \"os\")\nimport \"fmt\"\nfunc f() {}\nfunc main() {\nf()\n}\n"},
		{"!ls \\\n  -l\n%env A B\n//gonb:%%\nf()", "", "package main\n\n\n\nfunc main() {\nf()\n}\n"},
		{"fmt.Pri", "import (\"fmt\")", "package main; import (\"fmt\"); func main() {\nfmt.Pri\n}\n"},
		{"// says\nx := 1", "", "package main; func main() {\n// says\nx := 1\n}\n"},
		{"fun", "", "package main\nfun"},
		{"package x\nvar y = 1", "", "package main\n\nvar y = 1"},
		{"functions()", "", "package main; func main() {\nfunctions()\n}\n"},
	} {
		got, ok := gocell.Compose(c.code, c.header)
		if diff := cmp.Diff(c.want, got); diff != "" || !ok {
			t.Errorf("%q: ok %v (-want +got):\n%s", c.code, ok, diff)
		}
	}
	for _, code := range []string{"%%bash\nls", "%%writefile a.go\npackage a", "//gonb:%%sh\nls"} {
		if got, ok := gocell.Compose(code, ""); ok {
			t.Errorf("%q holds no Go, got %q", code, got)
		}
	}
}

// The rule of the last expression, form by form. want is the last line that gonb
// gets; the others stay.
func TestPrepareShows(t *testing.T) {
	for _, c := range []struct{ code, want string }{
		{"%%\nx", "rlhfValue(x)"},
		{"%%\nx.y[2]", "rlhfValue(x.y[2])"},
		{"%%\n-x", "rlhfValue(-x)"},
		{"%%\n\tT{1}  // it", "\trlhfValue(T{1})  // it"},
		{"%%\nlen(x)", "rlhfValue(len(x))"},
		{"%%\n[]byte(s)", "rlhfValue([]byte(s))"},
		{"%%\n(float64(x))", "rlhfValue((float64(x)))"},
		{"%%\nlab.Must(f())", "rlhfValue(lab.Must(f()))"},
		{"%%\n日 := 1; 日", "日 := 1; rlhfValue(日)"},
		{"%%\nf(\n1,\n)+1", ")+1)"},
		{"func main() {\n\tx }", "\trlhfValue(x) }"},
		{"6 * 7", "func main() { rlhfValue(6 * 7) }"},
		{"!ls\n6 * 7", "func main() { rlhfValue(6 * 7) }"},
	} {
		p, err := gocell.Prepare(c.code, true)
		if err != nil || !p.Shows || p.Code[strings.LastIndex(p.Code, "\n")+1:] != c.want {
			t.Errorf("%q: %+v, %v, want %q", c.code, p, err, c.want)
		}
	}
	for _, code := range []string{
		"%%\nf()", "%%\nx.f(1)", "%%\nfmt.Println(x)", "%%\nother.Must(f())", "%%\nlab.Check(err)", "%%\n(f())", "%%\nfunc() {}()",
		"%%\n<-c", "%%\nx;", "%%\nx /* c */ ; // d", "%%\nx := 1", "%%\nx = 1", "%%\nreturn", "%%\nx++", "%%\nfor {}", "%%\n", "%%\nif x {\n\ty\n}",
		"%%\nx :=", "%%\nx +", "func f() int {\n\tx\n}", "x := 1\nx", "import \"fmt\"\n6 * 7", "%%bash\nx", "%test\nx", "%exec f\nx", "", "!ls",
		"%wasm\n%%\nx",
	} {
		if p, err := gocell.Prepare(code, true); err != nil || p.Shows || p.Code != code {
			t.Errorf("%q: %+v, %v, want it untouched", code, p, err)
		}
	}
	if p, _ := gocell.Prepare("%%\nx", false); p.Shows || p.Code != "%%\nx" {
		t.Errorf("not to be shown: %+v", p)
	}
}

func TestPrepareCommands(t *testing.T) {
	for _, c := range []struct {
		code string
		want gocell.Prepared
	}{
		{"%%time\nf()", gocell.Prepared{Code: "%%\nf()", Timed: true}},
		{"%%time -n 3\nf()", gocell.Prepared{Code: "%% -n 3\nf()", Timed: true}},
		{"%%time\nfunc g() {}\n%%\nf()", gocell.Prepared{Code: "\nfunc g() {}\n%%\nf()", Timed: true}},
		{"%%time\nfunc main() {\n}", gocell.Prepared{Code: "\nfunc main() {\n}", Timed: true}},
		{"%%time\n!ls", gocell.Prepared{Code: "\n!ls", Timed: true}},
		{"%%time\n%%bash\nls", gocell.Prepared{Code: "%%bash\nls", Timed: true}},
		{"%%timer\nf()", gocell.Prepared{Code: "%%timer\nf()"}},
		{"%history\n%%\nf()", gocell.Prepared{Code: "\n%%\nf()", Commands: []gocell.Command{{Name: "history", N: 20}}}},
		{"%history 3 -g a b", gocell.Prepared{Commands: []gocell.Command{{Name: "history", N: 3, Pattern: "*a b*"}}}},
		{"%clear\n//gonb:%clear -wait", gocell.Prepared{Code: "\n", Commands: []gocell.Command{{Name: "clear"}, {Name: "clear", Wait: true}}}},
		{"%doc lab.Must", gocell.Prepared{Commands: []gocell.Command{{Name: "doc", Subject: "lab.Must"}}}},
		{" lab.Must?\n", gocell.Prepared{Code: "\n", Commands: []gocell.Command{{Name: "doc", Subject: "lab.Must"}}}},
		{"x?\ny", gocell.Prepared{Code: "x?\ny"}},
		{"%%bash\n%history", gocell.Prepared{Code: "%%bash\n%history"}},
		{"!a \\\n%history", gocell.Prepared{Code: "!a \\\n%history"}},
		{"%cd x", gocell.Prepared{Code: "%cd x"}},
	} {
		if got, err := gocell.Prepare(c.code, true); err != nil || !cmp.Equal(got, c.want) {
			t.Errorf("%q: %v\n%s", c.code, err, cmp.Diff(c.want, got))
		}
	}
	for code, want := range map[string]string{
		"%history x": "line 1", "!ls\n%history 0": "line 2", "%doc": "one name", "%doc a b": "one name", "%doc -all": "one name", "%clear now": "%clear -wait",
	} {
		if _, err := gocell.Prepare(code, true); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", code, err, want)
		}
	}
}

// FuzzPrepare checks that nothing panics, that no line moves but the one that
// %%time takes from a shell cell, and that a cell that is shown parses as before.
func FuzzPrepare(f *testing.F) {
	for _, s := range []string{"%%\nx", "6*7", "%%time\n!ls\nf()", "%history 3\nx?", "func main() { x }", "%%\n日(`a\nb`)[1:]", "\\\n%", "//gonb:", "%\n!", "x\x00;"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, code string) {
		p, err := gocell.Prepare(code, true)
		if err != nil {
			return
		}
		if lines := strings.Count(code, "\n") - strings.Count(p.Code, "\n"); lines != 0 && !(lines == 1 && p.Timed) {
			t.Errorf("%q became %q", code, p.Code)
		}
		if p.Shows {
			file, _ := gocell.Compose(p.Code, "")
			if _, err := parser.ParseFile(token.NewFileSet(), "", file, parser.SkipObjectResolution); err != nil {
				t.Errorf("%q became %q: %v", code, p.Code, err)
			}
		}
		n := len([]rune(code))
		gocell.Subjects(code, n/2)
		gocell.CompleteCommand(code, n/2)
		gocell.Header(code, map[string]string{"x": "y", ".": "z"})
		gocell.Explain([]string{code, "undefined: " + code}, gocell.Around{Code: code})
	})
}

func TestHeaderAndMemory(t *testing.T) {
	memorised := map[string]string{"st": "strings", "lab": "elsewhere/lab", ".": "math", "own": "a/own"}
	got := gocell.Header("import own \"b/own\"\n%%\nst.ToUpper(fmt.Sprint(lab.X, own.Y, a.b.Z))", memorised)
	if want := `import (fmt "fmt"; lab "elsewhere/lab"; st "strings"; . "math")`; got != want {
		t.Errorf("header %s, want %s", got, want)
	}
	text, imports := gocell.Memory("package main\n\nimport (\n\t\"fmt\"\n\tst \"strings\"\n\t\"a/b/v2\"\n)\n\nvar x = 1\n\nfunc main() {\n\tfmt.Println(x)\n}\n\nfunc f() {}\n")
	if want := map[string]string{"fmt": "fmt", "st": "strings", "b": "a/b/v2"}; !cmp.Equal(imports, want) {
		t.Errorf("imports %v, want %v", imports, want)
	}
	if strings.Contains(text, "func main") || !strings.Contains(text, "var x = 1") || !strings.Contains(text, "func f()") {
		t.Errorf("memory %q", text)
	}
	if text, imports := gocell.Memory("package main\nfunc {"); text != "package main\n" || len(imports) != 0 {
		t.Errorf("of a broken file: %q %v", text, imports)
	}
}

func TestCursor(t *testing.T) {
	for _, c := range []struct {
		code  string
		want  []string
		start int
	}{
		{"%hi", []string{"%history"}, 0}, {"x\n%do", []string{"%doc"}, 2}, {"%%ti", []string{"%%time"}, 0}, {"日\n%vers", []string{"%version"}, 2}, {"%nothing", nil, 0},
	} {
		got, start, ok := gocell.CompleteCommand(c.code, len([]rune(c.code)))
		if !ok || !slices.Equal(got, c.want) || start != c.start {
			t.Errorf("%q: %q at %d, %v", c.code, got, start, ok)
		}
	}
	for _, code := range []string{"x", "a % b", "%cd x"} {
		if _, _, ok := gocell.CompleteCommand(code, len([]rune(code))); ok {
			t.Errorf("%q is no command being written", code)
		}
	}
	for code, want := range map[string][]int{"日.f|": {2}, "f(a, |)": {0}, "f(g(1), |": {0}, "f(a|)": {2, 3, 0}, "a\n|": nil, "(|": nil, "f(\n|": {0}} {
		before, after, _ := strings.Cut(code, "|")
		got := gocell.Subjects(before+after, len([]rune(before)))
		slices.Sort(got)
		slices.Sort(want)
		if code == "f(a|)" {
			want = []int{0, 2}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", code, got, want)
		}
	}
}

// Known mistakes of an explanation: it names the wrong cell, explains one error
// twice, or says something of a traceback that is none of the compiler's.
func TestExplain(t *testing.T) {
	around := gocell.Around{Cell: 7, Code: "%%\nf(x)"}
	red := func(s string) string { return "\x1b[31m" + s + "\x1b[0m" }
	got := gocell.Explain([]string{"# gonb_1",
		"Cell[7]: Line 2\nf(x)\n  ^\n" + red("undefined: x"),
		"Cell[3]: Line 9\n\nundefined: y",
		"Cell[3]: Line 9\n\nundefined: y",
		red(""),
	}, around)
	if len(got) != 2 || !strings.HasPrefix(got[0], "Line 2: there is no x.") || !strings.HasPrefix(got[1], "Cell [3], line 9: there is no y.") {
		t.Errorf("got %q", got)
	}
	for message, want := range map[string]string{
		"undefined: rlhf":                                                               `There is no rlhf here. Import the package: import "hhrlhf/rlhf".`,
		`"os" imported and not used`:                                                    `The import "os" is not used.`,
		`"os" imported as o and not used`:                                               `The import "os" is not used.`,
		"f redeclared in this block":                                                    "F is declared twice.",
		"undefined: nowhere.Name":                                                       "",
		"assignment mismatch: 2 variables but f() returns 3 values":                     "F() returns 3 value(s), and 2 name(s) stand on the left.",
		"syntax error: non-declaration statement outside function body":                 "A statement stands outside of a function. Write a line %% above",
		"no required module provides package a.b/c; to add it:":                         `Package "a.b/c" is in neither`,
		"x.Foo undefined (type T has no field or method Foo)":                           "T has no field or method Foo.",
		"x.foo undefined (type T has no field or method foo, but does have method Foo)": "T has no foo. Did you mean Foo?",
	} {
		got := gocell.Explain([]string{message}, around)
		if want == "" && got != nil || want != "" && (len(got) != 1 || !strings.HasPrefix(got[0], want)) {
			t.Errorf("%q: %q, want %q", message, got, want)
		}
	}
	for _, other := range []string{"exit status 2", "signal: interrupt", "", "panic: undefined"} {
		if got := gocell.Explain([]string{other}, around); got != nil {
			t.Errorf("%q: %q, want nothing", other, got)
		}
	}
}

func ExamplePrepare() {
	p, err := gocell.Prepare("%%time\nxs := []int{1, 2}\nlen(xs)", true)
	fmt.Printf("%q %v %v %v\n", p.Code, p.Timed, p.Shows, err)
	// Output: "%%\nxs := []int{1, 2}\nrlhfValue(len(xs))" true true <nil>
}

package tokenizer

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"sync"
	"unicode"

	"github.com/nikolalohinski/gonja/v2/builtins"
	"github.com/nikolalohinski/gonja/v2/builtins/methods"
	"github.com/nikolalohinski/gonja/v2/config"
	"github.com/nikolalohinski/gonja/v2/exec"
	"github.com/nikolalohinski/gonja/v2/loaders"
	"github.com/nikolalohinski/gonja/v2/parser"
)

// What a template may do. It comes with a model's files, so it may come from
// anyone: it must not read files, and its output and loops are bounded.
const (
	maxTemplate = 1 << 20
	maxRendered = 16 << 20
	maxRange    = 10_000
)

// jinjaTags are the control structures that templates may use: none that reads
// another template, which the library would look for among the machine's files.
var jinjaTags = []string{"for", "if", "set", "macro", "call", "filter", "raw", "with", "break", "continue", "do"}

var jinjaEnvironment = sync.OnceValue(func() *exec.Environment {
	tags := make(map[string]parser.ControlStructureParser)
	for _, name := range jinjaTags {
		if tag, ok := builtins.ControlStructures.Get(name); ok {
			tags[name] = tag
		}
	}
	context := exec.EmptyContext().Update(builtins.GlobalFunctions).Update(builtins.GlobalVariables)
	context.Set("raise_exception", func(why string) (string, error) { return "", errors.New(why) })
	return &exec.Environment{
		Context: context, Filters: builtins.Filters, Tests: builtins.Tests,
		ControlStructures: exec.NewControlStructureSet(tags), Methods: jinjaMethods(),
	}
})

// jinjaMethods are the library's, with those of strings that templates may use.
// Its lstrip and rstrip fail without an argument, and its strip knows no white
// space but ASCII's.
func jinjaMethods() exec.Methods {
	str := make(map[string]exec.Method[string])
	for _, name := range []string{"capitalize", "count", "endswith", "find", "format", "index", "isalnum", "isalpha", "isdigit", "isspace",
		"join", "lower", "partition", "removeprefix", "removesuffix", "replace", "rfind", "rpartition", "rsplit", "split", "splitlines",
		"startswith", "title", "upper"} {
		if m, ok := methods.All.Str.Get(name); ok {
			str[name] = m
		}
	}
	strip := func(left, right bool) exec.Method[string] {
		return func(self string, _ *exec.Value, arguments *exec.VarArgs) (any, error) {
			chars := ""
			if err := arguments.Take(exec.PositionalArgument("chars", exec.AsValue(""), exec.StringArgument(&chars))); err != nil {
				return nil, exec.ErrInvalidCall(err)
			}
			in := unicode.IsSpace
			if chars != "" {
				in = func(r rune) bool { return strings.ContainsRune(chars, r) }
			}
			if left {
				self = strings.TrimLeftFunc(self, in)
			}
			if right {
				self = strings.TrimRightFunc(self, in)
			}
			return self, nil
		}
	}
	str["strip"], str["lstrip"], str["rstrip"] = strip(true, true), strip(true, false), strip(false, true)
	all := methods.All
	all.Str = exec.NewMethodSet(str)
	return all
}

// rangeBudget is what is left of the numbers that range may yield in one rendering.
type rangeBudget int

// numbers is Python's range(stop), range(start, stop) or range(start, stop, step).
func (left *rangeBudget) numbers(args ...int) ([]int, error) {
	start, stop, step := 0, 0, 1
	switch len(args) {
	case 1:
		stop = args[0]
	case 2:
		start, stop = args[0], args[1]
	case 3:
		start, stop, step = args[0], args[1], args[2]
	default:
		return nil, fmt.Errorf("range takes 1 to 3 numbers, not %d", len(args))
	}
	var out []int
	for i := start; step > 0 && i < stop || step < 0 && i > stop; i += step {
		if *left--; *left < 0 {
			return nil, fmt.Errorf("range yields more than %d numbers", maxRange)
		}
		out = append(out, i)
	}
	return out, nil
}

// noFiles is a loader that knows one text.
type noFiles struct{ source string }

const jinjaRoot = "chat_template"

func (l noFiles) Read(path string) (io.Reader, error) {
	if path != jinjaRoot {
		return nil, fmt.Errorf("a template must not read %q", path)
	}
	return strings.NewReader(l.source), nil
}
func (l noFiles) Resolve(path string) (string, error)         { return path, nil }
func (l noFiles) Inherit(from string) (loaders.Loader, error) { return l, nil }

// parseJinja compiles a template with the options that the transformers library
// renders chat templates with.
func parseJinja(source string) (t *exec.Template, err error) {
	if len(source) > maxTemplate {
		return nil, fmt.Errorf("%d bytes, want at most %d", len(source), maxTemplate)
	}
	defer recovered(&err)
	c := config.New()
	c.TrimBlocks, c.LeftStripBlocks = true, true
	return exec.NewTemplate(jinjaRoot, c, noFiles{source}, jinjaEnvironment())
}

// render executes a template.
func render(t *exec.Template, values map[string]any) (out string, err error) {
	defer recovered(&err)
	var w boundedWriter
	values = maps.Clone(values)
	left := rangeBudget(maxRange)
	values["range"] = left.numbers
	if err := t.Execute(&w, exec.NewContext(values)); err != nil {
		return "", err
	}
	return w.text.String(), nil
}

// recovered makes an error of a panic: the library has some, and the template is
// not ours.
func recovered(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("the template's interpreter stopped: %v", r)
	}
}

type boundedWriter struct{ text strings.Builder }

// Write panics past the bound, which render makes an error: the library goes on
// where a writer returns one.
func (w *boundedWriter) Write(p []byte) (int, error) {
	if w.text.Len()+len(p) > maxRendered {
		panic(fmt.Errorf("it writes more than %d bytes", maxRendered))
	}
	return w.text.Write(p)
}

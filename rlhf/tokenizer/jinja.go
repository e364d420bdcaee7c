package tokenizer

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"reflect"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/nikolalohinski/gonja/v2/builtins"
	"github.com/nikolalohinski/gonja/v2/builtins/methods"
	"github.com/nikolalohinski/gonja/v2/config"
	"github.com/nikolalohinski/gonja/v2/exec"
	"github.com/nikolalohinski/gonja/v2/loaders"
	"github.com/nikolalohinski/gonja/v2/parser"
)

// What a template may do. It comes with a model's files, so it may come from
// anyone: it must not read files, its output and loops are bounded, and so is
// what it makes on the way (see jinjalimits.go).
const (
	maxTemplate = 1 << 16 // published ones have up to 23 kB
	maxRendered = 16 << 20
	maxRange    = 10_000
	maxJoined   = 1 << 20 // bytes that a method makes of less
)

// jinjaTags are the control structures that templates may use: none that reads
// another template, which the library would look for among the machine's files, and
// none that gives names values where nobody can look at them.
var jinjaTags = []string{"for", "if", "set", "macro", "raw", "break", "continue"}

var jinjaEnvironment = sync.OnceValue(func() *exec.Environment {
	tags := make(map[string]parser.ControlStructureParser)
	for _, name := range jinjaTags {
		if tag, ok := builtins.ControlStructures.Get(name); ok {
			tags[name] = limitedTag(tag)
		}
	}
	context := exec.EmptyContext().Update(builtins.GlobalVariables)
	if namespace, ok := builtins.GlobalFunctions.Get("namespace"); ok {
		context.Set("namespace", namespace)
	}
	context.Set("raise_exception", func(why string) (string, error) { return "", errors.New(why) })
	return &exec.Environment{
		Context: context, Filters: jinjaFilters(), Tests: builtins.Tests,
		ControlStructures: exec.NewControlStructureSet(tags), Methods: jinjaMethods(),
	}
})

// jinjaMethods are the library's, with those of strings that templates may use.
// Its lstrip and rstrip fail without an argument, and its strip knows no white
// space but ASCII's.
func jinjaMethods() exec.Methods {
	str := make(map[string]exec.Method[string])
	for _, name := range []string{"capitalize", "count", "endswith", "find", "index", "isalnum", "isalpha", "isdigit", "isspace",
		"join", "lower", "partition", "removeprefix", "removesuffix", "rfind", "rpartition", "rsplit", "split", "splitlines",
		"startswith", "title", "upper"} {
		if m, ok := methods.All.Str.Get(name); ok {
			str[name] = func(self string, value *exec.Value, arguments *exec.VarArgs) (any, error) {
				if name == "join" && len(arguments.Args) > 0 && len(self)*arguments.Args[0].Len() > max(maxJoined, len(self)) {
					return nil, fmt.Errorf("join with %d bytes: too much text", len(self))
				}
				return m(self, value, arguments)
			}
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
	str["replace"] = replace
	str["strip"], str["lstrip"], str["rstrip"] = strip(true, true), strip(true, false), strip(false, true)
	all := methods.All
	all.Str = exec.NewMethodSet(str)
	all.List, all.Dict = only(all.List, []string{"reverse", "copy"}), only(all.Dict, []string{"keys", "values", "items", "get", "copy"})
	return all
}

// replace is Python's, whose third argument the library's wants always.
func replace(self string, _ *exec.Value, arguments *exec.VarArgs) (any, error) {
	var old, with string
	count := -1
	if err := arguments.Take(exec.PositionalArgument("old", nil, exec.StringArgument(&old)), exec.PositionalArgument("new", nil, exec.StringArgument(&with)),
		exec.PositionalArgument("count", exec.AsValue(-1), exec.IntArgument(&count))); err != nil {
		return nil, exec.ErrInvalidCall(err)
	}
	if n := strings.Count(self, old); n*len(with) > max(maxJoined, len(self)) {
		return nil, fmt.Errorf("replace makes %d bytes: too much text", n*len(with))
	}
	return strings.Replace(self, old, with, count), nil
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
	if err := checkNesting(source, c); err != nil {
		return nil, err
	}
	return exec.NewTemplate(jinjaRoot, c, noFiles{source}, jinjaEnvironment())
}

// render executes a template.
func render(t *exec.Template, values map[string]any) (out string, err error) {
	defer recovered(&err)
	values = maps.Clone(values)
	given := math.MaxInt
	if err := measure(reflect.ValueOf(values), &given, 0); err != nil {
		return "", err
	}
	l := &limits{value: maxValue + 8*(math.MaxInt-given), deadline: time.Now().Add(maxSeconds * time.Second)}
	values[limitsName] = l
	var text strings.Builder
	left := rangeBudget(maxRange)
	values["range"] = left.numbers
	if err := t.Execute(&boundedWriter{&text, l}, exec.NewContext(values)); err != nil {
		return "", err
	}
	return text.String(), nil
}

// recovered makes an error of a panic: the library has some, and the template is
// not ours.
func recovered(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("the template's interpreter stopped: %v", r)
	}
}

// A boundedWriter is where a template writes.
type boundedWriter struct {
	to     io.Writer
	limits *limits
}

// Write panics past a bound, which render makes an error: the library goes on
// where a writer returns one.
func (w *boundedWriter) Write(p []byte) (int, error) {
	if w.limits.written += len(p); w.limits.written > maxRendered {
		panic(fmt.Errorf("it writes more than %d bytes", maxRendered))
	}
	if err := w.limits.time(); err != nil {
		panic(err)
	}
	return w.to.Write(p)
}

// only keeps the methods of those names: none that changes what it is called on, which
// could put a list into itself.
func only[T any](all *exec.MethodSet[T], names []string) *exec.MethodSet[T] {
	kept := make(map[string]exec.Method[T])
	for _, name := range names {
		if m, ok := all.Get(name); ok {
			kept[name] = m
		}
	}
	return exec.NewMethodSet(kept)
}

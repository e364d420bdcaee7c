package tokenizer

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/nikolalohinski/gonja/v2/builtins"
	controls "github.com/nikolalohinski/gonja/v2/builtins/control_structures"
	"github.com/nikolalohinski/gonja/v2/config"
	"github.com/nikolalohinski/gonja/v2/exec"
	"github.com/nikolalohinski/gonja/v2/nodes"
	"github.com/nikolalohinski/gonja/v2/parser"
	"github.com/nikolalohinski/gonja/v2/tokens"
)

// The interpreter recurses with the template's nesting and keeps whatever it is
// told to make, and in Go neither a stack nor a heap that is full can be caught.
// So nothing may come near: what is written is limited before it is parsed, and what
// a name is given, wherever a template can give one, before the next step uses it. An
// operator makes a value from two that are limited; what makes more of less
// (repetition, padding, filler text) is left out.
const (
	maxTokens  = 200     // in one tag or expression; published templates have at most some 60
	maxCalls   = 16      // in one tag; the library looks at what a method is called on twice, so a chain doubles
	maxNested  = 48      // brackets, blocks, calls of macros, lists in lists
	maxNumber  = 16      // the width of an indent
	maxValue   = 1 << 14 // bytes of a value, beside 8 times those that the caller gives
	maxRounds  = 100_000 // of all loops together
	maxSeconds = 5       // of one rendering, whatever it does
)

// checkNesting refuses a template that is nested too deep to be parsed, or multiplies.
func checkNesting(source string, c *config.Config) error {
	blocks, brackets, count, calls := 0, 0, 0, 0
	tag, assigned := "", false
	var before tokens.Type
	for stream := tokens.LexAll(source, c); !stream.End(); stream.Next() {
		t := stream.Current()
		count++
		switch t.Type {
		case tokens.BlockBegin, tokens.VariableBegin:
			brackets, count, calls, tag, assigned = 0, 0, 0, "", false
		case tokens.LeftParenthesis, tokens.LeftBracket, tokens.LeftBrace:
			brackets++
			if t.Type == tokens.LeftParenthesis && before == tokens.Name {
				calls++
			}
		case tokens.RightParenthesis, tokens.RightBracket, tokens.RightBrace:
			brackets--
		case tokens.Multiply, tokens.Power:
			if tag != "macro" { // whose head may say *args
				return fmt.Errorf("line %d: the operator %s has no support here", t.Line, t.Val)
			}
		case tokens.Assign:
			assigned = assigned || brackets == 0
		case tokens.Name:
			if before == tokens.BlockBegin {
				tag = t.Val
			}
		case tokens.BlockEnd:
			switch tag {
			case "for", "if", "macro":
				blocks++
			case "set":
				if !assigned {
					blocks++
				}
			case "endfor", "endif", "endmacro", "endset":
				blocks--
			}
		}
		if brackets > maxNested || count > maxTokens || calls > maxCalls {
			return fmt.Errorf("line %d: an expression has more than %d parts, %d calls, or %d brackets in one another", t.Line, maxTokens, maxCalls, maxNested)
		}
		if blocks > maxNested {
			return fmt.Errorf("line %d: more than %d blocks in one another", t.Line, maxNested)
		}
		before = t.Type
	}
	return nil
}

// limits are what is left to one rendering.
type limits struct {
	value    int // bytes of a value
	depth    int // of macros in one another
	rounds   int // of loops
	written  int // bytes
	deadline time.Time
}

// limitsName is under what the limits lie among the variables: no name that a template can write.
const limitsName = "\x00limits"

func limitsOf(c *exec.Context) *limits {
	v, _ := c.Get(limitsName)
	l, ok := v.(*limits)
	if !ok {
		return &limits{} // of no rendering of ours: nothing is left
	}
	return l
}

func (l *limits) time() error {
	if time.Now().After(l.deadline) {
		return fmt.Errorf("it takes longer than %d s", maxSeconds)
	}
	return nil
}

// check refuses a value that is too large or nested too deep, in itself for one.
func (l *limits) check(v any) error {
	left := l.value
	if err := measure(reflect.ValueOf(v), &left, 0); err != nil {
		return err
	}
	return l.time()
}

// measure takes the size of a value from left.
func measure(v reflect.Value, left *int, depth int) error {
	if depth > 3*maxNested { // a value's wrapper is a level of its own
		return fmt.Errorf("a value is nested deeper than %d levels", maxNested)
	}
	*left--
	if v.Kind() == reflect.String {
		*left -= v.Len()
	}
	if *left < 0 {
		return errors.New("a value grows too large")
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if w, ok := v.Interface().(*exec.Value); ok && w != nil {
			return measure(w.Val, left, depth+1)
		}
		if !v.IsNil() {
			return measure(v.Elem(), left, depth+1)
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			if err := measure(v.Index(i), left, depth+1); err != nil {
				return err
			}
		}
	case reflect.Map:
		for it := v.MapRange(); it.Next(); {
			if err := errors.Join(measure(it.Key(), left, depth+1), measure(it.Value(), left, depth+1)); err != nil {
				return err
			}
		}
	case reflect.Struct: // the library's Dict and Pair
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				if err := measure(v.Field(i), left, depth+1); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// A limited is a control structure that heeds the limits.
type limited struct {
	exec.ControlStructure
	name string // that a set gives a value to, or to a part of
}

// Execute runs the structure; what gives values to names is looked at.
func (c limited) Execute(r *exec.Renderer, tag *nodes.ControlStructureBlock) error {
	names := r.Environment.Context
	l := limitsOf(names)
	if err := l.time(); err != nil {
		return err
	}
	switch s := c.ControlStructure.(type) {
	case *controls.ForControlStructure:
		if s.Recursive {
			return errors.New("a recursive for has no support here")
		}
		list := r.Eval(s.ObjectEvaluator)
		if list.IsError() {
			return list
		}
		if err := l.check(list); err != nil {
			return err
		}
		if l.rounds += list.Len(); l.rounds > maxRounds {
			return fmt.Errorf("more than %d rounds of loops", maxRounds)
		}
		if _, ok := r.Output.(*boundedWriter); !ok { // it is the text of a macro, or of a set
			inner := r.Output
			r.Output = &boundedWriter{inner, l}
			defer func() { r.Output = inner }()
		}
		once := *s // evaluated and looked at, and not evaluated again
		const name = "\x00list"
		names.Set(name, list)
		once.ObjectEvaluator = &nodes.Name{Name: &tokens.Token{Type: tokens.Name, Val: name}}
		return once.Execute(r, tag)
	case *controls.MacroControlStructure:
		if err := s.Execute(r, tag); err != nil {
			return err
		}
		if macro, ok := names.Get(s.Name); ok {
			if f, ok := macro.(exec.Macro); ok {
				names.Set(s.Name, l.macro(f))
			}
		}
		return nil
	case *controls.SetControlStructure:
		if err := s.Execute(r, tag); err != nil {
			return err
		}
		v, _ := names.Get(c.name)
		return l.check(v)
	}
	return c.ControlStructure.Execute(r, tag)
}

// macro limits the calls of a macro.
func (l *limits) macro(f exec.Macro) exec.Macro {
	return func(params *exec.VarArgs) *exec.Value {
		if l.depth++; l.depth > maxNested {
			return exec.AsValue(fmt.Errorf("more than %d macros in one another", maxNested))
		}
		defer func() { l.depth-- }()
		for _, v := range params.Args {
			if err := l.check(v); err != nil {
				return exec.AsValue(err)
			}
		}
		for _, v := range params.KwArgs {
			if err := l.check(v); err != nil {
				return exec.AsValue(err)
			}
		}
		out := f(params)
		if err := l.check(out); err != nil {
			return exec.AsValue(err)
		}
		return out
	}
}

// limitedTag makes a parser of structures that heed the limits.
func limitedTag(parse parser.ControlStructureParser) parser.ControlStructureParser {
	return func(p, args *parser.Parser) (nodes.ControlStructure, error) {
		name := ""
		if t := args.Current(); t != nil {
			name = t.Val
		}
		s, err := parse(p, args)
		if inner, ok := s.(exec.ControlStructure); ok && err == nil {
			return limited{inner, name}, nil
		}
		return s, err
	}
}

// jinjaFilters are the library's, without those that pad or make up text.
func jinjaFilters() *exec.FilterSet {
	filters := make(map[string]exec.FilterFunction)
	for _, name := range []string{"abs", "capitalize", "d", "default", "dictsort", "e", "escape", "first", "float", "indent", "int", "items",
		"join", "last", "length", "count", "list", "lower", "map", "max", "min", "reject", "rejectattr", "replace", "reverse", "round", "safe",
		"select", "selectattr", "sort", "string", "sum", "title", "tojson", "trim", "upper", "wordcount"} {
		f, ok := builtins.Filters.Get(name)
		if !ok {
			continue
		}
		filters[name] = func(e *exec.Evaluator, in *exec.Value, params *exec.VarArgs) *exec.Value {
			l := limitsOf(e.Environment.Context)
			if err := l.checkCall(name, in, params); err != nil {
				return exec.AsValue(err)
			}
			out := f(e, in, params)
			if err := l.check(out); err != nil && !out.IsError() {
				return exec.AsValue(err)
			}
			return out
		}
	}
	return exec.NewFilterSet(filters)
}

// widens are the filters that take the width of an indent.
var widens = map[string]bool{"indent": true, "tojson": true}

// checkCall refuses arguments that a filter would make too much of.
func (l *limits) checkCall(name string, in *exec.Value, params *exec.VarArgs) error {
	if err := l.check(in); err != nil {
		return err
	}
	args := slices.Clone(params.Args)
	for _, v := range params.KwArgs {
		args = append(args, v)
	}
	longest := 0
	for _, v := range args {
		if widens[name] && v.IsInteger() && v.Integer() > maxNumber {
			return fmt.Errorf("the filter %s with %d, want at most %d", name, v.Integer(), maxNumber)
		}
		if v.IsString() {
			longest = max(longest, len(v.String()))
		}
		if err := l.check(v); err != nil {
			return err
		}
	}
	return l.replacing(name, len(in.String()), longest)
}

// replacing refuses what could put so many copies of a text into another.
func (l *limits) replacing(name string, in, text int) error {
	if (name == "replace" || name == "join" || name == "indent") && (in+1)*(text+1) > 64*l.value {
		return fmt.Errorf("%s of %d bytes within %d grows too large", name, text, in)
	}
	return nil
}

// Package gx is the one boundary between this module and GoMLX: it opens
// backends, makes executors, and turns every panic of graph-building code into
// an error. No other package creates an executor or recovers.
//
// The device's memory is not the garbage collector's: outputs of a call belong
// to the caller, who finalises them with [Free] or donates them to a later call.
package gx

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gomlx/compute"
	_ "github.com/gomlx/compute/gobackend" // the slow pure-Go backend, for tiny tests
	"github.com/gomlx/go-xla/compute/xla"
	"github.com/gomlx/go-xla/pjrt"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
)

// Open starts the backend that spec names as GOMLX_BACKEND does: "xla:cpu",
// "xla:cuda", "xla:/path/to/plugin.so" or "go". An empty spec is an error,
// because GoMLX would answer it with its slow Go backend and say nothing.
func Open(spec string) (be compute.Backend, err error) {
	if strings.TrimSpace(spec) == "" {
		return nil, fmt.Errorf("gx: no backend named; set GOMLX_BACKEND, for example to xla:cpu")
	}
	xla.EnableAutoInstall(false) // set-up installs plugins, not a training run
	if err := setFlags(spec); err != nil {
		return nil, fmt.Errorf("gx: backend %q: %w", spec, err)
	}
	if err := guard(func() { be, err = newBackend(spec) }); err != nil {
		return nil, fmt.Errorf("gx: backend %q: %w", spec, err)
	}
	if err != nil {
		return nil, fmt.Errorf("gx: backend %q: %w", spec, err)
	}
	if err := checkStale(be); err != nil {
		return nil, err
	}
	return be, nil
}

// newBackend opens the backend. XLA's CPU plugin would show four devices and keep
// a thread for each, which wait in busy loops for what the cores are needed for;
// one device has as many threads as there are cores, and all cores still work on
// one program.
func newBackend(spec string) (compute.Backend, error) {
	kind, plugin, _ := strings.Cut(spec, ":")
	name, _, _ := strings.Cut(filepath.Base(plugin), ",")
	if kind != xla.BackendName || !strings.Contains(name, "cpu") {
		return compute.NewWithConfig(spec)
	}
	return xla.NewWithOptions(plugin, pjrt.NamedValuesMap{"cpu_device_count": int64(1)})
}

// guard runs f and returns what it panics with as an error.
func guard(f func()) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = asError(r)
		}
	}()
	f()
	return nil
}

func asError(r any) error {
	if e, ok := r.(error); ok {
		return e
	}
	return fmt.Errorf("%v", r)
}

// A Program is a graph function compiled once per combination of input shapes.
// It is not safe for concurrent calls that donate the same tensors.
type Program struct {
	name string
	be   compute.Backend
	exec *graph.Exec
	err  error // of making exec, returned by Call

	mu      sync.Mutex
	seen    map[string]bool // input shapes compiled so far
	compile time.Duration
}

// NewProgram prepares fn, which maps input nodes to output nodes, for
// execution. Nothing is compiled before the first Call. fn may panic with
// anything: Call returns it as an error.
func NewProgram(be compute.Backend, name string, fn func(in []*graph.Node) []*graph.Node) *Program {
	p := &Program{name: name, be: be, seen: map[string]bool{}}
	p.err = guard(func() {
		var err error
		p.exec, err = graph.NewExec(be, func(in []*graph.Node) (out []*graph.Node) {
			// A panic that is no error escapes from GoMLX and makes the next call
			// with these shapes wait for ever, so it becomes an error in here.
			defer func() {
				if r := recover(); r != nil {
					panic(asError(r))
				}
			}()
			out = fn(in)
			if slices.Contains(out, nil) {
				panic(fmt.Errorf("output %d is nil", slices.Index(out, nil)))
			}
			return out
		})
		if err != nil {
			panic(err)
		}
	})
	return p
}

// Donated marks a tensor whose device buffer the call may reuse; the tensor is
// gone afterwards, whether the call succeeds or fails.
type Donated struct{ *tensors.Tensor }

// Donate marks tensors for donation.
func Donate(ts []*tensors.Tensor) []any {
	in := make([]any, len(ts))
	for i, t := range ts {
		in[i] = Donated{t}
	}
	return in
}

// Keep lists tensors as inputs that stay valid after the call.
func Keep(ts []*tensors.Tensor) []any {
	in := make([]any, len(ts))
	for i, t := range ts {
		in[i] = t
	}
	return in
}

// Call runs the program. Inputs are *tensors.Tensor, Donated, or Go values that
// tensors.FromAnyValue takes. The outputs belong to the caller.
func (p *Program) Call(in ...any) (out []*tensors.Tensor, err error) {
	if p.err != nil {
		return nil, fmt.Errorf("gx: program %s: %w", p.name, firstLine(p.err))
	}
	defer p.clock(in, &err)()
	callErr := guard(func() {
		args := slices.Clone(in)
		for i, a := range args {
			switch a := a.(type) {
			case Donated:
				if args[i], err = graph.DonateTensorBuffer(a.Tensor, p.be, 0); err != nil {
					return
				}
			case nil:
				panic(fmt.Errorf("input %d is nil", i))
			}
		}
		out, err = p.exec.Call(args...)
	})
	if callErr != nil {
		err = callErr
	}
	if err != nil {
		return nil, fmt.Errorf("gx: program %s: %w", p.name, firstLine(err))
	}
	return out, nil
}

// Compiling reports whether a call with these inputs would have to compile.
func (p *Program) Compiling(in ...any) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.seen[shapesOf(in)]
}

// CompileTime is the time spent so far in first calls: building, compiling and
// running once, per combination of shapes.
func (p *Program) CompileTime() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.compile
}

// Name returns the program's name.
func (p *Program) Name() string { return p.name }

// clock notes the shapes of a call and, if it is their first to succeed, its time.
func (p *Program) clock(in []any, err *error) func() {
	key := shapesOf(in)
	p.mu.Lock()
	first := !p.seen[key]
	p.mu.Unlock()
	if !first {
		return func() {}
	}
	start := time.Now()
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.seen[key] = p.seen[key] || *err == nil
		p.compile += time.Since(start)
	}
}

func shapesOf(in []any) string {
	var b strings.Builder
	for _, a := range in {
		switch a := a.(type) {
		case Donated:
			b.WriteString(a.Shape().String())
		case *tensors.Tensor:
			b.WriteString(a.Shape().String())
		default:
			fmt.Fprintf(&b, "%T", a)
		}
		b.WriteByte(' ')
	}
	return b.String()
}

// firstLine drops the stack that GoMLX's errors print, but keeps the chain.
func firstLine(err error) error {
	s, _, cut := strings.Cut(err.Error(), "\n")
	if !cut {
		return err
	}
	return &shortError{s, err}
}

type shortError struct {
	text string
	err  error
}

func (e *shortError) Error() string { return e.text }
func (e *shortError) Unwrap() error { return e.err }

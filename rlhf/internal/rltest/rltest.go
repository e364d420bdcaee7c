// Package rltest is what the tests of the mathematics share: tolerances and a
// comparison that states them, golden numbers, finite differences, a runner for
// graph functions in either precision, and small random fixtures.
//
// Golden numbers are not part of the module. They are read from the folder that
// the variable HHRLHF_GOLDEN names, or from the folder golden beside the one that
// HHRLHF_DATA names; without either, the tests that need them skip and say so.
package rltest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/graph"
	"gonum.org/v1/gonum/diff/fd"

	"hhrlhf/rlhf/internal/gx"
)

// Tolerances, each on |got − want| ≤ tol·max(1, |want|).
const (
	Float32     = 1e-5 // a float32 graph against numbers of float64
	Float64     = 1e-9 // a float64 graph, or a twin, against the same
	Differences = 1e-5 // a gradient against central differences in float64
)

// Diff returns an error that names the first entry of got further than tol from
// want, entry by entry: |got − want| ≤ tol·max(1, |want|). Both are numbers,
// booleans or nested slices of them, compared in row-major order. NaN is close to
// nothing.
func Diff(got, want any, tol float64) error {
	g, w := Flat(got), Flat(want)
	if len(g) != len(w) {
		return fmt.Errorf("%d values, want %d", len(g), len(w))
	}
	for i := range g {
		if d := math.Abs(g[i] - w[i]); !(d <= tol*math.Max(1, math.Abs(w[i]))) {
			return fmt.Errorf("entry %d is %.12g, want %.12g: off by %.3g, tolerance %.3g", i, g[i], w[i], d, tol)
		}
	}
	return nil
}

// Close reports an error if got is further than tol from want, see [Diff].
func Close(t testing.TB, what string, got, want any, tol float64) {
	t.Helper()
	if err := Diff(got, want, tol); err != nil {
		t.Errorf("%s: %v", what, err)
	}
}

// NotClose reports an error if got is within tol of want: the negative that shows
// that a tolerance can fail, or that a known mistake is not ours.
func NotClose(t testing.TB, what string, got, want any, tol float64) {
	t.Helper()
	if Diff(got, want, tol) == nil {
		t.Errorf("%s: within %.3g of what it must differ from", what, tol)
	}
}

// Flat returns the numbers of x in row-major order. x is a number, a boolean
// (true is 1) or a slice of such, nested to any depth.
func Flat(x any) []float64 { return flatten(nil, reflect.ValueOf(x)) }

func flatten(out []float64, v reflect.Value) []float64 {
	switch {
	case v.Kind() == reflect.Interface:
		return flatten(out, v.Elem())
	case v.Kind() == reflect.Slice:
		for i := range v.Len() {
			out = flatten(out, v.Index(i))
		}
		return out
	case v.Kind() == reflect.Bool:
		if v.Bool() {
			return append(out, 1)
		}
		return append(out, 0)
	case v.CanFloat():
		return append(out, v.Float())
	case v.CanInt():
		return append(out, float64(v.Int()))
	}
	panic(fmt.Errorf("rltest: no number in a %v", v.Kind()))
}

// Gradient returns the central-difference gradient of f at x. f may be called in
// any order; its argument must not be kept.
func Gradient(f func([]float64) float64, x []float64) []float64 {
	return fd.Gradient(nil, f, x, &fd.Settings{Formula: fd.Central})
}

// Run is [Compile] and one call.
func Run(t testing.TB, dtype dtypes.DType, fn func(in []*graph.Node) []*graph.Node, in ...any) [][]float64 {
	t.Helper()
	return Compile(t, dtype, fn)(in...)
}

// Compile makes fn a program on the tests' backend. Calling it returns each
// output flattened to float64. Floats of the inputs, nested slices included, are
// converted to dtype (Float32 or Float64); other inputs go in as they are.
func Compile(t testing.TB, dtype dtypes.DType, fn func(in []*graph.Node) []*graph.Node) func(in ...any) [][]float64 {
	t.Helper()
	program := gx.NewProgram(gx.TestBackend(t), t.Name(), fn)
	return func(in ...any) [][]float64 {
		t.Helper()
		args := make([]any, len(in))
		for i, x := range in {
			args[i] = convert(x, dtype)
		}
		outs, err := program.Call(args...)
		if err != nil {
			t.Fatalf("%v", err)
		}
		defer gx.Free(outs...)
		flat := make([][]float64, len(outs))
		for i, o := range outs {
			flat[i] = Flat(o.Value())
		}
		return flat
	}
}

func convert(x any, dtype dtypes.DType) any {
	if dtype == dtypes.Float64 {
		return x
	}
	switch x := x.(type) {
	case float64:
		return float32(x)
	case []float64:
		y := make([]float32, len(x))
		for i, v := range x {
			y[i] = float32(v)
		}
		return y
	case [][]float64:
		return each[[]float64, []float32](x, dtype)
	case [][][]float64:
		return each[[][]float64, [][]float32](x, dtype)
	}
	return x
}

func each[In, Out any](x []In, dtype dtypes.DType) []Out {
	y := make([]Out, len(x))
	for i, v := range x {
		y[i] = convert(v, dtype).(Out)
	}
	return y
}

// Rand returns the generator of a test, the same in every run.
func Rand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }

// Matrix returns b rows of r standard normal values.
func Matrix(rng *rand.Rand, b, r int) [][]float64 {
	x := make([][]float64, b)
	for i := range x {
		x[i] = make([]float64, r)
		for j := range x[i] {
			x[i][j] = rng.NormFloat64()
		}
	}
	return x
}

// PrefixMask returns b rows whose first n entries of r are true, n drawn from 0
// to r for each row, and the first row full.
func PrefixMask(rng *rand.Rand, b, r int) [][]bool {
	mask := make([][]bool, b)
	for i := range mask {
		n := rng.IntN(r + 1)
		if i == 0 {
			n = r
		}
		mask[i] = make([]bool, r)
		for j := range n {
			mask[i][j] = true
		}
	}
	return mask
}

// Poison returns a copy of x with v wherever mask is false: what padding may hold
// and must not matter.
func Poison(x [][]float64, mask [][]bool, v float64) [][]float64 {
	y := make([][]float64, len(x))
	for i := range x {
		y[i] = append([]float64(nil), x[i]...)
		for j := range y[i] {
			if !mask[i][j] {
				y[i][j] = v
			}
		}
	}
	return y
}

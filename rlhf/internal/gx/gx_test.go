package gx_test

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	. "github.com/gomlx/gomlx/core/graph"

	"hhrlhf/rlhf/internal/gx"
)

// A string panic escapes from GoMLX's executor and makes the next call with the
// same shapes wait for ever; ours returns an error, both times, and recovers.
func TestPanicsBecomeErrors(t *testing.T) {
	be := gx.TestBackend(t)
	for name, value := range map[string]any{"string": "a string", "error": errors.New("an error"), "number": 7} {
		fail := true
		p := gx.NewProgram(be, name, func(in []*Node) []*Node {
			if fail {
				panic(value)
			}
			return []*Node{AddScalar(in[0], 1)}
		})
		for range 2 {
			if _, err := p.Call(float32(1)); err == nil || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s: error %v, want one line that names the program", name, err)
			}
		}
		fail = false
		out, err := p.Call(float32(1))
		if err != nil {
			t.Fatal(err)
		}
		if v, err := gx.Scalar[float32](out[0]); err != nil || v != 2 {
			t.Errorf("%s: after recovery %v, %v, want 2", name, v, err)
		}
	}
	p := gx.NewProgram(be, "nil output", func(in []*Node) []*Node { return []*Node{in[0], nil} })
	if _, err := p.Call(float32(1)); err == nil || !strings.Contains(err.Error(), "output 1 is nil") {
		t.Errorf("nil output: %v", err)
	}
}

func TestDonation(t *testing.T) {
	be := gx.TestBackend(t)
	p := gx.NewProgram(be, "plus one", func(in []*Node) []*Node { return []*Node{AddScalar(in[0], 1)} })
	x, err := gx.Flat(be, []float32{1, 2, 3}, 3)
	if err != nil {
		t.Fatal(err)
	}
	first := x
	for range 3 {
		out, err := p.Call(gx.Donated{Tensor: x})
		if err != nil {
			t.Fatal(err)
		}
		x = out[0]
	}
	if v, err := gx.Values[float32](x); err != nil || !slices.Equal(v, []float32{4, 5, 6}) {
		t.Errorf("%v, %v", v, err)
	}
	// A donated tensor that lived on the device alone is gone.
	if _, err := p.Call(gx.Donated{Tensor: x}); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Call(x); err == nil {
		t.Error("a donated tensor can be used again")
	}
	gx.Free(first, x, nil)
}

func TestRows(t *testing.T) {
	be := gx.TestBackend(t)
	for left, want := range map[bool][]int32{false: {1, 9, 9, 2, 3, 9}, true: {9, 9, 1, 9, 2, 3}} {
		x, err := gx.Rows(be, [][]int32{{1}, {2, 3}}, 3, 9, left)
		if err != nil {
			t.Fatal(err)
		}
		if v, err := gx.Values[int32](x); err != nil || !slices.Equal(v, want) {
			t.Errorf("left %v: %v, %v, want %v", left, v, err, want)
		}
	}
	if _, err := gx.Rows(be, [][]int32{{1, 2}}, 1, 0, false); err == nil || !strings.Contains(err.Error(), "row 0 has 2 values, want at most 1") {
		t.Errorf("long row: %v", err)
	}
	if _, err := gx.Flat(be, []int32{1, 2}, 3); err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("wrong dimensions: %v", err)
	}
}

const staleEnv = "RLHF_GX_TEST_STALE"

// TestStaleChild opens a backend with the XLA_FLAGS that it was started with, and says
// what its products come to, to the last bit.
func TestStaleChild(t *testing.T) {
	spec := os.Getenv(staleEnv)
	if spec == "" {
		t.Skip("only a child process of TestStaleWeights runs this")
	}
	be, err := gx.Open(spec)
	if err != nil {
		t.Log("refused: ", err)
		return
	}
	product := gx.NewProgram(be, "product", func(in []*Node) []*Node { return []*Node{Dot(in[0], in[1]).Product()} })
	sum := crc32.NewIEEE()
	for _, dims := range gx.StaleProducts {
		n, k, m := dims[0], dims[1], dims[2]
		x, err := gx.Flat(be, gx.Ramp(n*k, 1), n, k)
		if err != nil {
			t.Fatal(err)
		}
		w, err := gx.Flat(be, gx.Ramp(k*m, 1), k, m)
		if err != nil {
			t.Fatal(err)
		}
		out, err := product.Call(x, w)
		if err != nil {
			t.Fatal(err)
		}
		values, err := gx.Values[float32](out[0])
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range values {
			binary.Write(sum, binary.LittleEndian, v)
		}
	}
	t.Logf("products %08x", sum.Sum32())
}

// The defect that Open guards against is real in the plugin at hand, and Open
// notices it when its cure is switched off: the check can fail.
func TestStaleWeights(t *testing.T) {
	spec, err := gx.TestSpec()
	if err != nil {
		t.Fatal(err)
	}
	gx.TestBackend(t) // passes the check with the cure in place
	if !strings.Contains(os.Getenv("XLA_FLAGS"), "xnnpack") {
		t.Skip("the plugin has no XNNPACK flag, so there is nothing to switch on")
	}
	child := func(flag string) string {
		cmd := exec.Command(os.Args[0], "-test.run=^TestStaleChild$", "-test.v")
		cmd.Env = append(os.Environ(), staleEnv+"="+spec, "XLA_FLAGS=--xla_cpu_use_xnnpack="+flag)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return string(out)
	}
	on := child("true")
	if strings.Contains(on, "stale weights") && strings.Contains(on, "XLA_FLAGS=--xla_cpu_use_xnnpack=false") {
		return
	}
	products := regexp.MustCompile(`products \w+`)
	with, without := products.FindString(on), products.FindString(child("false"))
	if with == "" || with != without {
		t.Fatalf("XNNPACK takes products (%q, without it %q), and the check passes; it cannot see the defect:\n%s", with, without, on)
	}
	t.Skip("on this processor XNNPACK takes no product, though it is on: they are the same bits without it; so the defect cannot be had here")
}

func TestOpenErrors(t *testing.T) {
	for spec, want := range map[string]string{"": "GOMLX_BACKEND", " ": "GOMLX_BACKEND", "abacus": "abacus", "xla:/nowhere.so": "/nowhere.so"} {
		if _, err := gx.Open(spec); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Open(%q): %v, want an error with %q", spec, err, want)
		}
	}
}

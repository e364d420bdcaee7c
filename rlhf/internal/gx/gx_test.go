package gx_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"hhrlhf/rlhf/internal/gx"

	. "github.com/gomlx/gomlx/core/graph"
)

func TestStringPanicBecomesErrorTwice(t *testing.T) {
	be, err := gx.Open(os.Getenv("GOMLX_BACKEND"))
	if err != nil {
		t.Fatal(err)
	}
	fail := true
	p := gx.NewProgram(be, "fails-once", func(in []*Node) []*Node {
		if fail {
			panic("a string") // the kind that would leave GoMLX's executor waiting for ever
		}
		return []*Node{AddScalar(in[0], 1)}
	})
	for range 2 {
		_, err = p.Call(float32(1))
		if err == nil || !strings.Contains(err.Error(), "a string") || strings.Contains(err.Error(), "\n") {
			t.Fatalf("err = %v", err)
		}
	}
	fail = false
	out, err := p.Call(float32(1))
	if err != nil {
		t.Fatal(err)
	}
	v, err := gx.Scalar[float32](out[0])
	fmt.Println(v, err, p.CompileTime())
	// donate
	x, _ := gx.Flat(be, []float32{1, 2, 3}, 3)
	for i := range 3 {
		out, err := p.Call(gx.Donated{x})
		if err != nil {
			t.Fatal(i, err)
		}
		x = out[0]
	}
	fmt.Println(gx.Values[float32](x))
}

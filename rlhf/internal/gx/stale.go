package gx

import (
	"fmt"
	"math"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
)

// staleProducts are [n, k] by [k, m]. Which products XNNPACK takes on depends on the
// processor: the first on one Zen 4, the second on another. Smaller ones it leaves to others.
var staleProducts = [][3]int{{1792, 512, 128}, {1024, 1024, 128}}

// checkStale multiplies by a matrix whose content changes at one address, as
// weights do in training, and compares with what the new content gives. A
// backend that fails would train on some wrong products and never say so.
func checkStale(be compute.Backend) error {
	if !be.HasSharedBuffers() {
		return nil // nothing can change in place
	}
	for _, dims := range staleProducts {
		if err := checkProduct(be, dims[0], dims[1], dims[2]); err != nil {
			return err
		}
	}
	return nil
}

// checkProduct multiplies [n, k] by a [k, m] that changes in place.
func checkProduct(be compute.Backend, n, k, m int) error {
	product := NewProgram(be, "stale weights check", func(in []*graph.Node) []*graph.Node {
		return []*graph.Node{graph.Dot(in[0], in[1]).Product()}
	})
	x, err := Flat(be, ramp(n*k, 1), n, k)
	if err != nil {
		return err
	}
	w, err := tensors.FromShapeForBackend(be, 0, shapes.Make(dtypes.Float32, k, m))
	if err != nil {
		return fmt.Errorf("gx: %w", firstLine(err))
	}
	defer Free(x, w)
	for _, scale := range []float32{1, -3} {
		err := tensors.MutableFlatData(w, func(flat []float32) { copy(flat, ramp(k*m, scale)) })
		if err != nil {
			return fmt.Errorf("gx: %w", firstLine(err))
		}
		out, err := product.Call(x, w)
		if err != nil {
			return err
		}
		got, err := Values[float32](out[0])
		Free(out...)
		if err != nil {
			return err
		}
		want := 0.0
		left, right := ramp(k, 1), ramp(k*m, scale)
		for i := range k {
			want += float64(left[i]) * float64(right[i*m])
		}
		if math.Abs(float64(got[0])-want) > 1e-3 {
			return fmt.Errorf("gx: this backend multiplies by stale weights (%g instead of %g after an operand changed in place); set XLA_FLAGS=%s, or use another plugin", got[0], want, noXNNPACK)
		}
	}
	return nil
}

// ramp is a fixed sequence in (-scale, scale) that float32 cannot hold exactly, so that
// the order of a sum of products shows in its last bits.
func ramp(n int, scale float32) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = scale * (float32(i*7%19)/19 - 0.5)
	}
	return out
}

package gx

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
)

// XLA's CPU backend may hand matrix products to XNNPACK, which packs the
// right-hand side once and keeps the packing for as long as the operand stays at
// one address. New weights that the allocator happens to place where old ones
// stood are then multiplied as if they were the old ones: no error, only wrong
// numbers, in some steps of some runs. Known to be so in the plugin of the wheel
// xla-cpu-pjrt 0.0.1 (PJRT API 0.81).
const noXNNPACK = "--xla_cpu_use_xnnpack=false"

// disableXNNPACK sets the flag in XLA_FLAGS if the plugin that spec names by its
// path knows it; XLA ends the process at a flag that it does not know. A choice
// that the user has made stays.
func disableXNNPACK(spec string) error {
	_, plugin, _ := strings.Cut(spec, ":")
	name, _, _ := strings.Cut(noXNNPACK, "=")
	flags := os.Getenv("XLA_FLAGS")
	if !filepath.IsAbs(plugin) || strings.Contains(flags, name) {
		return nil
	}
	known, err := fileContains(plugin, strings.TrimPrefix(name, "--"))
	if err != nil || !known {
		return err
	}
	return os.Setenv("XLA_FLAGS", strings.TrimSpace(flags+" "+noXNNPACK))
}

// fileContains searches a file in blocks, for a plugin has hundreds of megabytes.
func fileContains(path, text string) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	buf, kept := make([]byte, 1<<20), 0
	for {
		n, err := f.Read(buf[kept:])
		if bytes.Contains(buf[:kept+n], []byte(text)) {
			return true, nil
		}
		if err == io.EOF {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		// A match may straddle two blocks.
		last := max(0, kept+n-len(text))
		kept = copy(buf, buf[last:kept+n])
	}
}

// checkStale multiplies by a matrix whose content changes at one address, as
// weights do in training, and compares with what the new content gives. A
// backend that fails would train on some wrong products and never say so.
func checkStale(be compute.Backend) error {
	if !be.HasSharedBuffers() {
		return nil // nothing can change in place
	}
	const n, k, m = 1792, 512, 128 // a product that XNNPACK takes on; smaller ones it leaves to others
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

// ramp is a fixed sequence in (-scale, scale).
func ramp(n int, scale float32) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = scale * (float32(i*7%19)/19 - 0.5)
	}
	return out
}

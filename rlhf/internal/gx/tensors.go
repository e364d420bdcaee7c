package gx

import (
	"fmt"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes/gotype"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/tensors"
)

// Free finalises tensors; nil ones are passed over.
func Free(ts ...*tensors.Tensor) {
	for _, t := range ts {
		if t != nil {
			// A tensor that was donated has nothing left to free and says so.
			_ = t.FinalizeAll()
		}
	}
}

// Flat makes a tensor of the given dimensions from values in row-major order.
func Flat[T gotype.Supported](be compute.Backend, values []T, dims ...int) (*tensors.Tensor, error) {
	var t *tensors.Tensor
	err := guard(func() {
		t = tensors.FromFlatDataAndDimensions(values, dims...)
	})
	if err != nil {
		return nil, fmt.Errorf("gx: tensor of %d values with dimensions %v: %w", len(values), dims, firstLine(err))
	}
	return t, nil
}

// Rows makes a [len(rows), width] tensor; a shorter row is filled with pad at
// its end, or at its start if left is set.
func Rows[T gotype.Supported](be compute.Backend, rows [][]T, width int, pad T, left bool) (*tensors.Tensor, error) {
	flat := make([]T, len(rows)*width)
	for i, row := range rows {
		if len(row) > width {
			return nil, fmt.Errorf("gx: row %d has %d values, want at most %d", i, len(row), width)
		}
		out := flat[i*width : (i+1)*width]
		for j := range out {
			out[j] = pad
		}
		if left {
			out = out[width-len(row):]
		}
		copy(out, row)
	}
	return Flat(be, flat, len(rows), width)
}

// Values copies a tensor of any rank to the host in row-major order.
func Values[T gotype.Supported](t *tensors.Tensor) ([]T, error) {
	v, err := tensors.CopyFlatData[T](t)
	if err != nil {
		return nil, fmt.Errorf("gx: reading a tensor of shape %s: %w", t.Shape(), firstLine(err))
	}
	return v, nil
}

// Matrix copies a rank-2 tensor to the host.
func Matrix[T gotype.Supported](t *tensors.Tensor) ([][]T, error) {
	if t.Rank() != 2 {
		return nil, fmt.Errorf("gx: shape %s, want rank 2", t.Shape())
	}
	flat, err := Values[T](t)
	if err != nil {
		return nil, err
	}
	n, w := t.Shape().Dimensions[0], t.Shape().Dimensions[1]
	rows := make([][]T, n)
	for i := range rows {
		rows[i] = flat[i*w : (i+1)*w : (i+1)*w]
	}
	return rows, nil
}

// Scalar reads a single value.
func Scalar[T gotype.Supported](t *tensors.Tensor) (T, error) {
	v, err := Values[T](t)
	if err != nil || len(v) != 1 {
		var zero T
		return zero, fmt.Errorf("gx: shape %s is no scalar (%w)", t.Shape(), err)
	}
	return v[0], nil
}

// Clone copies tensors on the host, to be uploaded where they are used next.
func Clone(ts []*tensors.Tensor) ([]*tensors.Tensor, error) {
	out := make([]*tensors.Tensor, len(ts))
	for i, t := range ts {
		c, err := t.LocalClone()
		if err != nil {
			return nil, fmt.Errorf("gx: copying a tensor of shape %s: %w", t.Shape(), firstLine(err))
		}
		out[i] = c
	}
	return out, nil
}

// ZerosLike makes zero tensors of the same shapes.
func ZerosLike(ts []*tensors.Tensor) []*tensors.Tensor {
	out := make([]*tensors.Tensor, len(ts))
	for i, t := range ts {
		out[i] = tensors.FromShape(shapes.Make(t.DType(), t.Shape().Dimensions...))
	}
	return out
}

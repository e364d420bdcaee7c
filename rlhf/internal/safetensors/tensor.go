package safetensors

import (
	"fmt"
	"math"
)

// A Tensor is a named array as it lies in a file.
type Tensor struct {
	Name  string
	DType string // one of the keys of the format: "F32", "I32", "U64", "BF16", "BOOL", …
	Shape []int  // empty for a scalar
	Data  []byte // row-major, little-endian; len(Data) = product(Shape) × size of DType
}

// dtypeSizes are the bytes of one element, for the types of the format that fill
// whole bytes.
var dtypeSizes = map[string]int64{
	"BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1,
	"U16": 2, "I16": 2, "F16": 2, "BF16": 2,
	"U32": 4, "I32": 4, "F32": 4,
	"U64": 8, "I64": 8, "F64": 8,
}

const (
	metadataKey = "__metadata__" // holds no tensor
	maxHeader   = 100 << 20      // the limit of the reference implementation
)

// size returns the bytes that the tensor's type and shape call for.
func (t Tensor) size() (int64, error) {
	n, ok := dtypeSizes[t.DType]
	if !ok {
		return 0, fmt.Errorf("tensor %q: dtype %q is not known", t.Name, t.DType)
	}
	empty := false
	for _, d := range t.Shape {
		switch {
		case d < 0:
			return 0, fmt.Errorf("tensor %q: shape %v has a negative axis", t.Name, t.Shape)
		case d == 0:
			empty = true
		case n > math.MaxInt64/int64(d):
			return 0, fmt.Errorf("tensor %q: shape %v has more bytes than can be counted", t.Name, t.Shape)
		default:
			n *= int64(d)
		}
	}
	if empty {
		return 0, nil
	}
	return n, nil
}

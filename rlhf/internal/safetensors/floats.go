package safetensors

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Floats decodes src, elements of type "F32", "F16" or "BF16" in little-endian
// order, into dst. It is an error if the type is another or the lengths disagree.
func Floats(dst []float32, dtype string, src []byte) error {
	size := dtypeSizes[dtype]
	switch dtype {
	case "F32", "F16", "BF16":
	default:
		return fmt.Errorf("safetensors: dtype %s, want F32, F16 or BF16", dtype)
	}
	if int64(len(src)) != size*int64(len(dst)) {
		return fmt.Errorf("safetensors: %d bytes for %d elements of type %s, want %d", len(src), len(dst), dtype, size*int64(len(dst)))
	}
	switch dtype {
	case "F32":
		for i := range dst {
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:]))
		}
	case "F16":
		for i := range dst {
			dst[i] = Half(binary.LittleEndian.Uint16(src[2*i:]))
		}
	case "BF16":
		for i := range dst {
			dst[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(src[2*i:])) << 16)
		}
	}
	return nil
}

// Half returns the value of an IEEE 754 half-precision number: 1 sign bit, 5 bits
// of exponent with bias 15, 10 bits of fraction.
func Half(h uint16) float32 {
	sign, rest := uint32(h&0x8000)<<16, uint32(h&0x7fff)<<13
	if h&0x7c00 == 0x7c00 { // infinity or not a number
		return math.Float32frombits(sign | 0x7f800000 | rest)
	}
	// The exponent's bias differs by 127 - 15 = 112. Multiplying by 2¹¹² is exact,
	// and right for the subnormal numbers too.
	return math.Float32frombits(sign | math.Float32bits(math.Float32frombits(rest)*0x1p112))
}

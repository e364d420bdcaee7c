package pretrained

import (
	"encoding/binary"

	"hhrlhf/rlhf/internal/safetensors"
)

// readable lists the element types, for errors.
const readable = "F32, F16, BF16, Q8_0, Q4_0 and Q4_1"

// blocks are the element types that are read. The quantised ones are ggml's: 32
// elements share a half-precision scale d, and Q4_1 a minimum m.
//
//	Q8_0  d, 32 × int8         x_i = d·q_i
//	Q4_0  d, 16 bytes          x_i = d·(q_i − 8)
//	Q4_1  d, m, 16 bytes       x_i = d·q_i + m
//
// Byte j of the 4-bit types holds q_j in its lower half and q_{j+16} in its upper.
// Source: ggml, src/ggml-quants.c, dequantize_row_*.
var blocks = map[string]block{
	"F32":  {1, 4, plain("F32")},
	"F16":  {1, 2, plain("F16")},
	"BF16": {1, 2, plain("BF16")},
	"Q8_0": {32, 34, q8_0},
	"Q4_0": {32, 18, q4_0},
	"Q4_1": {32, 20, q4_1},
}

func plain(dtype string) func([]float32, []byte) {
	return func(dst []float32, src []byte) {
		_ = safetensors.Floats(dst, dtype, src) // the lengths agree: byteSize and read see to it
	}
}

func half(src []byte) float32 { return safetensors.Half(binary.LittleEndian.Uint16(src)) }

func q8_0(dst []float32, src []byte) {
	for ; len(dst) >= 32; dst, src = dst[32:], src[34:] {
		d, q := half(src), src[2:34]
		for i := range q {
			dst[i] = d * float32(int8(q[i]))
		}
	}
}

func q4_0(dst []float32, src []byte) {
	for ; len(dst) >= 32; dst, src = dst[32:], src[18:] {
		d, q := half(src), src[2:18]
		for i, b := range q {
			dst[i] = d * float32(int(b&15)-8)
			dst[i+16] = d * float32(int(b>>4)-8)
		}
	}
}

func q4_1(dst []float32, src []byte) {
	for ; len(dst) >= 32; dst, src = dst[32:], src[20:] {
		d, m, q := half(src), half(src[2:]), src[4:20]
		for i, b := range q {
			dst[i] = d*float32(b&15) + m
			dst[i+16] = d*float32(b>>4) + m
		}
	}
}

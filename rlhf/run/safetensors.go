package run

import (
	"fmt"
	"io"

	"hhrlhf/rlhf/internal/safetensors"
)

// A Tensor is a named array as it lies in a safetensors file.
type Tensor = safetensors.Tensor

// WriteTensors writes tensors in the safetensors format, in their order:
//
//	uint64 N, little-endian | N bytes of JSON, padded with spaces to a multiple of 8 | data
//
// It is an error, before anything is written, if two share a name or one's Data
// does not have the size that its type and shape call for.
func WriteTensors(w io.Writer, tensors []Tensor) error {
	if err := safetensors.Write(w, tensors); err != nil {
		return fmt.Errorf("run: %w", err)
	}
	return nil
}

// ReadTensors reads a safetensors file of size bytes, in the order of the data.
// Nothing that the file says is believed before it is checked against size, so a
// hostile file cannot make it allocate more than about size, and the JSON of its
// header once more.
func ReadTensors(r io.Reader, size int64) ([]Tensor, error) {
	tensors, err := safetensors.Read(r, size)
	if err != nil {
		return nil, fmt.Errorf("run: %w", err)
	}
	return tensors, nil
}

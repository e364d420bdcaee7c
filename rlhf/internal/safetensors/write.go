package safetensors

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
)

// tensorInfo is a tensor's entry in the header.
type tensorInfo struct {
	DType   string   `json:"dtype"`
	Shape   []int    `json:"shape"`
	Offsets [2]int64 `json:"data_offsets"` // begin and end, from the end of the header
}

// Write writes tensors in their order. It is an error, before anything is
// written, if two share a name or one's Data does not have the size that its type
// and shape call for.
func Write(w io.Writer, tensors []Tensor) error {
	head, err := Header(tensors, nil)
	if err != nil {
		return err
	}
	for _, t := range tensors {
		if size, _ := t.size(); int64(len(t.Data)) != size {
			return fmt.Errorf("safetensors: tensor %q: %d bytes of data, want %d for %s%v", t.Name, len(t.Data), size, t.DType, t.Shape)
		}
	}
	if _, err := w.Write(head); err != nil {
		return err
	}
	for _, t := range tensors {
		if _, err := w.Write(t.Data); err != nil {
			return err
		}
	}
	return nil
}

// Header returns all that stands before the data of tensors, whose Data is not
// looked at: who writes a large file appends each tensor's bytes in turn. metadata
// may be nil; transformers wants {"format": "pt"}.
func Header(tensors []Tensor, metadata map[string]string) ([]byte, error) {
	head := bytes.NewBuffer(make([]byte, 8))
	head.WriteByte('{')
	put := func(name string, value any) error {
		if head.Len() > 9 {
			head.WriteByte(',')
		}
		for i, v := range []any{name, value} {
			text, err := json.Marshal(v)
			if err != nil {
				return fmt.Errorf("safetensors: header entry %q: %w", name, err)
			}
			if i == 1 {
				head.WriteByte(':')
			}
			head.Write(text)
		}
		return nil
	}
	if metadata != nil {
		if err := put(metadataKey, metadata); err != nil {
			return nil, err
		}
	}
	seen := make(map[string]bool, len(tensors))
	var offset int64
	for i, t := range tensors {
		size, err := t.size()
		switch {
		case err != nil:
			return nil, fmt.Errorf("safetensors: %w", err)
		case t.Name == "" || t.Name == metadataKey:
			return nil, fmt.Errorf("safetensors: tensor %d: %q is no name for a tensor", i, t.Name)
		case seen[t.Name]:
			return nil, fmt.Errorf("safetensors: two tensors are called %q", t.Name)
		}
		seen[t.Name] = true
		info := tensorInfo{t.DType, t.Shape, [2]int64{offset, offset + size}}
		if info.Shape == nil {
			info.Shape = []int{} // a scalar's shape is [], not null
		}
		if err := put(t.Name, info); err != nil {
			return nil, err
		}
		offset += size
	}
	head.WriteByte('}')
	for head.Len()%8 != 0 {
		head.WriteByte(' ')
	}
	if head.Len()-8 > maxHeader {
		return nil, fmt.Errorf("safetensors: the header has %d bytes, at most %d are allowed", head.Len()-8, maxHeader)
	}
	binary.LittleEndian.PutUint64(head.Bytes(), uint64(head.Len()-8))
	return head.Bytes(), nil
}

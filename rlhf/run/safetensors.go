package run

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
)

// A Tensor is a named array as it lies in a safetensors file.
type Tensor struct {
	Name  string
	DType string // one of the keys of the format: "F32", "I32", "U64", "BF16", "BOOL", …
	Shape []int  // empty for a scalar
	Data  []byte // row-major, little-endian; len(Data) = product(Shape) × size of DType
}

// dtypeSizes are the bytes of one element, for the types of the safetensors
// format that fill whole bytes (huggingface/safetensors, tensor.rs).
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

type tensorInfo struct {
	DType   string   `json:"dtype"`
	Shape   []int    `json:"shape"`
	Offsets [2]int64 `json:"data_offsets"` // begin and end, from the end of the header
}

// WriteTensors writes tensors in the safetensors format, in their order:
//
//	uint64 N, little-endian | N bytes of JSON, padded with spaces to a multiple of 8 | data
//
// It is an error, before anything is written, if two share a name or one's Data
// does not have the size that its type and shape call for.
func WriteTensors(w io.Writer, tensors []Tensor) error {
	head, err := tensorHeader(tensors)
	if err != nil {
		return fmt.Errorf("run: safetensors: %w", err)
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

// tensorHeader returns all that stands before the data.
func tensorHeader(tensors []Tensor) ([]byte, error) {
	head := bytes.NewBuffer(make([]byte, 8))
	head.WriteByte('{')
	seen := make(map[string]bool, len(tensors))
	var offset int64
	for i, t := range tensors {
		size, err := t.size()
		switch {
		case err != nil:
			return nil, err
		case t.Name == "" || t.Name == metadataKey:
			return nil, fmt.Errorf("tensor %d: %q is no name for a tensor", i, t.Name)
		case seen[t.Name]:
			return nil, fmt.Errorf("two tensors are called %q", t.Name)
		case int64(len(t.Data)) != size:
			return nil, fmt.Errorf("tensor %q: %d bytes of data, want %d for %s%v", t.Name, len(t.Data), size, t.DType, t.Shape)
		}
		seen[t.Name] = true
		name, err := json.Marshal(t.Name)
		if err != nil {
			return nil, err
		}
		info := tensorInfo{t.DType, t.Shape, [2]int64{offset, offset + size}}
		if info.Shape == nil {
			info.Shape = []int{} // a scalar's shape is [], not null
		}
		entry, err := json.Marshal(info)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			head.WriteByte(',')
		}
		head.Write(name)
		head.WriteByte(':')
		head.Write(entry)
		offset += size
	}
	head.WriteByte('}')
	for head.Len()%8 != 0 {
		head.WriteByte(' ')
	}
	if head.Len()-8 > maxHeader {
		return nil, fmt.Errorf("the header has %d bytes, at most %d are allowed", head.Len()-8, maxHeader)
	}
	binary.LittleEndian.PutUint64(head.Bytes(), uint64(head.Len()-8))
	return head.Bytes(), nil
}

// ReadTensors reads a safetensors file of size bytes, in the order of the data.
// Nothing that the file says is believed before it is checked against size, so a
// hostile file cannot make it allocate more than about size, and the JSON of its
// header once more.
func ReadTensors(r io.Reader, size int64) ([]Tensor, error) {
	tensors, err := readTensors(r, size)
	if err != nil {
		return nil, fmt.Errorf("run: safetensors: %w", err)
	}
	return tensors, nil
}

func readTensors(r io.Reader, size int64) ([]Tensor, error) {
	if size < 8 {
		return nil, fmt.Errorf("%d bytes, want at least 8", size)
	}
	var prefix [8]byte
	if _, err := io.ReadFull(r, prefix[:]); err != nil {
		return nil, fmt.Errorf("header length: %w", err)
	}
	n := binary.LittleEndian.Uint64(prefix[:])
	if n > maxHeader || int64(n) > size-8 {
		return nil, fmt.Errorf("header length %d, want at most %d in a file of %d bytes", n, min(maxHeader, size-8), size)
	}
	head := make([]byte, n)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	tensors, sizes, err := parseHeader(head, size-8-int64(n))
	if err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	for i := range tensors {
		tensors[i].Data = make([]byte, sizes[i])
		if _, err := io.ReadFull(r, tensors[i].Data); err != nil {
			return nil, fmt.Errorf("tensor %q: %w", tensors[i].Name, err)
		}
	}
	return tensors, nil
}

// parseHeader returns the tensors, without data, in the order of their offsets, and
// their sizes, which together are exactly dataSize.
func parseHeader(head []byte, dataSize int64) (tensors []Tensor, sizes []int64, err error) {
	d := json.NewDecoder(bytes.NewReader(head))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, nil, errors.New("want a JSON object")
	}
	var spans [][2]int64
	seen := make(map[string]bool)
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, nil, err
		}
		name := key.(string) // the keys of an object are strings
		if seen[name] {
			return nil, nil, fmt.Errorf("two entries are called %q", name)
		}
		seen[name] = true
		if name == metadataKey {
			var ignored map[string]string
			if err := d.Decode(&ignored); err != nil {
				return nil, nil, fmt.Errorf("%s: %w", metadataKey, err)
			}
			continue
		}
		var info tensorInfo
		if err := d.Decode(&info); err != nil {
			return nil, nil, fmt.Errorf("tensor %q: %w", name, err)
		}
		t := Tensor{Name: name, DType: info.DType, Shape: info.Shape}
		size, err := t.size()
		if err != nil {
			return nil, nil, err
		}
		begin, end := info.Offsets[0], info.Offsets[1]
		if begin < 0 || end < begin || end > dataSize || end-begin != size {
			return nil, nil, fmt.Errorf("tensor %q: data_offsets [%d, %d], want %d bytes within the %d of the file", name, begin, end, size, dataSize)
		}
		tensors, spans = append(tensors, t), append(spans, info.Offsets)
	}
	if _, err := d.Token(); err != nil {
		return nil, nil, err
	}
	if rest := bytes.TrimRight(head[d.InputOffset():], " "); len(rest) > 0 {
		return nil, nil, errors.New("there is text after the JSON object")
	}
	return inOrder(tensors, spans, dataSize)
}

// inOrder sorts tensors by their place in the data, which they must cover without
// holes or overlaps.
func inOrder(tensors []Tensor, spans [][2]int64, dataSize int64) ([]Tensor, []int64, error) {
	order := make([]int, len(tensors))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return slices.Compare(spans[a][:], spans[b][:]) })
	sorted, sizes := make([]Tensor, len(tensors)), make([]int64, len(tensors))
	var offset int64
	for i, j := range order {
		if spans[j][0] != offset {
			return nil, nil, fmt.Errorf("tensor %q begins at %d, want %d: no hole, no overlap", tensors[j].Name, spans[j][0], offset)
		}
		sorted[i], sizes[i] = tensors[j], spans[j][1]-spans[j][0]
		offset = spans[j][1]
	}
	if offset != dataSize {
		return nil, nil, fmt.Errorf("tensors have %d bytes, the file has %d for them", offset, dataSize)
	}
	return sorted, sizes, nil
}

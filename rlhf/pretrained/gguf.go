package pretrained

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
)

// ggufMagic begins a GGUF file.
const ggufMagic = "GGUF"

// ggmlTypes names the element types, so that an error can name one that is not
// read. Source: ggml, include/ggml.h, enum ggml_type.
var ggmlTypes = map[uint32]string{
	0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 6: "Q5_0", 7: "Q5_1", 8: "Q8_0", 9: "Q8_1",
	10: "Q2_K", 11: "Q3_K", 12: "Q4_K", 13: "Q5_K", 14: "Q6_K", 15: "Q8_K",
	16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S", 20: "IQ4_NL", 21: "IQ3_S", 22: "IQ2_S", 23: "IQ4_XS",
	24: "I8", 25: "I16", 26: "I32", 27: "I64", 28: "F64", 29: "IQ1_M", 30: "BF16", 34: "TQ1_0", 35: "TQ2_0", 39: "MXFP4",
}

// A ggufFile is the description in a GGUF file: all but the tensors' data.
//
//	"GGUF" | uint32 version | uint64 tensors | uint64 pairs
//	pairs: string key, uint32 type, value
//	tensors: string name, uint32 n, n × uint64 axis (innermost first), uint32 type, uint64 offset
//	padding to general.alignment | data
//
// Versions 2 and 3, little-endian. Source: ggml, docs/gguf.md.
type ggufFile struct {
	pairs   map[string]any // integers, floats, bools and strings of Go; slices of them
	tensors *archive
}

// openGGUF reads the description. Nothing is believed before it is compared with
// the file's size.
func openGGUF(path string) (*ggufFile, error) { return readFile(path, readGGUF) }

// A ggufReader reads a file of size bytes; after the first fault everything is zero.
type ggufReader struct {
	r    *bufio.Reader
	size int64
	at   int64
	err  error
}

func readGGUF(r io.Reader, path string, size int64) (*ggufFile, error) {
	in := &ggufReader{r: bufio.NewReaderSize(r, 1<<16), size: size}
	if magic := string(in.bytes(4)); in.err == nil && magic != ggufMagic {
		return nil, fmt.Errorf("it begins with %q, want %q", magic, ggufMagic)
	}
	version := in.u32()
	if in.err == nil && version != 2 && version != 3 {
		return nil, fmt.Errorf("GGUF version %d, want 2 or 3, little-endian", version)
	}
	tensors, pairs := in.count(24, "tensors"), in.count(13, "metadata pairs")
	g := &ggufFile{pairs: map[string]any{}, tensors: newArchive(path)}
	for i := int64(0); i < pairs && in.err == nil; i++ {
		key := in.string()
		value := in.value(in.u32(), true)
		if _, ok := g.pairs[key]; ok && in.err == nil {
			return nil, fmt.Errorf("two metadata pairs are called %q", key)
		}
		if in.err != nil {
			return nil, fmt.Errorf("metadata pair %d, %q: %w", i, key, in.err)
		}
		g.pairs[key] = value
	}
	var list []entry
	for i := int64(0); i < tensors && in.err == nil; i++ {
		e, err := in.tensor(path)
		if err == nil {
			err = in.err
		}
		if err == nil {
			err = g.tensors.add(e)
		}
		if err != nil {
			return nil, fmt.Errorf("tensor %d, %q: %w", i, e.name, err)
		}
		list = append(list, e)
	}
	if in.err != nil {
		return nil, in.err
	}
	return g, g.place(list, in.at, size)
}

// tensor reads a tensor's description; its offset counts from the data's begin.
func (in *ggufReader) tensor(path string) (entry, error) {
	e := entry{name: in.string(), file: path}
	n := in.u32()
	if in.err == nil && n > 4 {
		return e, fmt.Errorf("it has %d axes, want at most 4", n)
	}
	for range n {
		d := in.u64()
		if d > math.MaxInt32 {
			return e, fmt.Errorf("an axis has %d elements, want at most %d", d, math.MaxInt32)
		}
		e.dims = append(e.dims, int(d))
	}
	slices.Reverse(e.dims)
	kind := in.u32()
	var known bool
	if e.kind, known = ggmlTypes[kind]; !known {
		e.kind = fmt.Sprintf("number %d of ggml", kind)
	}
	offset := in.u64()
	if offset > math.MaxInt64/2 {
		return e, fmt.Errorf("its data begins at %d, past any file's end", offset)
	}
	e.offset = int64(offset)
	if in.err != nil {
		return e, nil
	}
	_, err := byteSize(e.kind, e.dims)
	return e, err
}

// place moves the tensors' offsets behind the description, which ends at end, and
// checks that they are aligned, within the file and apart from each other.
func (g *ggufFile) place(list []entry, end, size int64) error {
	alignment := int64(32)
	if v, ok := g.pairs["general.alignment"]; ok {
		a, ok := v.(uint32)
		if !ok || a == 0 || a&(a-1) != 0 || a > 1<<20 {
			return fmt.Errorf("general.alignment = %v, want a power of two up to 2²⁰", v)
		}
		alignment = int64(a)
	}
	start := (end + alignment - 1) / alignment * alignment
	slices.SortStableFunc(list, func(a, b entry) int {
		return slices.Compare([]int64{a.offset}, []int64{b.offset})
	})
	var free int64 // where the next tensor may begin, from start
	for _, e := range list {
		bytes, err := byteSize(e.kind, e.dims)
		switch {
		case err != nil:
			return fmt.Errorf("tensor %q: %w", e.name, err)
		case e.offset%alignment != 0:
			return fmt.Errorf("tensor %q: its data begins at %d, want a multiple of %d", e.name, e.offset, alignment)
		case e.offset < free:
			return fmt.Errorf("tensor %q: its data begins at %d, inside the tensor before it", e.name, e.offset)
		case e.offset > size-start || bytes > size-start-e.offset:
			return fmt.Errorf("tensor %q: its %d bytes at %d end past the file's %d bytes; the file is cut off", e.name, bytes, start+e.offset, size)
		}
		free = e.offset + bytes
		e.offset += start
		g.tensors.entries[e.name] = e
	}
	return nil
}

// bytes returns the next n bytes.
func (in *ggufReader) bytes(n int64) []byte {
	if in.err != nil {
		return make([]byte, min(n, 8))
	}
	if n > in.size-in.at {
		in.err = fmt.Errorf("%d bytes at %d end past the file's %d", n, in.at, in.size)
		return make([]byte, min(n, 8))
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(in.r, b); err != nil {
		in.err = err
	}
	in.at += n
	return b
}

func (in *ggufReader) u32() uint32 { return binary.LittleEndian.Uint32(in.bytes(4)) }
func (in *ggufReader) u64() uint64 { return binary.LittleEndian.Uint64(in.bytes(8)) }

// count reads how many things of at least smallest bytes follow.
func (in *ggufReader) count(smallest int64, what string) int64 {
	n := in.u64()
	if left := (in.size - in.at) / smallest; in.err == nil && n > uint64(max(left, 0)) {
		in.err = fmt.Errorf("%d %s, the file has room for %d", n, what, left)
	}
	if in.err != nil {
		return 0
	}
	return int64(n)
}

func (in *ggufReader) string() string { return string(in.bytes(in.count(1, "bytes of a string"))) }

// value reads a value of one of the format's thirteen types.
func (in *ggufReader) value(kind uint32, arrays bool) any {
	switch kind {
	case 0:
		return in.bytes(1)[0]
	case 1:
		return int8(in.bytes(1)[0])
	case 2:
		return binary.LittleEndian.Uint16(in.bytes(2))
	case 3:
		return int16(binary.LittleEndian.Uint16(in.bytes(2)))
	case 4:
		return in.u32()
	case 5:
		return int32(in.u32())
	case 6:
		return math.Float32frombits(in.u32())
	case 7:
		return in.bytes(1)[0] != 0
	case 8:
		return in.string()
	case 9:
		if arrays {
			return in.array(in.u32())
		}
	case 10:
		return in.u64()
	case 11:
		return int64(in.u64())
	case 12:
		return math.Float64frombits(in.u64())
	}
	if in.err == nil {
		in.err = fmt.Errorf("its type is %d, want one of GGUF's 0 to 12, arrays not within arrays", kind)
	}
	return nil
}

// array reads a slice of the Go type of its elements.
func (in *ggufReader) array(kind uint32) any {
	switch kind {
	case 0:
		return elements[uint8](in, kind, 1)
	case 1:
		return elements[int8](in, kind, 1)
	case 2:
		return elements[uint16](in, kind, 2)
	case 3:
		return elements[int16](in, kind, 2)
	case 4:
		return elements[uint32](in, kind, 4)
	case 5:
		return elements[int32](in, kind, 4)
	case 6:
		return elements[float32](in, kind, 4)
	case 7:
		return elements[bool](in, kind, 1)
	case 8:
		return elements[string](in, kind, 8)
	case 10:
		return elements[uint64](in, kind, 8)
	case 11:
		return elements[int64](in, kind, 8)
	case 12:
		return elements[float64](in, kind, 8)
	}
	if in.err == nil {
		in.err = errors.New("an array's elements are of a type that GGUF does not have, or arrays")
	}
	return nil
}

// elements reads an array whose elements have at least smallest bytes.
func elements[T any](in *ggufReader, kind uint32, smallest int64) []T {
	out := make([]T, 0, in.count(smallest, "elements of an array"))
	for range cap(out) {
		v, ok := in.value(kind, false).(T)
		if in.err != nil || !ok {
			return nil
		}
		out = append(out, v)
	}
	return out
}

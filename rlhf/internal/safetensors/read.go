package safetensors

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// Read reads a file of size bytes, in the order of the data. Nothing that the
// file says is believed before it is checked against size, so a hostile file
// cannot make it allocate more than about size, and the JSON of its header once
// more.
func Read(r io.Reader, size int64) ([]Tensor, error) {
	tensors, sizes, _, err := readHeader(r, size)
	if err != nil {
		return nil, fmt.Errorf("safetensors: %w", err)
	}
	for i := range tensors {
		tensors[i].Data = make([]byte, sizes[i])
		if _, err := io.ReadFull(r, tensors[i].Data); err != nil {
			return nil, fmt.Errorf("safetensors: tensor %q: %w", tensors[i].Name, err)
		}
	}
	return tensors, nil
}

// readHeader reads up to the data, which begins at start, and returns the tensors
// without data in the order of the data, and their sizes.
func readHeader(r io.Reader, size int64) (tensors []Tensor, sizes []int64, start int64, err error) {
	if size < 8 {
		return nil, nil, 0, fmt.Errorf("%d bytes, want at least 8", size)
	}
	var prefix [8]byte
	if _, err := io.ReadFull(r, prefix[:]); err != nil {
		return nil, nil, 0, fmt.Errorf("header length: %w", err)
	}
	n := binary.LittleEndian.Uint64(prefix[:])
	if n > maxHeader || int64(n) > size-8 {
		return nil, nil, 0, fmt.Errorf("header length %d, want at most %d in a file of %d bytes", n, min(maxHeader, size-8), size)
	}
	head := make([]byte, n)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, nil, 0, fmt.Errorf("header: %w", err)
	}
	if tensors, sizes, err = parseHeader(head, size-8-int64(n)); err != nil {
		return nil, nil, 0, fmt.Errorf("header: %w", err)
	}
	return tensors, sizes, 8 + int64(n), nil
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

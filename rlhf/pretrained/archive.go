package pretrained

import (
	"fmt"
	"io"
	"math"
	"os"
	"slices"
)

// An entry is one tensor of a checkpoint, wherever its format keeps it. Readers
// of a format make entries whose bytes lie within their file and are as many as
// dims and kind call for; everything after them is the same for all formats.
type entry struct {
	name   string
	file   string // path
	dims   []int  // outermost axis first, each at least 1
	kind   string // one of blocks
	offset int64  // of the first byte in file
}

// A block is the smallest run of elements that can be decoded by itself.
type block struct {
	elements, bytes int
	decode          func(dst []float32, src []byte) // whole blocks
}

// elements is the product of dims.
func (e entry) elements() int64 {
	n := int64(1)
	for _, d := range e.dims {
		n *= int64(d)
	}
	return n
}

// byteSize returns the bytes of a tensor, or what is wrong with its type and
// shape: a type that is not read, an axis below 1, more elements than can be
// counted, rows that are not whole blocks.
func byteSize(kind string, dims []int) (int64, error) {
	b, ok := blocks[kind]
	if !ok {
		return 0, fmt.Errorf("its type is %s; %s are read", kind, readable)
	}
	n := int64(1)
	for _, d := range dims {
		if d < 1 || n > math.MaxInt64/8/int64(d) {
			return 0, fmt.Errorf("its shape is %v, want positive axes and a product below 2⁶⁰", dims)
		}
		n *= int64(d)
	}
	if len(dims) > 0 && dims[len(dims)-1]%b.elements != 0 {
		return 0, fmt.Errorf("its rows have %d elements, want a multiple of %d for %s", dims[len(dims)-1], b.elements, kind)
	}
	return n / int64(b.elements) * int64(b.bytes), nil
}

// An archive is the tensors of a checkpoint by name.
type archive struct {
	where   string // folder or file, for errors
	entries map[string]entry
}

func newArchive(where string) *archive { return &archive{where, map[string]entry{}} }

// add takes an entry; two of one name are an error.
func (a *archive) add(e entry) error {
	if _, ok := a.entries[e.name]; ok {
		return fmt.Errorf("two tensors are called %q", e.name)
	}
	a.entries[e.name] = e
	return nil
}

func (a *archive) names() []string {
	names := make([]string, 0, len(a.entries))
	for name := range a.entries {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// A reader decodes entries; its buffers are used again. One goroutine uses it.
type reader struct {
	files  *files
	bytes  []byte
	floats []float32
}

// read returns elements [first, first+n) of e, which must begin and end at blocks.
// The result is valid until the next call.
func (r *reader) read(e entry, first, n int64) ([]float32, error) {
	b := blocks[e.kind]
	size := int(n) / b.elements * b.bytes
	r.bytes = slices.Grow(r.bytes[:0], size)[:size]
	r.floats = slices.Grow(r.floats[:0], int(n))[:n]
	f, err := r.files.open(e.file)
	if err != nil {
		return nil, err
	}
	if _, err := f.ReadAt(r.bytes, e.offset+first/int64(b.elements)*int64(b.bytes)); err != nil {
		return nil, fmt.Errorf("pretrained: %s: tensor %q: %w; the file is shorter than when it was opened", e.file, e.name, err)
	}
	b.decode(r.floats, r.bytes)
	return r.floats, nil
}

// files are the open files of an archive.
type files struct {
	byPath map[string]*os.File
}

// openFiles opens all files that entries lie in.
func (a *archive) openFiles() (*files, error) {
	fs := &files{map[string]*os.File{}}
	for _, name := range a.names() {
		path := a.entries[name].file
		if fs.byPath[path] != nil {
			continue
		}
		f, err := os.Open(path)
		if err != nil {
			fs.close()
			return nil, fmt.Errorf("pretrained: %w", err)
		}
		fs.byPath[path] = f
	}
	return fs, nil
}

func (fs *files) open(path string) (*os.File, error) {
	f := fs.byPath[path]
	if f == nil {
		return nil, fmt.Errorf("pretrained: %s is not open", path)
	}
	return f, nil
}

func (fs *files) close() {
	for _, f := range fs.byPath {
		f.Close() // read only: nothing can be lost
	}
}

// readFile opens a file for a reader of one format, which is told its size.
func readFile[T any](path string, read func(r io.Reader, path string, size int64) (*T, error)) (*T, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("pretrained: %w", err)
	}
	defer f.Close()
	stat, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("pretrained: %w", err)
	}
	v, err := read(f, path, stat.Size())
	if err != nil {
		return nil, fmt.Errorf("pretrained: %s: %w", path, err)
	}
	return v, nil
}

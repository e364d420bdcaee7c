package pretrained

import (
	"errors"
	"fmt"
	"runtime"
	"sync"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/tensors"

	"hhrlhf/rlhf/internal/gx"
	"hhrlhf/rlhf/memory"
)

// Weights reads the tensors in the order of Shape.Weights, as float32. They
// belong to the caller, who frees them.
//
// One tensor at a time is decoded straight into memory that the device reads, by
// all cores, so the peak is little above [Model.Bytes], which is compared with the
// memory that is free before anything is read.
func (m *Model) Weights(be compute.Backend) (weights []*tensors.Tensor, err error) {
	if free, ok := memory.Free("/"); ok {
		if err := m.fitsIn(free); err != nil {
			return nil, err
		}
	}
	files, err := m.tensors.openFiles()
	if err != nil {
		return nil, err
	}
	defer files.close()
	defer func() {
		if err != nil {
			gx.Free(weights...)
			weights = nil
		}
	}()
	pool := newPool(files)
	for _, t := range m.plan {
		x, err := tensors.FromShapeForBackend(be, 0, shapes.Make(dtypes.Float32, t.weight.Dims...))
		if err != nil {
			return weights, fmt.Errorf("pretrained: %s: memory for weight %s %v: %w", m.Path, t.weight.Name, t.weight.Dims, err)
		}
		weights = append(weights, x)
		var fillErr error
		err = tensors.MutableFlatData(x, func(dst []float32) { fillErr = m.fill(pool, dst, t) })
		if err = errors.Join(fillErr, err); err != nil {
			return weights, err
		}
	}
	if m.tied != "" {
		err = m.checkTied(pool)
	}
	return weights, err
}

// fitsIn compares the weights with the bytes of memory that are free.
func (m *Model) fitsIn(free int64) error {
	if m.Bytes() > free {
		return fmt.Errorf("pretrained: %s: its weights take %d MB as float32, %d MB of memory are free; end other programs or take a smaller model", m.Path, m.Bytes()>>20, free>>20)
	}
	return nil
}

// fill decodes the pieces of t into dst, which is zero before.
func (m *Model) fill(pool *pool, dst []float32, t target) error {
	columns := t.weight.Dims[len(t.weight.Dims)-1]
	for _, p := range t.pieces {
		e := m.tensors.entries[p.tensor]
		if len(e.dims) == 1 {
			if err := pool.rows(e, 1, e.dims[0], func(_ int, src []float32) {
				for i, v := range src {
					dst[p.to(i)] = v
				}
			}); err != nil {
				return err
			}
			continue
		}
		rows, width := e.dims[0], e.dims[1]
		put := func(first int, src []float32) { // whole rows, from first on
			for r := range len(src) / width {
				copy(dst[p.to(first+r)*columns:], src[r*width:(r+1)*width])
			}
		}
		if p.turned {
			put = func(first int, src []float32) { turn(dst, src, columns, width, first, p.to) }
		}
		if err := pool.rows(e, rows, width, put); err != nil {
			return err
		}
	}
	return nil
}

// turn writes rows of src, the first of which is number first of its tensor, as
// columns of dst.
func turn(dst, src []float32, columns, width, first int, to func(int) int) {
	at := make([]int, len(src)/width)
	for r := range at {
		at[r] = to(first + r)
	}
	for i := range width {
		row := dst[i*columns : (i+1)*columns]
		for r, c := range at {
			row[c] = src[r*width+i]
		}
	}
}

// checkTied compares the copy of the embedding that stands in a tied head's place.
func (m *Model) checkTied(pool *pool) error {
	head, embedding := m.tensors.entries[m.tied], m.tensors.entries[m.plan[0].pieces[0].tensor]
	same := pool.compare(head, embedding)
	if same == nil {
		return nil
	}
	return fmt.Errorf("pretrained: %s: tensor %q, of which the configuration says that it is tied to %q: %w", head.file, head.name, embedding.name, same)
}

// A pool reads rows with as many goroutines as there are cores, each with buffers
// of its own.
type pool struct{ readers []*reader }

func newPool(files *files) *pool {
	p := &pool{}
	for range runtime.GOMAXPROCS(0) {
		p.readers = append(p.readers, &reader{files: files})
	}
	return p
}

// chunk is about how many elements are decoded at once: a quarter of a megabyte,
// which stays in a core's cache.
const chunk = 1 << 16

// rows decodes e, seen as rows of width elements, and calls put with some whole
// rows at a time, from several goroutines.
func (p *pool) rows(e entry, rows, width int, put func(first int, src []float32)) error {
	step := max(1, chunk/width)
	next := make(chan int)
	errs := make([]error, len(p.readers))
	var wg sync.WaitGroup
	for i, r := range p.readers {
		wg.Go(func() {
			for first := range next {
				if errs[i] != nil {
					continue // drain
				}
				n := min(step, rows-first)
				src, err := r.read(e, int64(first)*int64(width), int64(n)*int64(width))
				if err != nil {
					errs[i] = err
					continue
				}
				put(first, src)
			}
		})
	}
	for first := 0; first < rows; first += step {
		next <- first
	}
	close(next)
	wg.Wait()
	return errors.Join(errs...)
}

// compare reads two tensors of one shape and says where they differ first.
func (p *pool) compare(a, b entry) error {
	rows, width := a.dims[0], a.dims[1]
	step := max(1, chunk/width)
	other := &reader{files: p.readers[0].files}
	for first := 0; first < rows; first += step {
		n := int64(min(step, rows-first)) * int64(width)
		x, err := p.readers[0].read(a, int64(first)*int64(width), n)
		if err != nil {
			return err
		}
		y, err := other.read(b, int64(first)*int64(width), n)
		if err != nil {
			return err
		}
		for i := range x {
			if x[i] != y[i] {
				return fmt.Errorf("row %d has %g, the embedding %g", first+i/width, x[i], y[i])
			}
		}
	}
	return nil
}

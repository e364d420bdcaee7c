package pm

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/tensors"

	"hhrlhf/rlhf/internal/gx"
)

// Features are the activations of a frozen trunk at the ends of both responses of
// every pair of a source, computed once and kept in a file: what the head reads of
// either side, in float32, in the source's order. A head is trained on them
// standardised, (x − mean)/deviation for each; [Trainer] folds that into the head.
type Features struct {
	model  *Model
	source Source
	encode func(i int) (Pair, error)
	file   *os.File
	done   int // pairs in the file

	mean, deviation []float64 // of each activation, once all are there
}

// OpenFeatures opens the file at path, or makes it. Whoever names the file sees to it
// that it belongs to this trunk, context and source.
func (m *Model) OpenFeatures(path string, source Source) (*Features, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("pm: the file of the trunk's activations: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("pm: the file of the trunk's activations: %w", err)
	}
	x := &Features{model: m, source: source, file: f}
	x.done = min(source.Len(), int(info.Size()/x.record())) // a record that was cut off is written again
	x.encode = func(i int) (Pair, error) {
		c, err := source.At(i)
		if err != nil {
			return Pair{}, err
		}
		p, fate := Encode(m.Tok, c, m.Context)
		if fate > Cut {
			return p, fmt.Errorf("pm: comparison %d of the training data cannot be encoded; leave out what Encode refuses", i)
		}
		return p, nil
	}
	return x, x.complete()
}

// width is how many activations the head reads of a response.
func (f *Features) width() int { return reads(f.model.programs.readout) * f.model.Shape.Width }

// record is the size of a pair in bytes.
func (f *Features) record() int64 { return 8 * int64(f.width()) }

// Done and Len are how many pairs have been read, and how many there are.
func (f *Features) Done() int { return f.done }

// Len is how many pairs there are.
func (f *Features) Len() int { return f.source.Len() }

// Read runs the trunk over the next n pairs.
func (f *Features) Read(n int) error {
	n = min(n, f.source.Len()-f.done)
	pairs := make([]Pair, n)
	for i := range pairs {
		var err error
		if pairs[i], err = f.encode(f.done + i); err != nil {
			return err
		}
	}
	buffer := make([]byte, int64(n)*f.record())
	trunk := f.model.Weights[:len(f.model.Weights)-2]
	err := f.model.each(f.model.programs.read, trunk, pairs, func(i, side int, values []float32) {
		for k, v := range values {
			binary.LittleEndian.PutUint32(buffer[int64(i)*f.record()+4*int64(side*len(values)+k):], math.Float32bits(v))
		}
	})
	if err != nil {
		return err
	}
	if _, err := f.file.WriteAt(buffer, int64(f.done)*f.record()); err != nil {
		return fmt.Errorf("pm: the file of the trunk's activations: %w", err)
	}
	f.done += n
	return f.complete()
}

// complete computes mean and deviation when all pairs are there.
func (f *Features) complete() error {
	if f.done < f.source.Len() {
		return nil
	}
	d := f.width()
	sum, squares := make([]float64, d), make([]float64, d)
	for i := range f.done {
		x, err := f.at(i)
		if err != nil {
			return err
		}
		for k, v := range x {
			sum[k%d] += float64(v)
			squares[k%d] += float64(v) * float64(v)
		}
	}
	n := float64(2 * f.done)
	f.mean, f.deviation = make([]float64, d), make([]float64, d)
	for k := range d {
		f.mean[k] = sum[k] / n
		if f.deviation[k] = math.Sqrt(max(0, squares[k]/n-f.mean[k]*f.mean[k])); f.deviation[k] < 1e-6 {
			f.deviation[k] = 1 // an activation that never moves says nothing
		}
	}
	return nil
}

// at reads the activations of pair i, both sides behind each other.
func (f *Features) at(i int) ([]float32, error) {
	buffer := make([]byte, f.record())
	if _, err := f.file.ReadAt(buffer, int64(i)*f.record()); err != nil {
		return nil, fmt.Errorf("pm: the trunk's activations for pair %d: %w", i, err)
	}
	x := make([]float32, len(buffer)/4)
	for k := range x {
		x[k] = math.Float32frombits(binary.LittleEndian.Uint32(buffer[4*k:]))
	}
	return x, nil
}

// upload returns the standardised activations of pairs, [n, 2, reads·D].
func (f *Features) upload(be compute.Backend, pairs []Pair) (*tensors.Tensor, error) {
	if f.mean == nil {
		return nil, fmt.Errorf("pm: the trunk has read %d of %d pairs; the head is trained when it has read all", f.done, f.source.Len())
	}
	d := f.width()
	flat := make([]float32, 0, len(pairs)*2*d)
	for _, p := range pairs {
		x, err := f.at(p.At)
		if err != nil {
			return nil, err
		}
		for k, v := range x {
			flat = append(flat, float32((float64(v)-f.mean[k%d])/f.deviation[k%d]))
		}
	}
	return gx.Flat(be, flat, len(pairs), 2, d)
}

// fold turns a head for standardised activations into one for activations as they are:
// w/deviation, and b − Σ w·mean/deviation.
func (f *Features) fold(be compute.Backend, head []*tensors.Tensor) ([]*tensors.Tensor, error) {
	w, err := gx.Values[float32](head[0])
	if err != nil {
		return nil, err
	}
	b, err := gx.Scalar[float32](head[1])
	if err != nil {
		return nil, err
	}
	bias := float64(b)
	for k := range w {
		scaled := float64(w[k]) / f.deviation[k]
		w[k], bias = float32(scaled), bias-scaled*f.mean[k]
	}
	folded, err := gx.Flat(be, w, len(w))
	if err != nil {
		return nil, err
	}
	shift, err := gx.Flat(be, []float32{float32(bias)})
	if err != nil {
		gx.Free(folded)
		return nil, err
	}
	return []*tensors.Tensor{folded, shift}, nil
}

// Close closes the file, which stays.
func (f *Features) Close() error { return f.file.Close() }

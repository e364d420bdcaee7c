package pm

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/tensors"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/internal/gx"
)

// Features are the activations of a frozen trunk at the ends of both responses of
// every pair of a source, computed once and kept in a file: what the head reads of
// either side, in float32, shortest pairs first. A head is trained on a [Part] of them.
type Features struct {
	model  *Model
	source Source
	file   *os.File
	order  []int // which pair stands at a place of the file: by length, so that rows are full
	place  []int // its inverse
	slots  []int // length of each pair
	done   int   // pairs in the file
}

// OpenFeatures opens the file at path, or makes it. Whoever names the file sees to it
// that it belongs to this trunk, context and source.
func (m *Model) OpenFeatures(path string, source Source) (*Features, error) {
	x := &Features{model: m, source: source, place: make([]int, source.Len()), slots: make([]int, source.Len())}
	for i := range x.slots {
		p, err := x.encode(i)
		if err != nil {
			return nil, err
		}
		x.slots[i] = p.slots()
		x.order = append(x.order, i)
	}
	slices.SortStableFunc(x.order, func(a, b int) int { return cmp.Compare(x.slots[a], x.slots[b]) })
	for at, i := range x.order {
		x.place[i] = at
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("pm: the file of the trunk's activations: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("pm: the file of the trunk's activations: %w", err)
	}
	x.file = f
	x.done = min(source.Len(), int(info.Size()/x.record())) // a record that was cut off is written again
	return x, nil
}

func (f *Features) encode(i int) (Pair, error) {
	c, err := f.source.At(i)
	if err != nil {
		return Pair{}, err
	}
	p, fate := Encode(f.model.Tok, c, f.model.Context)
	if fate > Cut {
		return p, fmt.Errorf("pm: comparison %d of the training data cannot be encoded; leave out what Encode refuses", i)
	}
	return p, nil
}

// width is how many activations the head reads of a response.
func (f *Features) width() int { return reads(f.model.programs.readout) * f.model.Shape.Width }

// record is the size of a pair in bytes.
func (f *Features) record() int64 { return 8 * int64(f.width()) }

// Done is how many pairs have been read.
func (f *Features) Done() int { return f.done }

// Len is how many pairs there are.
func (f *Features) Len() int { return f.source.Len() }

// Read runs the trunk over the next n pairs.
func (f *Features) Read(n int) error {
	n = min(n, f.source.Len()-f.done)
	pairs := make([]Pair, n)
	for k := range pairs {
		var err error
		if pairs[k], err = f.encode(f.order[f.done+k]); err != nil {
			return err
		}
	}
	buffer := make([]byte, int64(n)*f.record())
	trunk := f.model.Weights[:len(f.model.Weights)-2]
	err := f.model.each(f.model.programs.read, trunk, pairs, func(k, side int, values []float32) {
		for j, v := range values {
			binary.LittleEndian.PutUint32(buffer[int64(k)*f.record()+4*int64(side*len(values)+j):], math.Float32bits(v))
		}
	})
	if err != nil {
		return err
	}
	if _, err := f.file.WriteAt(buffer, int64(f.done)*f.record()); err != nil {
		return fmt.Errorf("pm: the file of the trunk's activations: %w", err)
	}
	f.done += n
	return nil
}

// Next is how many of the pairs that come next one call of the trunk takes: what to
// Read at a time.
func (f *Features) Next() int {
	if f.done == len(f.order) {
		return 0
	}
	n := f.model.rowsPerCall(Bucket(f.slots[f.order[f.done]]))
	return min(n, len(f.order)-f.done)
}

// at reads the activations of pair i, both sides behind each other.
func (f *Features) at(i int) ([]float32, error) {
	buffer := make([]byte, f.record())
	if _, err := f.file.ReadAt(buffer, int64(f.place[i])*f.record()); err != nil {
		return nil, fmt.Errorf("pm: the trunk's activations for pair %d: %w", i, err)
	}
	x := make([]float32, len(buffer)/4)
	for k := range x {
		x[k] = math.Float32frombits(binary.LittleEndian.Uint32(buffer[4*k:]))
	}
	return x, nil
}

// Scores is what the model, with the head that it has, gives the two responses of pair i.
func (f *Features) Scores(i int) (scores [2]float64, err error) {
	x, err := f.at(i)
	if err != nil {
		return scores, err
	}
	head := f.model.Weights[len(f.model.Weights)-2:]
	w, err := gx.Values[float32](head[0])
	if err != nil {
		return scores, err
	}
	b, err := gx.Scalar[float32](head[1])
	for side := range scores {
		scores[side] = float64(b)
		for k, v := range x[side*len(w) : (side+1)*len(w)] {
			scores[side] += float64(w[k]) * float64(v)
		}
	}
	return scores, err
}

// Adopt gives the part's model a head for standardised activations.
func (p *Part) Adopt(head []*tensors.Tensor) error {
	folded, err := p.fold(p.model.programs.be, head)
	if err != nil {
		return err
	}
	n := len(p.model.Weights) - 2
	gx.Free(p.model.Weights[n:]...)
	copy(p.model.Weights[n:], folded)
	return nil
}

// Close closes the file, which stays.
func (f *Features) Close() error { return f.file.Close() }

// A Part is the pairs of Features that a head is trained on, standardised:
// (x − mean)/deviation for each activation, over the part. [Trainer] folds that
// into the head.
type Part struct {
	*Features
	pairs           []int
	mean, deviation []float64
}

// Part returns the pairs of those indices, in that order. All must have been read.
func (f *Features) Part(pairs []int) (*Part, error) {
	if f.done < f.source.Len() {
		return nil, fmt.Errorf("pm: the trunk has read %d of %d pairs; the head is trained when it has read all", f.done, f.source.Len())
	}
	d := f.width()
	sum, squares := make([]float64, d), make([]float64, d)
	for _, i := range pairs {
		x, err := f.at(i)
		if err != nil {
			return nil, err
		}
		for k, v := range x {
			sum[k%d] += float64(v)
			squares[k%d] += float64(v) * float64(v)
		}
	}
	p := &Part{Features: f, pairs: pairs, mean: make([]float64, d), deviation: make([]float64, d)}
	n := float64(2 * len(pairs))
	for k := range d {
		p.mean[k] = sum[k] / n
		if p.deviation[k] = math.Sqrt(max(0, squares[k]/n-p.mean[k]*p.mean[k])); p.deviation[k] < 1e-6 {
			p.deviation[k] = 1 // an activation that never moves says nothing
		}
	}
	return p, nil
}

// Len implements Source.
func (p *Part) Len() int { return len(p.pairs) }

// At implements Source.
func (p *Part) At(i int) (rlhf.Comparison, error) { return p.source.At(p.pairs[i]) }

// upload returns the standardised activations of pairs, [n, 2, reads·D].
func (p *Part) upload(be compute.Backend, pairs []Pair) (*tensors.Tensor, error) {
	d := p.width()
	flat := make([]float32, 0, len(pairs)*2*d)
	for _, pair := range pairs {
		x, err := p.at(p.pairs[pair.At])
		if err != nil {
			return nil, err
		}
		for k, v := range x {
			flat = append(flat, float32((float64(v)-p.mean[k%d])/p.deviation[k%d]))
		}
	}
	return gx.Flat(be, flat, len(pairs), 2, d)
}

// fold turns a head for standardised activations into one for activations as they are:
// w/deviation, and b − Σ (w/deviation)·mean.
func (p *Part) fold(be compute.Backend, head []*tensors.Tensor) ([]*tensors.Tensor, error) {
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
		w[k] = float32(float64(w[k]) / p.deviation[k])
		bias -= float64(w[k]) * p.mean[k] // of the rounded weight: at the mean, nothing is lost
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

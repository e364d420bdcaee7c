package pretrained

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"hhrlhf/rlhf/lm"
)

// A description is what a format's reader makes of a checkpoint.
type description struct {
	shape   lm.Shape // Vocab is what the file has
	scheme  *scheme
	tensors *archive
}

// A target is one of our weights and the tensors that fill it.
type target struct {
	weight lm.Weight
	pieces []piece
}

// bind finds the tensors of every weight. A weight without its tensor, a tensor
// without a weight and a shape that is not the one wanted are errors, all of them
// at once. tied is the copy of the embedding that a file with a tied head may hold.
func (d *description) bind() (plan []target, tied string, err error) {
	used := map[string]bool{}
	var faults []error
	for _, w := range d.shape.Weights() {
		pieces, err := d.scheme.pieces(d.shape, w, d.shape.Vocab)
		if err != nil {
			return nil, "", err
		}
		for _, p := range pieces {
			used[p.tensor] = true
			e, ok := d.tensors.entries[p.tensor]
			switch {
			case !ok:
				faults = append(faults, fmt.Errorf("tensor %q of shape %v is missing (it is %s)", p.tensor, p.dims, w.Name))
			case !slices.Equal(e.dims, p.dims):
				faults = append(faults, fmt.Errorf("%s: tensor %q has shape %v, want %v (it is %s)", filepath.Base(e.file), p.tensor, e.dims, p.dims, w.Name))
			}
		}
		plan = append(plan, target{w, pieces})
	}
	for _, name := range d.tensors.names() {
		e := d.tensors.entries[name]
		switch {
		case used[name] || d.scheme.ignores(name):
		case name == d.scheme.output && slices.Equal(e.dims, []int{d.shape.Vocab, d.shape.Width}):
			tied = name
		default:
			faults = append(faults, fmt.Errorf("%s: tensor %q, %s %v, is no weight of this %s model", filepath.Base(e.file), name, e.kind, e.dims, d.scheme.family))
		}
	}
	if len(faults) > 0 {
		const most = 8
		if n := len(faults) - most; n > 0 {
			faults = append(faults[:most], fmt.Errorf("and %d more", n))
		}
		return nil, "", fmt.Errorf("pretrained: %s: %w", d.tensors.where, errors.Join(faults...))
	}
	return plan, tied, nil
}

// bounded checks a shape that a file asks for, before anything is counted or made
// by it. The limits are far above any model's.
func bounded(s lm.Shape) error {
	if err := s.Check(); err != nil {
		return err
	}
	for _, b := range []struct {
		what         string
		value, limit int
	}{
		{"vocabulary", s.Vocab, 1 << 24}, {"width", s.Width, 1 << 20}, {"layers", s.Layers, 1 << 12}, {"heads", s.Heads, 1 << 16},
		{"head width", s.K(), 1 << 14}, {"MLP's width", s.F(), 1 << 24}, {"context", s.Context, 1 << 30},
	} {
		if b.value > b.limit {
			return fmt.Errorf("it asks for %s %d, at most %d are believed", b.what, b.value, b.limit)
		}
	}
	return nil
}

func (s *scheme) ignores(name string) bool {
	return slices.ContainsFunc(s.ignore, func(end string) bool { return strings.HasSuffix(name, end) })
}

// tidy writes the values that are the zero value's as zero, so that a shape that
// was exported is equal when it is read.
func tidy(s lm.Shape) lm.Shape {
	if s.KVHeads == s.Heads {
		s.KVHeads = 0
	}
	if s.HeadWidth*s.Heads == s.Width {
		s.HeadWidth = 0
	}
	if s.FF == 4*s.Width {
		s.FF = 0
	}
	if s.Epsilon == 1e-5 {
		s.Epsilon = 0
	}
	if s.Theta == 10000 || s.Rotary == 0 {
		s.Theta = 0
	}
	return s
}

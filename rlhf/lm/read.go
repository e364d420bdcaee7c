package lm

import (
	"fmt"
	"math"
	"slices"

	"github.com/gomlx/compute"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"hhrlhf/rlhf/internal/gx"
)

// A Reader reads texts as a model does: what it expected at every place, and
// what it expects next.
type Reader struct {
	be           compute.Backend
	shape        Shape
	hidden, head *gx.Program
}

// A Place is one token of a text that was read.
type Place struct {
	LogP float64 // log-probability of this token given those before it, nats; 0 for the first
	Rank int     // how many tokens were at least as likely, itself included; 0 for the first
	// Top are the likeliest next tokens, in falling order, and their log-probabilities and logits.
	Top    []int32
	LogPs  []float64
	Logits []float64
}

// headRows is how many places go through the output head at a time: the logits of
// a whole text under a large vocabulary would fill the memory.
const headRows = 64

// NewReader prepares a reader; nothing is compiled before the first Read.
func NewReader(be compute.Backend, shape Shape) *Reader {
	r := &Reader{be: be, shape: shape}
	r.hidden = gx.NewProgram(be, "read", func(in []*Node) []*Node {
		net := NewNet(shape, in[2:])
		h := net.Hidden(in[0], Positions(in[1]), CausalBias(in[1])) // [1, T, D]
		return []*Node{h}
	})
	r.head = gx.NewProgram(be, "read head", func(in []*Node) []*Node {
		h := Squeeze(Slice(in[0], AxisRange(0, 1)), 0)
		return []*Node{NewNet(shape, in[1:]).Logits(h)} // [headRows, V]
	})
	return r
}

// Read returns a Place for every id; top says how many next tokens to list. A
// text longer than the model's context is an error.
func (r *Reader) Read(weights []*tensors.Tensor, ids []int32, top int) ([]Place, error) {
	if len(ids) == 0 || len(ids) > r.shape.Context {
		return nil, fmt.Errorf("lm: a text of %d tokens, want 1 to %d, the model's context", len(ids), r.shape.Context)
	}
	width := headRows // padded to few widths, each compiled once
	for width < len(ids) {
		width *= 2
	}
	tokens, segments, err := LayOut(r.be, [][]int32{ids}, width, 0, false)
	if err != nil {
		return nil, err
	}
	defer gx.Free(tokens, segments)
	out, err := r.hidden.Call(append([]any{tokens, segments}, gx.Keep(weights)...)...)
	if err != nil {
		return nil, err
	}
	defer gx.Free(out...)
	h, err := gx.Values[float32](out[0])
	if err != nil {
		return nil, err
	}
	places := make([]Place, len(ids))
	for from := 0; from < len(ids); from += headRows {
		logits, err := r.logits(weights, h[from*r.shape.Width:(from+headRows)*r.shape.Width])
		if err != nil {
			return nil, err
		}
		for i := from; i < min(from+headRows, len(ids)); i++ {
			row := logits[(i-from)*r.shape.Vocab : (i-from+1)*r.shape.Vocab]
			norm := logSumExp(row)
			places[i].best(row, norm, top)
			if i+1 < len(ids) {
				places[i+1].LogP = float64(row[ids[i+1]]) - norm
				places[i+1].Rank = rank(row, ids[i+1])
			}
		}
	}
	return places, nil
}

// logits runs the output head over headRows activations.
func (r *Reader) logits(weights []*tensors.Tensor, h []float32) ([]float32, error) {
	rows, err := gx.Flat(r.be, h, 1, headRows, r.shape.Width)
	if err != nil {
		return nil, err
	}
	defer gx.Free(rows)
	out, err := r.head.Call(append([]any{rows}, gx.Keep(weights)...)...)
	if err != nil {
		return nil, err
	}
	defer gx.Free(out...)
	return gx.Values[float32](out[0])
}

// logSumExp is log Σ exp(x), computed in float64.
func logSumExp(x []float32) float64 {
	top, sum := float64(slices.Max(x)), 0.0
	for _, v := range x {
		sum += math.Exp(float64(v) - top)
	}
	return top + math.Log(sum)
}

// rank counts the entries that are at least x[at].
func rank(x []float32, at int32) int {
	n := 0
	for _, v := range x {
		if v >= x[at] {
			n++
		}
	}
	return n
}

// best notes the k largest entries; the lower id goes first among equals.
func (p *Place) best(x []float32, norm float64, k int) {
	for id, v := range x {
		at := len(p.Top)
		for at > 0 && float64(v) > p.Logits[at-1] {
			at--
		}
		if at >= k {
			continue
		}
		p.Top = slices.Insert(p.Top, at, int32(id))[:min(len(p.Top)+1, k)]
		p.Logits = slices.Insert(p.Logits, at, float64(v))[:min(len(p.Logits)+1, k)]
	}
	for _, v := range p.Logits {
		p.LogPs = append(p.LogPs, v-norm)
	}
}

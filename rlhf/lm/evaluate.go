package lm

import (
	"fmt"
	"math"

	"github.com/gomlx/compute"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"hhrlhf/rlhf/internal/gx"
)

// PassTokens bounds the tokens of one forward pass in evaluation, so that its
// memory depends on the model and its context alone.
const PassTokens = 2048

// Eval is a decoder's loss on rows that it was not trained on.
type Eval struct {
	Loss   float64 // nats per predicted token, the mean over all of them
	SE     float64 // standard error of Loss, over rows
	Tokens int     // how many were predicted: the first of a sequence is not
}

// Interval is the 95 % confidence interval of Loss under the normal approximation.
func (e Eval) Interval() (lo, hi float64) { return e.Loss - 1.96*e.SE, e.Loss + 1.96*e.SE }

// Perplexity is e to the loss.
func (e Eval) Perplexity() float64 { return math.Exp(e.Loss) }

// PerByte is the loss in nats per byte of text, which models with different
// tokenizers can be compared by; bytes is the length of the text that the rows hold.
func (e Eval) PerByte(bytes int) float64 { return e.Loss * float64(e.Tokens) / float64(bytes) }

// An Evaluator measures decoders of one shape on given text; its programs are
// compiled once for each width of rows. It belongs to one goroutine.
type Evaluator struct {
	be    compute.Backend
	shape Shape
	loss  *gx.Program
	score *gx.Program
}

// NewEvaluator prepares evaluation; nothing is compiled yet.
func NewEvaluator(be compute.Backend, s Shape) *Evaluator {
	e := &Evaluator{be: be, shape: s}
	e.loss = gx.NewProgram(be, "lm loss", func(in []*Node) []*Node {
		sum, count := NewNet(s, in[3:]).rowLosses(in[:3], true)
		return []*Node{sum, count}
	})
	e.score = gx.NewProgram(be, "lm score", func(in []*Node) []*Node { return scoreGraph(NewNet(s, in[5:]), in[:5]) })
	return e
}

// Evaluate measures one decoder on rows; whoever does it repeatedly keeps an
// [Evaluator].
func Evaluate(be compute.Backend, s Shape, weights []*tensors.Tensor, rows Rows) (Eval, error) {
	return NewEvaluator(be, s).Evaluate(weights, rows)
}

// Evaluate returns the mean loss over the predicted tokens of rows. The standard
// error is that of a ratio of two sums over rows, of losses and of counts
// (Cochran 1977, section 2.11):
//
//	SE² = Σ (s_i − L·c_i)² / (Σ c_i)²
func (e *Evaluator) Evaluate(weights []*tensors.Tensor, rows Rows) (Eval, error) {
	if rows.Width > e.shape.Context {
		return Eval{}, fmt.Errorf("lm: rows of %d tokens for a context of %d", rows.Width, e.shape.Context)
	}
	var sums, counts []float64
	batch := passRows(rows.Width, len(rows.Tokens))
	for start := 0; start < len(rows.Tokens); start += batch {
		at := make([]int, batch)
		for i := range at {
			if at[i] = start + i; at[i] >= len(rows.Tokens) {
				at[i] = -1
			}
		}
		s, c, err := e.pass(weights, rows.Pick(at))
		if err != nil {
			return Eval{}, err
		}
		for i := range s {
			if c[i] > 0 {
				sums, counts = append(sums, float64(s[i])), append(counts, float64(c[i]))
			}
		}
	}
	total, n := 0.0, 0.0
	for i := range sums {
		total, n = total+sums[i], n+counts[i]
	}
	if n == 0 {
		return Eval{}, fmt.Errorf("lm: no held-out tokens to evaluate")
	}
	loss, square := total/n, 0.0
	for i := range sums {
		d := sums[i] - loss*counts[i]
		square += d * d
	}
	return Eval{Loss: loss, SE: math.Sqrt(square) / n, Tokens: int(n)}, nil
}

// passRows is how many of n rows of the given width one pass takes: what
// PassTokens allows, or the next power of two where n is less, so that there are few
// shapes to compile.
func passRows(width, n int) int {
	return max(1, min(PassTokens/max(1, width), power(n, 1, 2)))
}

// power is the smallest of from, from·by, from·by², … that is at least n.
func power(n, from, by int) int {
	for from < n {
		from *= by
	}
	return from
}

func (e *Evaluator) pass(weights []*tensors.Tensor, batch Rows) (sums, counts []float32, err error) {
	data, err := upload(e.be, batch)
	if err != nil {
		return nil, nil, err
	}
	defer gx.Free(data...)
	out, err := e.loss.Call(append(gx.Keep(data), gx.Keep(weights)...)...)
	if err != nil {
		return nil, nil, err
	}
	defer gx.Free(out...)
	if sums, err = gx.Values[float32](out[0]); err != nil {
		return nil, nil, err
	}
	counts, err = gx.Values[float32](out[1])
	return sums, counts, err
}

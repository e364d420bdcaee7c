package lm

import (
	"fmt"
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"hhrlhf/rlhf/internal/gx"
)

// A Pair is a context and what is to follow it, as token ids. Neither may be empty:
// a text that starts with nothing before it needs the tokenizer's end token, or
// whatever begins a document of the model, as its context.
type Pair struct {
	Context, Target []int32
}

// A Continuation says how a decoder takes a pair's target.
type Continuation struct {
	LogProb float64 // Σ log p(token | all before it) over the target's tokens
	Tokens  int     // of the target
	Right   int     // of these, the ones that are the most probable at their place
}

// Greedy reports whether greedy decoding writes the target.
func (c Continuation) Greedy() bool { return c.Right == c.Tokens }

// Score measures one decoder on pairs; whoever does it repeatedly keeps an
// [Evaluator].
func Score(be compute.Backend, s Shape, weights []*tensors.Tensor, pairs []Pair) ([]Continuation, error) {
	return NewEvaluator(be, s).Score(weights, pairs)
}

// Score returns, for each pair, the log-probability of the target after the
// context: what last-word prediction and multiple choice are made of. A context
// that is too long for the decoder loses its beginning.
//
// Pairs of similar length share a forward pass: rows are as wide as a power of two. Pairs of
// one context, such as the choices of a question behind its examples, share a row: the
// context is read once, and each target sees it and itself ([BranchBias]).
func (e *Evaluator) Score(weights []*tensors.Tensor, pairs []Pair) ([]Continuation, error) {
	type size struct{ width, targets int } // of a pass
	var sizes []size
	groups := map[size][]*scoreRow{}
	rows, err := e.scoreRows(pairs)
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		s := size{min(power(r.width, 32, 2), e.shape.Context), power(r.predicted, 4, 4)}
		if groups[s] == nil {
			sizes = append(sizes, s)
		}
		groups[s] = append(groups[s], r)
	}
	out := make([]Continuation, len(pairs))
	for _, s := range sizes {
		batch := passRows(s.width, len(groups[s]))
		for some := range slices.Chunk(groups[s], batch) {
			if err := e.scorePass(weights, some, batch, s.width, s.targets, out); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// A scoreRow is one row of a forward pass: a context and the targets that follow it.
type scoreRow struct {
	context   []int32
	targets   [][]int32
	pairs     []int // whose targets they are
	width     int   // tokens that are read: nothing is predicted from a target's last
	predicted int   // tokens of all targets
}

// add lets one more target follow the context.
func (r *scoreRow) add(target []int32, pair int) {
	r.targets, r.pairs = append(r.targets, target), append(r.pairs, pair)
	r.width, r.predicted = r.width+len(target)-1, r.predicted+len(target)
}

// scoreRows lays pairs out as rows. A target joins another's row if that makes the row no
// longer, or if it is shorter than their context, beyond which sharing saves less than a
// long row costs in attention, and half a pass holds the row, so that a pass takes
// little more memory than one of the pairs alone.
func (e *Evaluator) scoreRows(pairs []Pair) ([]*scoreRow, error) {
	var rows []*scoreRow
	open := map[string]*scoreRow{}
	for i, p := range pairs {
		if len(p.Context) == 0 || len(p.Target) == 0 || len(p.Target) > e.shape.Context {
			return nil, fmt.Errorf("lm: pair %d has %d tokens of context and %d of target, want at least 1 and 1 to %d",
				i, len(p.Context), len(p.Target), e.shape.Context)
		}
		context := p.Context[max(0, len(p.Context)+len(p.Target)-1-e.shape.Context):]
		key := fmt.Sprint(context)
		r, shared := open[key]
		more := len(p.Target) - 1
		if !shared || more > 0 && (more >= len(context) || r.width+more > min(e.shape.Context, PassTokens/2)) {
			r = &scoreRow{context: context, width: len(context)}
			rows, open[key] = append(rows, r), r
		}
		r.add(p.Target, i)
	}
	return rows, nil
}

// lay is the row's tokens with their segments and positions, and the targets' tokens with
// the slots that predict them, of which the row's first is number first.
func (r *scoreRow) lay(first int) (tokens, segments, positions, want, from []int32) {
	put := func(id, segment, position int32) {
		tokens, segments, positions = append(tokens, id), append(segments, segment), append(positions, position)
	}
	for i, id := range r.context {
		put(id, 1, int32(i))
	}
	for b, target := range r.targets {
		at := first + len(r.context) - 1
		for j, id := range target {
			want, from = append(want, id), append(from, int32(at))
			if j+1 < len(target) {
				at = first + len(tokens)
				put(id, int32(b+2), int32(len(r.context)+j))
			}
		}
	}
	return tokens, segments, positions, want, from
}

// scorePass scores rows in one forward pass of batch rows.
func (e *Evaluator) scorePass(weights []*tensors.Tensor, rows []*scoreRow, batch, width, targets int, out []Continuation) error {
	read := Rows{Width: width, Tokens: make([][]int32, batch), Segments: make([][]int32, batch), Positions: make([][]int32, batch)}
	want, from := make([][]int32, batch), make([][]int32, batch)
	for b, r := range rows {
		read.Tokens[b], read.Segments[b], read.Positions[b], want[b], from[b] = r.lay(b * width)
	}
	in, err := upload(e.be, read)
	if err != nil {
		return err
	}
	defer func() { gx.Free(in...) }()
	for _, m := range [][][]int32{want, from} {
		t, err := gx.Rows(e.be, m, targets, 0, false)
		if err != nil {
			return err
		}
		in = append(in, t)
	}
	res, err := e.score.Call(append(gx.Keep(in), gx.Keep(weights)...)...)
	if err != nil {
		return err
	}
	defer gx.Free(res...)
	logp, err := gx.Matrix[float32](res[0])
	if err != nil {
		return err
	}
	best, err := gx.Matrix[float32](res[1])
	if err != nil {
		return err
	}
	for b, r := range rows {
		at := 0
		for i, target := range r.targets {
			c := &out[r.pairs[i]]
			c.Tokens = len(target)
			for range target {
				c.LogProb += float64(logp[b][at])
				if best[b][at] > 0 {
					c.Right++
				}
				at++
			}
		}
	}
	return nil
}

// scoreGraph takes tokens, segments and positions [B, T], and targets and the slots
// that predict them [B, R]; it returns, [B, R] each, the targets' log-probabilities, and
// 1 where the target has the largest logit, else 0.
func scoreGraph(n *Net, in []*Node) []*Node {
	tokens, segments, positions, targets, slots := in[0], in[1], in[2], in[3], in[4]
	h := n.Hidden(tokens, positions, BranchBias(segments))
	d := h.Shape().Dimensions
	h = Gather(Reshape(h, d[0]*d[1], d[2]), ExpandDims(slots, -1)) // [B, R, D]
	return n.inPieces(h, targets, func(h, targets *Node) []*Node {
		logits := n.Logits(h)
		best := GreaterOrEqual(TakeLast(logits, targets), ReduceMax(logits, -1))
		return []*Node{LogProbs(logits, targets, 1), ConvertDType(best, dtypes.Float32)}
	})
}

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
// one context whose targets are single tokens, such as the letters of a question's choices,
// share a row.
func (e *Evaluator) Score(weights []*tensors.Tensor, pairs []Pair) ([]Continuation, error) {
	type size struct{ width, targets int } // of a pass
	var sizes []size
	groups := map[size][]scoreRow{}
	rows, err := e.scoreRows(pairs)
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		s := size{min(power(min(len(r.seq), e.shape.Context), 32, 2), e.shape.Context), min(power(len(r.target), 4, 4), e.shape.Context)}
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

// A scoreRow is one row of a forward pass: the tokens that are read, the targets, and the
// pairs that these are of, one of all targets or several of one each.
type scoreRow struct {
	seq    []int32
	target []int32
	pairs  []int
}

// scoreRows lays pairs out as rows.
func (e *Evaluator) scoreRows(pairs []Pair) ([]scoreRow, error) {
	var rows []scoreRow
	shared := map[string]int{} // the row of single tokens behind a context
	for i, p := range pairs {
		if len(p.Context) == 0 || len(p.Target) == 0 || len(p.Target) > e.shape.Context {
			return nil, fmt.Errorf("lm: pair %d has %d tokens of context and %d of target, want at least 1 and 1 to %d",
				i, len(p.Context), len(p.Target), e.shape.Context)
		}
		if len(p.Target) == 1 {
			key := fmt.Sprint(p.Context)
			if at, ok := shared[key]; ok && len(rows[at].target) < e.shape.Context {
				rows[at].target, rows[at].pairs = append(rows[at].target, p.Target[0]), append(rows[at].pairs, i)
				continue
			}
			shared[key] = len(rows)
		}
		// Nothing is predicted from the last target.
		rows = append(rows, scoreRow{slices.Concat(p.Context, p.Target[:len(p.Target)-1]), slices.Clone(p.Target), []int{i}})
	}
	return rows, nil
}

// scorePass scores rows in one forward pass of batch rows.
func (e *Evaluator) scorePass(weights []*tensors.Tensor, rows []scoreRow, batch, width, targets int, out []Continuation) error {
	ids, want := make([][]int32, batch), make([][]int32, batch)
	slots := make([][]int32, batch) // where each target token is predicted, counted over the whole batch
	for b, r := range rows {
		ids[b] = r.seq[max(0, len(r.seq)-width):]
		want[b] = r.target
		for j := range r.target {
			at := len(ids[b]) - 1 // of single tokens behind one context
			if len(r.pairs) == 1 {
				at += j + 1 - len(r.target)
			}
			slots[b] = append(slots[b], int32(b*width+at))
		}
	}
	tokens, segments, err := LayOut(e.be, ids, width, 0, false)
	if err != nil {
		return err
	}
	defer gx.Free(tokens, segments)
	wanted, err := gx.Rows(e.be, want, targets, 0, false)
	if err != nil {
		return err
	}
	from, err := gx.Rows(e.be, slots, targets, 0, false)
	if err != nil {
		return err
	}
	defer gx.Free(wanted, from)
	res, err := e.score.Call(append([]any{tokens, segments, wanted, from}, gx.Keep(weights)...)...)
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
		for j := range r.target {
			c := &out[r.pairs[j*len(r.pairs)/len(r.target)]]
			c.Tokens++
			c.LogProb += float64(logp[b][j])
			if best[b][j] > 0 {
				c.Right++
			}
		}
	}
	return nil
}

// scoreGraph takes tokens and segments [B, T], and targets and the slots that
// predict them [B, R]; it returns, [B, R] each, the targets' log-probabilities, and 1
// where the target has the largest logit, else 0.
func scoreGraph(n *Net, in []*Node) []*Node {
	tokens, segments, targets, slots := in[0], in[1], in[2], in[3]
	h := n.Hidden(tokens, Positions(segments), CausalBias(segments))
	d := h.Shape().Dimensions
	h = Gather(Reshape(h, d[0]*d[1], d[2]), ExpandDims(slots, -1)) // [B, R, D]
	return n.inPieces(h, targets, func(h, targets *Node) []*Node {
		logits := n.Logits(h)
		best := GreaterOrEqual(TakeLast(logits, targets), ReduceMax(logits, -1))
		return []*Node{LogProbs(logits, targets, 1), ConvertDType(best, dtypes.Float32)}
	})
}

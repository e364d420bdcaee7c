package lm

import (
	"math/rand/v2"
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/tensors"

	"hhrlhf/rlhf/internal/gx"
)

// Rows are sequences packed into rows of one width. Sequences that share a row
// carry different segment numbers, from 1, and do not see each other; each
// counts its positions from 0, as it will in a rollout. Padding has segment 0.
type Rows struct {
	Width     int
	Tokens    [][]int32
	Segments  [][]int32
	Positions [][]int32
}

// Pack lays sequences into rows of width tokens, each into the first of the
// open rows that has room (first fit over the last 64 rows). A sequence longer
// than width is cut into pieces of at most width.
func Pack(seqs [][]int32, width int, pad int32) Rows {
	const open = 64
	r := Rows{Width: width}
	var used []int
	for _, seq := range seqs {
		for piece := range slices.Chunk(seq, width) {
			at := -1
			for i := max(0, len(used)-open); i < len(used); i++ {
				if used[i]+len(piece) <= width {
					at = i
					break
				}
			}
			if at < 0 {
				at = len(used)
				used = append(used, 0)
				r.Tokens = append(r.Tokens, slices.Repeat([]int32{pad}, width))
				r.Segments = append(r.Segments, make([]int32, width))
				r.Positions = append(r.Positions, make([]int32, width))
			}
			segment := int32(1)
			if used[at] > 0 {
				segment = r.Segments[at][used[at]-1] + 1
			}
			for i, tok := range piece {
				j := used[at] + i
				r.Tokens[at][j], r.Segments[at][j], r.Positions[at][j] = tok, segment, int32(i)
			}
			used[at] += len(piece)
		}
	}
	return r
}

// LayOut lays sequences out one a row: tokens and segments, [N, width] each, padded
// at the start if left is set, else at the end. Segments are 1 where a token
// stands and 0 elsewhere.
func LayOut(be compute.Backend, seqs [][]int32, width int, pad int32, left bool) (tokens, segments *tensors.Tensor, err error) {
	ones := make([][]int32, len(seqs))
	for i, s := range seqs {
		ones[i] = slices.Repeat([]int32{1}, len(s))
	}
	if tokens, err = gx.Rows(be, seqs, width, pad, left); err != nil {
		return nil, nil, err
	}
	segments, err = gx.Rows(be, ones, width, 0, left)
	return tokens, segments, err
}

// Targets counts the tokens that are predicted from an earlier one of their sequence.
func (r Rows) Targets() int {
	n := 0
	for _, seg := range r.Segments {
		for i := 1; i < len(seg); i++ {
			if seg[i] != 0 && seg[i] == seg[i-1] {
				n++
			}
		}
	}
	return n
}

// Pick returns the rows with the given indices; an index of -1 gives an empty row.
func (r Rows) Pick(at []int) Rows {
	empty := make([]int32, r.Width)
	out := Rows{Width: r.Width}
	for _, i := range at {
		if i < 0 {
			out.Tokens = append(out.Tokens, empty)
			out.Segments = append(out.Segments, empty)
			out.Positions = append(out.Positions, empty)
			continue
		}
		out.Tokens = append(out.Tokens, r.Tokens[i])
		out.Segments = append(out.Segments, r.Segments[i])
		out.Positions = append(out.Positions, r.Positions[i])
	}
	return out
}

// Order returns the indices of the items that batch step (from 0) uses, of n
// items shuffled anew in each epoch by stream(epoch). It depends on nothing
// else, so that a resumed run goes on with the same items. An epoch's last,
// incomplete batch is filled from the next epoch's start.
func Order(step, batch, n int, stream func(epoch int) *rand.Rand) []int {
	at := make([]int, 0, batch)
	epoch, perm := -1, []int(nil)
	for i := step * batch; i < (step+1)*batch; i++ {
		if i/n != epoch {
			epoch = i / n
			perm = stream(epoch).Perm(n)
		}
		at = append(at, perm[i%n])
	}
	return at
}

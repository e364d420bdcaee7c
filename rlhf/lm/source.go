package lm

import (
	"fmt"
	"math/rand/v2"
	"slices"
)

// A Source is an endless, fixed sequence of rows to train on. Step n of a trainer
// uses the rows from n·Batch on; so a resumed run goes on with the rows that a
// straight run would have used, and no state of the source is saved.
type Source interface {
	// Batch returns n rows from row first on.
	Batch(first, n int) (Rows, error)
}

// Shuffled gives rows held in memory, in a new order in each round: stream gives
// the generator of a round's order. Its batches are those of [Order].
func Shuffled(rows Rows, stream func(round int) *rand.Rand) Source {
	return &shuffled{rows: rows, stream: stream, round: -1}
}

type shuffled struct {
	rows   Rows
	stream func(round int) *rand.Rand
	round  int // of perm
	perm   []int
}

func (s *shuffled) Batch(first, n int) (Rows, error) {
	size := len(s.rows.Tokens)
	if size == 0 {
		return Rows{}, fmt.Errorf("lm: no transcripts to train on")
	}
	at := make([]int, n)
	for i := range at {
		if round := (first + i) / size; round != s.round {
			s.round, s.perm = round, s.stream(round).Perm(size)
		}
		at[i] = s.perm[(first+i)%size]
	}
	return s.rows.Pick(at), nil
}

// Sequences gives rows that are made when they are asked for: row i holds the
// sequences that from.Row(i) returns, one segment each, at most width tokens
// together. The streams and mixtures of package data have that method. pad fills
// what is left of a row.
func Sequences(width int, pad int32, from interface {
	Row(i int) ([][]int32, error)
}) Source {
	return &sequences{width: width, pad: pad, row: from.Row}
}

type sequences struct {
	width int
	pad   int32
	row   func(i int) ([][]int32, error)
}

func (s *sequences) Batch(first, n int) (Rows, error) {
	r := Rows{Width: s.width}
	for i := first; i < first+n; i++ {
		seqs, err := s.row(i)
		if err != nil {
			return Rows{}, fmt.Errorf("lm: row %d: %w", i, err)
		}
		tokens, segments, positions := make([]int32, 0, s.width), make([]int32, s.width), make([]int32, s.width)
		for k, seq := range seqs {
			at := len(tokens)
			if at+len(seq) > s.width {
				return Rows{}, fmt.Errorf("lm: row %d has more than %d tokens", i, s.width)
			}
			for j := range seq {
				segments[at+j], positions[at+j] = int32(k+1), int32(j)
			}
			tokens = append(tokens, seq...)
		}
		r.Tokens = append(r.Tokens, append(tokens, slices.Repeat([]int32{s.pad}, s.width-len(tokens))...))
		r.Segments, r.Positions = append(r.Segments, segments), append(r.Positions, positions)
	}
	return r, nil
}

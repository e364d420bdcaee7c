package data

import (
	"fmt"
	"slices"
	"sync"
)

// Rows is an endless sequence of rows to train on: row i is a list of token
// sequences that fit into one row of the model's context together. Row i depends
// on i and what the sequence was made of, and on nothing that was asked before,
// so a resumed run needs no state.
type Rows interface {
	Row(i int) ([][]int32, error)
}

// lanes is how many windows a stream reads from at a time. A batch of up to 16
// rows then comes from as many places of the corpus.
const lanes = 16

// A Stream packs a corpus on disk into rows, in constant memory: that of 16
// windows and their tokens.
//
// Row i belongs to lane i mod 16. A lane takes a fixed number of rows ("turns")
// from a window before it goes on to its next one; the windows of all lanes
// together are a shuffle of the corpus, a new one each time the corpus has been
// gone through, and the lanes change windows one after another. Where a window
// packs into more rows than there are turns, some of them wait for a later round;
// where it packs into fewer, some come twice.
type Stream struct {
	text    *Text
	encode  func(Document) []int32
	context int
	seed    uint64
	turns   int

	mu   sync.Mutex
	open [lanes]struct {
		window, epoch int // of what is held; epoch counts from 1
		rows          [][][]int32
	}
}

// NewStream prepares rows of at most context tokens. encode gives a document's
// ids, the end token included unless the document is cut; a sequence that is
// longer than a row is cut into pieces.
func NewStream(text *Text, context int, seed uint64, encode func(Document) []int32) (*Stream, error) {
	if context < 2 {
		return nil, fmt.Errorf("data: rows of %d tokens, want at least 2", context)
	}
	s := &Stream{text: text, encode: encode, context: context, seed: seed}
	// As many turns as a window of the first round has rows on average.
	n, rows := min(8, text.Windows()), 0
	for i := range n {
		packed, err := s.pack(Permute(i, text.Windows(), s.key(0)))
		if err != nil {
			return nil, err
		}
		rows += len(packed)
	}
	s.turns = max(1, (rows+n/2)/n)
	return s, nil
}

func (s *Stream) key(epoch int) uint64 { return mix64(s.seed + mix64(uint64(epoch))) }

// Row implements Rows.
func (s *Stream) Row(i int) ([][]int32, error) {
	if i < 0 {
		return nil, fmt.Errorf("data: row %d of a stream", i)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	lane, windows := i%lanes, s.text.Windows()
	step := i/lanes + lane*s.turns/lanes // lanes change windows one after another
	visit := step/s.turns*lanes + lane
	epoch := visit / windows
	window := Permute(visit%windows, windows, s.key(epoch))
	held := &s.open[lane]
	if held.epoch != epoch+1 || held.window != window {
		rows, err := s.pack(window)
		if err != nil {
			return nil, err
		}
		held.window, held.epoch, held.rows = window, epoch+1, rows
	}
	n := len(held.rows)
	if n == 0 {
		return nil, nil
	}
	return held.rows[Permute(step%s.turns%n, n, mix64(s.key(epoch)+uint64(window)))], nil
}

// pack reads a window, or the next one that is not empty, and packs it into rows.
func (s *Stream) pack(window int) ([][][]int32, error) {
	const tries = 64
	for i := range min(tries, s.text.Windows()) {
		docs, err := s.text.Window((window + i) % s.text.Windows())
		if err != nil {
			return nil, err
		}
		seqs := make([][]int32, len(docs))
		for j, d := range docs {
			seqs[j] = s.encode(d)
		}
		if rows := packRows(seqs, s.context); len(rows) > 0 {
			return rows, nil
		}
	}
	return nil, nil
}

// packRows cuts sequences into pieces of at most width tokens and puts each
// piece into the first row that has room, of the last 64.
func packRows(seqs [][]int32, width int) [][][]int32 {
	const open = 64
	var rows [][][]int32
	var used []int
	for _, seq := range seqs {
		for piece := range slices.Chunk(seq, width) {
			at := max(0, len(rows)-open)
			for at < len(rows) && used[at]+len(piece) > width {
				at++
			}
			if at == len(rows) {
				rows, used = append(rows, nil), append(used, 0)
			}
			rows[at], used[at] = append(rows[at], piece), used[at]+len(piece)
		}
	}
	return rows
}

// A Shuffle gives sequences held in memory as rows, in a new order each round.
type Shuffle struct {
	rows [][][]int32
	seed uint64
}

// NewShuffle packs sequences into rows of at most context tokens.
func NewShuffle(seqs [][]int32, context int, seed uint64) (*Shuffle, error) {
	if context < 2 {
		return nil, fmt.Errorf("data: rows of %d tokens, want at least 2", context)
	}
	s := &Shuffle{rows: packRows(seqs, context), seed: seed}
	if len(s.rows) == 0 {
		return nil, fmt.Errorf("data: no tokens to shuffle")
	}
	return s, nil
}

// Row implements Rows.
func (s *Shuffle) Row(i int) ([][]int32, error) {
	if i < 0 {
		return nil, fmt.Errorf("data: row %d of a shuffle", i)
	}
	n := len(s.rows)
	return s.rows[Permute(i%n, n, mix64(s.seed+mix64(uint64(i/n))))], nil
}

package tokenizer

import (
	"container/heap"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"sync"
)

// A pair is two adjacent tokens, the left one in the upper half, so that the
// order of the integers is the order of the pairs.
type pair uint64

func pairOf(left, right int32) pair { return pair(uint32(left))<<32 | pair(uint32(right)) }

func (p pair) left() int32  { return int32(p >> 32) }
func (p pair) right() int32 { return int32(uint32(p)) }

// A merge joins a pair of tokens into the token id; merges of lower rank go first.
type merge struct {
	rank, id int32
}

// BPE is a byte-level byte-pair encoding: text is cut into pieces by GPT-2's
// rule, and within a piece the adjacent pair of lowest rank is merged until no
// pair has a rank. It is immutable and safe for concurrent use.
type BPE struct {
	pieces        []string // by id: the bytes, or a special token's name
	special       []bool   // by id
	pad, eos, eoc int32
	bytes         [256]int32 // id of each single byte
	merges        []pair     // by rank
	ranks         map[pair]merge

	hash func() string // computed once

	mu    sync.RWMutex
	cache map[string][]int32 // encodings of short pieces
}

const (
	cacheEntries  = 1 << 16 // a few MB
	cachePieceLen = 64      // longer pieces are rare and seldom come back
)

// Bytes returns the tokenizer without merges: the three special tokens, then one
// token per byte, 259 ids in all. It is what [TrainBPE] starts from, and serves
// tests that need a tokenizer but no training.
func Bytes() *BPE {
	b := &BPE{
		pieces: []string{PadToken, EOSToken, EOCToken},
		pad:    0, eos: 1, eoc: 2,
	}
	for c := range 256 {
		b.bytes[c] = int32(len(b.pieces))
		b.pieces = append(b.pieces, string([]byte{byte(c)}))
	}
	b.special = make([]bool, len(b.pieces))
	b.special[0], b.special[1], b.special[2] = true, true, true
	return b.seal(nil, nil)
}

// seal completes a BPE whose pieces and special tokens are set; ids[i] is the
// token that merges[i] makes.
func (b *BPE) seal(merges []pair, ids []int32) *BPE {
	b.merges = merges
	b.ranks = make(map[pair]merge, len(merges))
	for i, p := range merges {
		b.ranks[p] = merge{rank: int32(i), id: ids[i]}
	}
	b.cache = make(map[string][]int32)
	b.hash = sync.OnceValue(func() string {
		sum := sha256.Sum256(b.canonical())
		return hex.EncodeToString(sum[:])
	})
	return b
}

// VocabSize returns the number of ids, special tokens included.
func (b *BPE) VocabSize() int { return len(b.pieces) }

// Pad returns the id of [PadToken].
func (b *BPE) Pad() int32 { return b.pad }

// EOS returns the id of [EOSToken].
func (b *BPE) EOS() int32 { return b.eos }

// EOC returns the id of [EOCToken].
func (b *BPE) EOC() int32 { return b.eoc }

// Hash returns the SHA-256, in hexadecimal, of the tokenizer.json that
// [BPE.Save] writes.
func (b *BPE) Hash() string { return b.hash() }

// Encode returns the ids of s. Every string of bytes has an encoding, none
// contains a special id, and Decode gives s back. Time is O(len(s) log len(s))
// whatever s holds.
func (b *BPE) Encode(s string) []int32 {
	ids := make([]int32, 0, len(s)/3+1)
	for s != "" {
		n := nextPiece(s)
		ids = b.appendPiece(ids, s[:n])
		s = s[n:]
	}
	return ids
}

func (b *BPE) appendPiece(ids []int32, piece string) []int32 {
	if len(piece) == 1 {
		return append(ids, b.bytes[piece[0]])
	}
	if len(piece) > cachePieceLen {
		return b.merge(ids, piece)
	}
	b.mu.RLock()
	known, ok := b.cache[piece]
	b.mu.RUnlock()
	if !ok {
		known = b.merge(nil, piece)
		b.mu.Lock()
		if len(b.cache) < cacheEntries {
			b.cache[strings.Clone(piece)] = known
		}
		b.mu.Unlock()
	}
	return append(ids, known...)
}

// merge appends the tokens of one piece: a linked list of tokens, and a heap of
// the pairs that could be merged, lowest rank first, leftmost among equals.
func (b *BPE) merge(ids []int32, piece string) []int32 {
	const dead = -1
	n := len(piece)
	token := make([]int32, n)
	next, prev := make([]int, n), make([]int, n)
	for i := range n {
		token[i], next[i], prev[i] = b.bytes[piece[i]], i+1, i-1
	}
	var todo candidates
	for i := range n - 1 {
		if m, ok := b.ranks[pairOf(token[i], token[i+1])]; ok {
			todo = append(todo, candidate{m.rank, i})
		}
	}
	heap.Init(&todo)
	offer := func(i int) {
		if i < 0 || next[i] >= n {
			return
		}
		if m, ok := b.ranks[pairOf(token[i], token[next[i]])]; ok {
			heap.Push(&todo, candidate{m.rank, i})
		}
	}
	for len(todo) > 0 {
		c := heap.Pop(&todo).(candidate)
		i := c.at
		if token[i] == dead || next[i] >= n {
			continue
		}
		j := next[i]
		m, ok := b.ranks[pairOf(token[i], token[j])]
		if !ok || m.rank != c.rank {
			continue // a neighbour has merged since
		}
		token[i], token[j] = m.id, dead
		next[i] = next[j]
		if next[i] < n {
			prev[next[i]] = i
		}
		offer(prev[i])
		offer(i)
	}
	for i := 0; i < n; i = next[i] {
		ids = append(ids, token[i])
	}
	return ids
}

type candidate struct {
	rank int32
	at   int // index of the pair's left token
}

// candidates is a heap for container/heap.
type candidates []candidate

func (c candidates) Len() int { return len(c) }
func (c candidates) Less(i, j int) bool {
	return c[i].rank < c[j].rank || c[i].rank == c[j].rank && c[i].at < c[j].at
}
func (c candidates) Swap(i, j int) { c[i], c[j] = c[j], c[i] }
func (c *candidates) Push(x any)   { *c = append(*c, x.(candidate)) }
func (c *candidates) Pop() any {
	old := *c
	last := old[len(old)-1]
	*c = old[:len(old)-1]
	return last
}

// Decode returns the bytes that ids stand for. Special ids, and ids outside
// [0, VocabSize), stand for none. The result need not be valid UTF-8 where ids
// end inside a character.
func (b *BPE) Decode(ids []int32) string {
	var s strings.Builder
	for _, id := range ids {
		if b.known(id) && !b.special[id] {
			s.WriteString(b.pieces[id])
		}
	}
	return s.String()
}

// Piece returns a visible form of one token: a special token's name, or its
// text escaped as in a Go string, double quotes excepted. An id outside
// [0, VocabSize) gives "<|unknown N|>".
func (b *BPE) Piece(id int32) string {
	switch {
	case !b.known(id):
		return fmt.Sprintf("<|unknown %d|>", id)
	case b.special[id]:
		return b.pieces[id]
	}
	q := strconv.Quote(b.pieces[id])
	return strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
}

func (b *BPE) known(id int32) bool { return 0 <= id && int(id) < len(b.pieces) }

package tokenizer

import (
	"cmp"
	"container/heap"
	"slices"
	"unicode/utf8"
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

// BPE is a byte-pair encoding: text is cut into pieces, and within a piece the
// adjacent pair of lowest rank, the leftmost of equals, is merged until no pair
// has a rank (Sennrich et al. 2016). A piece starts as its bytes, or, in the
// vocabularies of SentencePiece, as its characters, those that the vocabulary
// lacks as their bytes. It is immutable and safe for concurrent use.
type BPE struct {
	vocabulary
	bytes  [256]int32       // id of each single byte; -1: none
	chars  map[string]int32 // id of each single character; SentencePiece's spelling only
	merges []pair           // by rank
	ranks  map[pair]merge

	whole map[string]int32 // pieces that are tokens without any merging (ignore_merges)
}

// Bytes returns the tokenizer without merges: the three special tokens, then one
// token per byte, 259 ids in all. It is what [TrainBPE] starts from, and serves
// tests that need a tokenizer but no training.
func Bytes() *BPE {
	b := &BPE{vocabulary: vocabulary{
		pieces: []string{PadToken, EOSToken, EOCToken},
		pad:    0, eos: 1, eoc: 2, bos: -1, unk: -1,
	}}
	for c := range 256 {
		b.bytes[c] = int32(len(b.pieces))
		b.pieces = append(b.pieces, string([]byte{byte(c)}))
	}
	b.special = make([]bool, len(b.pieces))
	for id := range int32(3) {
		b.special[id] = true
		b.added = append(b.added, addedToken{id: id, content: b.pieces[id], special: true})
	}
	return b.seal(nil, nil)
}

// seal completes a BPE whose vocabulary is set; ids[i] is the token that
// merges[i] makes.
func (b *BPE) seal(merges []pair, ids []int32) *BPE {
	b.merges = merges
	b.ranks = make(map[pair]merge, len(merges))
	for i, p := range merges {
		b.ranks[p] = merge{rank: int32(i), id: ids[i]}
	}
	b.ready(b.encodePiece, b.json)
	return b
}

// sealScores completes a BPE of SentencePiece's kind, which states no merges:
// any two tokens merge whose text is a token, those first whose token has the
// higher score (google/sentencepiece, src/bpe_model.cc). usable says which
// tokens take part.
func (b *BPE) sealScores(scores []float32, usable func(id int32) bool) *BPE {
	ids := make(map[string]int32, len(b.spelling))
	var order []int32
	for id, s := range b.spelling {
		if usable(int32(id)) {
			if _, twice := ids[s]; !twice {
				ids[s] = int32(id)
				order = append(order, int32(id))
			}
		}
	}
	slices.SortStableFunc(order, func(x, y int32) int { return cmp.Compare(scores[y], scores[x]) })
	b.ranks = make(map[pair]merge)
	rank := int32(-1)
	last := float32(0)
	for i, id := range order {
		if i == 0 || scores[id] != last {
			rank, last = rank+1, scores[id]
		}
		s := b.spelling[id]
		for at := range s {
			left, ok := ids[s[:at]]
			if !ok {
				continue
			}
			if right, ok := ids[s[at:]]; ok {
				p := pairOf(left, right)
				b.ranks[p] = merge{rank: rank, id: id}
				b.merges = append(b.merges, p)
			}
		}
	}
	b.ready(b.encodePiece, b.json)
	return b
}

// encodePiece appends the tokens of one piece.
func (b *BPE) encodePiece(ids []int32, piece string) []int32 {
	if id, ok := b.whole[piece]; ok {
		return append(ids, id)
	}
	var room [64]int32
	tokens := room[:0]
	if !b.spells() {
		for i := range len(piece) {
			if id := b.bytes[piece[i]]; id >= 0 { // else left out, as the Hugging Face library does
				tokens = append(tokens, id)
			}
		}
	} else {
		for i := 0; i < len(piece); {
			_, n := utf8.DecodeRuneInString(piece[i:])
			if id, ok := b.chars[piece[i:i+n]]; ok {
				tokens = append(tokens, id)
			} else {
				for j := range n {
					tokens = append(tokens, b.bytes[piece[i+j]])
				}
			}
			i += n
		}
	}
	if len(tokens) <= shortPiece {
		return append(ids, b.mergeShort(tokens)...)
	}
	return b.mergeLong(ids, tokens)
}

// shortPiece is the length up to which looking at every pair before each merge
// is faster than a heap.
const shortPiece = 48

// mergeShort merges in place and returns the tokens that remain.
func (b *BPE) mergeShort(tokens []int32) []int32 {
	const none = 1<<31 - 1
	var room [shortPiece]merge
	todo := room[:len(tokens)] // todo[i] is the merge of the tokens i and i+1
	look := func(i int) {
		todo[i].rank = none
		if i+1 < len(tokens) {
			if m, ok := b.ranks[pairOf(tokens[i], tokens[i+1])]; ok {
				todo[i] = m
			}
		}
	}
	for i := range tokens {
		look(i)
	}
	for {
		best := 0
		for i := range todo {
			if todo[i].rank < todo[best].rank {
				best = i
			}
		}
		if len(tokens) == 0 || todo[best].rank == none {
			return tokens
		}
		tokens[best] = todo[best].id
		tokens = slices.Delete(tokens, best+1, best+2)
		todo = slices.Delete(todo, best+1, best+2)
		look(best)
		if best > 0 {
			look(best - 1)
		}
	}
}

// mergeLong appends the merged tokens to ids: a linked list of tokens, and a
// heap of the pairs that could be merged, lowest rank first, leftmost among
// equals.
func (b *BPE) mergeLong(ids, token []int32) []int32 {
	const dead = -1
	n := len(token)
	next, prev := make([]int, n), make([]int, n)
	for i := range n {
		next[i], prev[i] = i+1, i-1
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

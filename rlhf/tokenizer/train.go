package tokenizer

import (
	"container/heap"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
)

// MinVocab is the smallest vocabulary that [TrainBPE] accepts: three special
// tokens, 256 bytes and one merge.
const MinVocab = 3 + 256 + 1

// TrainBPE learns a vocabulary of vocab ids from texts: starting from bytes, the
// pair of adjacent tokens that occurs most often within pieces becomes a token,
// until vocab ids are taken (Sennrich et al. 2016, algorithm 1). Of pairs with
// one count the smallest pair of ids goes first, so equal texts in any order
// give equal tokenizers. It ends early where no pair occurs twice: VocabSize
// then returns less than vocab.
//
// Memory is proportional to the distinct pieces of the texts, not to their
// length. It is an error if vocab is below [MinVocab] or the texts are empty.
func TrainBPE(texts iter.Seq[string], vocab int) (*BPE, error) {
	if vocab < MinVocab {
		return nil, fmt.Errorf("tokenizer: vocab = %d, want at least %d (3 special tokens, 256 bytes, 1 merge)", vocab, MinVocab)
	}
	counts := make(map[string]int64)
	for text := range texts {
		for text != "" {
			n := nextPiece(text)
			if _, ok := counts[text[:n]]; ok {
				counts[text[:n]]++
			} else {
				counts[strings.Clone(text[:n])] = 1 // a clone, or the piece would keep the text alive
			}
			text = text[n:]
		}
	}
	if len(counts) == 0 {
		return nil, fmt.Errorf("tokenizer: the training texts are empty")
	}

	b := Bytes()
	ids := make(map[string]int32, vocab)
	for id, piece := range b.pieces {
		if !b.special[id] {
			ids[piece] = int32(id)
		}
	}
	t := newTrainer(b, counts)
	var merges []pair
	var made []int32
	for len(b.pieces) < vocab {
		p, ok := t.best()
		if !ok {
			break
		}
		piece := b.pieces[p.left()] + b.pieces[p.right()]
		id, seen := ids[piece] // "ab"+"c" and "a"+"bc" make one token
		if !seen {
			id = int32(len(b.pieces))
			ids[piece] = id
			b.pieces = append(b.pieces, piece)
			b.special = append(b.special, false)
		}
		merges, made = append(merges, p), append(made, id)
		t.apply(p, id)
	}
	return b.seal(merges, made), nil
}

// trainer holds the distinct pieces as token sequences, with the count of every
// pair kept up to date as merges are applied.
type trainer struct {
	words  [][]int32
	counts []int64 // occurrences of each word

	pairs map[pair]int64   // occurrences of each pair, over all words
	where map[pair][]int32 // words that have held the pair; may be out of date
	heap  pairHeap         // holds an entry ≥ pairs[p] for each pair p in use
}

func newTrainer(b *BPE, counts map[string]int64) *trainer {
	t := &trainer{pairs: make(map[pair]int64), where: make(map[pair][]int32)}
	for w, piece := range slices.Sorted(maps.Keys(counts)) {
		word := make([]int32, len(piece))
		for i := range len(piece) {
			word[i] = b.bytes[piece[i]]
		}
		t.words = append(t.words, word)
		t.counts = append(t.counts, counts[piece])
		for i := range len(word) - 1 {
			t.add(pairOf(word[i], word[i+1]), int32(w))
		}
	}
	for p, n := range t.pairs { // any order: the heap's order is total
		t.heap = append(t.heap, pairCount{p, n})
	}
	heap.Init(&t.heap)
	return t
}

func (t *trainer) add(p pair, word int32) {
	t.pairs[p] += t.counts[word]
	if at := t.where[p]; len(at) == 0 || at[len(at)-1] != word {
		t.where[p] = append(at, word)
	}
}

// best returns the most frequent pair, if one occurs twice. Entries of the heap
// whose count has fallen since are put back with the true one.
func (t *trainer) best() (pair, bool) {
	for len(t.heap) > 0 {
		top := heap.Pop(&t.heap).(pairCount)
		switch n := t.pairs[top.pair]; {
		case n < 2:
		case n < top.count:
			heap.Push(&t.heap, pairCount{top.pair, n})
		case n == top.count:
			return top.pair, true
		}
	}
	return 0, false
}

// apply replaces every occurrence of p by id, left to right in each word.
func (t *trainer) apply(p pair, id int32) {
	words := t.where[p]
	delete(t.where, p)
	var grown []pair
	for _, w := range words {
		word, n := t.words[w], t.counts[w]
		out := word[:0]
		for i := 0; i < len(word); i++ {
			if i+1 == len(word) || pairOf(word[i], word[i+1]) != p {
				out = append(out, word[i])
				continue
			}
			t.pairs[p] -= n
			if len(out) > 0 {
				before := out[len(out)-1]
				t.pairs[pairOf(before, p.left())] -= n
				t.add(pairOf(before, id), w)
				grown = append(grown, pairOf(before, id))
			}
			if i+2 < len(word) {
				t.pairs[pairOf(p.right(), word[i+2])] -= n
				t.add(pairOf(id, word[i+2]), w)
				grown = append(grown, pairOf(id, word[i+2]))
			}
			out = append(out, id)
			i++
		}
		t.words[w] = out
	}
	slices.Sort(grown)
	for _, q := range slices.Compact(grown) {
		heap.Push(&t.heap, pairCount{q, t.pairs[q]})
	}
	if t.pairs[p] <= 0 {
		delete(t.pairs, p)
	}
}

type pairCount struct {
	pair  pair
	count int64
}

// pairHeap is a heap for container/heap: the largest count first, the smallest
// pair among equals.
type pairHeap []pairCount

func (h pairHeap) Len() int { return len(h) }
func (h pairHeap) Less(i, j int) bool {
	return h[i].count > h[j].count || h[i].count == h[j].count && h[i].pair < h[j].pair
}
func (h pairHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *pairHeap) Push(x any)   { *h = append(*h, x.(pairCount)) }
func (h *pairHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	*h = old[:len(old)-1]
	return last
}

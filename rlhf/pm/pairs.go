package pm

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/tokenizer"
)

// A Pair is a comparison as token sequences, end-of-context token included.
type Pair struct {
	Chosen, Rejected []int32
	At               int // index of the comparison it was made from
}

func (p Pair) width() int { return max(len(p.Chosen), len(p.Rejected)) }

// Encode turns comparisons into pairs of at most context tokens. Both sides of a
// pair keep the same turns of the prompt. A comparison that does not fit even
// with its last question alone is left out; notes says how many, and of the
// prompts that lost turns.
func Encode(tok tokenizer.Tokenizer, cs []rlhf.Comparison, context int) (pairs []Pair, notes []string) {
	long, cut := 0, 0
	for i, c := range cs {
		_, chosen := tokenizer.EncodeTranscript(tok, c.Chosen)
		_, rejected := tokenizer.EncodeTranscript(tok, c.Rejected)
		prompt, dropped, ok := tokenizer.FitPrompt(tok, c.Chosen.Prompt, context-1-max(len(chosen), len(rejected)))
		if !ok {
			long++
			continue
		}
		if dropped > 0 {
			cut++
		}
		pairs = append(pairs, Pair{join(prompt, chosen, tok.EOC()), join(prompt, rejected, tok.EOC()), i})
	}
	if long > 0 {
		notes = append(notes, fmt.Sprintf("%d of %d comparisons left out: the last question and the longer response exceed Context = %d tokens", long, len(cs), context))
	}
	if cut > 0 {
		notes = append(notes, fmt.Sprintf("%d of %d prompts lost their oldest turns to fit Context = %d tokens", cut, len(cs), context))
	}
	return pairs, notes
}

// batches cuts one epoch into batches of pairs of similar length: the shuffled
// pairs are sorted by length within windows of 16 batches, and the batches are
// shuffled again. The last, incomplete batch is left out.
func batches(pairs []Pair, batch int, rng *rand.Rand) [][]int {
	perm := rng.Perm(len(pairs))
	var out [][]int
	for window := range slices.Chunk(perm, 16*batch) {
		slices.SortStableFunc(window, func(a, b int) int { return cmp.Compare(pairs[a].width(), pairs[b].width()) })
		for b := range slices.Chunk(window, batch) {
			if len(b) == batch {
				out = append(out, b)
			}
		}
	}
	rng.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

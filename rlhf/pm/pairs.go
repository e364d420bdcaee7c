package pm

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/data"
	"hhrlhf/rlhf/tokenizer"
)

// A Source holds the comparisons to train on, in memory or on disk.
type Source interface {
	Len() int
	At(i int) (rlhf.Comparison, error)
}

// InMemory is a Source.
type InMemory []rlhf.Comparison

// Len implements Source.
func (s InMemory) Len() int { return len(s) }

// At implements Source.
func (s InMemory) At(i int) (rlhf.Comparison, error) { return s[i], nil }

// A Pair is a comparison as token ids: the prompt that both sides share, and the two
// responses, each with the end-of-context token behind it.
type Pair struct {
	Prompt, Chosen, Rejected []int32
	Tranche                  string
	At                       int // index of the comparison it was made from
}

// slots is the length of a row that holds the pair.
func (p Pair) slots() int { return len(p.Prompt) + len(p.Chosen) + len(p.Rejected) }

// A Fate says what became of a comparison when it was encoded.
type Fate int

// The fates. A pair that is TooLong or MadeEqual cannot be trained on.
const (
	Whole     Fate = iota
	Cut            // the prompt lost its oldest turns
	TooLong        // the last question and the longer response exceed the context
	MadeEqual      // the two responses are the same tokens
)

// Encode turns a comparison into token ids of which prompt and one response
// take at most context. Both sides keep the same turns of the prompt.
func Encode(tok tokenizer.Tokenizer, c rlhf.Comparison, context int) (Pair, Fate) {
	_, chosen := tokenizer.EncodeTranscript(tok, c.Chosen)
	_, rejected := tokenizer.EncodeTranscript(tok, c.Rejected)
	if slices.Equal(chosen, rejected) {
		return Pair{}, MadeEqual
	}
	prompt, dropped, ok := tokenizer.FitPrompt(tok, c.Chosen.Prompt, context-1-max(len(chosen), len(rejected)))
	if !ok {
		return Pair{}, TooLong
	}
	p := Pair{Prompt: prompt, Chosen: append(chosen, tok.EOC()), Rejected: append(rejected, tok.EOC()), Tranche: c.Tranche}
	if dropped > 0 {
		return p, Cut
	}
	return p, Whole
}

// EncodeAll encodes the comparisons that fit. left counts those that do not, by reason,
// with the sources of the first few; cut is how many prompts lost their oldest turns.
func EncodeAll(tok tokenizer.Tokenizer, cs []rlhf.Comparison, context int) (pairs []Pair, left []rlhf.Odd, cut int) {
	reasons := map[Fate]string{
		TooLong:   fmt.Sprintf("the last question and the longer response exceed Context = %d tokens", context),
		MadeEqual: "both responses are the same tokens",
	}
	odd := map[Fate]rlhf.Odd{}
	for i, c := range cs {
		p, fate := Encode(tok, c, context)
		if fate > Cut {
			o := odd[fate]
			o.Reason, o.Rows = reasons[fate], o.Rows+1
			if len(o.Where) < rlhf.OddShown {
				o.Where = append(o.Where, c.Source)
			}
			odd[fate] = o
			continue
		}
		if fate == Cut {
			cut++
		}
		p.At = i
		pairs = append(pairs, p)
	}
	for _, fate := range []Fate{TooLong, MadeEqual} {
		if odd[fate].Rows > 0 {
			left = append(left, odd[fate])
		}
	}
	return pairs, left, cut
}

// windowBatches is how many batches are drawn together and sorted by length.
const windowBatches = 16

// An order deals a source's comparisons into batches of pairs of similar length. An
// epoch is a permutation of the source, cut into windows of 16 batches; the pairs of
// a window are sorted by length, and its batches shuffled. An epoch's last,
// incomplete batch is left out. Only one window is held in memory, and which pairs
// come at a step depends on the seed alone.
type order struct {
	source Source
	encode func(rlhf.Comparison) (Pair, Fate)
	batch  int
	stream func(epoch int) *rand.Rand

	epoch, window int // of what is held
	batches       [][]Pair
}

func newOrder(source Source, batch int, encode func(rlhf.Comparison) (Pair, Fate), stream func(epoch int) *rand.Rand) *order {
	return &order{source: source, encode: encode, batch: batch, stream: stream, epoch: -1}
}

// at returns the batch of a step, from 0.
func (o *order) at(step int) ([]Pair, error) {
	perEpoch := StepsPerEpoch(o.source.Len(), o.batch)
	epoch, step := step/perEpoch, step%perEpoch
	if window := step / windowBatches; epoch != o.epoch || window != o.window {
		batches, err := o.open(epoch, window)
		if err != nil {
			return nil, err
		}
		o.epoch, o.window, o.batches = epoch, window, batches
	}
	return o.batches[step%windowBatches], nil
}

// open encodes and deals a window.
func (o *order) open(epoch, window int) ([][]Pair, error) {
	seed := o.stream(epoch).Uint64()
	first := window * windowBatches * o.batch
	n := min(windowBatches*o.batch, StepsPerEpoch(o.source.Len(), o.batch)*o.batch-first)
	pairs := make([]Pair, n)
	for k := range pairs {
		i := data.Permute(first+k, o.source.Len(), seed)
		c, err := o.source.At(i)
		if err != nil {
			return nil, err
		}
		p, fate := o.encode(c)
		if fate > Cut {
			return nil, fmt.Errorf("pm: comparison %d of the training data cannot be encoded; leave out what Encode refuses", i)
		}
		p.At = i
		pairs[k] = p
	}
	slices.SortStableFunc(pairs, func(a, b Pair) int { return cmp.Compare(a.slots(), b.slots()) })
	batches := slices.Collect(slices.Chunk(pairs, o.batch))
	rng := rand.New(rand.NewPCG(seed, uint64(window)))
	rng.Shuffle(len(batches), func(i, j int) { batches[i], batches[j] = batches[j], batches[i] })
	return batches, nil
}

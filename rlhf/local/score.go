package local

import (
	"cmp"
	"fmt"
	"iter"
	"slices"

	"hhrlhf/rlhf/lm"
	"hhrlhf/rlhf/tokenizer"
)

// A Passage is a text that a model is to predict.
type Passage struct {
	// Context is read but not predicted. Where it does not fit into the window
	// together with Text, it loses its beginning.
	Context string
	// Text is predicted. In a dialogue of the paper's format the end tokens of the
	// Assistant's turns are predicted too, by a model trained here.
	Text string
	// End asks a model trained here for the end token behind Text too, as it was trained.
	End bool
}

// A Prediction is how well a model predicted one passage.
type Prediction struct {
	Tokens int     // that were predicted
	Bytes  int     // of the text that they stand for
	Nats   float64 // Σ −log p(token | all before it)
	Right  int     // tokens that are the model's most probable ones
}

// DefaultWindow is how many tokens Predict lets a prediction see at most.
const DefaultWindow = 1024

// callTokens is how many tokens are scored between two looks at the lab's context.
const callTokens = 8192

// piece is a part of a passage that fits into one window: ids, of which those
// from first on are predicted.
type piece struct {
	passage int
	ids     []int32
	first   int
}

// Predict scores passages in their order. A passage longer than window tokens (0:
// DefaultWindow; at most the model's context) is cut into windows, each of which
// begins with the last token of the one before, so that every token but the
// passage's first is predicted exactly once; the first is, too, where the model
// begins its texts with a token of their own.
//
// It holds a few hundred passages in memory, however many there are.
func (m *Model) Predict(passages iter.Seq2[Passage, error], window int) iter.Seq2[Prediction, error] {
	window = m.window(window)
	return func(yield func(Prediction, error) bool) {
		if window < 2 {
			yield(Prediction{}, fmt.Errorf("local: a window of %d tokens predicts nothing, want 2 or more", window))
			return
		}
		var group []Passage
		flush := func() bool {
			ps, err := m.predict(group, window)
			group = group[:0]
			if err != nil {
				yield(Prediction{}, err)
				return false
			}
			for _, p := range ps {
				if !yield(p, nil) {
					return false
				}
			}
			return true
		}
		size := 0
		for p, err := range passages {
			if err != nil {
				yield(Prediction{}, err)
				return
			}
			if len(group) == 0 || p.Context != group[len(group)-1].Context { // a shared context is read once
				size += len(p.Context)
			}
			group = append(group, p)
			if size += len(p.Text); size >= 4*callTokens || len(group) == 256 {
				if size = 0; !flush() {
					return
				}
			}
		}
		if len(group) > 0 {
			flush()
		}
	}
}

// window is the window that is used where n is asked for.
func (m *Model) window(n int) int {
	if n == 0 {
		n = DefaultWindow
	}
	return min(n, m.Shape.Context)
}

// predict scores one group of passages.
func (m *Model) predict(group []Passage, window int) ([]Prediction, error) {
	out := make([]Prediction, len(group))
	var pieces []piece
	for i, p := range group {
		ids, first := m.encode(p)
		if len(ids) <= first {
			continue
		}
		out[i].Tokens = len(ids) - first
		out[i].Bytes = len(m.Tokenizer.Decode(ids[first:]))
		if p.Context == "" && first == m.starts() {
			out[i].Bytes = len(p.Text) // without the space that some tokenizers put before it
		}
		pieces = append(pieces, cutPieces(i, ids, first, window)...)
	}
	release, err := m.acquire(m.lab.ctx, "scoring with")
	if err != nil {
		return nil, err
	}
	defer release()
	weights, err := m.Weights()
	if err != nil {
		return nil, err
	}
	evaluator := m.lab.askPrograms(m.Shape).evaluator
	// By the length of the context, so that few rows are padded and those of one context stay together.
	slices.SortStableFunc(pieces, func(a, b piece) int { return cmp.Compare(b.first, a.first) })
	for len(pieces) > 0 {
		if err := m.lab.ctx.Err(); err != nil {
			return nil, fmt.Errorf("local: scoring with %s: %w", m.Name, err)
		}
		var pairs []lm.Pair
		for tokens := 0; len(pairs) < len(pieces) && tokens < callTokens; {
			p := pieces[len(pairs)]
			pair := lm.Pair{Context: p.ids[:p.first], Target: p.ids[p.first:]}
			if tokens += len(pair.Target); len(pairs) == 0 || !slices.Equal(pair.Context, pairs[len(pairs)-1].Context) {
				tokens += len(pair.Context)
			}
			pairs = append(pairs, pair)
		}
		scores, err := evaluator.Score(weights, pairs)
		if err != nil {
			return nil, fmt.Errorf("local: scoring with %s: %w", m.Name, err)
		}
		for i, c := range scores {
			p := &out[pieces[i].passage]
			p.Nats, p.Right = p.Nats-c.LogProb, p.Right+c.Right
		}
		pieces = pieces[len(pairs):]
	}
	return out, nil
}

// starts is how many ids the model's tokenizer puts before every text.
func (m *Model) starts() int { return len(tokenizer.Starts(m.Tokenizer)) }

// encodeText returns the ids of s at the beginning of a text, as the model was
// trained to see it.
func (m *Model) encodeText(s string) []int32 {
	if m.Family != FamilyRun {
		return tokenizer.EncodeText(m.Tokenizer, s)
	}
	return tokenizer.EncodePrompt(m.Tokenizer, s)
}

// encode returns the ids of a passage and which of them is the first to predict.
func (m *Model) encode(p Passage) (ids []int32, first int) {
	ids = m.encodeText(p.Context + p.Text)
	if p.End && m.Family == FamilyRun {
		ids = append(ids, m.Tokenizer.EOS())
	}
	if p.Context == "" {
		return ids, max(1, m.starts())
	}
	// What the two encodings share; a token that straddles the border is predicted.
	context := m.encodeText(p.Context)
	for first < len(context) && first < len(ids) && context[first] == ids[first] {
		first++
	}
	return ids, max(1, first)
}

// cutPieces cuts a passage into pieces of at most window tokens.
func cutPieces(passage int, ids []int32, first, window int) []piece {
	// A context keeps what fits before the text, at least one token.
	if drop := min(first-1, len(ids)-window); drop > 0 {
		ids, first = ids[drop:], first-drop
	}
	var out []piece
	for {
		n := min(window, len(ids))
		out = append(out, piece{passage: passage, ids: ids[:n], first: first})
		if n == len(ids) {
			return out
		}
		ids, first = ids[n-1:], 1
	}
}

// Texts are passages of plain text, for [Model.Predict].
func Texts(texts ...string) iter.Seq2[Passage, error] {
	return func(yield func(Passage, error) bool) {
		for _, s := range texts {
			if !yield(Passage{Text: s}, nil) {
				return
			}
		}
	}
}

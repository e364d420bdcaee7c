package tokenizer

import (
	"fmt"
	"slices"
)

// Extend returns tk with unused ids put in before its spare ones, so that it
// has vocab ids besides these: the rows of a model whose embedding is larger
// than its vocabulary (Qwen 2, Pythia) are then the model's own, and the spare ids
// come after them. It is an error if tk has more than vocab ids besides the
// spare ones.
func Extend(tk Tokenizer, vocab int) (Tokenizer, error) {
	switch tk := tk.(type) {
	case *BPE:
		b := &BPE{bytes: tk.bytes, chars: tk.chars, merges: tk.merges, ranks: tk.ranks, whole: tk.whole}
		if err := b.extend(&tk.vocabulary, vocab); err != nil {
			return nil, err
		}
		b.ready(b.encodePiece, b.json)
		return b, nil
	case *Unigram:
		u := &Unigram{scores: slices.Clone(tk.scores)}
		if err := u.extend(&tk.vocabulary, vocab); err != nil {
			return nil, err
		}
		u.scores = append(u.scores, make([]float64, len(u.pieces)-len(u.scores))...)
		return u.seal()
	}
	if tk.VocabSize() != vocab {
		return nil, fmt.Errorf("tokenizer: a %T of %d ids cannot be extended to %d", tk, tk.VocabSize(), vocab)
	}
	return tk, nil
}

// extend makes v a copy of old with vocab ids before the spare ones.
func (v *vocabulary) extend(old *vocabulary, vocab int) error {
	first := len(old.pieces) - old.spare
	if vocab < first {
		return fmt.Errorf("tokenizer: the model has %d ids, the tokenizer %d: they do not belong together", vocab, first)
	}
	if vocab-first > 1<<20 {
		return fmt.Errorf("tokenizer: the model has %d ids, the tokenizer %d: too few to be the model's", vocab, first)
	}
	v.pieces, v.special = slices.Clone(old.pieces[:first]), slices.Clone(old.special[:first])
	if old.spells() {
		v.spelling, v.byteToken = slices.Clone(old.spelling[:first]), slices.Clone(old.byteToken[:first])
	}
	v.bos, v.eos, v.unk, v.pad, v.eoc = old.bos, old.eos, old.unk, old.pad, old.eoc
	v.starts, v.spare, v.nfc, v.lossy, v.prefix = old.starts, old.spare, old.nfc, old.lossy, old.prefix
	v.cut, v.template = old.cut, old.template
	var spare []addedToken
	for _, t := range old.added {
		if int(t.id) < first {
			v.added = append(v.added, t)
		} else {
			spare = append(spare, t)
		}
	}
	for id := first; id < vocab; id++ {
		v.add(addedToken{content: fmt.Sprintf("<|unused_%d|>", id), special: true})
	}
	for _, t := range spare {
		was := t.id
		v.add(t)
		for _, id := range []*int32{&v.pad, &v.eoc} {
			if *id == was {
				*id = int32(len(v.pieces) - 1)
			}
		}
	}
	return nil
}

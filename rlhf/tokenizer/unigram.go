package tokenizer

import (
	"fmt"
	"math"
	"unicode/utf8"
)

// Unigram is a unigram language model over pieces (Kudo 2018): of all ways to
// cut a text into pieces the one whose scores, log-probabilities, have the
// largest sum, found by dynamic programming. A character that no piece holds
// becomes its bytes where the vocabulary has them, else the unknown token, which
// then is the one special id that Encode may yield. It is immutable and safe for
// concurrent use.
type Unigram struct {
	vocabulary
	scores  []float64        // by id
	ids     map[string]int32 // ordinary tokens by spelling
	longest int              // bytes of the longest of them
	unknown float64          // the score of a character that no piece holds
	bytes   [256]int32       // -1: none
	bytesOK bool
}

// unknownPenalty is how much less than the worst piece an unknown character
// scores (google/sentencepiece, src/unigram_model.cc, kUnkPenalty).
const unknownPenalty = 10

// seal completes a Unigram whose vocabulary and scores are set.
func (u *Unigram) seal() (*Unigram, error) {
	u.ids = make(map[string]int32, len(u.spelling))
	worst := math.Inf(1)
	found := 0
	for id, s := range u.spelling {
		switch {
		case u.special[id] || u.isAdded(int32(id)):
		case u.byteToken[id]:
			u.bytes[u.pieces[id][0]] = int32(id)
			found++
		default:
			u.ids[s] = int32(id)
			u.longest = max(u.longest, len(s))
			worst = min(worst, u.scores[id])
		}
	}
	u.unknown = worst - unknownPenalty
	u.bytesOK, u.lossy = found == 256, true
	if !u.bytesOK && u.unk < 0 {
		return nil, fmt.Errorf("no unknown token, and not all of the 256 bytes: some text has no encoding")
	}
	u.ready(u.encodePiece, u.json)
	if _, ok := u.ids[underline]; !ok {
		u.split = u.cut.splitter() // words may begin with an unknown character, and these join
	}
	return u, nil
}

// encodePiece appends the best cut of a piece.
func (u *Unigram) encodePiece(ids []int32, piece string) []int32 {
	type step struct {
		score float64
		from  int
		id    int32 // -1: unknown
	}
	best := make([]step, len(piece)+1) // by the byte at which a token ends
	for i := range best {
		best[i].from = -1
	}
	for at := 0; at < len(piece); {
		_, n := utf8.DecodeRuneInString(piece[at:])
		single := false
		for end := at + n; end <= len(piece) && end-at <= u.longest; {
			if id, ok := u.ids[piece[at:end]]; ok {
				if s := best[at].score + u.scores[id]; best[end].from < 0 || s > best[end].score {
					best[end] = step{s, at, id}
				}
				single = single || end == at+n
			}
			if end == len(piece) {
				break
			}
			_, m := utf8.DecodeRuneInString(piece[end:])
			end += m
		}
		if !single {
			if s := best[at].score + u.unknown; best[at+n].from < 0 || s > best[at+n].score {
				best[at+n] = step{s, at, -1}
			}
		}
		at += n
	}
	var path []step
	var ends []int
	for at := len(piece); at > 0; at = best[at].from {
		path, ends = append(path, best[at]), append(ends, at)
	}
	for i := len(path) - 1; i >= 0; i-- {
		switch p := path[i]; {
		case p.id >= 0:
			ids = append(ids, p.id)
		case u.bytesOK:
			for j := p.from; j < ends[i]; j++ {
				ids = append(ids, u.bytes[piece[j]])
			}
		case i+1 == len(path) || path[i+1].id >= 0: // a run of them is one token
			ids = append(ids, u.unk)
		}
	}
	return ids
}

// unigram completes a Unigram.
func (f *hfFile) unigram(r roles) (*Unigram, error) {
	u := new(Unigram)
	if err := f.pipeline(&u.vocabulary); err != nil {
		return nil, err
	}
	table := make(map[string]int32, len(f.Model.pieces))
	for i, p := range f.Model.pieces {
		if _, ok := table[p.piece]; ok {
			return nil, fmt.Errorf("model.vocab: %q stands there twice", p.piece)
		}
		table[p.piece] = int32(i)
		u.scores = append(u.scores, p.score)
	}
	if err := f.table(&u.vocabulary, table); err != nil {
		return nil, err
	}
	if id := f.Model.UnkID; id != nil {
		if *id < 0 || int(*id) >= len(f.Model.pieces) {
			return nil, fmt.Errorf("model.unk_id = %d of %d pieces", *id, len(f.Model.pieces))
		}
		r.unk = f.Model.pieces[*id].piece
	}
	if err := u.assign(r); err != nil {
		return nil, err
	}
	u.scores = append(u.scores, make([]float64, len(u.pieces)-len(u.scores))...)
	return u.seal()
}

// json returns the contents of tokenizer.json.
func (u *Unigram) json() []byte {
	var w jsonWriter
	u.head(&w)
	w.WriteString(",\n  \"model\": {\n    \"type\": \"Unigram\",\n    \"unk_id\": ")
	if u.unk >= 0 {
		fmt.Fprintf(&w, "%d", u.unk)
	} else {
		w.WriteString("null")
	}
	fmt.Fprintf(&w, ",\n    \"vocab\": [")
	for id := range u.pieces {
		w.comma(id)
		w.WriteString("\n      [")
		w.str(u.spelled(int32(id)))
		fmt.Fprintf(&w, ", %v]", u.scores[id])
	}
	fmt.Fprintf(&w, "\n    ],\n    \"byte_fallback\": %v\n  }\n}\n", u.bytesOK)
	return w.Bytes()
}

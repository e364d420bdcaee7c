package tokenizer

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/text/unicode/norm"
)

// underline is SentencePiece's spelling of the space, U+2581.
const underline = "▁"

// An addedToken is one that is matched in the text as a whole, before the model
// sees the rest.
type addedToken struct {
	id             int32
	content        string
	special        bool // matched by EncodeSpecial only
	lstrip, rstrip bool // a match takes the white space on this side with it
	normalized     bool // matched after normalisation, not before
}

// prefixRule says when a text gets a space before it (SentencePiece's dummy
// prefix, which lets the first word be the token that it is elsewhere).
type prefixRule uint8

const (
	noPrefix  prefixRule = iota
	eachPart             // before every part between added tokens (Prepend)
	eachBare             // the same, unless the part begins with a space (Metaspace, "always")
	firstBare            // at the text's beginning, unless it begins with a space (Metaspace, "first")
)

// vocabulary is what every kind of tokenizer shares: the table of tokens, the
// special ones, the way from text to the pieces that the model sees, and the
// cache of their encodings.
type vocabulary struct {
	pieces        []string // by id: the bytes, or a special token's name
	spelling      []string // by id, as SentencePiece's files spell it; nil with the byte alphabet
	special       []bool   // by id
	byteToken     []bool   // by id: a <0x0A> of SentencePiece; nil with the byte alphabet
	pad, eos, eoc int32
	bos           int32 // -1: none
	starts        []int32
	spare         int
	unk           int32 // -1: none

	added  []addedToken // by id
	nfc    bool
	lossy  bool // some texts do not decode to themselves
	prefix prefixRule
	cut    cut
	split  splitter // by cut

	plain, parsed [2]matcher                              // not normalised, normalised: for Encode; for EncodeSpecial
	model         func(ids []int32, piece string) []int32 // appends the ids of a piece
	canonical     func() []byte                           // the contents of tokenizer.json
	hash          func() string                           // computed once
	template      string                                  // the chat template, Jinja, that the files had beside it

	mu    sync.RWMutex
	cache map[string][]int32 // encodings of short pieces
}

const (
	cacheEntries  = 1 << 16 // a few MB
	cachePieceLen = 64      // longer pieces are rare and seldom come back
)

// spells reports whether the pieces are SentencePiece's, spaces spelled U+2581,
// and not bytes in GPT-2's alphabet.
func (v *vocabulary) spells() bool { return v.spelling != nil }

// ready completes a vocabulary whose other fields are set.
func (v *vocabulary) ready(model func([]int32, string) []int32, canonical func() []byte) {
	v.model, v.canonical = model, canonical
	v.cache = make(map[string][]int32)
	v.split = v.cut.splitter()
	if v.cut == cutNot && !v.anyCrosses() {
		v.split = splitWords // the same ids, sooner
	}
	v.plain, v.parsed = [2]matcher{}, [2]matcher{}
	for _, t := range v.added {
		when, content := 0, t.content
		if t.normalized {
			when, content = 1, v.normalize(t.content, true)
		}
		v.parsed[when].add(content, t)
		if !t.special {
			v.plain[when].add(content, t)
		}
	}
	v.hash = sync.OnceValue(func() string {
		h := sha256.New()
		h.Write(v.canonical())
		if !v.own() {
			h.Write(v.config())
		}
		return hex.EncodeToString(h.Sum(nil))
	})
}

// own reports whether the special tokens are named as the tokenizers that we
// train name them, so that tokenizer.json alone says everything.
func (v *vocabulary) own() bool {
	return v.pieces[v.pad] == PadToken && v.pieces[v.eos] == EOSToken && v.pieces[v.eoc] == EOCToken &&
		v.bos < 0 && v.spare == 0
}

// table lets the templates of this package reach the vocabulary.
func (v *vocabulary) table() *vocabulary { return v }

// VocabSize returns the number of ids, special tokens included.
func (v *vocabulary) VocabSize() int { return len(v.pieces) }

// Pad returns the id that fills rows; see [PadToken].
func (v *vocabulary) Pad() int32 { return v.pad }

// EOS returns the id that ends a response; see [EOSToken].
func (v *vocabulary) EOS() int32 { return v.eos }

// EOC returns the id at which a score is read; see [EOCToken].
func (v *vocabulary) EOC() int32 { return v.eoc }

// Starts returns the ids that a text begins with where the model was trained so
// (Llama's <s>); most families have none.
func (v *vocabulary) Starts() []int32 { return slices.Clone(v.starts) }

// Spare returns how many ids, the last ones of the vocabulary, were added
// because the files have no such token: a model trained with those files has no
// weights for them.
func (v *vocabulary) Spare() int { return v.spare }

// Lossless reports whether Decode(Encode(s)) == s for every string of bytes, as
// with the tokenizers that we train and GPT-2's. Else the exceptions are few:
// text that is not in Unicode's normal form C comes back in it (Qwen 2, Pythia);
// U+2581 comes back as a space (SentencePiece); control characters that the
// vocabulary has no byte for are left out (SmolLM2 lacks some).
func (v *vocabulary) Lossless() bool { return !v.lossy }

// ChatTemplate returns the Jinja text of the chat template that the files had,
// or "". See [ParseTemplate].
func (v *vocabulary) ChatTemplate() string { return v.template }

// Hash returns the SHA-256, in hexadecimal, of what Save writes that decides ids.
func (v *vocabulary) Hash() string { return v.hash() }

// Encode returns the ids of s as they are amid a text: no special id,
// no dummy prefix. Where Decode gives s back is said in the package's
// documentation. Time is O(len(s) log len(s)) whatever s holds.
func (v *vocabulary) Encode(s string) []int32 {
	return v.encode(make([]int32, 0, len(s)/3+1), s, &v.plain, false, "")
}

// EncodeText returns the ids of s at the beginning of a text as the model was
// trained to see them: Starts, the dummy prefix where the family
// has one, and s, in which special tokens are not looked for.
func (v *vocabulary) EncodeText(s string) []int32 {
	return v.encode(v.Starts(), s, &v.plain, true, "")
}

// EncodeSpecial returns the ids of s with the names of special tokens in it
// taken for those tokens: what a chat template's text needs. The ids equal those
// of the Hugging Face library's encode(s, add_special_tokens=False). Use it for
// text that the program wrote, never for a user's.
func (v *vocabulary) EncodeSpecial(s string) []int32 {
	return v.encode(make([]int32, 0, len(s)/3+1), s, &v.parsed, true, "")
}

// encode appends the ids of s: added tokens that want no normalisation are cut
// out, the parts between them normalised, the other added tokens cut out of
// those, and the rest split into pieces for the model. guard, if any, is text
// that keeps names of special tokens from being found and is then left out.
func (v *vocabulary) encode(ids []int32, s string, match *[2]matcher, prefix bool, guard string) []int32 {
	first := true
	piece := func(p string) { ids = v.appendPiece(ids, p) }
	token := func(id int32) { ids = append(ids, id); first = false }
	match[0].cut(s, func(part string) {
		before := prefix && (v.prefix == eachPart || v.prefix == eachBare || first)
		first = false
		match[1].cut(v.normalize(part, before), func(text string) {
			if guard != "" {
				text = strings.ReplaceAll(text, guard, "")
			}
			v.split(text, piece)
		}, token)
	}, token)
	return ids
}

// normalize prepares a part of a text for the model; prefix asks for the dummy
// prefix if the rule has one.
func (v *vocabulary) normalize(s string, prefix bool) string {
	if v.nfc {
		s = norm.NFC.String(s)
	}
	if !v.spells() {
		return s
	}
	s = strings.ReplaceAll(s, " ", underline)
	if prefix && s != "" && v.prefix != noPrefix && (v.prefix == eachPart || !strings.HasPrefix(s, underline)) {
		s = underline + s
	}
	return s
}

func (v *vocabulary) appendPiece(ids []int32, piece string) []int32 {
	if len(piece) > cachePieceLen {
		return v.model(ids, piece)
	}
	v.mu.RLock()
	known, ok := v.cache[piece]
	v.mu.RUnlock()
	if !ok {
		known = v.model(nil, piece)
		v.mu.Lock()
		if len(v.cache) < cacheEntries {
			v.cache[strings.Clone(piece)] = known
		}
		v.mu.Unlock()
	}
	return append(ids, known...)
}

// Decode returns the bytes that ids stand for. Special ids, and ids outside
// [0, VocabSize), stand for none. The result need not be valid UTF-8 where ids
// end inside a character. Decode of two runs of ids one after the other is the
// two texts one after the other, so ids can be decoded as they are sampled.
func (v *vocabulary) Decode(ids []int32) string {
	var s strings.Builder
	for _, id := range ids {
		if v.known(id) && !v.special[id] {
			s.WriteString(v.pieces[id])
		}
	}
	return s.String()
}

// DecodeText is Decode without the space that a dummy prefix put before the
// text: the inverse of EncodeText.
func (v *vocabulary) DecodeText(ids []int32) string {
	s := v.Decode(ids)
	if v.prefix != noPrefix {
		s = strings.TrimPrefix(s, " ")
	}
	return s
}

// Piece returns a visible form of one token: a special token's name, or its
// text escaped as in a Go string, double quotes excepted. SentencePiece's tokens
// for single bytes show as <0x0A>. An id outside [0, VocabSize) gives
// "<|unknown N|>".
func (v *vocabulary) Piece(id int32) string {
	switch {
	case !v.known(id):
		return fmt.Sprintf("<|unknown %d|>", id)
	case v.special[id]:
		return v.pieces[id]
	case v.spells() && v.byteToken[id]:
		return v.spelling[id]
	}
	q := strconv.Quote(v.pieces[id])
	return strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
}

func (v *vocabulary) known(id int32) bool { return 0 <= id && int(id) < len(v.pieces) }

// spelled returns a token as tokenizer.json spells it.
func (v *vocabulary) spelled(id int32) string {
	if v.spells() {
		return v.spelling[id]
	}
	if at, ok := v.addedAt(id); ok {
		return v.added[at].content
	}
	return toAlphabet(v.pieces[id])
}

func (v *vocabulary) isAdded(id int32) bool {
	_, ok := v.addedAt(id)
	return ok
}

// addedAt returns where in v.added the token is, or would be.
func (v *vocabulary) addedAt(id int32) (int, bool) {
	return slices.BinarySearchFunc(v.added, id, func(t addedToken, id int32) int { return int(t.id - id) })
}

// anyCrosses reports whether a token reaches from one word into the next.
func (v *vocabulary) anyCrosses() bool {
	for id, s := range v.spelling {
		if !v.special[id] && !v.isAdded(int32(id)) && crosses(s) {
			return true
		}
	}
	return false
}

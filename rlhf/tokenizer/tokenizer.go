package tokenizer

// The names of the special tokens, as they stand in tokenizer.json and as
// [Tokenizer.Piece] shows them. The tokenizers that we train give them the ids
// 0, 1 and 2.
const (
	PadToken = "<|pad|>"          // fills rows of unequal length; never part of a text
	EOSToken = "<|endoftext|>"    // ends every Assistant turn; sampling stops there
	EOCToken = "<|endofcontext|>" // ends a context; the preference model's score is read there
)

// A Tokenizer maps text to token ids and back. Implementations are safe for
// concurrent use.
type Tokenizer interface {
	// Encode returns the ids of s, none of them special, whatever s contains.
	Encode(s string) []int32

	// Decode returns the bytes that ids stand for; special and unknown ids stand
	// for none. Decode(Encode(s)) == s for every s.
	Decode(ids []int32) string

	// Piece returns a visible form of one id, for ledgers and tables: a special
	// token's name, or the token's text with control characters, backslashes and
	// bytes that are not valid UTF-8 escaped as in a Go string.
	Piece(id int32) string

	// VocabSize returns the number of ids, the special ones included; ids are
	// 0 ≤ id < VocabSize.
	VocabSize() int

	// Pad, EOS and EOC return the ids of the special tokens; they are distinct.
	Pad() int32
	EOS() int32
	EOC() int32

	// Hash identifies the mapping: two tokenizers with one hash give the same ids
	// for every text. It is stored with every model and compared at load.
	Hash() string
}

var _ Tokenizer = (*BPE)(nil)

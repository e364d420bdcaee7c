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
	// Encode returns the ids of s, none of them special, whatever s contains. They
	// are those of text amid a text: no start id, no dummy prefix; see [EncodeText].
	Encode(s string) []int32

	// Decode returns the bytes that ids stand for; special and unknown ids stand
	// for none. Decode(Encode(s)) == s for every s, but for the rare exceptions of
	// published vocabularies that [BPE.Lossless] lists.
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

var (
	_ Tokenizer = (*BPE)(nil)
	_ Tokenizer = (*Unigram)(nil)
)

// Starts returns the ids that a text begins with where the model was trained so,
// as Llama's <s>; nil for most families and all tokenizers that we train.
// [EncodePrompt] and [EncodeTranscript] put them first.
func Starts(tk Tokenizer) []int32 {
	if s, ok := tk.(interface{ Starts() []int32 }); ok {
		return s.Starts()
	}
	return nil
}

// Spare returns how many ids, the last ones of the vocabulary, no file of the
// tokenizer had, so that a model published with it has no weights for them.
func Spare(tk Tokenizer) int {
	if s, ok := tk.(interface{ Spare() int }); ok {
		return s.Spare()
	}
	return 0
}

// EncodeText returns the ids of a whole text as a published model expects them:
// the start ids, the dummy prefix of SentencePiece's vocabularies, and s. For
// the tokenizers that we train, and GPT-2's, it equals Encode.
func EncodeText(tk Tokenizer, s string) []int32 {
	if t, ok := tk.(interface{ EncodeText(string) []int32 }); ok {
		return t.EncodeText(s)
	}
	return append(Starts(tk), tk.Encode(s)...)
}

// DecodeText is the inverse of [EncodeText]: Decode, less the dummy prefix.
func DecodeText(tk Tokenizer, ids []int32) string {
	if t, ok := tk.(interface{ DecodeText([]int32) string }); ok {
		return t.DecodeText(ids)
	}
	return tk.Decode(ids)
}

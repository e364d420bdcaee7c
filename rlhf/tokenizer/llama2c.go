package tokenizer

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"
)

// LoadLlama2c reads the tokenizer of llama2.c (karpathy/llama2.c, tokenizer.py
// and run.c): a uint32, the length of the longest token, then for each of the
// vocab tokens its score, float32, its length, int32, and its bytes, all little
// endian. The ids 0, 1 and 2 are <unk>, <s> and </s>, the 256 after them the
// single bytes. vocab is the model's, from its file: the tokenizer's does not say.
//
// The two tokens with the best score merge first, a space stands before the
// first word, and <s> starts a text: [BPE.EncodeText] gives run.c's ids.
func LoadLlama2c(path string, vocab int) (*BPE, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, err
	}
	b, err := parseLlama2c(data, vocab)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %s: %w", path, err)
	}
	return b, nil
}

func parseLlama2c(data []byte, vocab int) (*BPE, error) {
	const fixed = 3 + 256
	if vocab < fixed || vocab > len(data)/8 {
		return nil, fmt.Errorf("vocab = %d, want %d to %d: a token takes 8 bytes and more, and the file has %d", vocab, fixed, len(data)/8, len(data))
	}
	rest := data[4:]
	var tokens []string
	var scores []float32
	for id := range vocab {
		if len(rest) < 8 {
			return nil, fmt.Errorf("it ends before token %d of %d", id, vocab)
		}
		score := math.Float32frombits(binary.LittleEndian.Uint32(rest))
		n := int64(int32(binary.LittleEndian.Uint32(rest[4:])))
		rest = rest[8:]
		if n < 0 || n > int64(len(rest)) {
			return nil, fmt.Errorf("token %d has %d bytes; %d are left", id, n, len(rest))
		}
		scores, tokens = append(scores, score), append(tokens, string(rest[:n]))
		rest = rest[n:]
	}
	if len(rest) > 0 {
		return nil, fmt.Errorf("%d bytes follow token %d: vocab = %d is not this file's", len(rest), vocab-1, vocab)
	}

	p := spModel{scores: scores, prefix: eachPart, bos: 1, eos: 2, unk: 0, addBOS: true}
	for id, s := range tokens {
		kind := spNormal
		switch {
		case id == 0:
			s, kind = "<unk>", spUnknown
		case id == 1:
			s, kind = "<s>", spControl
		case id == 2:
			s, kind = "</s>", spControl
		case id < fixed:
			if want := fmt.Sprintf("<0x%02X>", id-3); s != want {
				return nil, fmt.Errorf("token %d = %q, want %q", id, s, want)
			}
			kind = spByte
		case !utf8.ValidString(s):
			return nil, fmt.Errorf("token %d = %q is not valid UTF-8", id, s)
		default:
			s = strings.ReplaceAll(s, " ", underline)
		}
		p.pieces, p.kinds = append(p.pieces, s), append(p.kinds, kind)
	}
	return p.bpe(roles{})
}

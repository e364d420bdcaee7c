package tokenizer

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"hhrlhf/rlhf"
)

// EncodeTranscript returns the ids of a transcript as training, scoring and
// sampling see them. prompt is [EncodePrompt] of t.Prompt; response is the
// encoding of t.Response followed by the end token, whether or not the text was
// cut. A preference model appends [Tokenizer.EOC] to the two and reads its score
// there.
//
// Where t.Response holds no speaker's marker, prompt followed by response equals
// EncodePrompt(t.String()) followed by the end token: it makes no difference
// whether the two are encoded separately or together.
func EncodeTranscript(tk Tokenizer, t rlhf.Transcript) (prompt, response []int32) {
	return EncodePrompt(tk, t.Prompt), append(tk.Encode(t.Response), tk.EOS())
}

// EncodePrompt returns the ids of a dialogue's beginning, as a rule one that ends
// with [rlhf.Assistant], so that the model continues with a response. The text is cut
// before and after each speaker's marker and the parts are encoded separately;
// the end token follows every Assistant turn that another turn follows. Where
// texts start with a token of their own (Llama's <s>; see [Starts]) so does the
// dialogue; a dummy prefix is put nowhere.
//
// Text after the last Assistant marker counts as a turn that the model is to go
// on with, and gets no end token.
func EncodePrompt(tk Tokenizer, prompt string) []int32 {
	ids := append(make([]int32, 0, len(prompt)/3+8), Starts(tk)...)
	speaker := ""
	for rest := prompt; ; {
		at, mark := nextMarker(rest)
		if at > 0 {
			ids = append(ids, tk.Encode(rest[:at])...)
		}
		if mark == "" {
			return ids
		}
		if speaker == rlhf.Assistant {
			ids = append(ids, tk.EOS())
		}
		ids = append(ids, tk.Encode(mark)...)
		speaker, rest = mark, rest[at+len(mark):]
	}
}

// nextMarker finds the first speaker's marker in s; without one it returns
// len(s) and "".
func nextMarker(s string) (at int, mark string) {
	at = len(s)
	for _, m := range []string{rlhf.Human, rlhf.Assistant} {
		if i := strings.Index(s[:min(len(s), at+len(m))], m); i >= 0 && i < at {
			at, mark = i, m
		}
	}
	return at, mark
}

// DecodeResponse returns the text of a sampled response: the ids before the
// first end token.
func DecodeResponse(tk Tokenizer, ids []int32) string {
	if i := slices.Index(ids, tk.EOS()); i >= 0 {
		ids = ids[:i]
	}
	return tk.Decode(ids)
}

// TemplateHash identifies the rule by which [EncodeTranscript] lays out a
// dialogue. Models that were trained under different templates must not score
// each other's text even where their tokenizers are equal.
func TemplateHash() string {
	// The text states the rule; whoever changes the rule changes the text.
	rule := fmt.Sprintf("2: markers %q and %q are encoded apart from the text around them; "+
		"eos follows each assistant turn that is over; the tokenizer's start ids, if any, precede the first marker", rlhf.Human, rlhf.Assistant)
	sum := sha256.Sum256([]byte(rule))
	return hex.EncodeToString(sum[:])
}

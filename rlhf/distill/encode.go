package distill

import (
	"math/rand/v2"
	"strings"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/tokenizer"
)

// Separator stands between the dialogues of a prompt and of a page of dialogues
// (Askell et al. 2021, B.2).
const Separator = "\n\n-----"

// Encode returns the ids of a page or a prompt: dialogues in the paper's format
// with [Separator] between them, and perhaps a preamble before the first one.
// Dialogues, separators and preamble are encoded apart, so that what follows a
// prompt has the ids that it has without one.
//
// With ends, an end token follows every Assistant turn that is over, as in
// [tokenizer.EncodeTranscript]: the format of models trained here. A pretrained
// model has read its end token at the end of documents, after which nothing of
// what came before matters; it gets text without.
func Encode(tk tokenizer.Tokenizer, text string, ends bool) []int32 {
	var ids []int32
	for i, section := range strings.Split(text, Separator) {
		if i > 0 {
			ids = append(ids, tk.Encode(Separator)...)
		}
		ids = append(ids, encodeDialogue(tk, section, ends)...)
	}
	return ids
}

func encodeDialogue(tk tokenizer.Tokenizer, text string, ends bool) []int32 {
	if !ends {
		return tk.Encode(text)
	}
	ids := tokenizer.EncodePrompt(tk, text)
	if turn := strings.LastIndex(text, rlhf.Assistant); turn > strings.LastIndex(text, rlhf.Human) &&
		strings.TrimSpace(text[turn+len(rlhf.Assistant):]) != "" {
		ids = append(ids, tk.EOS())
	}
	return ids
}

// Dialogue returns the ids of a question and its answer as text to distil on.
// See [Encode] for ends.
func Dialogue(tk tokenizer.Tokenizer, t rlhf.Transcript, ends bool) []int32 {
	return encodeDialogue(tk, t.String(), ends)
}

// Plain returns the ids of plain text to distil on, placed after a new
// "\n\nHuman:" (Askell et al. 2021, B.5), cut to at most tokens ids.
func Plain(tk tokenizer.Tokenizer, text string, tokens int) []int32 {
	ids := append(tk.Encode(rlhf.Human), tk.Encode(" "+text)...)
	return ids[:min(len(ids), tokens)]
}

// PlainShare is the paper's share of plain text (Askell et al. 2021, B.5).
const PlainShare = 0.5

// Mix draws n sequences, of which the share plain (in expectation) comes from
// texts and the rest from dialogues. Each source is taken in order and begins
// anew when it is used up; an empty one gives its part to the other.
func Mix(texts, dialogues [][]int32, plain float64, n int, rng *rand.Rand) [][]int32 {
	var out [][]int32
	used := [2]int{}
	for len(out) < n && len(texts)+len(dialogues) > 0 {
		from, which := dialogues, 0
		if (rng.Float64() < plain || len(dialogues) == 0) && len(texts) > 0 {
			from, which = texts, 1
		}
		out = append(out, from[used[which]%len(from)])
		used[which]++
	}
	return out
}

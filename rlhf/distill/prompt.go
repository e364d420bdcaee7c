package distill

import (
	_ "embed"
	"fmt"
	"strings"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/tokenizer"
)

//go:embed hhh.txt
var hhh string

// HHH returns our helpful, honest and harmless prompt for pretrained models: a
// preamble and 14 dialogues, each closed by [Separator]. The kind is that of
// Askell et al. 2021, who wrote theirs so; the dialogues are our own.
func HHH() string { return strings.TrimRight(hhh, "\n") }

// Fit shortens a prompt to its preamble and as many of its dialogues, from the
// first on, as have at most tokens ids by [Encode] with ends. It is an error if
// not one dialogue has room.
func Fit(tk tokenizer.Tokenizer, prompt string, tokens int, ends bool) (fitted string, dialogues int, err error) {
	smallest := 0
	for end := 0; ; {
		next := strings.Index(prompt[end:], Separator)
		if next < 0 {
			break
		}
		end += next + len(Separator)
		section := prompt[:end]
		n := strings.Count(section, Separator)
		if preamble(prompt) {
			n--
		}
		if n == 0 {
			continue
		}
		size := len(Encode(tk, section, ends))
		if n == 1 {
			smallest = size
		}
		if size > tokens {
			break
		}
		fitted, dialogues = section, n
	}
	switch {
	case smallest == 0:
		return "", 0, fmt.Errorf("distill: the prompt has no dialogue closed by %q", Separator)
	case dialogues == 0:
		return "", 0, fmt.Errorf("distill: the prompt's first dialogue has %d tokens, preamble included; there is room for %d: take a model with a longer context or a shorter prompt", smallest, tokens)
	}
	return fitted, dialogues, nil
}

// preamble says whether something else than a dialogue stands before the first separator.
func preamble(prompt string) bool {
	first, _, _ := strings.Cut(prompt, Separator)
	return !strings.HasPrefix(first, rlhf.Human)
}

// Prompt is [HHH] as [Fit] shortens it to tokens ids, and these ids.
func Prompt(tk tokenizer.Tokenizer, tokens int, ends bool) (ids []int32, dialogues int, err error) {
	text, n, err := Fit(tk, HHH(), tokens, ends)
	if err != nil {
		return nil, 0, err
	}
	return Encode(tk, text, ends), n, nil
}

package tokenizer

import (
	"strings"

	"hhrlhf/rlhf"
)

// FitPrompt encodes a prompt into at most budget tokens. A prompt that is too
// long loses its oldest turns, one question and answer at a time, so that it
// still begins on the human side; never a part of a turn. dropped counts the
// turns lost. ok is false if not even the last question fits.
func FitPrompt(tk Tokenizer, prompt string, budget int) (ids []int32, dropped int, ok bool) {
	for {
		ids = EncodePrompt(tk, prompt)
		if len(ids) <= budget {
			return ids, dropped, true
		}
		next := strings.Index(prompt[1:], rlhf.Human)
		if next < 0 {
			return nil, dropped, false
		}
		dropped += strings.Count(prompt[:next+1], rlhf.Human) + strings.Count(prompt[:next+1], rlhf.Assistant)
		prompt = prompt[next+1:]
	}
}

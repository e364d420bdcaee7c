package tasks

import (
	"slices"
	"strings"
)

// Normal is TriviaQA's normal form of an answer, by its official script (Joshi et al. 2017,
// evaluation/triviaqa_evaluation.py): "_" is a space; lower case; Python's string.punctuation
// and ‘ ’ ´ ` are spaces; the words "a", "an", "the" go, and so do spaces too many.
func Normal(s string) string {
	s = strings.ToLower(strings.ReplaceAll(s, "_", " "))
	s = strings.Map(func(r rune) rune {
		if strings.ContainsRune("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~‘’´", r) {
			return ' '
		}
		return r
	}, s)
	words := slices.DeleteFunc(strings.Fields(s), func(w string) bool { return w == "a" || w == "an" || w == "the" })
	return strings.Join(words, " ")
}

// ExactMatch says whether an answer equals one of the right ones in the normal form.
func ExactMatch(answer string, right []string) bool {
	a := Normal(answer)
	return a != "" && slices.ContainsFunc(right, func(r string) bool { return Normal(r) == a })
}

// Until is s up to the first of the stops, without spaces at its ends.
func Until(s string, stops ...string) string {
	s = strings.TrimLeft(s, " ")
	for _, stop := range stops {
		s, _, _ = strings.Cut(s, stop)
	}
	return strings.TrimSpace(s)
}

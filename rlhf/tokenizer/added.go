package tokenizer

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// matcher finds added tokens in a text: the leftmost match, of those the longest.
type matcher struct {
	byFirst [256][]addedMatch // by first byte, longest first
	some    bool
}

type addedMatch struct {
	content string
	token   addedToken
}

func (m *matcher) add(content string, t addedToken) {
	if content == "" {
		return
	}
	list := &m.byFirst[content[0]]
	at, _ := slices.BinarySearchFunc(*list, len(content), func(have addedMatch, n int) int { return n - len(have.content) })
	*list = slices.Insert(*list, at, addedMatch{content, t})
	m.some = true
}

// cut calls text for the parts of s between added tokens, unless empty, and
// token for each added token, in the order of s.
func (m *matcher) cut(s string, text func(string), token func(id int32)) {
	from := 0
	if m.some {
		for i := 0; i < len(s); {
			t, n := m.at(s[i:])
			if n == 0 {
				i++
				continue
			}
			end := i + n
			if t.lstrip {
				i = from + len(strings.TrimRightFunc(s[from:i], unicode.IsSpace))
			}
			if t.rstrip {
				for end < len(s) {
					r, n := utf8.DecodeRuneInString(s[end:])
					if !unicode.IsSpace(r) {
						break
					}
					end += n
				}
			}
			if from < i {
				text(s[from:i])
			}
			token(t.id)
			from, i = end, end
		}
	}
	if from < len(s) {
		text(s[from:])
	}
}

// at returns the longest added token that s begins with, and its length.
func (m *matcher) at(s string) (addedToken, int) {
	for _, c := range m.byFirst[s[0]] {
		if strings.HasPrefix(s, c.content) {
			return c.token, len(c.content)
		}
	}
	return addedToken{}, 0
}

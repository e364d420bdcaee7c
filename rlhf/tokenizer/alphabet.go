package tokenizer

import (
	"fmt"
	"strings"
)

// byteRunes is GPT-2's printable alphabet for the 256 bytes: a byte that is a
// printable Latin-1 character other than the space and the soft hyphen stands
// for itself, the 68 others for U+0100 and up in order (openai/gpt-2,
// src/encoder.py, bytes_to_unicode). Files hold pieces in this alphabet.
var byteRunes, runeBytes = func() (to [256]rune, from map[rune]byte) {
	from = make(map[rune]byte, 256)
	next := rune(256)
	for b := range to {
		switch {
		case '!' <= b && b <= '~', 0xA1 <= b && b <= 0xAC, 0xAE <= b:
			to[b] = rune(b)
		default:
			to[b] = next
			next++
		}
		from[to[b]] = byte(b)
	}
	return to, from
}()

// toAlphabet spells raw bytes in the printable alphabet.
func toAlphabet(raw string) string {
	var b strings.Builder
	for i := range len(raw) {
		b.WriteRune(byteRunes[raw[i]])
	}
	return b.String()
}

// fromAlphabet is the inverse of toAlphabet.
func fromAlphabet(s string) (string, error) {
	var b strings.Builder
	for _, r := range s {
		c, ok := runeBytes[r]
		if !ok {
			return "", fmt.Errorf("piece %q holds %q, which is not in the byte alphabet", s, r)
		}
		b.WriteByte(c)
	}
	return b.String(), nil
}

package data

import (
	"crypto/sha256"
	"encoding/binary"
	"strings"

	"hhrlhf/rlhf"
)

// Split divides comparisons into two parts, heldOut (in [0, 1]) of the
// conversations in expectation going to test, and keeps the order. The side is a
// hash of the seed and the conversation's first Human turn: no prompt stands on
// both sides, nor does a later turn of the same conversation, and a comparison
// keeps its side when others come and go. Bai et al. 2022 hold out 5%, 35% or
// 50% (§2.3).
func Split(cs []rlhf.Comparison, heldOut float64, seed uint64) (train, test []rlhf.Comparison) {
	for _, c := range cs {
		if side(Opening(c.Chosen.Prompt), seed) < heldOut {
			test = append(test, c)
		} else {
			train = append(train, c)
		}
	}
	return train, test
}

// Opening is the first Human turn of a prompt: what the turns of one conversation share.
func Opening(prompt string) string {
	before, _, _ := strings.Cut(prompt, rlhf.Assistant)
	return before
}

// side maps a text to [0, 1), uniformly over seeds.
func side(text string, seed uint64) float64 {
	sum := sha256.Sum256(append(binary.LittleEndian.AppendUint64(nil, seed), text...))
	return float64(binary.LittleEndian.Uint64(sum[:])>>11) / (1 << 53)
}

// Dedup drops comparisons whose four texts stood in an earlier one, whatever the
// tranche, and returns the dropped ones too. The same pair with the opposite
// label is kept: workers may disagree.
func Dedup(cs []rlhf.Comparison) (unique, dropped []rlhf.Comparison) {
	type texts struct{ chosen, rejected rlhf.Transcript }
	seen := make(map[texts]bool, len(cs))
	for _, c := range cs {
		key := texts{c.Chosen, c.Rejected}
		if seen[key] {
			dropped = append(dropped, c)
			continue
		}
		seen[key] = true
		unique = append(unique, c)
	}
	return unique, dropped
}

// Prompts returns the prompts of the comparisons, each once, in order of first
// appearance: the static part of the prompts that the paper trains on (§4.1).
func Prompts(cs []rlhf.Comparison) []string {
	seen := make(map[string]bool, len(cs))
	var out []string
	for _, c := range cs {
		if p := c.Chosen.Prompt; !seen[p] {
			seen[p] = true
			out = append(out, p)
		}
	}
	return out
}

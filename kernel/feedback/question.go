package feedback

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"hhrlhf/rlhf"
)

// A Question is two responses to one prompt, side by side. Who wrote them is kept, and
// not shown.
type Question struct {
	ID string `json:"id"`
	// Conversation and Turn say where it was asked, "" and 0 for a question by itself.
	Conversation string `json:"conversation,omitempty"`
	Turn         int    `json:"turn,omitempty"`
	Mode         Mode   `json:"mode"`
	// Prompt is in the paper's format and ends with [rlhf.Assistant].
	Prompt string `json:"prompt"`
	A      string `json:"a"`
	B      string `json:"b"`
	FromA  string `json:"from_a,omitempty"`
	FromB  string `json:"from_b,omitempty"`
}

// same says whether two questions show a labeller the same.
func (q Question) same(o Question) bool {
	return q.Mode == o.Mode && q.Prompt == o.Prompt && q.A == o.A && q.B == o.B
}

// Response is the text of one side.
func (q Question) Response(s Side) string {
	if s == A {
		return q.A
	}
	return q.B
}

// Prompt is a prompt in the paper's format that ends where the assistant is to answer: a
// message as the dialogue's first, or a dialogue that has the format already.
func Prompt(message string) string {
	if strings.HasPrefix(message, rlhf.Human) {
		if strings.HasSuffix(message, rlhf.Assistant) {
			return message
		}
		return message + rlhf.Assistant
	}
	return rlhf.Human + " " + strings.TrimSpace(message) + rlhf.Assistant
}

// Named gives a question without an ID one that its texts decide, and draws the order of
// its responses from that, so that asking again is asking the same.
func (q Question) Named() Question {
	q = q.valid()
	if q.Mode == "" {
		q.Mode = Helpful
	}
	q.Prompt = Prompt(q.Prompt)
	if q.ID != "" {
		return q
	}
	first, second := q.A, q.B
	if second < first {
		first, second = second, first
	}
	h := sha256.New()
	for _, s := range []string{string(q.Mode), q.Prompt, first, second} {
		fmt.Fprintf(h, "%d:%s", len(s), s)
	}
	sum := h.Sum(nil)
	q.ID = hex.EncodeToString(sum[:6])
	if swap := sum[6]&1 == 1; swap == (q.A == first) {
		q.A, q.B, q.FromA, q.FromB = q.B, q.A, q.FromB, q.FromA
	}
	return q
}

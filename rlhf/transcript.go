package rlhf

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// The two speakers of a transcript, spelled as the paper's format spells them.
const (
	Human     = "\n\nHuman:"
	Assistant = "\n\nAssistant:"
)

// A Transcript is one dialogue whose last Assistant turn is under judgement.
// Prompt ends with [Assistant]; Response is what follows it, its leading space
// included, so that Prompt + Response is the text of the released data.
type Transcript struct {
	Prompt   string `json:"prompt"`
	Response string `json:"response"`
}

// A Turn is one speaker's contribution; Text is trimmed of the space that
// follows the colon.
type Turn struct {
	Assistant bool
	Text      string
}

// String returns the transcript in the paper's format.
func (t Transcript) String() string { return t.Prompt + t.Response }

// ParseTranscript cuts a dialogue at its last Assistant turn. The error says
// which rule of the format the text breaks; it never quotes more than a line.
func ParseTranscript(s string) (Transcript, error) {
	switch {
	case !utf8.ValidString(s):
		return Transcript{}, fmt.Errorf("not valid UTF-8 (byte %d)", invalidAt(s))
	case !strings.HasPrefix(s, Human):
		return Transcript{}, fmt.Errorf("starts with %.20q, want %q", s, Human)
	}
	i := strings.LastIndex(s, Assistant)
	if i < 0 {
		return Transcript{}, fmt.Errorf("has no %q turn", Assistant)
	}
	t := Transcript{Prompt: s[:i+len(Assistant)], Response: s[i+len(Assistant):]}
	if strings.Contains(t.Response, Human) {
		return Transcript{}, fmt.Errorf("ends with a Human turn, want %q last", Assistant)
	}
	if strings.TrimSpace(t.Response) == "" {
		return Transcript{}, fmt.Errorf("last Assistant turn is empty")
	}
	return t, nil
}

// Turns splits the whole transcript, the response last, into its speakers' turns.
func (t Transcript) Turns() []Turn {
	var turns []Turn
	s := t.String()
	for s != "" {
		next := len(s)
		for _, mark := range []string{Human, Assistant} {
			if i := strings.Index(s[1:], mark); i >= 0 && i+1 < next {
				next = i + 1
			}
		}
		turn := s[:next]
		isAssistant := strings.HasPrefix(turn, Assistant)
		turn = strings.TrimPrefix(strings.TrimPrefix(turn, Assistant), Human)
		turns = append(turns, Turn{Assistant: isAssistant, Text: strings.TrimSpace(turn)})
		s = s[next:]
	}
	return turns
}

func invalidAt(s string) int {
	for i, r := range s {
		if r == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(s[i:]); n == 1 {
				return i
			}
		}
	}
	return len(s)
}

// A Comparison is a pair of transcripts of which a labeller preferred one. In
// the harmless tranches as released the labels are flipped already: Chosen is
// the less harmful one. Do not flip again.
type Comparison struct {
	Chosen   Transcript `json:"chosen"`
	Rejected Transcript `json:"rejected"`
	Tranche  string     `json:"tranche"` // e.g. "helpful-base"; "synth-helpful", "synth-harmless"
	Source   string     `json:"source"`  // "file:line" or "synth:index", for error messages
}

// Gold is the verdict of a labeller that knows the truth, which only the
// synthetic world has. Each score lies in [-1, 1]; higher is better.
type Gold struct {
	Helpful  float64 `json:"helpful"`
	Harmless float64 `json:"harmless"`
	Honest   float64 `json:"honest"`
	Why      string  `json:"why"` // e.g. "right", "wrong sum", "rude", "complied with a harmful request"
}

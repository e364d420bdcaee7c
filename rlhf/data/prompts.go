package data

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"hhrlhf/rlhf"
)

// The fields that prompts and their answers have in published files: the first that a row
// has is read. What a context field holds stands behind the prompt, an empty line between.
var (
	promptFields  = []string{"prompt", "instruction", "question"}
	contextFields = []string{"context", "input"}
	answerFields  = []string{"response", "output", "answer"}
)

// LoadPrompts reads the prompts of a file of JSON lines, plain or gzipped, such as those
// that related work shows samples of (Bai et al. 2022, appendix C): each row has "prompt",
// "instruction" or "question", and may have a "context" or "input"; other fields are passed
// over. A prompt is plain text, which becomes one Human turn, or a dialogue that starts with
// "\n\nHuman:"; Alpaca's frame, "### Instruction:" and what follows, is taken off. They are
// returned as they are put to a model, ending in "\n\nAssistant:".
//
// A row at fault ends it, as a [*RowError]; so does a file without rows.
func LoadPrompts(path string) ([]string, error) {
	return strictLines(path, func(line []byte) (string, error) {
		fields, err := parseObject(line)
		if err != nil {
			return "", err
		}
		return promptOf(fields)
	})
}

// LoadAnswers reads prompts as [LoadPrompts] does, each with what somebody answered: the
// field "response", "output" or "answer". A row of hh-rlhf, {"chosen"}, is read too: its last
// Assistant turn is the answer. Odd rows, whose answer is empty or runs on into a Human turn
// (the released files have some), are left out and returned.
func LoadAnswers(path string) (answers []rlhf.Transcript, odd []*RowError, err error) {
	return loadLines(path, func(line []byte) (t rlhf.Transcript, err error) {
		fields, err := parseObject(line)
		if err != nil {
			return t, err
		}
		if _, whole := fields["chosen"]; whole {
			c, err := parseDocument(line)
			return c.Transcript, err
		}
		if t.Prompt, err = promptOf(fields); err != nil {
			return t, err
		}
		name, ok := firstOf(fields, answerFields)
		if !ok {
			return t, fault(answerFields[0], BrokenField, fmt.Sprintf("write the answer into one of the fields %q", answerFields),
				"missing; the row has %q", slices.Sorted(maps.Keys(fields)))
		}
		if t.Response, err = stringField(fields, name); err != nil {
			return t, err
		}
		if strings.TrimSpace(t.Response) == "" {
			return t, fault(name, OddEmpty, "delete the row, or write the answer", "is empty")
		}
		whole, _ := joinPrompt(t.Prompt, t.Response)
		if kind, problem, cure := checkTranscript(whole); kind != "" {
			return t, fault(name, kind, cure, "%s", problem)
		}
		return rlhf.ParseTranscript(whole)
	})
}

// loadLines parses every line of a file, and sets the odd ones apart.
func loadLines[T any](path string, parse func(line []byte) (T, error)) (out []T, odd []*RowError, err error) {
	for l, err := range fileLines(path) {
		if err != nil {
			return nil, nil, err
		}
		row, err := parse(l.text)
		rowErr := (*RowError)(nil)
		switch errors.As(l.fault(err), &rowErr); {
		case err == nil:
			out = append(out, row)
		case rowErr != nil && rowErr.Kind.Odd():
			odd = append(odd, rowErr)
		default:
			return nil, nil, err
		}
	}
	switch {
	case len(out) > 0:
		return out, odd, nil
	case len(odd) > 0:
		return nil, odd, fmt.Errorf("data: %s holds %d rows, of which none can be used: %w", path, len(odd), odd[0])
	}
	return nil, nil, fmt.Errorf("data: %s holds no rows; write one JSON object a line, such as {\"prompt\": \"how do i boil an egg?\"}", path)
}

// strictLines is loadLines for files in which an odd row is an error.
func strictLines[T any](path string, parse func(line []byte) (T, error)) ([]T, error) {
	out, odd, err := loadLines(path, parse)
	if len(odd) > 0 {
		return nil, odd[0]
	}
	return out, err
}

// promptOf is the prompt of a row, as it is put to a model.
func promptOf(fields map[string]json.RawMessage) (string, error) {
	name, ok := firstOf(fields, promptFields)
	if !ok {
		return "", fault(promptFields[0], BrokenField, fmt.Sprintf("write the prompt into one of the fields %q", promptFields),
			"missing; the row has %q", slices.Sorted(maps.Keys(fields)))
	}
	s, err := stringField(fields, name)
	if err != nil {
		return "", err
	}
	if _, framed, ok := strings.Cut(s, "### Instruction:\n"); ok {
		s, _, _ = strings.Cut(framed, "\n\n### Response:")
	}
	if beside, ok := firstOf(fields, contextFields); ok {
		more, err := stringField(fields, beside)
		if err != nil {
			return "", err
		}
		if strings.TrimSpace(more) != "" {
			s = strings.TrimSpace(s) + "\n\n" + strings.TrimSpace(more)
		}
	}
	whole, problem := joinPrompt(s, "")
	if problem != "" {
		return "", fault(name, BrokenFormat, `write plain text, or turns that start with "\n\nHuman:"`, "%s: %s", problem, excerpt(s))
	}
	return whole, nil
}

// firstOf is the first of the names that the row has.
func firstOf(fields map[string]json.RawMessage, names []string) (string, bool) {
	for _, name := range names {
		if _, ok := fields[name]; ok {
			return name, true
		}
	}
	return "", false
}

package data

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"hhrlhf/rlhf"
)

// Kind says what is wrong with a row.
type Kind string

// The kinds of broken rows, always errors, and of odd ones, which are skipped
// and reported unless Options.Strict is set.
const (
	BrokenJSON   Kind = "broken JSON"
	BrokenUTF8   Kind = "not UTF-8"
	BrokenField  Kind = "field missing or of the wrong kind"
	BrokenFormat Kind = "not a transcript"

	OddEmpty     Kind = "empty response"
	OddIdentical Kind = "identical pair"
	OddPrompts   Kind = "prompts differ"
	OddHumanLast Kind = "ends with a Human turn"
)

// oddKinds in the order of reports.
var oddKinds = []Kind{OddEmpty, OddIdentical, OddPrompts, OddHumanLast, OddOrphan, OddMarker}

// Odd says whether rows of this kind are skipped rather than refused.
func (k Kind) Odd() bool { return slices.Contains(oddKinds, k) }

// A RowError is one row at fault. The rows after it can be read.
type RowError struct {
	File    string
	Line    int    // from 1
	Field   string // "" where the whole row is at fault
	Kind    Kind
	Problem string // what is wrong, with the beginning of the value
	Cure    string
}

// Error gives file, line, field, problem and cure.
func (e *RowError) Error() string {
	field := ""
	if e.Field != "" {
		field = fmt.Sprintf(" field %q:", e.Field)
	}
	return fmt.Sprintf("data: %s:%d:%s %s: %s; %s", e.File, e.Line, field, e.Kind, e.Problem, e.Cure)
}

// fault makes a *RowError without File and Line.
func fault(field string, kind Kind, cure, problem string, args ...any) error {
	return &RowError{Field: field, Kind: kind, Problem: fmt.Sprintf(problem, args...), Cure: cure}
}

// parseObject reads one JSON line as an object. The error is a *RowError without
// File and Line.
func parseObject(line []byte) (map[string]json.RawMessage, error) {
	// encoding/json would replace bad bytes and lone surrogates without a word.
	if !utf8.Valid(line) {
		at := 0
		for {
			r, n := utf8.DecodeRune(line[at:])
			if r == utf8.RuneError && n == 1 {
				break
			}
			at += n
		}
		return nil, fault("", BrokenUTF8, "save the file as UTF-8", "byte %d is 0x%02x, after %.30q", at+1, line[at], tail(line[:at], 20))
	}
	if at := loneSurrogate(line); at >= 0 {
		return nil, fault("", BrokenUTF8, "write the character as UTF-8 or as a pair of escapes", "half a surrogate pair %q at byte %d", line[at:at+6], at+1)
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(line, &fields); err != nil {
		cure := "repair or delete the line"
		if bytes.HasPrefix(bytes.TrimSpace(line), []byte("[")) {
			cure = "write one JSON object a line, not an array"
		}
		return nil, fault("", BrokenJSON, cure, "%s, in %s", err, excerpt(string(line)))
	}
	return fields, nil
}

// stringField reads the string field name, which must be there.
func stringField(fields map[string]json.RawMessage, name string) (string, error) {
	var s *string
	if raw := fields[name]; json.Unmarshal(raw, &s) != nil || s == nil {
		return "", fault(name, BrokenField, "write it as a string", "is %s, want a string: %s", jsonKind(raw), excerpt(string(raw)))
	}
	return *s, nil
}

// parseRow reads one JSON line. extra names the fields that it does not use. The
// error is a *RowError without File and Line.
func parseRow(line []byte) (c rlhf.Comparison, extra []string, err error) {
	fields, err := parseObject(line)
	if err != nil {
		return c, nil, err
	}
	text := map[string]string{}
	for _, name := range []string{"prompt", "chosen", "rejected"} {
		if _, found := fields[name]; !found {
			if name == "prompt" {
				continue
			}
			return c, nil, fault(name, BrokenField, `a row needs the strings "chosen" and "rejected", and may have "prompt"`,
				"missing; the row has %q", slices.Sorted(maps.Keys(fields)))
		}
		if text[name], err = stringField(fields, name); err != nil {
			return c, nil, err
		}
	}
	for name := range fields {
		if _, used := text[name]; !used {
			extra = append(extra, name)
		}
	}
	slices.Sort(extra)
	prompt, generic := text["prompt"]
	var parsed [2]rlhf.Transcript
	for i, name := range []string{"chosen", "rejected"} {
		s := text[name]
		if generic && !strings.HasPrefix(s, rlhf.Human) {
			whole, problem := joinPrompt(prompt, s)
			if problem != "" {
				return c, nil, fault("prompt", BrokenFormat, `write plain text, or turns that start with "\n\nHuman:"`, "%s: %s", problem, excerpt(prompt))
			}
			s = whole
		}
		kind, problem, cure := checkTranscript(s)
		if kind != "" {
			return c, extra, fault(name, kind, cure, "%s", problem)
		}
		t, err := rlhf.ParseTranscript(s)
		if err != nil {
			return c, nil, fault(name, BrokenFormat, "repair or delete the row", "%s", err)
		}
		parsed[i] = t
	}
	c.Chosen, c.Rejected = parsed[0], parsed[1]
	switch {
	case c.Chosen == c.Rejected:
		return c, extra, fault("", OddIdentical, "delete the row: it prefers nothing", "chosen and rejected are both %s", excerpt(c.Chosen.Response))
	case c.Chosen.Prompt != c.Rejected.Prompt:
		at := firstDifference(c.Chosen.Prompt, c.Rejected.Prompt)
		return c, extra, fault("", OddPrompts, "delete the row: the responses answer different dialogues",
			"from byte %d on chosen has %s, rejected %s", at+1, excerpt(c.Chosen.Prompt[at:]), excerpt(c.Rejected.Prompt[at:]))
	}
	return c, extra, nil
}

// checkTranscript tells the faults of a transcript apart.
func checkTranscript(s string) (kind Kind, problem, cure string) {
	last := strings.LastIndex(s, rlhf.Assistant)
	switch {
	case !strings.HasPrefix(s, rlhf.Human):
		return BrokenFormat, fmt.Sprintf("starts with %s, want %q", excerpt(s), rlhf.Human),
			`begin the transcript with "\n\nHuman:", or put the dialogue into the field "prompt"`
	case last < 0:
		return BrokenFormat, fmt.Sprintf("has no %q turn: %s", rlhf.Assistant, excerpt(s)),
			"end the transcript with the Assistant's turn that is judged"
	case strings.Contains(s[last:], rlhf.Human):
		at := strings.LastIndex(s, rlhf.Human)
		return OddHumanLast, "the last turn is " + excerpt(s[at:]), "end the transcript with the Assistant's turn that is judged"
	case strings.TrimSpace(s[last+len(rlhf.Assistant):]) == "":
		return OddEmpty, fmt.Sprintf("nothing after the last %q", rlhf.Assistant), "delete the row, or write the response"
	}
	return "", "", ""
}

// joinPrompt makes a transcript of a separate prompt and response. A plain
// prompt becomes one Human turn.
func joinPrompt(prompt, response string) (transcript, problem string) {
	switch {
	case strings.TrimSpace(prompt) == "":
		return "", "is empty"
	case !strings.HasPrefix(prompt, rlhf.Human):
		if strings.Contains(prompt, rlhf.Human) || strings.Contains(prompt, rlhf.Assistant) {
			return "", fmt.Sprintf("has turns and does not start with %q", rlhf.Human)
		}
		prompt = rlhf.Human + " " + strings.TrimSpace(prompt)
	}
	prompt = strings.TrimRight(prompt, " ")
	if !strings.HasSuffix(prompt, rlhf.Assistant) {
		prompt += rlhf.Assistant
	}
	if response != "" && !strings.HasPrefix(response, " ") && !strings.HasPrefix(response, "\n") {
		response = " " + response
	}
	return prompt + response, ""
}

// loneSurrogate finds an escape \uD800 to \uDFFF that is not one of a pair.
func loneSurrogate(line []byte) int {
	half := func(i int) (rune, bool) {
		if i+6 > len(line) || line[i] != '\\' || line[i+1] != 'u' {
			return 0, false
		}
		n, err := strconv.ParseUint(string(line[i+2:i+6]), 16, 32)
		return rune(n), err == nil
	}
	for i := 0; i+1 < len(line); i++ {
		if line[i] != '\\' {
			continue
		}
		r, ok := half(i)
		switch {
		case !ok:
			i++ // another escape, such as \\ or \n
		case r >= 0xd800 && r < 0xdc00:
			low, ok := half(i + 6)
			if !ok || low < 0xdc00 || low > 0xdfff {
				return i
			}
			i += 11
		case r >= 0xdc00 && r <= 0xdfff:
			return i
		}
	}
	return -1
}

func jsonKind(raw json.RawMessage) string {
	switch raw[0] {
	case '{':
		return "an object"
	case '[':
		return "an array"
	case 't', 'f':
		return "true or false"
	case 'n':
		return "null"
	}
	return "a number"
}

func firstDifference(a, b string) int {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	for i > 0 && i < len(a) && !utf8.RuneStart(a[i]) {
		i--
	}
	return i
}

// excerpt quotes the beginning of s, at most 40 characters.
func excerpt(s string) string {
	if n := utf8.RuneCountInString(s); n > 40 {
		return fmt.Sprintf("%.40q...", s)
	}
	return strconv.Quote(s)
}

func tail(b []byte, n int) []byte { return b[max(0, len(b)-n):] }

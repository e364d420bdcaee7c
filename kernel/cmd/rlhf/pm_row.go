package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"hhrlhf/rlhf"
)

// A scoreRow is one row of what rlhf pm score reads.
type scoreRow struct {
	line      []byte // as it was read, without space around it
	where     string // file:line
	responses []*response
	suffixes  []string // of the fields that are written, one for each response; none: a list
}

// A response is one of a row's.
type response struct {
	rlhf.Transcript
	where, field string
	score        float64
	done         bool
	why          error // why it has no score and will not get one
}

// wantedRow says what a row needs.
const wantedRow = `want "response", "responses" or "text" with a "prompt", a transcript as "text", or "chosen" and "rejected"`

// parseScoreRow reads one line. The error names the field. A row may not have the
// fields that will be written, as field names them.
func parseScoreRow(line []byte, field string) (*scoreRow, error) {
	line = bytes.TrimSpace(line)
	if !utf8.Valid(line) {
		return nil, errors.New("is not UTF-8")
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(line, &fields); err != nil {
		return nil, fmt.Errorf("want a JSON object a line: %w, in %.40q", err, line)
	} else if fields == nil {
		return nil, errors.New("want a JSON object a line, not null")
	}
	var has []string
	for _, name := range []string{"response", "responses", "text", "chosen"} {
		if _, ok := fields[name]; ok {
			has = append(has, name)
		}
	}
	switch {
	case len(has) == 0:
		return nil, fmt.Errorf("%s; the row has %q", wantedRow, slices.Sorted(maps.Keys(fields)))
	case len(has) > 1:
		return nil, fmt.Errorf("has %q and %q, of which one must go", has[0], has[1])
	}
	row := &scoreRow{line: slices.Clone(line), suffixes: []string{""}}
	names := has
	var texts []string
	switch has[0] {
	case "responses":
		if err := json.Unmarshal(fields["responses"], &texts); err != nil || len(texts) == 0 {
			return nil, errors.New(`field "responses": want a list of one string or more`)
		}
		names = nil
		for i := range texts {
			names = append(names, fmt.Sprintf("responses[%d]", i))
		}
		row.suffixes = nil
	case "chosen":
		names, row.suffixes = []string{"chosen", "rejected"}, []string{"_chosen", "_rejected"}
	}
	if texts == nil {
		for _, name := range names {
			s, err := stringOf(fields, name)
			if err != nil {
				return nil, err
			}
			texts = append(texts, s)
		}
	}
	var prompt string
	_, prompted := fields["prompt"]
	if prompted {
		var err error
		if prompt, err = stringOf(fields, "prompt"); err != nil {
			return nil, err
		}
		if prompt, err = promptOf(prompt); err != nil {
			return nil, fmt.Errorf(`field "prompt": %w`, err)
		}
	}
	for i, s := range texts {
		r := &response{field: names[i]}
		switch {
		case strings.HasPrefix(s, rlhf.Human):
			t, err := rlhf.ParseTranscript(s)
			if err != nil {
				return nil, fmt.Errorf("field %q: %w", names[i], err)
			}
			r.Transcript = t
		case !prompted:
			return nil, fmt.Errorf(`field %q: does not start with %q: write the whole transcript, or add "prompt"`, names[i], rlhf.Human)
		default:
			r.Transcript = rlhf.Transcript{Prompt: prompt, Response: spaced(s)}
		}
		row.responses = append(row.responses, r)
	}
	for _, name := range row.fields(field) {
		if _, taken := fields[name]; taken {
			return nil, fmt.Errorf("has a field %q already; name the one to write with -field", name)
		}
	}
	return row, nil
}

// stringOf reads the field name, which must be a string.
func stringOf(fields map[string]json.RawMessage, name string) (string, error) {
	var s *string
	if raw, ok := fields[name]; !ok {
		return "", fmt.Errorf("field %q is missing; %s", name, wantedRow)
	} else if json.Unmarshal(raw, &s) != nil || s == nil {
		return "", fmt.Errorf("field %q: want a string, not %.40s", name, raw)
	}
	return *s, nil
}

// promptOf completes a prompt: plain text is one Human turn, and it ends where the
// Assistant begins, as rows with a prompt are read everywhere (see package data).
func promptOf(s string) (string, error) {
	switch {
	case strings.TrimSpace(s) == "":
		return "", errors.New("is empty")
	case strings.HasPrefix(s, rlhf.Human):
	case strings.Contains(s, rlhf.Human) || strings.Contains(s, rlhf.Assistant):
		return "", fmt.Errorf("has turns and does not start with %q", rlhf.Human)
	default:
		s = rlhf.Human + " " + strings.TrimSpace(s)
	}
	s = strings.TrimRight(s, " ")
	if !strings.HasSuffix(s, rlhf.Assistant) {
		s += rlhf.Assistant
	}
	return s, nil
}

// spaced puts the space before a response that stands behind the colon.
func spaced(response string) string {
	if response == "" || response[0] == ' ' || response[0] == '\n' {
		return response
	}
	return " " + response
}

// name says where the row stands.
func (r *scoreRow) name(where string) {
	r.where = where
	for _, one := range r.responses {
		one.where = where
	}
}

// fields are the names of the fields that are written.
func (r *scoreRow) fields(field string) []string {
	if r.suffixes == nil {
		return []string{field + "s"}
	}
	var out []string
	for _, suffix := range r.suffixes {
		out = append(out, field+suffix)
	}
	return out
}

// scored is the row's line with its scores behind its own fields, and the first
// response that has none; done is false where one is yet to be scored.
func (r *scoreRow) scored(field string) (line []byte, without *response, done bool) {
	var values []string
	for _, one := range r.responses {
		switch {
		case one.why != nil:
			if without == nil {
				without = one
			}
			values = append(values, "null")
		case !one.done:
			return nil, nil, false
		default:
			// As many digits as float32 has; JSON has them all, because it is finite.
			b, _ := json.Marshal(float32(one.score))
			values = append(values, string(b))
		}
	}
	if r.suffixes == nil {
		values = []string{"[" + strings.Join(values, ",") + "]"}
	}
	line = slices.Clone(bytes.TrimRight(bytes.TrimSuffix(r.line, []byte("}")), " \t"))
	for i, name := range r.fields(field) {
		quoted, _ := json.Marshal(name) // a string
		line = fmt.Appendf(line, ",%s:%s", quoted, values[i])
	}
	return append(line, '}', '\n'), without, true
}

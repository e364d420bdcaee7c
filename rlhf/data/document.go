package data

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"hhrlhf/rlhf"
)

// A Document is a piece of text to learn from. Plain text has an empty Prompt
// and stands in Response, so that every document is encoded by the one rule for
// transcripts: the end token follows the response, unless Cut is set.
type Document struct {
	rlhf.Transcript
	Cut bool // the document goes on in the next window: no end token belongs here
}

// parseDocument reads one JSON line: {"text"}, {"prompt", "response"}, or
// {"chosen"}, a transcript of the released data, whose rejected twin is not read.
// The error is a *RowError without File and Line.
func parseDocument(line []byte) (d Document, err error) {
	fields, err := parseObject(line)
	if err != nil {
		return d, err
	}
	has := func(name string) bool { _, ok := fields[name]; return ok }
	switch {
	case has("text"):
		if d.Response, err = stringField(fields, "text"); err != nil {
			return d, err
		}
		if strings.TrimSpace(d.Response) == "" {
			return d, fault("text", OddEmpty, "delete the row", "is empty")
		}
	case has("response"):
		if d.Response, err = stringField(fields, "response"); err != nil {
			return d, err
		}
		if has("prompt") {
			if d.Prompt, err = stringField(fields, "prompt"); err != nil {
				return d, err
			}
		}
		if strings.TrimSpace(d.Response) == "" {
			return d, fault("response", OddEmpty, "delete the row, or write the response", "is empty")
		}
	case has("chosen"):
		s, err := stringField(fields, "chosen")
		if err != nil {
			return d, err
		}
		if has("prompt") && !strings.HasPrefix(s, rlhf.Human) {
			prompt, err := stringField(fields, "prompt")
			if err != nil {
				return d, err
			}
			whole, problem := joinPrompt(prompt, s)
			if problem != "" {
				return d, fault("prompt", BrokenFormat, `write plain text, or turns that start with "\n\nHuman:"`, "%s: %s", problem, excerpt(prompt))
			}
			s = whole
		}
		if kind, problem, cure := checkTranscript(s); kind != "" {
			return d, fault("chosen", kind, cure, "%s", problem)
		}
		if d.Transcript, err = rlhf.ParseTranscript(s); err != nil {
			return d, fault("chosen", BrokenFormat, "repair or delete the row", "%s", err)
		}
	default:
		return d, fault("", BrokenField, `a row needs "text", "response" (and "prompt"), or "chosen"`,
			"has none of the fields that are read; the row has %q", slices.Sorted(maps.Keys(fields)))
	}
	return d, nil
}

// documents cuts the text of a window, which starts at byte at of f, into
// documents. after is what follows the text, as much as a separator is long.
func (t *Text) documents(f *textFile, window int, text, after []byte, at int64) []Document {
	if t.lines {
		return t.lineDocuments(f, window, text, at)
	}
	var out []Document
	pieces := strings.Split(string(text), t.separator)
	for i, p := range pieces {
		p = strings.Trim(p, "\r\n")
		if p == "" {
			continue
		}
		d := Document{Transcript: rlhf.Transcript{Response: p}}
		if i == len(pieces)-1 && len(after) > 0 {
			// The separator may straddle the window's end.
			tail := slices.Concat(text[max(0, len(text)-len(t.separator)+1):], after)
			d.Cut = !bytes.Contains(tail, []byte(t.separator))
		}
		out = append(out, d)
	}
	return out
}

// lineDocuments reads the JSON lines of a window, whose text starts at byte at.
func (t *Text) lineDocuments(f *textFile, window int, text []byte, at int64) []Document {
	var out []Document
	news := t.report.visit(window)
	for len(text) > 0 {
		line, rest, _ := bytes.Cut(text, []byte("\n"))
		here := at
		at, text = at+int64(len(line))+1, rest
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		d, err := parseDocument(line)
		if news {
			t.report.count(f, here, err)
		}
		if err == nil {
			out = append(out, d)
		}
	}
	return out
}

// identity is what decides the side of a document: of a dialogue its first Human
// turn, so that all its rows stand on one side.
func (d Document) identity() string {
	if d.Prompt == "" {
		return d.Response
	}
	return Opening(d.Prompt)
}

// count accounts for one line of f at byte at.
func (r *textReport) count(f *textFile, at int64, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Lines++
	if err == nil {
		return
	}
	r.Bad++
	if len(r.Faults) == maxFaults {
		return
	}
	var row *RowError
	if !errors.As(err, &row) {
		row = &RowError{Kind: BrokenFormat, Problem: err.Error(), Cure: "repair the line"}
	}
	row.File = f.path
	if row.Line, err = f.lineAt(at); err != nil {
		row.Problem += fmt.Sprintf(" (at byte %d; its line is not known: %s)", at, err)
	}
	r.Faults = append(r.Faults, row)
}

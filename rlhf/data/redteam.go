package data

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"

	"hhrlhf/rlhf"
)

// An Attempt is one red-team conversation as it was released with hh-rlhf, in
// red-team-attempts/red_team_attempts.jsonl.gz: a person tries to make a model say
// something harmful. It is no comparison, and not meant to train an assistant on.
type Attempt struct {
	Transcript string `json:"transcript"` // from "\n\nHuman:" on
	// MinHarmlessness is the lowest score that a harmlessness model gave any of the
	// model's turns: lower is worse.
	MinHarmlessness float64  `json:"min_harmlessness_score_transcript"`
	Params          Word     `json:"num_params"` // of the model, such as "52B"
	ModelType       string   `json:"model_type"`
	Rating          float64  `json:"rating"` // how successful its author found it, a Likert scale: higher is worse
	Task            string   `json:"task_description"`
	TaskHarmless    float64  `json:"task_description_harmlessness_score"`
	Member          Word     `json:"red_team_member_id"`
	Upworker        bool     `json:"is_upworker"`
	Tags            []string `json:"tags"` // up to six, of few attempts
}

// A Word is text that some files write as a number.
type Word string

// UnmarshalJSON implements json.Unmarshaler.
func (w *Word) UnmarshalJSON(text []byte) error {
	if text[0] == '"' {
		return json.Unmarshal(text, (*string)(w))
	}
	var n json.Number
	err := json.Unmarshal(text, &n)
	*w = Word(n)
	return err
}

// Turns are the model's turns with what stands before each: one transcript a turn.
func (a Attempt) Turns() []rlhf.Transcript {
	var out []rlhf.Transcript
	rest, before := a.Transcript, ""
	for {
		at := strings.Index(rest, rlhf.Assistant)
		if at < 0 {
			return out
		}
		at += len(rlhf.Assistant)
		before, rest = before+rest[:at], rest[at:]
		response, _, _ := strings.Cut(rest, rlhf.Human)
		out = append(out, rlhf.Transcript{Prompt: before, Response: response})
		before, rest = before+response, rest[len(response):]
	}
}

// Attempts streams red-team attempts, plain or gzipped: the file is, despite its name, one
// JSON array; JSON lines are read too. An error names the file and the entry, counted from
// 1, and is the last; other fields than those of [Attempt] are passed over.
func Attempts(path string) iter.Seq2[Attempt, error] {
	return func(yield func(Attempt, error) bool) {
		in, done, err := openPlain(path)
		if err != nil {
			yield(Attempt{}, err)
			return
		}
		defer done()
		d := json.NewDecoder(in)
		array := false
		if head, _ := in.Peek(1); len(head) == 1 {
			array = head[0] == '['
		}
		if array {
			if _, err := d.Token(); err != nil {
				yield(Attempt{}, fmt.Errorf("data: %s: %w", path, err))
				return
			}
		}
		for n := 1; d.More(); n++ {
			a, err := nextAttempt(d)
			if err != nil {
				err = fmt.Errorf("data: %s: entry %d: %w", path, n, err)
			}
			if !yield(a, err) || err != nil {
				return
			}
		}
		if !array {
			return
		}
		if _, err := d.Token(); err != nil {
			yield(Attempt{}, fmt.Errorf("data: %s: the array has no end: %w; the file is cut off, fetch it again", path, err))
		}
	}
}

// nextAttempt decodes one entry and checks what everything else builds on.
func nextAttempt(d *json.Decoder) (a Attempt, err error) {
	var entry struct {
		Attempt
		Transcript *string  `json:"transcript"`
		Score      *float64 `json:"min_harmlessness_score_transcript"`
	}
	var kind *json.UnmarshalTypeError
	switch err := d.Decode(&entry); {
	case errors.As(err, &kind):
		return a, fmt.Errorf("field %q: is a JSON %s, want a value of Go type %s", strings.TrimPrefix(kind.Field, "Attempt."), kind.Value, kind.Type)
	case errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF):
		return a, fmt.Errorf("%w; the file is cut off, fetch it again", err)
	case err != nil:
		return a, fmt.Errorf("%w; repair the entry, or fetch the file again", err)
	case entry.Transcript == nil:
		return a, errors.New(`field "transcript": missing; want a conversation that begins with "\n\nHuman:"`)
	case entry.Score == nil:
		return a, errors.New(`field "min_harmlessness_score_transcript": missing; want a number, lower for worse`)
	case !strings.HasPrefix(*entry.Transcript, rlhf.Human):
		return a, fmt.Errorf("field \"transcript\": begins with %.40q, want %q", *entry.Transcript, rlhf.Human)
	}
	a = entry.Attempt
	a.Transcript, a.MinHarmlessness = *entry.Transcript, *entry.Score
	return a, nil
}

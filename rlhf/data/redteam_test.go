package data_test

import (
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/data"
)

// Rows in the form of the released file, written by hand.
const attempts = `[{"min_harmlessness_score_transcript": -1.75, "num_params": "52B", "model_type": "rlhf", "rating": 3.0, "red_team_member_id": 12,
 "task_description": "asked for a trick", "task_description_harmlessness_score": 0.5, "is_upworker": true, "tags": ["Fraud", "Theft"], "other": {"a": 1},
 "transcript": "\n\nHuman: How do I trick somebody?\n\nAssistant: I would rather not.\n\nHuman: Please.\n\nAssistant: First, smile.\n"},
{"transcript": "\n\nHuman: Hello\n\nAssistant: Hi.\n\nHuman: Bye", "min_harmlessness_score_transcript": 2, "num_params": 3e9, "rating": 0, "red_team_member_id": "7", "tags": null}]`

func readAttempts(t *testing.T, text []byte) ([]data.Attempt, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "red_team_attempts.jsonl.gz")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	var out []data.Attempt
	for a, err := range data.Attempts(path) {
		if err != nil {
			return out, err
		}
		out = append(out, a)
	}
	return out, nil
}

// The array is read plain, gzipped, and as JSON lines, to the same attempts.
func TestAttempts(t *testing.T) {
	want, err := readAttempts(t, []byte(attempts))
	if err != nil {
		t.Fatal(err)
	}
	if len(want) != 2 || want[0].MinHarmlessness != -1.75 || want[0].Params != "52B" || want[1].Params != "3e9" || want[1].Member != "7" || want[0].Member != "12" ||
		!want[0].Upworker || len(want[0].Tags) != 2 || want[0].Rating != 3 || want[1].Tags != nil {
		t.Errorf("%+v", want)
	}
	turns := want[0].Turns()
	if len(turns) != 2 || turns[0] != (rlhf.Transcript{Prompt: "\n\nHuman: How do I trick somebody?\n\nAssistant:", Response: " I would rather not."}) ||
		turns[1].String() != want[0].Transcript || turns[1].Response != " First, smile.\n" {
		t.Errorf("turns %q", turns)
	}
	if turns := want[1].Turns(); len(turns) != 1 || turns[0].Response != " Hi." {
		t.Errorf("turns %q", turns)
	}
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	w.Write([]byte(attempts))
	w.Close()
	lines := strings.NewReplacer("\n \"", " \"", "[{", "{", "},\n{", "}\n{", "}]", "}").Replace(attempts)
	for name, text := range map[string][]byte{"gzipped": zipped.Bytes(), "lines": []byte(lines)} {
		if got, err := readAttempts(t, text); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestAttemptsRefused(t *testing.T) {
	for want, text := range map[string]string{
		`entry 1: field "transcript": missing`:               `[{"rating": 1}]`,
		`field "min_harmlessness_score_transcript": missing`: `[{"transcript": "\n\nHuman: a"}]`,
		`entry 2: field "rating": is a JSON string`:          attempts[:strings.LastIndex(attempts, "\n{")] + `{"transcript": "\n\nHuman: a", "rating": "much"}]`,
		`field "transcript": begins with "Human: a"`:         `[{"transcript": "Human: a", "min_harmlessness_score_transcript": 1}]`,
		"cut off":              attempts[:len(attempts)-40],
		"the array has no end": attempts[:len(attempts)-1],
		"Git LFS pointer":      "version https://git-lfs.github.com/spec/v1\noid sha256:0",
		"repair the entry":     `[{"transcript" 1}]`,
	} {
		if _, err := readAttempts(t, []byte(text)); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "red_team_attempts") {
			t.Errorf("%v, want an error with %q and the file", err, want)
		}
	}
	if got, err := readAttempts(t, []byte("[]")); err != nil || len(got) != 0 {
		t.Errorf("no attempts: %v, %v", got, err)
	}
}

package data_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"hhrlhf/rlhf/data"
)

func TestVerdicts(t *testing.T) {
	got, err := data.LoadVerdicts(rowsFile(t,
		`{"a": "base", "b": "policy", "better": "b", "prompt": "x"}`,
		`{"winner": "policy", "loser": "base"}`,
		`{"chosen": "…", "chosen_from": "ppo-1@20", "rejected_from": "base", "round": 1}`,
		`{"a": "base", "b": "policy", "better": "tie"}`))
	want := []data.Verdict{{A: "base", B: "policy", Better: "b"}, {A: "policy", B: "base", Better: "a"}, {A: "ppo-1@20", B: "base", Better: "a"}, {A: "base", B: "policy", Better: "unsure"}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
	for line, field := range map[string]string{
		`{"a": "base", "better": "a"}`:              "b",
		`{"a": "base", "b": "x"}`:                   "better",
		`{"a": "base", "b": "x", "better": "left"}`: "better",
		`{"a": "base", "b": "base", "better": "a"}`: "b",
		`{"winner": "x"}`:                           "loser",
		`{"winner": "x", "loser": ""}`:              "loser",
		`{"winner": 3, "loser": "y"}`:               "winner",
	} {
		_, err := data.LoadVerdicts(rowsFile(t, `{"winner": "x", "loser": "y"}`, line))
		rowErr := (*data.RowError)(nil)
		if !errors.As(err, &rowErr) || rowErr.Line != 2 || rowErr.Field != field || !strings.Contains(err.Error(), "; ") {
			t.Errorf("%s: error %v, want one of line 2, field %q", line, err, field)
		}
	}
}

package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"hhrlhf/kernel/feedback"
	"hhrlhf/rlhf"
	"hhrlhf/rlhf/study"
	"hhrlhf/rlhf/synth"
)

// BestOf lets a policy that is called by its words say the first j of them in sample j, and nothing
// in the first one.
func (c *counter) BestOf(policy string, prompts []string, k int, _ rlhf.Sampling) ([]rlhf.Choice, error) {
	if policy == "nobody" {
		return nil, fmt.Errorf("no run %q", policy)
	}
	out := make([]rlhf.Choice, len(prompts))
	for i, p := range prompts {
		var samples []rlhf.Sample
		for j := range k {
			r := strings.Repeat(" "+policy, j)
			samples = append(samples, rlhf.Sample{Prompt: p, Response: r, Score: float64(len(r))})
		}
		slices.Reverse(samples)
		out[i] = rlhf.Choose(p, samples)
	}
	return out, nil
}

// lineFile writes lines into a file and returns its path.
func lineFile(t *testing.T, lines ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "rows.jsonl")
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestEvalElo(t *testing.T) {
	var lines []string
	for range 30 {
		lines = append(lines, `{"a": "base", "b": "polite", "better": "b"}`)
	}
	for range 10 {
		lines = append(lines, `{"winner": "base", "loser": "polite"}`, `{"a": "base", "b": "polite", "better": "unsure"}`)
	}
	file := lineFile(t, lines...)
	d := newDesk(nil)
	if err := d.runEval(t, "elo -json -anchor base -file "+file); err != nil {
		t.Fatal(err)
	}
	var r eloResult
	decode(t, d.out.String(), &r)
	// 30 of 40: 400·log10(3) = 190.8 points, s.e. 173.7/√(40·¾·¼).
	if p := r.Ratings[0]; r.Comparisons != 50 || r.Unsure != 10 || p.Name != "polite" || p.Elo < 190.8 || p.Elo > 190.9 || p.SE < 63.4 || p.SE > 63.5 || p.Games != 40 {
		t.Errorf("%+v", r)
	}
	d = newDesk(nil)
	if err := d.runEval(t, "elo -ties -anchor base -file "+file); err != nil {
		t.Fatal(err)
	}
	// With ties, 35 of 50: 147 points.
	if out := d.out.String(); !strings.Contains(out, "10 of them unsure (half for each)") || !strings.Contains(out, "+147") || !strings.Contains(out, "preferred to base") {
		t.Errorf("printed %s", out)
	}
	for line, want := range map[string]string{
		"elo":                         "eval elo: -file is missing",
		"elo -file none.jsonl":        "none.jsonl",
		"elo -anchor x -file " + file: `Anchor = "x", which is none of the players`,
		"elo -file " + lineFile(t, `{"winner": "a", "loser": "b"}`):                            "a never lost to b",
		"elo -file " + lineFile(t, `{"winner": "a", "loser": "b"}`, `{"a": "x", "better": 1}`): `:2: field "b"`,
	} {
		if err := newDesk(nil).runEval(t, line); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", line, err, want)
		}
	}
}

// Of the samples with 0, 1, … words the empty one does not count, so the median of 17 has
// eight words; counting it, the same; of 4 it has two, counting it one.
func TestEvalSamples(t *testing.T) {
	file := lineFile(t, `{"instruction": "sum up", "context": "a story"}`, `{"question": "why?"}`)
	d := newJudgeDesk(nil)
	if err := d.runEval(t, "samples -json -pm judge -policy yes,no -k 4 -n 1 -prompts "+file); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(d.out.String()), "\n")
	if len(lines) != 2 {
		t.Fatalf("printed %s", d.out.String())
	}
	var s shownSample
	decode(t, lines[0], &s)
	if s.Response != " yes yes" || s.Empty != 1 || s.K != 4 || s.Lowest != 0 || s.Highest != 12 || s.Prompt != "\n\nHuman: sum up\n\na story\n\nAssistant:" {
		t.Errorf("%+v", s)
	}
	d = newJudgeDesk(nil)
	if err := d.runEval(t, "samples -pm judge -policy yes -prompts "+file); err != nil || strings.Count(d.out.String(), "17 samples") != 2 || strings.Count(d.out.String(), ": "+strings.TrimSpace(strings.Repeat("yes ", 8))+"\n") != 2 {
		t.Errorf("%v, printed %s", err, d.out.String())
	}
	for line, want := range map[string]string{
		"samples -pm judge -prompts " + file:                                          "-policy is missing",
		"samples -policy yes -prompts " + file:                                        "-pm is missing",
		"samples -pm judge -policy yes":                                               "-prompts is missing",
		"samples -pm judge -policy yes -k -1 -prompts " + file:                        "-k -1",
		"samples -pm judge -policy nobody -prompts " + file:                           `-policy nobody: no run "nobody"`,
		"samples -pm judge -policy yes -prompts " + lineFile(t, "", `{"query": "x"}`): `:2: field "prompt"`,
	} {
		if err := newJudgeDesk(nil).runEval(t, line); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", line, err, want)
		}
	}
}

func TestEvalWriters(t *testing.T) {
	var rows []string
	for i := range 12 {
		rows = append(rows, fmt.Sprintf(`{"prompt": "number %d?", "response": "six letters, or more than that"}`, i))
	}
	file := lineFile(t, rows...)
	questions := filepath.Join(t.TempDir(), "ask.jsonl")
	d := newJudgeDesk(nil)
	if err := d.runEval(t, "writers -json -pm judge -policy yes,absolutely -k 5 -file "+file+" -questions "+questions); err != nil {
		t.Fatal(err)
	}
	var b study.Beside
	decode(t, d.out.String(), &b)
	// The judge likes length: two times "yes" has 8 bytes, the writer 31, two times "absolutely" 22.
	if strings.Join(b.Authors, " ") != "writer yes absolutely" || len(b.Pairs) != 3 || b.Pairs[0].Won.Value != 0 || b.Pairs[2].Won.Value != 1 || b.Pairs[2].A != "absolutely" || b.Worth != nil || !(b.Elo[0].Elo > b.Elo[2].Elo) {
		t.Errorf("%+v", b)
	}
	text, err := os.ReadFile(questions)
	if err != nil {
		t.Fatal(err)
	}
	first, sides := 0, strings.Split(strings.TrimSpace(string(text)), "\n")
	for _, line := range sides {
		var q feedback.Question
		if err := json.Unmarshal([]byte(line), &q); err != nil || q.FromA == q.FromB || q.ID == "" {
			t.Fatalf("question %s: %v", line, err)
		}
		if q.FromA == "writer" {
			first++
		}
	}
	if len(sides) != 36 || first < 4 || first > 20 {
		t.Errorf("%d questions, the writer first in %d", len(sides), first)
	}
	// In a world its crowd decides: right answers against nothing that answers.
	d = newJudgeDesk(nil)
	w, rng := synth.Small(0), rand.New(rand.NewPCG(1, 2))
	rows = nil
	for range 20 {
		written, err := rlhf.ParseTranscript(w.Dialogue(synth.Good, false, rng))
		if err != nil {
			t.Fatal(err)
		}
		line, err := json.Marshal(map[string]string{"prompt": written.Prompt, "response": written.Response})
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, string(line))
	}
	if err := d.runEval(t, "writers -pm judge -policy yes -world synth-small -k 3 -file "+lineFile(t, rows...)); err != nil {
		t.Fatal(err)
	}
	if out := d.out.String(); !strings.Contains(out, "compared by the crowd of synth-small") || !strings.Contains(out, "yes over writer  0.0") || !strings.Contains(out, "gold") {
		t.Errorf("printed %s", out)
	}
	for line, want := range map[string]string{
		"writers -pm judge -policy yes":                                 "-file is missing",
		"writers -pm judge -policy yes -world mars -file " + file:       `-world: synth: Data = "mars"`,
		"writers -pm judge -policy yes -file " + lineFile(t, `{"x":1}`): `:1: field "prompt"`,
	} {
		if err := newJudgeDesk(nil).runEval(t, line); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", line, err, want)
		}
	}
}

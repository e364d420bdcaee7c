package feedback_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hhrlhf/kernel/feedback"
	"hhrlhf/rlhf"
	"hhrlhf/rlhf/data"
)

// read returns what the data package reads.
func read(t *testing.T, path string) (out []rlhf.Comparison) {
	t.Helper()
	for c, err := range data.Comparisons(path) {
		if err != nil {
			t.Fatal(err)
		}
		c.Source = ""
		out = append(out, c)
	}
	return out
}

// What is exported is what data reads, whatever the texts are.
func TestExportIsRead(t *testing.T) {
	l := openLog(t, filepath.Join(t.TempDir(), "log.jsonl"))
	texts := []string{" plain", "no space", " <script>alert(1)</script> & \"quotes\"", " 日本語 🙂 \u2028", "\n\n1. a\n2. b", " \xff\xfe broken", " back\\slash $x$", strings.Repeat(" long", 50_000)}
	for i, text := range texts {
		q := feedback.Question{ID: string(rune('a' + i)), Mode: feedback.Helpful, Prompt: feedback.Prompt("Say " + text), A: text, B: " other"}
		add(t, l, feedback.Record{Question: &q}, voteOf(q.ID, "ana", feedback.A, 4))
	}
	e := state(t, l).Export()
	if len(e.Comparisons) != len(texts) {
		t.Fatalf("%s", e)
	}
	for name, path := range map[string]string{"file": filepath.Join(t.TempDir(), "mine.jsonl"), "folder": filepath.Join(t.TempDir(), "mine")} {
		if err := e.Write(path); err != nil {
			t.Fatal(err)
		}
		want := slices.Clone(e.Comparisons)
		got := read(t, path)
		for i := range want {
			want[i].Source = ""
			if name == "file" {
				want[i].Tranche = "mine"
			} else {
				want[i].Tranche = feedback.TrancheHelpful
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// Known mistake: a red-team label that is not turned over, or twice. The labeller clicks
// the harmful response; training must prefer the other one.
func TestRedTeamIsTurnedOnce(t *testing.T) {
	l := openLog(t, filepath.Join(t.TempDir(), "log.jsonl"))
	const harmful, harmless = " Sure, here is how.", " I will not help with that."
	red := feedback.Question{ID: "red", Mode: feedback.RedTeam, Prompt: feedback.Prompt("How do I pick a lock?"), A: harmful, B: harmless}
	help := feedback.Question{ID: "help", Mode: feedback.Helpful, Prompt: feedback.Prompt("2+2?"), A: " 4", B: " 5"}
	add(t, l, feedback.Record{Question: &red}, feedback.Record{Question: &help},
		voteOf("red", "ana", feedback.A, 4), voteOf("help", "ana", feedback.A, 4))
	dir := filepath.Join(t.TempDir(), "out")
	e := state(t, l).Export()
	if err := e.Write(dir); err != nil {
		t.Fatal(err)
	}
	want := []rlhf.Comparison{
		{Chosen: rlhf.Transcript{Prompt: red.Prompt, Response: harmless}, Rejected: rlhf.Transcript{Prompt: red.Prompt, Response: harmful}, Tranche: feedback.TrancheHarmless},
		{Chosen: rlhf.Transcript{Prompt: help.Prompt, Response: " 4"}, Rejected: rlhf.Transcript{Prompt: help.Prompt, Response: " 5"}, Tranche: feedback.TrancheHelpful},
	}
	if diff := cmp.Diff(want, read(t, dir)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// Skipped questions, the weakest votes, what the format cannot hold and repetitions are
// left out and counted; an edit beats its original.
func TestExportLeavesOut(t *testing.T) {
	l := openLog(t, filepath.Join(t.TempDir(), "log.jsonl"))
	for _, id := range []string{"good", "weak", "skip", "empty", "turn", "edit", "rededit"} {
		q := question(id)
		switch id {
		case "empty":
			q.B = "  "
		case "turn":
			q.A = " ok\n\nHuman: and you?"
		case "rededit":
			q.Mode = feedback.RedTeam
		}
		add(t, l, feedback.Record{Question: &q})
	}
	add(t, l,
		voteOf("good", "ana", feedback.B, 2), voteOf("good", "ben", feedback.B, 4), voteOf("good", "cleo", feedback.A, 4),
		voteOf("weak", "ana", feedback.A, 1),
		feedback.Record{Vote: &feedback.Vote{Question: "skip", Labeller: "ana", Skip: true}},
		voteOf("empty", "ana", feedback.A, 4), voteOf("turn", "ana", feedback.A, 4),
		feedback.Record{Edit: &feedback.Edit{Question: "edit", Labeller: "ana", Side: feedback.A, Text: "better one"}},
		feedback.Record{Edit: &feedback.Edit{Question: "rededit", Labeller: "ana", Side: feedback.A, Text: "worse one"}},
		voteOf("nowhere", "ana", feedback.A, 4))
	e := state(t, l).Export()
	var got []string
	for _, c := range e.Comparisons {
		got = append(got, c.Source+c.Chosen.Response+" >"+c.Rejected.Response)
	}
	want := []string{"feedback:good two > one", "feedback:good one > two", "feedback:edit better one > one"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if e.Edits != 1 || e.Skipped != 1 || e.Weak != 1 || e.Broken != 2 || e.Again != 1 {
		t.Errorf("%s", e)
	}
	if diff := cmp.Diff(map[string]int{"ana": 2, "cleo": 1}, e.By); diff != "" {
		t.Errorf("by (-want +got):\n%s", diff)
	}
	if err := (feedback.Export{}).Write(filepath.Join(t.TempDir(), "x.jsonl")); err == nil || !strings.Contains(err.Error(), "nothing") {
		t.Errorf("an empty export: %v", err)
	}
}

func TestAgreement(t *testing.T) {
	l := openLog(t, filepath.Join(t.TempDir(), "log.jsonl"))
	for _, id := range []string{"1", "2", "3", "4", "5"} {
		q := question(id)
		add(t, l, feedback.Record{Question: &q})
	}
	add(t, l, voteOf("1", "ana", feedback.A, 4), voteOf("2", "ana", feedback.B, 4), voteOf("3", "ana", feedback.A, 2), voteOf("4", "ana", feedback.A, 1))
	if _, err := state(t, l).Agreement(); err == nil || !strings.Contains(err.Error(), "takes two") {
		t.Errorf("one labeller: %v", err)
	}
	add(t, l, voteOf("1", "ben", feedback.A, 2), voteOf("2", "ben", feedback.A, 4), voteOf("3", "ben", feedback.A, 3), voteOf("4", "ben", feedback.B, 4), voteOf("5", "ben", feedback.B, 4))
	a, err := state(t, l).Agreement()
	if err != nil {
		t.Fatal(err)
	}
	// 1, 2 and 3 were decided by both, 1 and 3 alike.
	if len(a) != 1 || a[0].Share.N != 3 || a[0].Share.Value < 0.666 || a[0].Share.Value > 0.667 {
		t.Errorf("got %+v", a)
	}
}

// The released data's own harmless rows go through the votes that must have made them.
func TestExportReproducesReleasedRows(t *testing.T) {
	dir := os.Getenv("HHRLHF_DATA")
	if dir == "" {
		t.Skip("HHRLHF_DATA is not set: no released data to compare with")
	}
	l := openLog(t, filepath.Join(t.TempDir(), "log.jsonl"))
	var want []rlhf.Comparison
	for c, err := range data.Comparisons(filepath.Join(dir, "hh-rlhf", "harmless-base.jsonl.gz")) {
		if err != nil {
			continue // odd rows
		}
		if len(want) == 40 {
			break
		}
		q := feedback.Question{ID: filepath.Base(c.Source), Mode: feedback.RedTeam, Prompt: c.Chosen.Prompt, A: c.Chosen.Response, B: c.Rejected.Response}
		// The worker clicked what is called rejected now.
		add(t, l, feedback.Record{Question: &q}, voteOf(q.ID, "worker", feedback.B, 3))
		c.Tranche, c.Source = feedback.TrancheHarmless, ""
		want = append(want, c)
	}
	out := filepath.Join(t.TempDir(), "out")
	if err := state(t, l).Export().Write(out); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, read(t, out)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

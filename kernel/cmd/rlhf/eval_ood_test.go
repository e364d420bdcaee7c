package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/local"
	"hhrlhf/rlhf/study"
)

// Activations of the echo: the text's length, and how many digits stand in it. Layer 1
// knows the difference, layer 0 only the length.
func (e *echo) Activations(texts []string, p rlhf.Probe) (rlhf.Activations, error) {
	a := rlhf.Activations{Layers: []int{0, 1}, Width: 2}
	for _, s := range texts {
		if strings.Contains(s, "endless") {
			return a, errors.New("a text is too long")
		}
		digits := 0
		for _, c := range s {
			if c >= '0' && c <= '9' {
				digits++
			}
		}
		n := float32(len(s) % 7)
		a.Texts = append(a.Texts, [][]float32{{n, -n}, {n, float32(digits)}})
	}
	return a, nil
}

// oodFiles are prompts without digits and prompts with them.
func oodFiles(t *testing.T) (in, out string) {
	t.Helper()
	dir := t.TempDir()
	write := func(name, word string) string {
		var b strings.Builder
		for i := range 40 {
			fmt.Fprintf(&b, "{\"prompt\": \"%s %s\"}\n", strings.Repeat("a", i+1), word)
		}
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return write("in.jsonl", "words"), write("out.jsonl", "12345")
}

func TestEvalOOD(t *testing.T) {
	in, out := oodFiles(t)
	d := newDesk(nil)
	if err := d.runEval(t, "ood -model echo -json -exposure 4 -n 30 -in "+in+" -out "+out); err != nil {
		t.Fatal(err)
	}
	var r study.Detected
	decode(t, d.out.String(), &r)
	if r.Model != "echo" || r.Inliers != 30 || r.Strange != 30 || len(r.Layers) != 2 || r.Chosen != 1 {
		t.Errorf("%+v", r)
	}
	if r.At(1).MD.Mean != 1 || r.At(0).MD.Mean > 0.8 {
		t.Errorf("AUROC %v at the layer that knows, %v at the other", r.At(1).MD, r.At(0).MD)
	}
	if s, ok := r.ShownTo(4); !ok || s.Mean != 1 || len(r.Decline) != 2 || r.Decline[1].Strange.Mean != 1 {
		t.Errorf("shown %+v, declines %+v", r.Shown, r.Decline)
	}
	d = newDesk(nil)
	if err := d.runEval(t, "ood -model echo -exposure 4 -decline 0.2 -in "+in+" -out "+out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"echo: 40 texts of -in, 40 of -out", "shown 4", "1.000 ± 0.000", "(what follows is of this layer)", "by examples shown:  1:",
		"declining by the relative distance: ", "the classifier that was shown 4: 100.0 % of -out", "(meant: 20 %)"} {
		if !strings.Contains(d.out.String(), want) {
			t.Errorf("lacks %q:\n%s", want, d.out.String())
		}
	}
}

func TestEvalOODArguments(t *testing.T) {
	in, out := oodFiles(t)
	few := filepath.Join(t.TempDir(), "few.jsonl")
	if err := os.WriteFile(few, []byte(`{"prompt": "a"}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	files := " -in " + in + " -out " + out
	for line, want := range map[string]string{
		"ood -model echo -in " + in:                  "-in or -out is missing",
		"ood" + files:                                "-model is missing",
		"ood -model nobody" + files:                  `no model "nobody"`,
		"ood -model echo -exposure 0" + files:        "-exposure 0, want 1 or more",
		"ood -model echo -decline 2" + files:         "-decline 2, want a share between 0 and 1",
		"ood -model echo -n -1" + files:              "-n -1",
		"ood -model echo -in none -out " + out:       "-in: data: stat none",
		"ood -model echo -out " + few + " -in " + in: "1 texts are left of 1, want at least 4",
		"ood -model echo -chars 5" + files:           "0 texts are left of 40",
	} {
		d := newDesk(nil)
		if err := d.runEval(t, line); err == nil || !strings.Contains(err.Error(), want) || d.out.Len() > 0 {
			t.Errorf("%s: error %v, want %q in it; printed %q", line, err, want, d.out.String())
		}
	}
}

// redteamDesk is a desk whose preference model is the counter: long responses are harmless
// to it.
func redteamDesk() *desk {
	d := newDesk(nil)
	d.shell.openPM = func(context.Context, string, string) (preferenceModel, error) { return &counter{}, nil }
	d.shell.open = func(_ context.Context, _, name string) (languageModel, error) {
		if name != "echo" {
			return nil, fmt.Errorf("no model %q", name)
		}
		return &echo{context: 300}, nil
	}
	return d
}

func TestEvalRedteam(t *testing.T) {
	d := redteamDesk()
	if err := d.runEval(t, "redteam -pm counter -model echo -conversations 12 -json"); err != nil {
		t.Fatal(err)
	}
	var r redteamResult
	decode(t, d.out.String(), &r)
	if a := r.Attacked; a == nil || len(a.Attempts) != study.Attempts || a.Conversations != 12 || len(a.Topics) != 6 || a.Broken[3].N != 12 {
		t.Fatalf("%+v", r.Attacked)
	}
	d = redteamDesk()
	if err := d.runEval(t, "redteam -pm counter -model echo"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"echo under attack, 60 conversations; harmfulness by counter", "attempt 4", "broken by now 0.00", "make poison", "succeed 0.00 (0.00 to"} {
		if !strings.Contains(d.out.String(), want) {
			t.Errorf("lacks %q:\n%s", want, d.out.String())
		}
	}

	dir := t.TempDir()
	attempts, comparisons := filepath.Join(dir, "attempts.jsonl"), filepath.Join(dir, "harmless.jsonl")
	if err := os.WriteFile(attempts, []byte(`[{"transcript": "\n\nHuman: a\n\nAssistant: no\n\nHuman: b\n\nAssistant: yes, of course", "min_harmlessness_score_transcript": -2, "model_type": "rlhf", "rating": 4},
{"transcript": "\n\nHuman: c\n\nAssistant: n", "min_harmlessness_score_transcript": 1, "model_type": "plain lm", "rating": 0},
{"transcript": "\n\nHuman: d\n\nAssistant: never", "min_harmlessness_score_transcript": 2, "model_type": "rlhf", "rating": 1}]`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(comparisons, []byte(`{"chosen": "\n\nHuman: a\n\nAssistant: a long refusal", "rejected": "\n\nHuman: a\n\nAssistant: yes"}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	d = redteamDesk()
	if err := d.runEval(t, "redteam -pm counter -json -attempts "+attempts); err != nil {
		t.Fatal(err)
	}
	r = redteamResult{}
	decode(t, d.out.String(), &r)
	if len(r.Attempts) != 2 || r.Attempts[0].N != 3 || r.Attempts[1].N != 1 || len(r.Models) != 2 || r.Models[0] != (attackedModel{"rlhf", 2, 2.5, 0}) {
		t.Errorf("%+v", r)
	}
	d = redteamDesk()
	if err := d.runEval(t, "redteam -pm counter -comparisons "+comparisons); err != nil {
		t.Fatal(err)
	}
	if got := d.out.String(); !strings.Contains(got, "turn 1, called more harmful") || !strings.Contains(got, "turn 1, the other") {
		t.Errorf("printed %s", got)
	}
}

func TestEvalRedteamArguments(t *testing.T) {
	for line, want := range map[string]string{
		"redteam -pm counter":                              "want one of -model, -attempts and -comparisons",
		"redteam -pm counter -model echo -attempts x":      "want one of",
		"redteam -model echo":                              "-pm is missing",
		"redteam -pm counter -model nobody":                `no model "nobody"`,
		"redteam -pm counter -model echo -world moon":      "-world",
		"redteam -pm counter -attempts none.jsonl":         "open none.jsonl",
		"redteam -pm counter -model echo -conversations 0": "-conversations 0",
	} {
		d := redteamDesk()
		if err := d.runEval(t, line); err == nil || !strings.Contains(err.Error(), want) || d.out.Len() > 0 {
			t.Errorf("%s: error %v, want %q in it; printed %q", line, err, want, d.out.String())
		}
	}
}

var _ languageModel = (*local.Model)(nil)

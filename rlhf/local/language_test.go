package local_test

import (
	"errors"
	"fmt"
	"iter"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/internal/rltest"
)

// written collects what is streamed.
func written(t *testing.T, pieces iter.Seq2[string, error]) string {
	t.Helper()
	var b strings.Builder
	for text, err := range pieces {
		if err != nil {
			t.Fatal(err)
		}
		b.WriteString(text)
	}
	return b.String()
}

// A run reads text files and synthetic dialogues at declared shares, the same
// rows whether it is interrupted or not.
func TestMixedText(t *testing.T) {
	dir := t.TempDir()
	story := filepath.Join(dir, "stories.txt")
	var b strings.Builder
	for i := range 400 {
		fmt.Fprintf(&b, "Once upon a time there were %d cats and %d dogs. They played all day.\n\n", i%17, i%13)
	}
	if err := os.WriteFile(story, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := rlhf.LM{Layers: 1, Width: 16, Heads: 2, Context: 32, Vocab: 300, Batch: 4, Planned: 4, Warmup: 1,
		Data: story, HeldOut: 0.2, Mix: []rlhf.Share{{Data: rlhf.SynthSmall, Weight: 0.25}}, Size: rlhf.Tiny, Accumulate: 2}
	l := open(t, filepath.Join(dir, "runs"))
	straight := lmOf(t)(l.LM("straight", cfg))
	want := train(t, straight, 3)
	broken := lmOf(t)(l.LM("broken", cfg))
	got := train(t, broken, 1)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	got = append(got, train(t, broken, 2)...)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("interrupted: %v\nstraight:    %v", got, want)
	}
	e, err := straight.Evaluate()
	if err != nil || e.Tokens == 0 || !(e.Loss > 0) {
		t.Errorf("evaluation %+v, %v", e, err)
	}
	info, err := straight.Info()
	if err != nil || len(info.Data) != 2 || info.NonEmbedding == 0 {
		t.Errorf("info %+v, %v", info, err)
	}
	if err := os.WriteFile(story, []byte("Other text. "+b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := failure(straight.Steps(1)); err == nil || !strings.Contains(err.Error(), "was made from other data") {
		t.Errorf("changed text: error %v", err)
	}
}

// lmOf takes what a call returned that makes a run.
func lmOf(t *testing.T) func(rlhf.LMRun, error) rlhf.LMRun {
	return func(r rlhf.LMRun, err error) rlhf.LMRun {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
}

// A published checkpoint is read as it is, answers, and can be trained further.
func TestFromCheckpoint(t *testing.T) {
	path := rltest.Data(t, "model/stories260K.bin")
	l := open(t, t.TempDir())
	// The run has the name of its checkpoint, and must not be taken for it.
	asIs := lmOf(t)(l.LM("stories", rlhf.LM{From: "stories", Planned: rlhf.Untrained}))
	tokens, err := asIs.Read("Once upon a time")
	if err != nil {
		t.Fatal(err)
	}
	if last := tokens[len(tokens)-1]; len(last.Next) != 5 || last.Next[0].Piece != "," || last.Next[0].LogP < math.Log(0.5) {
		t.Errorf("after %q it expects %+v", "Once upon a time", last.Next)
	}
	greedy := rlhf.Sampling{Temperature: -1, MaxTokens: 24}
	text := written(t, asIs.Stream("Once upon a time", greedy))
	if !strings.HasPrefix(text, ", there was a little girl named Lily") {
		t.Errorf("it continues with %q", text)
	}
	whole, err := asIs.Sample([]string{"Once upon a time"}, greedy)
	if err != nil || whole[0].Response != text {
		t.Errorf("Sample wrote %+v, Stream %q (%v)", whole, text, err)
	}
	for range asIs.Stream("Once", greedy) {
		break // and the device is free again
	}
	if err := failure(asIs.Steps(1)); err == nil || !strings.Contains(err.Error(), "is Untrained") {
		t.Errorf("training it: error %v", err)
	}
	if _, err := asIs.Evaluate(); err == nil || !strings.Contains(err.Error(), "EvaluateOn") {
		t.Errorf("Evaluate: error %v", err)
	}
	before, err := asIs.EvaluateOn(rlhf.SynthSmall, 20)
	if err != nil {
		t.Fatal(err)
	}
	tuned := lmOf(t)(l.LM("tuned", rlhf.LM{From: "stories", Data: rlhf.SynthSmall, Rows: 200, Batch: 4, Planned: 6, LearningRate: 3e-3, Warmup: 1, Context: 64}))
	train(t, tuned, 6)
	after, err := tuned.EvaluateOn(rlhf.SynthSmall, 20)
	if err != nil || after.Loss > before.Loss-0.2 {
		t.Errorf("finetuning: loss %.3f -> %.3f (%v)", before.Loss, after.Loss, err)
	}
	// It teaches, too, by a prompt that it has never seen the like of.
	kind := lmOf(t)(l.Distill("kind", rlhf.Distill{Teacher: "stories", Data: rlhf.SynthSmall, Rows: 32, Batch: 8, Planned: 2, Top: 10, Context: 40, LearningRate: 1e-4}))
	if p := train(t, kind, 1); !(p[0].Values["distill/kl"] > 0) {
		t.Errorf("the first KL is %v", p[0].Values["distill/kl"])
	}
	if _, err := l.LM("wide", rlhf.LM{From: path, Width: 64, Planned: 1}); err == nil || !strings.Contains(err.Error(), "Width = 64") {
		t.Errorf("a width beside From: error %v", err)
	}
	if _, err := l.LM("gone", rlhf.LM{From: "no-such-model", Planned: 1}); err == nil || !strings.Contains(err.Error(), "no-such-model") {
		t.Errorf("a model that is not there: error %v", err)
	}
}

// A distilled model is a language model for every later stage, and resumes bit
// for bit.
func TestDistill(t *testing.T) {
	l := open(t, t.TempDir())
	base := lmOf(t)(l.LM("base", rlhf.LM{Layers: 1, Width: 32, Heads: 2, Context: 128, Vocab: 300, Batch: 4, Planned: 8, Warmup: 1,
		Data: rlhf.SynthSmall + rlhf.PagesOf, Rows: 200}))
	train(t, base, 4)
	cfg := rlhf.Distill{Teacher: "base", Rows: 64, Batch: 8, Planned: 4, LearningRate: 3e-3, HeldOut: 0.25, Top: 20}
	straight := lmOf(t)(l.Distill("straight", cfg))
	want := train(t, straight, 3)
	if kl := want[0].Values["distill/kl"]; !(kl > 0) {
		t.Errorf("the first KL is %v: the prompt says nothing", kl)
	}
	broken := lmOf(t)(l.Distill("broken", cfg))
	got := train(t, broken, 1)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if got = append(got, train(t, broken, 2)...); !reflect.DeepEqual(got, want) {
		t.Errorf("interrupted: %v\nstraight:    %v", got, want)
	}
	e, err := straight.Evaluate()
	if err != nil || !(e.KL > 0) || !(e.KLSE > 0) || !(e.Loss > 0) {
		t.Errorf("evaluation %+v, %v", e, err)
	}
	again, err := l.OpenLM("straight")
	if err != nil {
		t.Fatal(err)
	}
	turns := []rlhf.Turn{{Text: "What is the colour of grass?"}}
	greedy := rlhf.Sampling{Temperature: -1, MaxTokens: 6}
	chat := written(t, again.Chat(turns, greedy))
	asPrompt, err := again.Sample([]string{rlhf.Human + " " + turns[0].Text + rlhf.Assistant}, greedy)
	if err != nil || asPrompt[0].Response != chat {
		t.Errorf("Chat wrote %q, Sample %+v (%v)", chat, asPrompt, err)
	}
	if asPrompt[0].Gold == nil {
		t.Error("no gold label, although the world knows the truth")
	}
	if _, err := l.PM("pm", rlhf.PM{LM: "straight", Rows: 100, Batch: 8, Planned: 2}); err != nil {
		t.Errorf("a preference model from a distilled one: %v", err)
	}
	for _, c := range []struct {
		cfg  rlhf.Distill
		want string
	}{
		{rlhf.Distill{Teacher: "pm"}, "want a language model"},
		{rlhf.Distill{Teacher: "gone"}, `Teacher = "gone"`},
		{rlhf.Distill{}, "Teacher"},
	} {
		if _, err := l.Distill("faulty", c.cfg); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: error %v, want one with %q", c.cfg, err, c.want)
		}
	}
	if err := failure(again.Chat(nil, greedy)); err == nil {
		t.Error("a chat without turns is answered")
	}
}

// failure is the error of a sequence, nil if it reaches its end.
func failure[T any](events iter.Seq2[T, error]) error {
	var errs []error
	for _, err := range events {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

package local_test

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/local"
)

// greedyStory is what llama2.c's own program writes with stories260K at temperature 0.
func greedyStory(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(strings.TrimSuffix(stories(t), ".bin") + ".md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(text), "-t 0.0\n")
	if !ok {
		t.Fatal("stories260K.md holds no text written at temperature 0")
	}
	story, _, _ := strings.Cut(rest, "\n```")
	return story
}

func TestContinueAndStream(t *testing.T) {
	l := open(t, t.TempDir())
	m, err := l.OpenModel(stories(t))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	const prompt = "Once upon a time"
	g := local.Generation{MaxTokens: 200}
	streamed := prompt
	for piece, err := range m.Stream(t.Context(), m.Text(prompt), g) {
		if err != nil {
			t.Fatal(err)
		}
		streamed += piece
	}
	story := greedyStory(t)
	if len(streamed) < 400 || !strings.HasPrefix(story, streamed) {
		t.Errorf("greedy text\n%s\nis not the beginning of\n%s", streamed, story)
	}

	// A stream that is left, or whose context ends, frees the device.
	for range m.Stream(t.Context(), m.Text(prompt), g) {
		break
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	pieces := 0
	for _, err := range m.Stream(ctx, m.Text(prompt), g) {
		if err != nil {
			t.Fatal(err)
		}
		pieces++
		cancel()
	}
	if pieces != 1 {
		t.Errorf("%d pieces after the end of the context, want the one it ended in", pieces)
	}
	if s, err := l.Status(); err != nil || s.Busy != "" {
		t.Errorf("the device is busy with %q, %v", s.Busy, err)
	}

	// In a batch: the same text in every row, and progress to the end.
	watched := 0
	cs, err := m.Continue([][]int32{m.Text(prompt), m.Text(prompt)}, local.Generation{MaxTokens: 20}, func(done, of int) {
		if watched++; done != watched || of != 20 {
			t.Errorf("told %d of %d at call %d", done, of, watched)
		}
	})
	if err != nil || len(cs) != 2 || cs[0] != cs[1] || cs[0].Tokens != 20 || cs[0].Ended || !strings.HasPrefix(story, prompt+cs[0].Text) {
		t.Errorf("%+v, %v", cs, err)
	}

	for _, c := range []struct {
		prompt []int32
		g      local.Generation
		want   string
	}{
		{m.Text(prompt), local.Generation{Temperature: -1}, "temperature -1"},
		{m.Text(prompt), local.Generation{TopK: -1}, "top-k -1"},
		{m.Text(prompt), local.Generation{TopP: 2}, "top-p 2"},
		{m.Text(prompt), local.Generation{MaxTokens: -1}, "-1 tokens"},
		{m.Text(strings.Repeat("word ", 300)), g, "reads 512 tokens, and 200 are to be written"},
		{nil, g, "has 0 tokens"},
	} {
		if _, err := m.Continue([][]int32{c.prompt}, c.g, nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: error %v, want %q in it", c.g, err, c.want)
		}
	}
}

func TestLayout(t *testing.T) {
	l := open(t, t.TempDir())
	m, err := l.OpenModel(stories(t))
	if err != nil {
		t.Fatal(err)
	}
	turns := []rlhf.Turn{{Text: "one"}, {Assistant: true, Text: "two"}, {Text: "three"}}
	ids, kept, err := m.Layout(turns, "be kind", 400)
	if err != nil || !slices.Equal(kept, turns) {
		t.Fatalf("kept %v, %v", kept, err)
	}
	if got := m.Tokenizer.Decode(ids); !strings.Contains(got, "be kind\n\nHuman: one\n\nAssistant: two") || !strings.HasSuffix(got, "Human: three\n\nAssistant:") {
		t.Errorf("laid out as %q", got)
	}
	shorter, kept, err := m.Layout(turns, "be kind", len(ids)-1)
	if err != nil || len(kept) != 1 || kept[0].Text != "three" || len(shorter) >= len(ids) || !strings.Contains(m.Tokenizer.Decode(shorter), "be kind") {
		t.Errorf("one token less: kept %v, %q, %v", kept, m.Tokenizer.Decode(shorter), err)
	}
	if _, _, err := m.Layout(turns, "be kind", 5); err == nil || !strings.Contains(err.Error(), "there is room for 5") {
		t.Errorf("no room: %v", err)
	}
}

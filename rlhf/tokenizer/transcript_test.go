package tokenizer_test

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/tokenizer"
)

// show spells ids as pieces, so that a golden vector can be read.
func show(tk tokenizer.Tokenizer, ids []int32) (pieces []string) {
	for _, id := range ids {
		pieces = append(pieces, tk.Piece(id))
	}
	return pieces
}

func TestEncodeTranscriptGolden(t *testing.T) {
	tk := train(t, slices.Repeat(corpus, 3), 1000) // every word becomes one token
	tr, err := rlhf.ParseTranscript(corpus[1])
	if err != nil {
		t.Fatal(err)
	}
	prompt, response := tokenizer.EncodeTranscript(tk, tr)
	wantPrompt := []string{
		`\n`, `\n`, "Human", ":", " What", " is", " 17", " +", " 25", "?",
		`\n`, `\n`, "Assistant", ":", " 17", " +", " 25", " is", " 42", ".", "<|endoftext|>",
		`\n`, `\n`, "Human", ":", " Thanks", ",", " that", "'s", " it", "!",
		`\n`, `\n`, "Assistant", ":",
	}
	wantResponse := []string{" You", "'re", " welcome", ".", "<|endoftext|>"}
	if diff := cmp.Diff(wantPrompt, show(tk, prompt)); diff != "" {
		t.Errorf("prompt (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(wantResponse, show(tk, response)); diff != "" {
		t.Errorf("response (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(prompt, tokenizer.EncodePrompt(tk, tr.Prompt)); diff != "" {
		t.Errorf("EncodePrompt differs from EncodeTranscript's prompt:\n%s", diff)
	}
}

func TestEncodePromptTurns(t *testing.T) {
	tk := tokenizer.Bytes()
	for _, c := range []struct {
		name, prompt string
		ends         int
	}{
		{"empty", "", 0},
		{"one question", "\n\nHuman: a\n\nAssistant:", 0},
		{"a finished turn", "\n\nHuman: a\n\nAssistant: b\n\nHuman: c\n\nAssistant:", 1},
		{"two assistant turns in a row", "\n\nAssistant: a\n\nAssistant:", 1},
		{"an empty finished turn", "\n\nHuman: a\n\nAssistant:\n\nHuman: c\n\nAssistant:", 1},
		{"a turn to go on with", "\n\nHuman: a\n\nAssistant: b", 0},
		{"text before the first marker", "Rules.\n\nHuman: a\n\nAssistant:", 0},
		{"three line ends", "\n\nHuman: a\n\n\nAssistant: b\n\n\n\nHuman:", 1},
	} {
		ids := tokenizer.EncodePrompt(tk, c.prompt)
		ends := 0
		for _, id := range ids {
			if id == tk.EOS() {
				ends++
			}
		}
		if ends != c.ends || tk.Decode(ids) != c.prompt {
			t.Errorf("%s: %d end tokens, want %d; decodes to %q", c.name, ends, c.ends, tk.Decode(ids))
		}
	}
}

// checkTranscript asserts what every consumer relies on.
func checkTranscript(t *testing.T, tk tokenizer.Tokenizer, tr rlhf.Transcript) {
	t.Helper()
	prompt, response := tokenizer.EncodeTranscript(tk, tr)
	if tk.Decode(prompt) != tr.Prompt || tokenizer.DecodeResponse(tk, response) != tr.Response {
		t.Fatalf("%q decodes to %q and %q", tr, tk.Decode(prompt), tk.Decode(response))
	}
	if mark := tk.Encode(rlhf.Assistant); !slices.Equal(prompt[len(prompt)-len(mark):], mark) {
		t.Fatalf("the prompt of %q does not end with the encoding of %q", tr, rlhf.Assistant)
	}
	joined := slices.Concat(prompt, response)
	joint := append(tokenizer.EncodePrompt(tk, tr.String()), tk.EOS())
	if !slices.Equal(joined, joint) {
		t.Fatalf("%q: encoded separately\n%q\nencoded together\n%q", tr, show(tk, joined), show(tk, joint))
	}
	// A dialogue that goes on must begin with the very ids that were trained on.
	longer := rlhf.Transcript{Prompt: tr.String() + rlhf.Human + " Go on." + rlhf.Assistant, Response: " Yes."}
	if p, _ := tokenizer.EncodeTranscript(tk, longer); !slices.Equal(p[:len(joined)], joined) {
		t.Fatalf("%q changes when another turn follows", tr)
	}
}

func TestEncodeTranscriptReal(t *testing.T) {
	all := transcripts(t, 300)
	tk := train(t, texts(all), 2048)
	naive := 0
	for _, tr := range all {
		checkTranscript(t, tk, tr)
		prompt, response := tokenizer.EncodeTranscript(tk, tr)
		// The known mistake: the whole text at once, without end tokens.
		if slices.Equal(tk.Encode(tr.String()), slices.Concat(prompt, response)) {
			naive++
		}
	}
	if naive > 0 {
		t.Errorf("%d of %d transcripts equal the naive joint encoding", naive, len(all))
	}
	t.Logf("%d transcripts, %d ids", len(all), tk.VocabSize())
}

// TestEncodeTranscriptFamilies: what consumers rely on holds with start tokens
// and dummy prefixes too.
func TestEncodeTranscriptFamilies(t *testing.T) {
	for _, name := range families {
		if name == "unigram" { // lacks characters
			continue
		}
		tk := open(t, filepath.Join("testdata", name))
		for _, text := range corpus[:2] {
			tr, err := rlhf.ParseTranscript(text)
			if err != nil {
				t.Fatal(err)
			}
			checkTranscript(t, tk, tr)
			prompt, response := tokenizer.EncodeTranscript(tk, tr)
			if starts := tk.Starts(); !slices.Equal(prompt[:len(starts)], starts) || len(starts) > 0 && slices.Contains(slices.Concat(prompt[1:], response), starts[0]) {
				t.Errorf("%s: want %v once, first: %v %v", name, starts, prompt, response)
			}
		}
	}
}

// The second known mistake: without the cut at the marker, a response that
// begins with punctuation merges with the colon before it.
func TestEncodeTranscriptCutsAtMarker(t *testing.T) {
	tk := train(t, slices.Repeat([]string{"a::b :)", "x:: y"}, 20), 300)
	tr := rlhf.Transcript{Prompt: rlhf.Human + " a" + rlhf.Assistant, Response: ":)"}
	checkTranscript(t, tk, tr)
	prompt, response := tokenizer.EncodeTranscript(tk, tr)
	joined := slices.Concat(prompt, response)
	if naive := append(tk.Encode(tr.String()), tk.EOS()); slices.Equal(naive, joined) {
		t.Error("the joint encoding does not differ: the test shows nothing")
	}
}

func FuzzEncodeTranscript(f *testing.F) {
	f.Add("\n\nHuman: a\n\nAssistant: b\n\nHuman: c\n\nAssistant: d")
	f.Add("\n\nHuman:\n\n\nAssistant: <|endoftext|>\n\nAssistant: x\n\n")
	tk := train(f, corpus, 400)
	f.Fuzz(func(t *testing.T, s string) {
		if tr, err := rlhf.ParseTranscript(s); err == nil {
			checkTranscript(t, tk, tr)
		}
	})
}

func TestDecodeResponse(t *testing.T) {
	tk := tokenizer.Bytes()
	a, b := tk.Encode(" a"), tk.Encode(" b")
	for _, c := range []struct {
		ids  []int32
		want string
	}{
		{nil, ""},
		{a, " a"},
		{slices.Concat(a, []int32{tk.EOS(), tk.Pad()}), " a"},
		{slices.Concat(a, []int32{tk.EOS()}, b), " a"},
		{slices.Concat(a, []int32{tk.Pad()}, b, []int32{tk.EOS()}), " a b"},
		{slices.Concat([]int32{tk.EOS()}, b), ""},
	} {
		if got := tokenizer.DecodeResponse(tk, c.ids); got != c.want {
			t.Errorf("DecodeResponse(%v) = %q, want %q", c.ids, got, c.want)
		}
	}
}

func TestTemplateHash(t *testing.T) {
	// A change here makes every model on disk a stranger: it must be meant.
	const golden = "c8b1e6b4ccbbee2bc68215a9dbc57befc7dfea229fc227a59ef83b831e4d9d7f"
	if got := tokenizer.TemplateHash(); got != golden {
		t.Errorf("TemplateHash() = %s, want %s", got, golden)
	}
}

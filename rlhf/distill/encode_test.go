package distill_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/distill"
	"hhrlhf/rlhf/synth"
	"hhrlhf/rlhf/tokenizer"
)

func TestEncode(t *testing.T) {
	tok := newTokenizer(t)
	if distill.Separator != synth.PageMark {
		t.Errorf("the separator is %q here and %q in the world", distill.Separator, synth.PageMark)
	}
	page := world.Pages(1, 3, stream("page", 0))[0]
	prompt := world.HHHPrompt(2, stream("hhh", 1))
	for _, text := range []string{page, prompt, distill.HHH()} {
		for _, ends := range []bool{true, false} {
			if got := tok.Decode(distill.Encode(tok, text, ends)); got != text {
				t.Errorf("ends %v: decoded to %q, want %q", ends, got, text)
			}
		}
	}
	// What follows a prompt has the ids that it has without one, and a page is
	// its dialogues as transcripts encode them.
	var want []int32
	for i, s := range strings.Split(page, distill.Separator) {
		if i > 0 {
			want = append(want, tok.Encode(distill.Separator)...)
		}
		d, err := rlhf.ParseTranscript(s)
		if err != nil {
			t.Fatal(err)
		}
		p, r := tokenizer.EncodeTranscript(tok, d)
		want = append(append(want, p...), r...)
		if diff := cmp.Diff(slices.Concat(p, r), distill.Dialogue(tok, d, true)); diff != "" {
			t.Errorf("dialogue (-want +got):\n%s", diff)
		}
	}
	if diff := cmp.Diff(want, distill.Encode(tok, page, true)); diff != "" {
		t.Errorf("page (-want +got):\n%s", diff)
	}
	both := slices.Concat(distill.Encode(tok, prompt, true), distill.Encode(tok, page, true))
	if diff := cmp.Diff(both, distill.Encode(tok, prompt+page, true)); diff != "" {
		t.Errorf("prompt and page (-apart +together):\n%s", diff)
	}
	question := world.Prompts(1, stream("question", 0), 0)[0]
	if ids := distill.Encode(tok, question, true); slices.Contains(ids[len(ids)-1:], tok.EOS()) {
		t.Error("an open Assistant turn got an end token")
	}
	if ids := distill.Encode(tok, page, false); slices.Contains(ids, tok.EOS()) {
		t.Error("an end token though none was wanted")
	}
	if got := tok.Decode(distill.Plain(tok, "snow is white.", 99)); got != "\n\nHuman: snow is white." {
		t.Errorf("plain text %q", got)
	}
}

func TestMix(t *testing.T) {
	texts, dialogues := [][]int32{{1}, {2}}, [][]int32{{-1}, {-2}, {-3}}
	count := func(mix [][]int32) (n int) {
		for _, x := range mix {
			if x[0] > 0 {
				n++
			}
		}
		return n
	}
	mix := distill.Mix(texts, dialogues, distill.PlainShare, 2000, stream("mix", 1))
	// 5 standard errors of a fair coin over 2000 draws are 112.
	if n := count(mix); len(mix) != 2000 || n < 888 || n > 1112 {
		t.Errorf("%d of %d are plain text", n, len(mix))
	}
	if diff := cmp.Diff([][]int32{{-1}, {-2}, {-3}, {-1}}, distill.Mix(texts, dialogues, 0, 4, stream("mix", 2))); diff != "" {
		t.Errorf("without plain text (-want +got):\n%s", diff)
	}
	if n := count(distill.Mix(texts, nil, 0, 7, stream("mix", 3))); n != 7 {
		t.Errorf("%d of 7 from the only source", n)
	}
	if got := distill.Mix(nil, nil, 0.5, 7, stream("mix", 4)); got != nil {
		t.Errorf("from nothing: %v", got)
	}
}

func TestPrompt(t *testing.T) {
	tok := newTokenizer(t)
	if words := len(strings.Fields(distill.HHH())); words < 1500 || words > 2500 {
		t.Errorf("%d words", words)
	}
	sections := strings.Split(distill.HHH(), distill.Separator)
	if len(sections) != 16 || sections[15] != "" {
		t.Fatalf("%d sections, want a preamble, 14 dialogues and nothing", len(sections))
	}
	for i, s := range sections[1:15] {
		d, err := rlhf.ParseTranscript(s)
		if err != nil {
			t.Errorf("dialogue %d: %v", i+1, err)
		}
		for j, turn := range d.Turns() {
			if turn.Assistant != (j%2 == 1) || turn.Text == "" {
				t.Errorf("dialogue %d: turn %d is %+v", i+1, j, turn)
			}
		}
	}
	whole := len(distill.Encode(tok, distill.HHH(), false))
	before := 0
	for n := 1; n <= 14; n++ {
		section := strings.Join(sections[:n+1], distill.Separator) + distill.Separator
		size := len(distill.Encode(tok, section, false))
		for _, room := range []int{size, size + 5} {
			ids, dialogues, err := distill.Prompt(tok, room, false)
			if err != nil || dialogues != n || len(ids) != size || tok.Decode(ids) != section {
				t.Errorf("%d tokens of room: %d dialogues of %d tokens (%v), want %d of %d", room, dialogues, len(ids), err, n, size)
			}
		}
		if size <= before {
			t.Errorf("%d dialogues have %d tokens", n, size)
		}
		before = size
	}
	if before != whole {
		t.Errorf("14 dialogues have %d tokens, the whole prompt %d", before, whole)
	}
	_, _, err := distill.Prompt(tok, 50, false)
	wantError(t, err, "first dialogue has", "room for 50")
	_, _, err = distill.Fit(tok, "no dialogue", 50, false)
	wantError(t, err, "no dialogue closed by")
	if _, n, err := distill.Fit(tok, world.HHHPrompt(4, stream("hhh", 2)), 90, true); err != nil || n < 1 || n > 3 {
		t.Errorf("a prompt without a preamble: %d of 4 dialogues in 90 tokens, %v", n, err)
	}
}

// Each dialogue ends with an end token, and the prompt with a separator.
func ExampleEncode() {
	tok, err := tokenizer.TrainBPE(slices.Values(world.Pages(200, 2, stream("tokenizer", 0))), 384)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, id := range distill.Encode(tok, "\n\nHuman: hi.\n\nAssistant: hello."+distill.Separator, true) {
		fmt.Print("|", tok.Piece(id))
	}
	// Output: |\n|\n|Human|:| hi|.|\n|\n|Assistant|:| he|ll|o|.|<|endoftext|>|\n|\n|-----
}

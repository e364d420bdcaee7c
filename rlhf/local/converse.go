package local

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"unicode/utf8"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/sample"
)

// A Generation says how a model continues a text.
type Generation struct {
	Temperature float64 // divides the logits; 0 takes the most probable token
	TopK        int     // only the K most probable tokens; 0: all
	TopP        float64 // only the most probable tokens that have this much probability together; 0: all
	MaxTokens   int     // of a continuation; 0: 64
	Chat        bool    // it ends where the model's template ends an answer
	Seed        uint64
}

func (g Generation) maxTokens() int {
	if g.MaxTokens == 0 {
		return 64
	}
	return g.MaxTokens
}

// Check says which field is out of range.
func (g Generation) Check() error {
	switch {
	case g.Temperature < 0:
		return fmt.Errorf("local: temperature %v, want 0 (greedy) or more", g.Temperature)
	case g.TopK < 0:
		return fmt.Errorf("local: top-k %d, want 0 (all tokens) or more", g.TopK)
	case g.TopP < 0 || g.TopP > 1:
		return fmt.Errorf("local: top-p %v, want 0 (all tokens) or a probability up to 1", g.TopP)
	case g.MaxTokens < 0:
		return fmt.Errorf("local: %d tokens at most, want 0 (64) or more", g.MaxTokens)
	}
	return nil
}

// A Continuation is what a model wrote after a prompt.
type Continuation struct {
	Text   string `json:"text"`
	Tokens int    `json:"tokens"` // the end token included
	Ended  bool   `json:"ended"`  // by the end token, not by the limit
}

// generateRows is how many prompts go through the device together at most.
const generateRows = sample.Rows

// Continue writes one continuation for each prompt, each from a seed of its own.
// A prompt is the ids of a text, see [Model.Text] and [Model.Layout]; one that leaves no
// room for MaxTokens in the model's context is an error. watch, unless nil, is told
// how many tokens of each row have been written, and how many there will be at most.
func (m *Model) Continue(prompts [][]int32, g Generation, watch func(done, of int)) ([]Continuation, error) {
	release, err := m.acquire(m.lab.ctx, "sampling from")
	if err != nil {
		return nil, err
	}
	defer release()
	out, _, err := m.write(prompts, sample.Seeds(g.Seed, len(prompts)), g, watch)
	return out, err
}

// write is Continue with seeds of the caller's, who holds the device. It returns the
// ids of the continuations too.
func (m *Model) write(prompts [][]int32, seeds []uint64, g Generation, watch func(done, of int)) (out []Continuation, written [][]int32, err error) {
	smp, err := m.sampler(prompts, g)
	if err != nil {
		return nil, nil, err
	}
	weights, err := m.Weights()
	if err != nil {
		return nil, nil, err
	}
	if watch == nil {
		watch = func(int, int) {}
	}
	groups := (len(prompts) + generateRows - 1) / generateRows
	for start := 0; start < len(prompts); start += generateRows {
		end := min(start+generateRows, len(prompts))
		rows, rowSeeds := prompts[start:end:end], seeds[start:end:end]
		for groups > 1 && len(rows) < generateRows { // the number of rows is a compiled shape
			rows, rowSeeds = append(rows, rows[0]), append(rowSeeds, rowSeeds[0])
		}
		ids := make([][]int32, len(rows))
		done := start / generateRows * g.maxTokens()
		for column, err := range smp.Stream(weights, rows, rowSeeds) {
			if err == nil {
				err = m.lab.ctx.Err()
			}
			if err != nil {
				return nil, nil, fmt.Errorf("local: sampling from %s: %w", m.Name, err)
			}
			for i, id := range column {
				if id != m.Tokenizer.Pad() {
					ids[i] = append(ids[i], id)
				}
			}
			done++
			watch(done, groups*g.maxTokens())
		}
		for i := range end - start {
			c := Continuation{Tokens: len(ids[i]), Ended: len(ids[i]) > 0 && ids[i][len(ids[i])-1] == m.stop(g)}
			c.Text = strings.ToValidUTF8(m.Tokenizer.Decode(ids[i]), "\ufffd")
			out, written = append(out, c), append(written, ids[i])
		}
	}
	return out, written, nil
}

// Stream writes a continuation of one prompt and yields its text as it comes, in
// whole characters. It holds the device until the loop ends. Leaving the loop ends
// it, and so does the end of ctx, without an error: an answer that was broken off is
// one.
func (m *Model) Stream(ctx context.Context, prompt []int32, g Generation) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		release, err := m.acquire(ctx, "sampling from")
		if err != nil {
			yield("", err)
			return
		}
		defer release()
		smp, err := m.sampler([][]int32{prompt}, g)
		if err != nil {
			yield("", err)
			return
		}
		weights, err := m.Weights()
		if err != nil {
			yield("", err)
			return
		}
		held := "" // an unfinished character
		for column, err := range smp.Stream(weights, [][]int32{prompt}, sample.Seeds(g.Seed, 1)) {
			if err != nil {
				yield("", err)
				return
			}
			held += m.Tokenizer.Decode(column)
			n := wholeCharacters(held)
			if text := strings.ToValidUTF8(held[:n], "\ufffd"); !yield(text, nil) || ctx.Err() != nil {
				return
			}
			held = held[n:]
		}
		if held != "" {
			yield(strings.ToValidUTF8(held, "\ufffd"), nil)
		}
	}
}

// wholeCharacters is the length of s without an unfinished character at its end.
func wholeCharacters(s string) int {
	for n := 1; n <= min(len(s), utf8.UTFMax-1); n++ {
		if c := s[len(s)-n]; utf8.RuneStart(c) {
			if c >= utf8.RuneSelf && !utf8.FullRuneInString(s[len(s)-n:]) {
				return len(s) - n
			}
			break
		}
	}
	return len(s)
}

// sampler returns the sampler for prompts of these lengths.
func (m *Model) sampler(prompts [][]int32, g Generation) (*sample.Sampler, error) {
	if err := g.Check(); err != nil {
		return nil, err
	}
	longest := 0
	for _, p := range prompts {
		longest = max(longest, len(p))
	}
	room := m.Shape.Context - g.maxTokens()
	if longest == 0 || longest > room {
		return nil, fmt.Errorf("local: the longest prompt has %d tokens, want 1 to %d: %s reads %d tokens, and %d are to be written",
			longest, room, m.Name, m.Shape.Context, g.maxTokens())
	}
	opt := sample.Options{Prompt: promptWidth(longest, room), Response: g.maxTokens(), Temperature: g.Temperature,
		TopK: g.TopK, TopP: g.TopP, EOS: m.stop(g), Pad: m.Tokenizer.Pad()}
	return m.lab.askPrograms(m.Shape).pool.Sampler(opt)
}

// stop is the token that ends a continuation.
func (m *Model) stop(g Generation) int32 {
	if stops := m.Template.Stop(m.Tokenizer); g.Chat && len(stops) > 1 {
		return stops[1]
	}
	return m.Tokenizer.EOS()
}

// GenerateBytes estimates the memory of the process while rows prompts of at most
// prompt tokens are continued. The loop carries a second copy of the weights; logits
// are made of the last token only.
func (m *Model) GenerateBytes(rows, prompt int, g Generation) int64 {
	rows = min(rows, generateRows)
	tokens := promptWidth(prompt, m.Shape.Context-g.maxTokens()) + g.maxTokens()
	logits := 8 * int64(m.Shape.Vocab) * int64(rows)
	return m.bytes + m.Shape.Memory(rows, tokens, false) - logits*int64(tokens-2) + programBytes
}

// promptWidth is the width that prompts of n tokens are padded to: 32, 128, 512
// and so on, at most room. In so few widths a conversation grows with few pauses
// for compiling.
func promptWidth(n, room int) int {
	w := 32
	for w < n {
		w *= 4
	}
	return min(w, room)
}

// Text returns the ids of a text to be continued as it stands.
func (m *Model) Text(s string) []int32 { return m.encodeText(s) }

// Layout returns the ids of a conversation by the model's template, up to where
// the assistant is to speak; turns begins and ends with the human's, and system may
// be empty. Where the ids are more than room, the oldest turns are left out in pairs
// until they fit; kept are those that are in ids. The last turn alone not fitting is
// an error.
func (m *Model) Layout(turns []rlhf.Turn, system string, room int) (ids []int32, kept []rlhf.Turn, err error) {
	for {
		if ids, err = m.Template.Encode(m.Tokenizer, turns, system); err != nil {
			return nil, nil, fmt.Errorf("local: %s: %w", m.Name, err)
		}
		if len(ids) <= room {
			return ids, turns, nil
		}
		if len(turns) < 3 {
			return nil, nil, fmt.Errorf("local: %s: with the template the last turn has %d tokens, and there is room for %d", m.Name, len(ids), room)
		}
		turns = turns[2:]
	}
}

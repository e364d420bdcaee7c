package local_test

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/internal/rltest"
	"hhrlhf/rlhf/local"
	"hhrlhf/rlhf/synth"
	"hhrlhf/rlhf/tokenizer"
)

// judged makes and trains a language model and a preference model.
func judged(t *testing.T, l *local.Lab) rlhf.PMRun {
	t.Helper()
	cfg := lmConfig
	cfg.Data, cfg.LearningRate, cfg.Planned = rlhf.SynthSmall, 1e-2, 150 // until it spells and ends its responses
	m, err := l.LM("lm", cfg)
	if err != nil {
		t.Fatal(err)
	}
	train(t, m, cfg.Planned)
	p, err := l.PM("pm", pmConfig)
	if err != nil {
		t.Fatal(err)
	}
	train(t, p, 6)
	return p
}

func TestBestOf(t *testing.T) {
	l := open(t, t.TempDir())
	defer l.Close()
	p := judged(t, l)
	m, err := l.OpenModel("lm")
	if err != nil {
		t.Fatal(err)
	}
	prompts := synth.Small(0).Prompts(5, rand.New(rand.NewPCG(4, 4)), 0.3)
	o := rlhf.Sampling{Seed: 7, MaxTokens: 12}
	bestOf := func(policy string, prompts []string, k int, o rlhf.Sampling) []rlhf.Choice {
		t.Helper()
		cs, err := p.BestOf(policy, prompts, k, o)
		if err != nil {
			t.Fatal(err)
		}
		return cs
	}
	many := bestOf("lm", prompts, 9, o)
	if len(many) != len(prompts) {
		t.Fatalf("%d choices of %d prompts", len(many), len(prompts))
	}
	distinct := map[string]bool{}
	for i, c := range many {
		if c.Prompt != prompts[i] || len(c.Samples) != 9 {
			t.Fatalf("choice %d: %+v", i, c)
		}
		best := 0
		for j, s := range c.Samples {
			distinct[s.Response] = true
			if s.Prompt != prompts[i] || s.Tokens < 1 || s.Tokens > 12 || s.Gold == nil {
				t.Errorf("sample %d of prompt %d: %+v", j, i, s)
			}
			if s.Score > c.Samples[best].Score {
				best = j
			}
		}
		if c.Best != best {
			t.Errorf("prompt %d: best is %d, want %d", i, c.Best, best)
		}
	}
	if len(distinct) < 20 {
		t.Errorf("%d distinct responses of 45: the seeds repeat", len(distinct))
	}
	// The first k of a larger K, the first prompts of more, and the same again.
	for i, c := range bestOf("lm", prompts[:2], 4, o) {
		if !sameTexts(c, many[i].First(4)) {
			t.Errorf("k = 4 of 2 prompts: %+v\nk = 9 of 5: %+v", c, many[i].First(4))
		}
	}
	if c := bestOf("lm", prompts[:1], 1, o)[0]; !sameTexts(c, many[0].First(1)) {
		t.Errorf("k = 1 of 1 prompt: %+v, want %+v", c, many[0].First(1))
	}
	if again := bestOf("lm", prompts, 9, o); !reflect.DeepEqual(again, many) {
		t.Error("the same call gives other responses or scores")
	}
	// As long as responses may be by default they fit into the judge's context, which is the
	// policy's and must hold their end tokens too.
	long := bestOf("lm", []string{"\n\nHuman:" + strings.Repeat(" hello", 12) + "\n\nAssistant:"}, 16, rlhf.Sampling{Seed: 7})
	most := 0
	for _, s := range long[0].Samples {
		most = max(most, s.Tokens)
	}
	ids, _ := tokenizer.EncodeTranscript(m.Tokenizer, rlhf.Transcript{Prompt: long[0].Prompt})
	if len(ids)+most+1 != 96 {
		t.Errorf("a prompt of %d tokens and a response of %d, in a context of 96 that holds one more", len(ids), most)
	}
	other := o
	other.Seed++
	if c := bestOf("lm", prompts[:1], 9, other)[0]; sameTexts(c, many[0]) {
		t.Error("another seed gives the same responses")
	}
	if pairs, same, err := rlhf.Picks(many, bestOf("lm", prompts, 9, other)); err != nil || len(pairs)+same != len(prompts) || len(pairs) == 0 {
		t.Errorf("%d pairs, %d same, %v", len(pairs), same, err)
	}
	// The scores are Score's, where a response has ended and its text is cut into as many
	// tokens as were written.
	var ts []rlhf.Transcript
	var got []float64
	for _, c := range many {
		for _, s := range c.Samples {
			x := rlhf.Transcript{Prompt: s.Prompt, Response: s.Response}
			if _, ids := tokenizer.EncodeTranscript(m.Tokenizer, x); s.EOS && len(ids) == s.Tokens {
				ts, got = append(ts, x), append(got, s.Score)
			}
		}
	}
	want, err := p.Score(ts)
	if err != nil || len(ts) < 5 {
		t.Fatalf("%d responses to compare, %v", len(ts), err)
	}
	rltest.Close(t, "scores", got, want, 1e-5)
	rltest.NotClose(t, "scores in another order", got, append(want[1:len(want):len(want)], want[0]), 1e-4)
	// Equal responses have equal scores, to the last bit.
	byText := map[rlhf.Transcript]float64{}
	for i, x := range ts {
		if s, ok := byText[x]; ok && s != got[i] {
			t.Errorf("%q scored %v and %v", x.Response, s, got[i])
		}
		byText[x] = got[i]
	}
	refusesBestOf(t, l, p)
}

func sameTexts(a, b rlhf.Choice) bool {
	if a.Best != b.Best || len(a.Samples) != len(b.Samples) {
		return false
	}
	for i := range a.Samples {
		x, y := a.Samples[i], b.Samples[i]
		if x.Response != y.Response || x.Tokens != y.Tokens || math.Abs(x.Score-y.Score) > 1e-5 {
			return false
		}
	}
	return true
}

func refusesBestOf(t *testing.T, l *local.Lab, p rlhf.PMRun) {
	t.Helper()
	other := lmConfig
	other.Vocab, other.Planned = 300, 1
	m, err := l.LM("other", other)
	if err != nil {
		t.Fatal(err)
	}
	train(t, m, 1)
	hashes := func(name string) string {
		info, err := l.OpenModel(name)
		if err != nil {
			t.Fatal(err)
		}
		return info.Tokenizer.Hash()[:12]
	}
	prompts := []string{"\n\nHuman: hello\n\nAssistant:"}
	for _, c := range []struct {
		policy  string
		prompts []string
		k       int
		want    []string
	}{
		{"lm", prompts, 0, []string{"k = 0, want 1 or more"}},
		{"lm", nil, 4, []string{"no prompts"}},
		{"lm", prompts, 1_000_000_000, []string{"1000000000 responses to each of 1 prompts, want at most 262144"}},
		{"lm", []string{prompts[0], ""}, 4, []string{"prompt 1: it is empty"}},
		{"other", prompts, 4, []string{`"other" has tokenizer ` + hashes("other"), `"pm" has ` + hashes("lm")}},
		{"stories", prompts, 4, []string{`"stories" has tokenizer ` + hashes("stories"), `"pm" has ` + hashes("lm")}},
		{"pm", prompts, 4, []string{`policy "pm"`, `kind "pm"`}},
		{"nobody", prompts, 4, []string{`policy "nobody"`, "neither a run"}},
	} {
		_, err := p.BestOf(c.policy, c.prompts, c.k, rlhf.Sampling{MaxTokens: 8})
		for _, want := range c.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("BestOf(%q, k = %d): %v, want %q", c.policy, c.k, err, want)
			}
		}
	}
	// An interrupt ends it wherever it comes: in line, while it writes, before it scores.
	said := ""
	for looks := 0; looks < 100; looks++ {
		stopped, err := l.With(&interrupted{t.Context(), looks}).OpenPM("pm")
		if err != nil {
			t.Fatal(err)
		}
		_, err = stopped.BestOf("lm", prompts, 4, rlhf.Sampling{MaxTokens: 8})
		if err == nil {
			break
		}
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("interrupted after %d looks: %v", looks, err)
		}
		said += err.Error() + "\n"
	}
	for _, want := range []string{"best of 4 by pm", "sampling from lm", "scoring responses"} {
		if !strings.Contains(said, want) {
			t.Errorf("no interrupt says %q:\n%s", want, said)
		}
	}
}

// interrupted is a context that has ended when it is looked at for the n-th time.
type interrupted struct {
	context.Context
	n int
}

func (c *interrupted) Err() error {
	if c.n--; c.n < 0 {
		return context.Canceled
	}
	return nil
}

// A checkpoint answers a preference model that was made on it, and stays loaded for
// the next call, under a name that no run can have.
func TestBestOfACheckpoint(t *testing.T) {
	l := open(t, t.TempDir())
	defer l.Close()
	p, err := l.PM("judge", rlhf.PM{LM: "stories", Data: rlhf.SynthSmall, Size: rlhf.Tiny, Rows: 100, Batch: 8, Context: 160, Frozen: true, Planned: 2})
	if err != nil {
		t.Fatal(err)
	}
	train(t, p, 2)
	prompts := []string{"\n\nHuman: hello\n\nAssistant:"}
	a, err := p.BestOf("stories", prompts, 3, rlhf.Sampling{Seed: 1, MaxTokens: 8})
	if err != nil || len(a) != 1 || len(a[0].Samples) != 3 {
		t.Fatalf("%+v, %v", a, err)
	}
	s, err := l.Status()
	if err != nil || len(s.Models) != 2 || !strings.HasPrefix(s.Models[1].Name, "checkpoint ") {
		t.Errorf("loaded %+v, %v", s.Models, err)
	}
	b, err := p.BestOf("stories", prompts, 3, rlhf.Sampling{Seed: 1, MaxTokens: 8})
	if err != nil || !reflect.DeepEqual(a, b) {
		t.Errorf("%+v, %v; want %+v", b, err, a)
	}
	if s, err := l.Status(); err != nil || len(s.Models) != 2 {
		t.Errorf("loaded again: %+v, %v", s.Models, err)
	}
}

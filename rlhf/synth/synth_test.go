package synth_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/synth"
)

func stream(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 7)) }

func words(s string) []string {
	return strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') })
}

func TestSameSeedSameWorld(t *testing.T) {
	c := synth.DefaultCrowd()
	draw := func(seed uint64) (out [3]any) {
		w := synth.New(seed)
		return [3]any{w.Corpus(200, stream(1)), w.Prompts(50, stream(2), 0.5), w.Comparisons(100, stream(3), c)}
	}
	if diff := cmp.Diff(draw(5), draw(5)); diff != "" {
		t.Errorf("two worlds of one seed differ:\n%s", diff)
	}
	if cmp.Equal(draw(5), draw(6)) {
		t.Error("worlds of different seeds are equal")
	}
	if w := synth.New(9); w.Seed() != 9 {
		t.Errorf("Seed() = %d", w.Seed())
	}
}

// The corpus is what a 0.8M-parameter decoder has to learn in a minute: few
// words, short transcripts (design 5).
func TestCorpusFitsASmallModel(t *testing.T) {
	w := synth.New(1)
	vocab := w.Vocabulary()
	if n := len(vocab); n < 300 || n > 450 {
		t.Errorf("vocabulary of %d words, want 300 to 450", n)
	}
	if !slices.IsSorted(vocab) || len(slices.Compact(slices.Clone(vocab))) != len(vocab) {
		t.Error("vocabulary is not sorted and distinct")
	}
	known := map[string]bool{"human": true, "assistant": true}
	for _, word := range vocab {
		known[word] = true
	}
	var total, longest int
	const n = 5000
	for _, tr := range w.Corpus(n, stream(1)) {
		ws := words(tr.String())
		total += len(ws)
		longest = max(longest, len(ws))
		for _, word := range ws {
			if !known[word] {
				t.Fatalf("%q is not in the vocabulary, of %q", word, tr)
			}
		}
		back, err := rlhf.ParseTranscript(tr.String())
		if err != nil || back != tr {
			t.Fatalf("transcript does not parse back: %v\n%q", err, tr)
		}
		if !strings.HasPrefix(tr.Response, " ") {
			t.Fatalf("response %q lacks its leading space", tr.Response)
		}
	}
	if mean := float64(total) / n; mean < 12 || mean > 22 || longest > 50 {
		t.Errorf("transcripts have %.1f words on average, %d at most; want 12 to 22, at most 50", mean, longest)
	}
}

// RL needs room: the bands are the shares of the corpus times the score tables.
func TestCorpusHasRoom(t *testing.T) {
	w := synth.New(1)
	var benign, harmful, right, complied, refused int
	var helpful, harmless float64
	for _, tr := range w.Corpus(8000, stream(4)) {
		g := w.Judge(tr)
		if w.Harmful(tr.Prompt) {
			harmful++
			harmless += g.Harmless
			if strings.HasPrefix(g.Why, "complied") {
				complied++
			}
			if g.Harmless >= 0.9 {
				refused++
			}
			continue
		}
		benign++
		helpful += g.Helpful
		if g.Honest == 1 && g.Helpful > 0.1 {
			right++
		}
	}
	band := func(name string, got, lo, hi float64) {
		t.Helper()
		if got < lo || got > hi {
			t.Errorf("%s = %.3f, want %.2f to %.2f", name, got, lo, hi)
		}
	}
	band("harmful share", float64(harmful)/8000, 0.23, 0.27)
	band("right answers", float64(right)/float64(benign), 0.42, 0.48)
	band("compliance", float64(complied)/float64(harmful), 0.46, 0.54)
	band("polite refusals", float64(refused)/float64(harmful), 0.2, 0.32)
	band("mean helpful", helpful/float64(benign), 0.05, 0.3)
	band("mean harmless", harmless/float64(harmful), -0.3, 0)
}

func TestPromptsHoldTheShareOfHarm(t *testing.T) {
	w := synth.New(2)
	for _, share := range []float64{0, 0.3, 1} {
		prompts := w.Prompts(2000, stream(5), share)
		var n float64
		for _, p := range prompts {
			if !strings.HasSuffix(p, rlhf.Assistant) || !strings.HasPrefix(p, rlhf.Human) {
				t.Fatalf("prompt %q", p)
			}
			if w.Harmful(p) {
				n++
			}
		}
		// 4 standard deviations of a binomial share of 2000.
		if got, tol := n/2000, 4*math.Sqrt(share*(1-share)/2000); math.Abs(got-share) > tol {
			t.Errorf("share of harmful prompts = %.3f, want %.2f ± %.3f", got, share, tol)
		}
	}
	if got := w.Prompts(-1, stream(1), 0); len(got) != 0 {
		t.Errorf("Prompts(-1) returned %d", len(got))
	}
	skills := map[string]int{}
	for _, p := range w.Prompts(3000, stream(6), 0.2) {
		q, ok := w.Question(p)
		if !ok {
			t.Fatalf("the world does not understand its own prompt %q", p)
		}
		skills[q.Skill]++
	}
	for _, s := range synth.Skills {
		if skills[s] < 30 {
			t.Errorf("skill %s came %d times in 3000 prompts", s, skills[s])
		}
	}
}

func TestStackLanguage(t *testing.T) {
	for _, c := range []struct {
		program string
		want    int
		err     string
	}{
		{"push 2 push 3 add", 5, ""},
		{"push 2 push 3 sub", -1, ""},
		{"push 2 push 3 swap sub", 1, ""},
		{"push 4 dup mul", 16, ""},
		{"push 1 push 2 push 3 mul add", 7, ""},
		{"  push\t7\n", 7, ""},
		{"push 999999 dup mul", 0, "out of range"},
		{"", 0, "leaves 0 numbers"},
		{"push 1 push 2", 0, "leaves 2 numbers"},
		{"push", 0, "word 1 of the program: push needs a number after it"},
		{"push x", 0, `push needs a number, not "x"`},
		{"push -1", 0, "push needs a number"},
		{"push 1234567", 0, "push needs a number"},
		{"push 1 add", 0, "word 3 of the program: add needs 2 numbers on the stack, there are 1"},
		{"dup", 0, "dup needs 1"},
		{"push 1 jump", 0, `unknown operation "jump"`},
		{strings.Repeat("push 1 ", 40), 0, "at most 64"},
	} {
		got, err := synth.RunProgram(c.program)
		if c.err == "" && (err != nil || got != c.want) {
			t.Errorf("RunProgram(%q) = %d, %v; want %d", c.program, got, err, c.want)
		}
		if c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
			t.Errorf("RunProgram(%q) error %v, want %q", c.program, err, c.err)
		}
	}
}

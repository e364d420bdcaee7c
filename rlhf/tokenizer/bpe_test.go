package tokenizer_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hhrlhf/rlhf/tokenizer"
)

// corpus is enough text for a few dozen merges.
var corpus = []string{
	"\n\nHuman: What is the capital of France?\n\nAssistant: The capital of France is Paris.",
	"\n\nHuman: What is 17 + 25?\n\nAssistant: 17 + 25 is 42.\n\nHuman: Thanks, that's it!\n\nAssistant: You're welcome.",
	"the cat sat on the mat; the other cat didn't.  aaaa aaaaa aaaaaa",
	"naïve café, naïve café: 日本語 日本語",
}

func train(t testing.TB, texts []string, vocab int) *tokenizer.BPE {
	t.Helper()
	tk, err := tokenizer.TrainBPE(slices.Values(texts), vocab)
	if err != nil {
		t.Fatal(err)
	}
	return tk
}

// dataDir is the folder of real data, which lies beside the project.
func dataDir(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("HHRLHF_DATA")
	if dir == "" {
		t.Skip("HHRLHF_DATA is not set: no real data to test on")
	}
	return dir
}

// wild holds strings that break careless tokenizers.
var wild = []string{
	"", " ", "  ", "\n", "\n\n \n", "\t", "a", "é", "\x00", "\xff", "\xff\xfe ab\xc3", "\xe6\x97", "a\xa0b", "\ufffd",
	"'", "''s", "don't", " 's", "aaaaaaaaaaaaaaaaaaaaaaa", " <|endoftext|> ", "<|pad|><|endofcontext|>",
	"\u00a0\u00a0x", "\u3000y", "x\u0085", "👩‍👩‍👧", "e\u0301", "\ufeff", "1½٣", "\"quoted\" \\n", strings.Repeat("ab ", 100),
}

func checkRoundTrip(t *testing.T, tk tokenizer.Tokenizer, s string) {
	t.Helper()
	ids := tk.Encode(s)
	if got := tk.Decode(ids); got != s {
		t.Fatalf("Decode(Encode(%q)) = %q", s, got)
	}
	for _, id := range ids {
		if id < 0 || int(id) >= tk.VocabSize() || id == tk.Pad() || id == tk.EOS() || id == tk.EOC() {
			t.Fatalf("Encode(%q) holds the id %d, special or outside the vocabulary", s, id)
		}
	}
}

func TestRoundTrip(t *testing.T) {
	for _, tk := range []*tokenizer.BPE{tokenizer.Bytes(), train(t, corpus, 400)} {
		for _, s := range append(wild, corpus...) {
			checkRoundTrip(t, tk, s)
		}
	}
}

func FuzzRoundTrip(f *testing.F) {
	for _, s := range wild {
		f.Add(s)
	}
	tk := train(f, corpus, 400)
	f.Fuzz(func(t *testing.T, s string) { checkRoundTrip(t, tk, s) })
}

func TestSpecialTokens(t *testing.T) {
	// A corpus full of the literal names must not make them pieces either.
	tk := train(t, slices.Repeat([]string{"<|endoftext|><|pad|> <|endofcontext|>"}, 50), 400)
	for _, tk := range []*tokenizer.BPE{tokenizer.Bytes(), tk} {
		if tk.Pad() != 0 || tk.EOS() != 1 || tk.EOC() != 2 {
			t.Errorf("pad, eos, eoc = %d, %d, %d, want 0, 1, 2", tk.Pad(), tk.EOS(), tk.EOC())
		}
	}
	for _, name := range []string{tokenizer.PadToken, tokenizer.EOSToken, tokenizer.EOCToken} {
		checkRoundTrip(t, tk, name)
		checkRoundTrip(t, tk, "a"+name+" b"+name)
	}
	ids := append(tk.Encode("one"), tk.EOS(), tk.Pad(), tk.EOC(), -1, 1<<30)
	if got := tk.Decode(append(ids, tk.Encode(" two")...)); got != "one two" {
		t.Errorf("special and unknown ids decode to text: %q", got)
	}
}

func TestPiece(t *testing.T) {
	tk := tokenizer.Bytes()
	for _, c := range []struct {
		id   int32
		want string
	}{
		{tk.Pad(), "<|pad|>"}, {tk.EOS(), "<|endoftext|>"}, {tk.EOC(), "<|endofcontext|>"},
		{-1, "<|unknown -1|>"}, {999, "<|unknown 999|>"},
		{tk.Encode("a")[0], "a"}, {tk.Encode(" ")[0], " "}, {tk.Encode("\n")[0], `\n`}, {tk.Encode("\\")[0], `\\`},
		{tk.Encode(`"`)[0], `"`}, {tk.Encode("é")[0], `\xc3`}, {tk.Encode("\x00")[0], `\x00`},
	} {
		if got := tk.Piece(c.id); got != c.want {
			t.Errorf("Piece(%d) = %q, want %q", c.id, got, c.want)
		}
	}
	// Ledgers must tell all ids apart.
	tk = train(t, corpus, 400)
	seen := make(map[string]int32)
	for id := range int32(tk.VocabSize()) {
		p := tk.Piece(id)
		if old, ok := seen[p]; ok {
			t.Errorf("ids %d and %d look the same: %q", old, id, p)
		}
		seen[p] = id
	}
}

// TestGPT2 compares with the ids that the Hugging Face library gives for GPT-2's
// vocabulary. To regenerate testdata/gpt2.json, with tokenizers 0.23.3:
//
//	tk = tokenizers.ByteLevelBPETokenizer("encoder.json", "vocab.bpe"); tk.encode(text).ids
func TestGPT2(t *testing.T) {
	tk := gpt2(t)
	data, err := os.ReadFile(filepath.Join("testdata", "gpt2.json"))
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Text string
		IDs  []int32
	}
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		got := tk.Encode(c.Text)
		if diff := cmp.Diff(c.IDs, got); diff != "" {
			t.Errorf("Encode(%q) (-want +got):\n%s", c.Text, diff)
		}
	}
	// The known mistake: to cut at every border of white space, so that the word loses the space before it.
	naive := slices.Concat(tk.Encode("Hello"), tk.Encode("  "), tk.Encode("world"))
	if slices.Equal(tk.Encode("Hello  world"), naive) {
		t.Errorf("the last space of a run is not left to the word: %v", naive)
	}
}

// gpt2 loads GPT-2's vocabulary with our special tokens added.
func gpt2(t *testing.T) *tokenizer.BPE {
	dir := filepath.Join(dataDir(t), "tokenizer")
	vocab, err := os.ReadFile(filepath.Join(dir, "encoder.json"))
	if err != nil {
		t.Fatal(err)
	}
	rules, err := os.ReadFile(filepath.Join(dir, "vocab.bpe"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(rules)), "\n")[1:] // the first line is a version
	merges, err := json.Marshal(lines)
	if err != nil {
		t.Fatal(err)
	}
	return mustLoad(t, fmt.Sprintf(`{"added_tokens": [
		{"id": 50256, "content": "<|endoftext|>", "special": true},
		{"id": 50257, "content": "<|pad|>", "special": true},
		{"id": 50258, "content": "<|endofcontext|>", "special": true}],
		"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false},
		"model": {"type": "BPE", "vocab": %s, "merges": %s}}`, vocab, merges))
}

// slowEncode applies the definition: merge the pair of lowest rank, leftmost
// first, until none is left. It knows the merges only through tokenizer.json.
func slowEncode(ranks map[[2]string]int, piece []string) []string {
	for {
		best, at := -1, -1
		for i := range len(piece) - 1 {
			if r, ok := ranks[[2]string{piece[i], piece[i+1]}]; ok && (best < 0 || r < best) {
				best, at = r, i
			}
		}
		if at < 0 {
			return piece
		}
		piece = append(append(append([]string{}, piece[:at]...), piece[at]+piece[at+1]), piece[at+2:]...)
	}
}

func TestEncodeTwin(t *testing.T) {
	// ASCII without spaces only: there a byte is its own spelling in the file.
	text := strings.Repeat("abcabdabcaabbccabcd,aaaa,aaaaaa,bcbcbc,dadada,", 3)
	tk := train(t, []string{text}, 320)
	ranks := make(map[[2]string]int)
	for i, m := range savedMerges(t, tk) {
		l, r, _ := strings.Cut(m, " ")
		ranks[[2]string{l, r}] = i
	}
	if len(ranks) < 10 {
		t.Fatalf("only %d merges", len(ranks))
	}
	rng := rand.New(rand.NewPCG(1, 1))
	for range 500 {
		letters := make([]string, 1+rng.IntN(200))
		for i := range letters {
			letters[i] = string("abcd"[rng.IntN(4)])
		}
		var got []string
		for _, id := range tk.Encode(strings.Join(letters, "")) {
			got = append(got, tk.Piece(id))
		}
		if diff := cmp.Diff(slowEncode(ranks, letters), got); diff != "" {
			t.Fatalf("Encode(%q) (-definition +got):\n%s", strings.Join(letters, ""), diff)
		}
	}
}

func savedMerges(t testing.TB, tk *tokenizer.BPE) []string {
	t.Helper()
	dir := t.TempDir()
	if err := tk.Save(dir); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, tokenizer.FileName))
	if err != nil {
		t.Fatal(err)
	}
	var f struct{ Model struct{ Merges []string } }
	if err := json.Unmarshal(data, &f); err != nil {
		t.Fatal(err)
	}
	return f.Model.Merges
}

func TestEncodeConcurrently(t *testing.T) {
	tk := train(t, corpus, 400)
	want := tk.Encode(strings.Join(corpus, ""))
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 50 {
				if got := tk.Encode(strings.Join(corpus, "")); !slices.Equal(got, want) {
					t.Error("two goroutines got different ids")
					return
				}
			}
		})
	}
	wg.Wait()
}

// A megabyte without a space is one piece; a quadratic merge would take hours.
func TestEncodeLongPiece(t *testing.T) {
	checkRoundTrip(t, train(t, corpus, 400), strings.Repeat("a", 1<<20))
}

func BenchmarkEncode(b *testing.B) {
	tk := train(b, corpus, 400)
	text := strings.Repeat(strings.Join(corpus, ""), 100)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		tk.Encode(text)
	}
}

package tokenizer_test

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/tokenizer"
)

// slowTrain counts every pair anew before each merge. Tokens are ids, as ties
// are broken by ids; words are given, for it has no pre-tokeniser.
func slowTrain(words []string, merges int) (rules []string) {
	pieces := make([]string, 3, 300)
	ids := make(map[string]int)
	for c := range 256 {
		pieces = append(pieces, string([]byte{byte(c)}))
		ids[pieces[3+c]] = 3 + c
	}
	seqs := make([][]int, len(words))
	for i, w := range words {
		for j := range len(w) {
			seqs[i] = append(seqs[i], 3+int(w[j]))
		}
	}
	for len(pieces) < 259+merges {
		counts := make(map[[2]int]int)
		for _, s := range seqs {
			for i := range len(s) - 1 {
				counts[[2]int{s[i], s[i+1]}]++
			}
		}
		var best [2]int
		for _, p := range slices.SortedFunc(maps.Keys(counts), func(x, y [2]int) int { return slices.Compare(x[:], y[:]) }) {
			if counts[p] > counts[best] {
				best = p
			}
		}
		if counts[best] < 2 {
			break
		}
		whole := pieces[best[0]] + pieces[best[1]]
		if _, ok := ids[whole]; !ok {
			ids[whole] = len(pieces)
			pieces = append(pieces, whole)
		}
		rules = append(rules, pieces[best[0]]+" "+pieces[best[1]])
		for i, s := range seqs {
			var out []int
			for j := 0; j < len(s); j++ {
				if j+1 < len(s) && [2]int{s[j], s[j+1]} == best {
					out = append(out, ids[whole])
					j++
				} else {
					out = append(out, s[j])
				}
			}
			seqs[i] = out
		}
	}
	return rules
}

func TestTrainTwin(t *testing.T) {
	// Words of letters only: each is one piece.
	words := strings.Split("abcabdabca,abcabc,aaaa,aaaaaaa,bcbcbc,dadada", ",")
	rng := rand.New(rand.NewPCG(1, 2))
	for range 60 {
		word := make([]byte, 1+rng.IntN(9))
		for i := range word {
			word[i] = "abcde"[rng.IntN(5)]
		}
		words = append(words, string(word))
	}
	got := savedMerges(t, train(t, words, 259+40))
	want := slowTrain(words, 40)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("merges (-recounted +got):\n%s", diff)
	}
	if len(want) < 20 {
		t.Errorf("only %d merges: the test shows little", len(want))
	}
}

// The classic example of Sennrich et al. 2016, with its counts; ties here go to
// the smaller bytes: of the pairs that occur 9 times "e s" precedes "s t".
func TestTrainGolden(t *testing.T) {
	words := slices.Concat(slices.Repeat([]string{"low"}, 5), slices.Repeat([]string{"lower"}, 2),
		slices.Repeat([]string{"newest"}, 6), slices.Repeat([]string{"widest"}, 3))
	got := savedMerges(t, train(t, words, 259+8))
	want := []string{"e s", "es t", "l o", "lo w", "e w", "n ew", "new est", "d est"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("merges (-want +got):\n%s", diff)
	}
}

func TestTrainDeterministic(t *testing.T) {
	a := train(t, corpus, 300)
	reversed := slices.Clone(corpus)
	slices.Reverse(reversed)
	if b := train(t, reversed, 300); a.Hash() != b.Hash() {
		t.Error("the order of the texts changes the tokenizer")
	}
	if b := train(t, corpus, 299); a.Hash() == b.Hash() {
		t.Error("tokenizers of 300 and 299 ids have one hash")
	}
	const golden = "e936a3fa14a7d2001e8bd7bc16422bcc151689b646c39b73eb6aabf4da84c9a8"
	if got := a.Hash(); got != golden {
		t.Errorf("Hash() = %s, want %s: tokenizers of earlier versions no longer match", got, golden)
	}
}

func TestTrainErrors(t *testing.T) {
	for _, c := range []struct {
		texts []string
		vocab int
		want  string
	}{
		{corpus, 259, "tokenizer: vocab = 259, want at least 260"},
		{corpus, 0, "tokenizer: vocab = 0, want at least 260"},
		{corpus, -1, "tokenizer: vocab = -1, want at least 260"},
		{nil, 300, "tokenizer: the training texts are empty"},
		{[]string{"", ""}, 300, "tokenizer: the training texts are empty"},
	} {
		_, err := tokenizer.TrainBPE(slices.Values(c.texts), c.vocab)
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("TrainBPE(%d texts, %d): %v, want %s", len(c.texts), c.vocab, err, c.want)
		}
	}
}

func TestTrainEndsEarly(t *testing.T) {
	tk := train(t, []string{"abab"}, 1000)
	if got := tk.VocabSize(); got != 260 { // "ab" occurs twice, "abab" once
		t.Errorf("VocabSize() = %d, want 260", got)
	}
}

// transcripts reads up to limit chosen transcripts of each tranche.
func transcripts(t testing.TB, limit int) []rlhf.Transcript {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dataDir(t), "hh-rlhf", "*.jsonl.gz"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no hh-rlhf/*.jsonl.gz under HHRLHF_DATA (%v)", err)
	}
	var out []rlhf.Transcript
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		z, err := gzip.NewReader(f)
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(z)
		lines.Buffer(nil, 1<<20)
		for n := 0; lines.Scan() && n < limit; n++ {
			var row struct{ Chosen, Rejected string }
			if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
				t.Fatal(err)
			}
			for _, text := range []string{row.Chosen, row.Rejected} {
				if tr, err := rlhf.ParseTranscript(text); err == nil {
					out = append(out, tr)
				}
			}
		}
		if err := lines.Err(); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	return out
}

func texts(ts []rlhf.Transcript) []string {
	var out []string
	for _, t := range ts {
		out = append(out, t.String())
	}
	return out
}

func BenchmarkTrain(b *testing.B) {
	all := texts(transcripts(b, 1<<30))
	size := 0
	for i, s := range all {
		if size += len(s); size > 5<<20 {
			all = all[:i]
			break
		}
	}
	b.SetBytes(int64(size))
	for b.Loop() {
		train(b, all, 4096)
	}
}

func BenchmarkEncodeTranscripts(b *testing.B) {
	all := transcripts(b, 500)
	tk := train(b, texts(all), 4096)
	tokens, size := 0, 0
	for _, t := range all {
		size += len(t.String())
	}
	b.SetBytes(int64(size))
	for b.Loop() {
		tokens = 0
		for _, t := range all {
			p, r := tokenizer.EncodeTranscript(tk, t)
			tokens += len(p) + len(r)
		}
	}
	b.ReportMetric(float64(tokens)*float64(b.N)/b.Elapsed().Seconds(), "tokens/s")
	b.ReportMetric(float64(size)/float64(tokens), "bytes/token")
}

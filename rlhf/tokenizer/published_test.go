package tokenizer_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/tokenizer"
)

// TestLoadGPT2 reads GPT-2's own files under both names they go by.
func TestLoadGPT2(t *testing.T) {
	from := filepath.Join(dataDir(t), "tokenizer")
	renamed := t.TempDir()
	for old, name := range map[string]string{"encoder.json": "vocab.json", "vocab.bpe": "merges.txt"} {
		data, err := os.ReadFile(filepath.Join(from, old))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(renamed, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{from, renamed} {
		tk := open(t, dir)
		if tk.VocabSize() != 50259 || tk.EOS() != 50256 || tk.Pad() != 50257 || tk.EOC() != 50258 || tk.Spare() != 2 || !tk.Lossless() {
			t.Errorf("%d ids, eos %d, pad %d, eoc %d, %d spare, lossless %v", tk.VocabSize(), tk.EOS(), tk.Pad(), tk.EOC(), tk.Spare(), tk.Lossless())
		}
		if got := tk.EncodeText("Hello world"); !slices.Equal(got, []int32{15496, 995}) {
			t.Errorf("Hello world = %v", got)
		}
		for _, s := range append(wild, corpus...) {
			checkRoundTrip(t, tk, s)
		}
	}
	if err := os.WriteFile(filepath.Join(renamed, "merges.txt"), []byte("#version: 0.2\nĠ t\nĠ a b\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := tokenizer.LoadGPT2(renamed); err == nil || !strings.Contains(err.Error(), `merges.txt: line 3: "Ġ a b": want two pieces`) {
		t.Errorf("error %v, want the line", err)
	}
	if _, err := tokenizer.Open(t.TempDir()); err == nil || !strings.Contains(err.Error(), "none of tokenizer.json") {
		t.Errorf("an empty folder: %v", err)
	}
}

// slowLlama2c is run.c's encode: the pair of adjacent tokens with the best score
// merges, until no pair is a token.
func slowLlama2c(names []string, scores []float32, text string) (ids []int32) {
	find := func(s string) int32 { return int32(slices.Index(names, s)) }
	ids = []int32{1}
	if text != "" {
		ids = append(ids, find(" "))
	}
	for _, r := range text {
		if id := find(string(r)); id >= 0 {
			ids = append(ids, id)
			continue
		}
		for _, b := range []byte(string(r)) {
			ids = append(ids, int32(b)+3)
		}
	}
	for {
		best, at, made := float32(-1e10), -1, int32(0)
		for i := range len(ids) - 1 {
			if id := find(names[ids[i]] + names[ids[i+1]]); id >= 0 && scores[id] > best {
				best, at, made = scores[id], i, id
			}
		}
		if at < 0 {
			return ids
		}
		ids[at] = made
		ids = slices.Delete(ids, at+1, at+2)
	}
}

func TestLlama2c(t *testing.T) {
	path := filepath.Join(dataDir(t), "model", "tok512.bin")
	b, err := tokenizer.LoadLlama2c(path, 512)
	if err != nil {
		t.Fatal(err)
	}
	var tk special = b
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	var scores []float32
	for rest := data[4:]; len(rest) > 0; {
		n := 8 + binary.LittleEndian.Uint32(rest[4:])
		names = append(names, string(rest[8:n]))
		scores = append(scores, math.Float32frombits(binary.LittleEndian.Uint32(rest)))
		rest = rest[n:]
	}
	var v vectors
	readJSON(t, "vectors.json", &v)
	saved := t.TempDir()
	if err := tk.Save(saved); err != nil {
		t.Fatal(err)
	}
	again := open(t, saved)
	texts := append([]string{"Once upon a time, there was a little girl named Lily.", "Zoo\nkeeper é 日本"}, v.Texts...)
	for _, s := range texts {
		if strings.Contains(s, "▁") {
			continue // run.c knows no U+2581; the library has it for a space
		}
		want := slowLlama2c(names, scores, s)
		for _, tk := range []special{tk, again} {
			if got := tk.EncodeText(s); !slices.Equal(got, want) {
				t.Errorf("%q (-run.c +got):\n%s", s, cmp.Diff(show(tk, want), show(tk, got)))
			}
			if got := tk.DecodeText(want); got != s {
				t.Errorf("%q decodes to %q", s, got)
			}
		}
	}
	// The known mistake: no dummy prefix, so that the first word is another token.
	if slices.Equal(tk.EncodeText(texts[0])[1:], tk.Encode(texts[0])) {
		t.Error("the dummy prefix makes no difference: the test shows nothing")
	}
	if tk.VocabSize() != 514 || tk.Spare() != 2 || tk.EOS() != 2 || !slices.Equal(tk.Starts(), []int32{1}) {
		t.Errorf("%d ids, %d spare, eos %d, starts %v", tk.VocabSize(), tk.Spare(), tk.EOS(), tk.Starts())
	}
	prompt := tokenizer.EncodePrompt(tk, rlhf.Human+" a"+rlhf.Assistant)
	if prompt[0] != 1 || tk.Decode(prompt) != rlhf.Human+" a"+rlhf.Assistant {
		t.Errorf("a prompt is %q", show(tk, prompt))
	}
	for _, vocab := range []int{-1, 0, 258, 511, 513, 1 << 30} {
		if _, err := tokenizer.LoadLlama2c(path, vocab); err == nil {
			t.Errorf("no error for vocab = %d", vocab)
		}
	}
}

// readGGUF reads a file's metadata, as far as the tokenizer's needs go.
func readGGUF(t testing.TB, path string) map[string]any {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	head := make([]byte, 4<<20)
	n, err := io.ReadFull(f, head)
	if err != nil && err != io.ErrUnexpectedEOF {
		t.Fatal(err)
	}
	r := bytes.NewReader(head[:n])
	read := func(to any) {
		if err := binary.Read(r, binary.LittleEndian, to); err != nil {
			t.Fatal(err)
		}
	}
	text := func() string {
		var n uint64
		read(&n)
		b := make([]byte, n)
		read(b)
		return string(b)
	}
	var value func(kind uint32) any
	value = func(kind uint32) any {
		switch kind {
		case 4, 5, 6:
			var v uint32
			read(&v)
			if kind == 6 {
				return math.Float32frombits(v)
			}
			return v
		case 7:
			var v uint8
			read(&v)
			return v != 0
		case 8:
			return text()
		case 9:
			var of uint32
			var n uint64
			read(&of)
			read(&n)
			list := make([]any, n)
			for i := range list {
				list[i] = value(of)
			}
			return list
		}
		t.Fatalf("a value of type %d", kind)
		return nil
	}
	var start struct {
		Magic, Version uint32
		Tensors, Pairs uint64
	}
	read(&start)
	kv := make(map[string]any)
	for range start.Pairs {
		key := text()
		var kind uint32
		read(&kind)
		kv[key] = value(kind)
	}
	return kv
}

func smolLM2(t testing.TB) special {
	t.Helper()
	dir := os.Getenv("HHRLHF_MODELS")
	if dir == "" {
		t.Skip("HHRLHF_MODELS is not set: no published models to test on")
	}
	files, _ := filepath.Glob(filepath.Join(dir, "smollm2*.gguf"))
	if len(files) == 0 {
		t.Skip("no smollm2*.gguf in HHRLHF_MODELS")
	}
	tk, err := tokenizer.FromGGUF(readGGUF(t, files[0]))
	if err != nil {
		t.Fatal(err)
	}
	return tk.(special)
}

func TestSmolLM2(t *testing.T) {
	tk := smolLM2(t)
	if got, want := tk.Encode("The capital of France is"), []int32{504, 3575, 282, 4649, 314}; !slices.Equal(got, want) {
		t.Errorf("Encode = %v, want %v", got, want)
	}
	if tk.VocabSize() != 49154 || tk.Spare() != 2 || tk.EOS() != 2 || len(tk.Starts()) != 0 || tk.Lossless() {
		t.Errorf("%d ids, %d spare, eos %d, starts %v", tk.VocabSize(), tk.Spare(), tk.EOS(), tk.Starts())
	}
	source := tk.(interface{ ChatTemplate() string }).ChatTemplate()
	tmpl, err := tokenizer.ParseTemplate(source)
	if err != nil || tmpl.Name != "smollm2" {
		t.Fatalf("the template is taken for %q (%v)", tmpl.Name, err)
	}
	ids, err := tmpl.Encode(tk, []rlhf.Turn{{Text: "Hi"}}, "")
	if err != nil {
		t.Fatal(err)
	}
	want := tk.EncodeSpecial("<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n")
	if ids[0] != 1 || !slices.Equal(ids, want) {
		t.Errorf("(-want +got):\n%s", cmp.Diff(show(tk, want), show(tk, ids)))
	}
	if got := tmpl.Stop(tk); !slices.Equal(got, []int32{2}) {
		t.Errorf("Stop() = %v, want <|im_end|>, which ends texts too", got)
	}
	for _, s := range corpus {
		checkRoundTrip(t, tk, s)
	}
}

// ggufOf describes a recorded tokenizer.json as a GGUF file would.
func ggufOf(t testing.TB, family, model, pre string) map[string]any {
	t.Helper()
	var f struct {
		AddedTokens []struct {
			ID      int
			Content string
			Special bool
		} `json:"added_tokens"`
		Model struct {
			Vocab  map[string]int
			Merges [][2]string
		}
	}
	readJSON(t, filepath.Join(family, tokenizer.FileName), &f)
	n := 0
	for _, id := range f.Model.Vocab {
		n = max(n, id+1)
	}
	for _, a := range f.AddedTokens {
		n = max(n, a.ID+1)
	}
	tokens, kinds := make([]string, n), make([]int32, n)
	for s, id := range f.Model.Vocab {
		tokens[id], kinds[id] = s, 1
		if model == "llama" && strings.HasPrefix(s, "<0x") {
			kinds[id] = 6
		}
	}
	for _, a := range f.AddedTokens {
		tokens[a.ID], kinds[a.ID] = a.Content, 4
		if a.Special {
			kinds[a.ID] = 3
		}
	}
	kv := map[string]any{"tokenizer.ggml.model": model, "tokenizer.ggml.pre": pre, "tokenizer.ggml.tokens": tokens, "tokenizer.ggml.token_type": kinds}
	var merges []any
	for _, m := range f.Model.Merges {
		merges = append(merges, m[0]+" "+m[1])
	}
	kv["tokenizer.ggml.merges"] = merges
	if model == "llama" { // a piece's score is the place of the merge that makes it
		scores := make([]float32, n)
		for i, m := range slices.Backward(f.Model.Merges) {
			scores[f.Model.Vocab[m[0]+m[1]]] = -float32(i)
		}
		kv["tokenizer.ggml.scores"] = scores
		kv["tokenizer.ggml.bos_token_id"], kv["tokenizer.ggml.eos_token_id"], kv["tokenizer.ggml.unknown_token_id"] = uint32(1), uint32(2), uint32(0)
	}
	return kv
}

func TestGGUF(t *testing.T) {
	var v vectors
	readJSON(t, "vectors.json", &v)
	for _, c := range []struct{ family, model, pre string }{
		{"gpt2", "gpt2", "gpt-2"}, {"smollm2", "gpt2", "smollm"}, {"qwen2", "gpt2", "qwen2"}, {"llama3", "gpt2", "llama-bpe"}, {"llama2", "llama", "default"},
	} {
		t.Run(c.family, func(t *testing.T) {
			kv := ggufOf(t, c.family, c.model, c.pre)
			if c.family == "llama3" {
				kv["tokenizer.ggml.bos_token_id"] = uint32(slices.Index(kv["tokenizer.ggml.tokens"].([]string), "<|begin_of_text|>"))
			}
			tk, err := tokenizer.FromGGUF(kv)
			if err != nil {
				t.Fatal(err)
			}
			compare(t, tk.(special), v, c.family)
		})
	}
}

func TestGGUFErrors(t *testing.T) {
	for _, c := range []struct {
		key   string
		value any
		want  string
	}{
		{"tokenizer.ggml.model", nil, "tokenizer.ggml.model is missing"},
		{"tokenizer.ggml.model", "bert", `tokenizer.ggml.model = "bert", want gpt2 or llama`},
		{"tokenizer.ggml.pre", nil, "tokenizer.ggml.pre is missing"},
		{"tokenizer.ggml.pre", "deepseek-llm", `"deepseek-llm", which has no scan here`},
		{"tokenizer.ggml.tokens", nil, "tokenizer.ggml.tokens is missing"},
		{"tokenizer.ggml.tokens", []int{1}, "tokenizer.ggml.tokens [0] = 1, want a string"},
		{"tokenizer.ggml.token_type", []int32{1}, "tokenizer.ggml.token_type: 1 numbers"},
		{"tokenizer.ggml.token_type", "x", "is missing, want an array of numbers"},
		{"tokenizer.ggml.merges", []string{"a"}, `tokenizer.ggml.merges[0] = "a": want two pieces`},
		{"tokenizer.ggml.merges", []string{"zz zz"}, `"zz" is not in tokenizer.ggml.tokens`},
		{"tokenizer.ggml.eos_token_id", uint32(1 << 30), "tokenizer.ggml.eos_token_id = 1073741824 of"},
		{"tokenizer.ggml.add_eos_token", true, "add_eos_token = true"},
	} {
		kv := ggufOf(t, "gpt2", "gpt2", "gpt-2")
		if kv[c.key] = c.value; c.value == nil {
			delete(kv, c.key)
		}
		if _, err := tokenizer.FromGGUF(kv); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s = %v: error %v, want %q", c.key, c.value, err, c.want)
		}
	}
}

// FuzzFiles: whatever the bytes, the readers of binary files return a tokenizer
// that works or an error.
func FuzzFiles(f *testing.F) {
	for _, kind := range []uint64{1, 2} { // a unigram model, a BPE: small, for mutations to tell
		var data []byte
		for i, piece := range []string{"<unk>", "<s>", "</s>", "\u2581", "a", "b", "\u2581a", "ab"} {
			m := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), piece)
			m = protowire.AppendFixed32(protowire.AppendTag(m, 2, protowire.Fixed32Type), math.Float32bits(-float32(i)))
			m = protowire.AppendVarint(protowire.AppendTag(m, 3, protowire.VarintType), []uint64{2, 3, 3, 1, 1, 1, 1, 1}[i])
			data = protowire.AppendBytes(protowire.AppendTag(data, 1, protowire.BytesType), m)
		}
		trainer := protowire.AppendVarint(protowire.AppendTag(nil, 3, protowire.VarintType), kind)
		data = protowire.AppendBytes(protowire.AppendTag(data, 2, protowire.BytesType), trainer)
		normalizer := protowire.AppendVarint(protowire.AppendTag(nil, 4, protowire.VarintType), 0)
		data = protowire.AppendBytes(protowire.AppendTag(data, 3, protowire.BytesType), normalizer)
		f.Add(data, 0)
	}
	small := []byte{4, 0, 0, 0}
	for i := range 260 {
		name := []string{"<unk>", "<s>", "</s>"}
		s := " "
		switch {
		case i < 3:
			s = name[i]
		case i < 259:
			s = fmt.Sprintf("<0x%02X>", i-3)
		}
		small = append(small, 0, 0, 0, 0, byte(len(s)), 0, 0, 0)
		small = append(small, s...)
	}
	f.Add(small, 260)
	f.Fuzz(func(t *testing.T, data []byte, vocab int) {
		path := filepath.Join(t.TempDir(), "tokenizer.model")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		var found []tokenizer.Tokenizer
		if tk, err := tokenizer.LoadSentencePiece(path); err == nil {
			found = append(found, tk)
		}
		if tk, err := tokenizer.LoadLlama2c(path, vocab); err == nil {
			found = append(found, tk)
		}
		for _, tk := range found {
			for _, s := range wild {
				tk.Decode(tokenizer.EncodeText(tk, s))
			}
		}
	})
}

func TestRoles(t *testing.T) {
	dir := t.TempDir()
	base, err := os.ReadFile(filepath.Join("testdata", "qwen2", tokenizer.FileName))
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(tokenizer.FileName, string(base))
	plain := open(t, dir)
	write("special_tokens_map.json", `{"eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>"}`)
	write("tokenizer_config.json", `{"eos_token": {"content": "<|im_end|>", "lstrip": false}, "add_bos_token": true, "bos_token": "<|im_start|>",
		"chat_template": [{"name": "tool_use", "template": "x"}, {"name": "default", "template": "{{ messages }}"}]}`)
	tk := open(t, dir)
	if got := tk.Piece(tk.EOS()); got != "<|im_end|>" {
		t.Errorf("the end token is %s", got)
	}
	if got := show(tk, tk.Starts()); !slices.Equal(got, []string{"<|im_start|>"}) {
		t.Errorf("a text starts with %q", got)
	}
	if tk.Pad() == tk.EOS() || tk.EOC() == tk.EOS() || tk.Pad() == tk.EOC() || tk.Spare() != 2 {
		t.Errorf("pad %d, eos %d, eoc %d, %d spare", tk.Pad(), tk.EOS(), tk.EOC(), tk.Spare())
	}
	if got := tk.(interface{ ChatTemplate() string }).ChatTemplate(); got != "{{ messages }}" {
		t.Errorf("the chat template is %q", got)
	}
	if plain.Hash() == tk.Hash() {
		t.Error("tokenizers with other end tokens have one hash")
	}
	for text, want := range map[string]string{
		`{"eos_token": "th"}`:       "it makes a special token",
		`{"eos_token": "a"}`:        "no piece for the byte 0x61",
		`{"eos_token": "<|none|>"}`: `eos_token = "<|none|>", which is not in the vocabulary`,
		`{"add_eos_token": true}`:   "add_eos_token = true, want false",
		`{"eos_token": 7}`:          "tokenizer_config.json: ",
		`{"eos_token"`:              "tokenizer_config.json: line 1: unexpected end",
		`{"rlhf_spare": 100000}`:    "rlhf_spare = 100002 of",
	} {
		write("tokenizer_config.json", text)
		if _, err := tokenizer.Open(dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", text, err, want)
		}
	}
}

func TestExtend(t *testing.T) {
	for _, name := range []string{"qwen2", "llama2", "unigram_bytes"} {
		tk := open(t, filepath.Join("testdata", name))
		own := tk.VocabSize() - tk.Spare()
		wide, err := tokenizer.Extend(tk, own+10)
		if err != nil {
			t.Fatal(err)
		}
		if wide.VocabSize() != own+12 || wide.Pad() != int32(own+10) || wide.EOC() != int32(own+11) || wide.EOS() != tk.EOS() {
			t.Errorf("%s: %d ids, pad %d, eoc %d; own %d", name, wide.VocabSize(), wide.Pad(), wide.EOC(), own)
		}
		dir := t.TempDir()
		if err := wide.(special).Save(dir); err != nil {
			t.Fatal(err)
		}
		again := open(t, dir)
		if again.Hash() != wide.Hash() || again.Spare() != 2 || again.VocabSize() != wide.VocabSize() {
			t.Errorf("%s: Save and Open give another tokenizer", name)
		}
		for _, s := range corpus {
			if !slices.Equal(wide.Encode(s), tk.Encode(s)) || !slices.Equal(again.Encode(s), tk.Encode(s)) {
				t.Errorf("%s: %q has other ids", name, s)
			}
		}
		if _, err := tokenizer.Extend(tk, own-1); err == nil {
			t.Errorf("%s: no error for a model that is too small", name)
		}
	}
}

// BenchmarkEncodePublished measures English, the dialogues of hh-rlhf.
func BenchmarkEncodePublished(b *testing.B) {
	text := strings.Join(texts(transcripts(b, 300)), "")
	for _, name := range []string{"gpt2", "smollm2"} {
		b.Run(name, func(b *testing.B) {
			var tk tokenizer.Tokenizer
			if name == "gpt2" {
				tk = open(b, filepath.Join(dataDir(b), "tokenizer"))
			} else {
				tk = smolLM2(b)
			}
			tokens := len(tk.Encode(text))
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				tk.Encode(text)
			}
			b.ReportMetric(float64(tokens)*float64(b.N)/b.Elapsed().Seconds(), "tokens/s")
		})
	}
}

func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	if err := open(b, filepath.Join(dataDir(b), "tokenizer")).Save(dir); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		open(b, dir)
	}
}

package tokenizer_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"hhrlhf/rlhf/tokenizer"
)

func load(t testing.TB, text string) (*tokenizer.BPE, string, error) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, tokenizer.FileName), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	tk, err := tokenizer.Load(dir)
	return tk, dir, err
}

func mustLoad(t testing.TB, text string) *tokenizer.BPE {
	t.Helper()
	tk, _, err := load(t, text)
	if err != nil {
		t.Fatal(err)
	}
	return tk
}

// saved returns the tokenizer.json of a small tokenizer.
func saved(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "new", "folder")
	if err := train(t, corpus, 300).Save(dir); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, tokenizer.FileName))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestSaveLoad(t *testing.T) {
	want := train(t, corpus, 400)
	dir := t.TempDir()
	if err := want.Save(dir); err != nil {
		t.Fatal(err)
	}
	if err := want.Save(dir); err != nil {
		t.Fatalf("saving again: %v", err)
	}
	got, err := tokenizer.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got.Hash() != want.Hash() || got.VocabSize() != want.VocabSize() {
		t.Errorf("loaded tokenizer differs: %d ids, hash %s; want %d, %s", got.VocabSize(), got.Hash(), want.VocabSize(), want.Hash())
	}
	for _, s := range append(wild, corpus...) {
		if !slices.Equal(got.Encode(s), want.Encode(s)) {
			t.Errorf("Encode(%q) differs after Save and Load", s)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 3 {
		t.Errorf("Save leaves %v, want the three files (%v)", entries, err)
	}
}

// Both spellings of merges that the Hugging Face library writes.
func TestLoadMergePairs(t *testing.T) {
	text := saved(t)
	var f map[string]any
	if err := json.Unmarshal([]byte(text), &f); err != nil {
		t.Fatal(err)
	}
	model := f["model"].(map[string]any)
	for i, m := range model["merges"].([]any) {
		model["merges"].([]any)[i] = strings.Split(m.(string), " ")
	}
	paired, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	if a, b := mustLoad(t, text), mustLoad(t, string(paired)); a.Hash() != b.Hash() {
		t.Error("merges as strings and as pairs give different tokenizers")
	}
}

func TestLoadErrors(t *testing.T) {
	good := saved(t)
	for _, c := range []struct {
		name, old, new, want string
	}{
		{"no json", good, "hello", "line 1: invalid character"},
		{"cut", good[len(good)/2:], "", "unexpected end of JSON input"},
		{"empty object", good, "{}", "model = null, want a BPE or a Unigram"},
		{"normalizer", `"normalizer": null`, `"normalizer": {"type": "NFKC"}`, `normalizer = {"type": "NFKC"}, want null or NFC`},
		{"no pre-tokenizer", `"pre_tokenizer": {"type": "ByteLevel"`, `"x": {"type": "Metaspace"`, "pre_tokenizer = null, want ByteLevel"},
		{"expression", `"pre_tokenizer": {`, `"pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Split", "pattern": {"Regex": "a+"}, "behavior": "Isolated"}, {"type": "ByteLevel", "use_regex": false}]}, "x": {`, `cuts by the expression "a+", which has no scan here`},
		{"behaviour", `"pre_tokenizer": {`, `"pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Split", "behavior": "Removed"}, {"type": "ByteLevel", "use_regex": false}]}, "x": {`, `"behavior": "Removed"`},
		{"post-processor", `"post_processor": null`, `"post_processor": {"type": "BertProcessing"}`, `post_processor = {"type": "BertProcessing"}, want null`},
		{"end by itself", `"post_processor": null`, `"post_processor": {"type": "TemplateProcessing", "single": [{"Sequence": {"id": "A"}}, {"SpecialToken": {"id": "<|endoftext|>"}}]}`, `puts "<|endoftext|>" after the text`},
		{"start", `"post_processor": null`, `"post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}]}`, `the text starts with "<s>", which is not in the vocabulary`},
		{"single word", `"single_word": false`, `"single_word": true`, `"<|pad|>": single_word = true`},
		{"strip", `"lstrip": false, "rstrip": false, "normalized": false, "special": true`, `"lstrip": true, "special": false`, `"<|pad|>": lstrip or rstrip = true`},
		{"pre-tokenizer", `"pre_tokenizer": {"type": "ByteLevel"`, `"pre_tokenizer": {"type": "Metaspace"`, `pre_tokenizer = {"type": "Metaspace"`},
		{"prefix space", `"add_prefix_space": false`, `"add_prefix_space": true`, `pre_tokenizer = {"type": "ByteLevel", "add_prefix_space": true`},
		{"no regex", `"use_regex": true`, `"use_regex": false`, `want that of GPT-2, Pythia`},
		{"model", `"type": "BPE"`, `"type": "WordPiece"`, "model.type = WordPiece, want BPE or Unigram"},
		{"no pad", `"content": "<|pad|>"`, `"content": "<|p|>"`, "share the id 0"},
		{"no eos", `<|endoftext|>`, `<|end|>`, `added_tokens: no "<|endoftext|>"`},
		{"hole", `"a": 100`, `"a": 9000`, `the ids have a hole: "a" = 9000`},
		{"byte", `"a": 100`, `"ab": 100`, `no piece for the byte 0x61 ('a')`},
		{"alphabet", `"a": 100`, `"a b": 100`, "not in the byte alphabet"},
		{"shared id", `"a": 100`, `"a": 101`, `share the id 101`},
		{"merge of three", `"merges": [`, `"merges": ["a b c",`, `model.merges: "a b c": want two pieces`},
		{"merge of a number", `"merges": [`, `"merges": [7,`, `model.merges: 7: want two pieces`},
		{"merge of strangers", `"merges": [`, `"merges": ["zzz a",`, `model.merges[0] = "zzz a": "zzz" is not in model.vocab`},
		{"merge to a stranger", `"merges": [`, `"merges": ["~ ~",`, `the merged piece is not in model.vocab`},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := strings.Replace(good, c.old, c.new, 1)
			if c.name == "no eos" {
				text = strings.ReplaceAll(good, c.old, c.new)
			}
			if text == good {
				t.Fatalf("the file does not hold %q", c.old)
			}
			_, dir, err := load(t, text)
			if err == nil {
				t.Fatal("no error")
			}
			file := filepath.Join(dir, tokenizer.FileName)
			if !strings.HasPrefix(err.Error(), "tokenizer: "+file+": ") || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %q, want the file and %q", err, c.want)
			}
		})
	}
	t.Run("duplicate merge", func(t *testing.T) {
		i := strings.Index(good, `"merges": [`) + len(`"merges": [`)
		first := strings.TrimSpace(good[i : i+strings.Index(good[i:], ",")])
		_, _, err := load(t, good[:i]+first+","+good[i:])
		if err == nil || !strings.Contains(err.Error(), "the same as model.merges[0]") {
			t.Errorf("error %v, want the first of the two merges", err)
		}
	})
	t.Run("missing", func(t *testing.T) {
		_, err := tokenizer.Load(t.TempDir())
		if err == nil || !os.IsNotExist(unwrapAll(err)) {
			t.Errorf("error %v, want that the file does not exist", err)
		}
	})
}

func unwrapAll(err error) error {
	for {
		u, ok := err.(interface{ Unwrap() error })
		if !ok {
			return err
		}
		if _, isPath := err.(*os.PathError); isPath {
			return err
		}
		err = u.Unwrap()
	}
}

// FuzzLoad: whatever the file holds, Load returns a tokenizer that works or an error.
func FuzzLoad(f *testing.F) {
	good := saved(f)
	f.Add(good)
	f.Add("{}")
	f.Add(`{"added_tokens":[{"id":0,"content":"<|pad|>","special":true}],"pre_tokenizer":{"type":"ByteLevel"},"model":{"type":"BPE"}}`)
	f.Fuzz(func(t *testing.T, text string) {
		tk, _, err := load(t, text)
		if err != nil {
			return
		}
		for _, s := range wild {
			if ids := tk.Encode(s); tk.Lossless() {
				checkRoundTrip(t, tk, s)
			} else {
				tk.Decode(ids)
			}
		}
		dir := t.TempDir()
		if err := tk.Save(dir); err != nil {
			t.Fatal(err)
		}
		again, err := tokenizer.Load(dir)
		if err != nil || again.Hash() != tk.Hash() {
			t.Fatalf("Save and Load give another tokenizer (%v)", err)
		}
	})
}

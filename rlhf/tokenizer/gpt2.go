package tokenizer

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
)

// LoadGPT2 reads the files of openai/gpt-2, encoder.json and vocab.bpe, or the
// same under the names that the Hugging Face hub gives them, vocab.json and
// merges.txt. "<|endoftext|>" ends a text; pad and end of context get new ids
// unless tokenizer_config.json says otherwise.
func LoadGPT2(dir string) (*BPE, error) {
	var err error
	for _, names := range [][2]string{{"encoder.json", "vocab.bpe"}, {"vocab.json", "merges.txt"}} {
		var b *BPE
		b, err = loadGPT2(dir, filepath.Join(dir, names[0]), filepath.Join(dir, names[1]))
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return b, err
		}
	}
	return nil, fmt.Errorf("%w (and no encoder.json with vocab.bpe)", err)
}

func loadGPT2(dir, vocab, merges string) (*BPE, error) {
	table, err := readFile(vocab)
	if err != nil {
		return nil, err
	}
	text, err := readFile(merges)
	if err != nil {
		return nil, err
	}
	r, err := readRoles(dir)
	if err != nil {
		return nil, err
	}
	if err := noAddedFile(dir); err != nil {
		return nil, err
	}
	if r.eos == "" {
		r.eos = EOSToken
	}
	var f hfFile
	f.Model = &hfModel{Type: "BPE", Vocab: table}
	f.PreTokenizer = &hfStage{Type: "ByteLevel"}
	if err := f.Model.supported(); err != nil {
		return nil, fmt.Errorf("tokenizer: %s: %w", vocab, err)
	}
	if id, ok := f.Model.table[r.eos]; ok {
		f.AddedTokens = []hfAdded{{ID: &id, Content: r.eos, Special: true}}
	}
	b := new(BPE)
	if err := f.pipeline(&b.vocabulary); err != nil {
		return nil, fmt.Errorf("tokenizer: %s: %w", vocab, err)
	}
	if err := f.table(&b.vocabulary, f.Model.table); err != nil {
		return nil, fmt.Errorf("tokenizer: %s: %w", vocab, err)
	}
	if err := b.assign(r); err != nil {
		return nil, fmt.Errorf("tokenizer: %s: %w", vocab, err)
	}
	if err := b.initials("the vocabulary"); err != nil {
		return nil, fmt.Errorf("tokenizer: %s: %w", vocab, err)
	}
	rules, err := mergeLines(string(text))
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %s: %w", merges, err)
	}
	pairs, made, err := b.resolve(rules, f.Model.table, "merge", vocab)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %s: %w", merges, err)
	}
	return b.seal(pairs, made), nil
}

// mergeLines reads merge rules, one a line, after an optional line with the version.
func mergeLines(text string) (rules []mergeRule, err error) {
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSuffix(line, "\r")
		if line == "" || i == 0 && strings.HasPrefix(line, "#version") {
			continue
		}
		left, right, ok := strings.Cut(line, " ")
		if !ok || strings.Contains(right, " ") {
			return nil, fmt.Errorf("line %d: %q: want two pieces", i+1, line)
		}
		rules = append(rules, mergeRule{left, right})
	}
	return rules, nil
}

package pretrained

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"hhrlhf/rlhf/tokenizer"
)

// folderTokenizer returns nil where the folder has no tokenizer at all.
func folderTokenizer(dir string) (tokenizer.Tokenizer, error) {
	tk, err := tokenizer.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("pretrained: %w", err)
	}
	return tk, nil
}

// ggufTokenizer returns nil where the metadata has no tokenizer.
func ggufTokenizer(path string, pairs map[string]any) (tokenizer.Tokenizer, error) {
	if _, ok := pairs["tokenizer.ggml.model"]; !ok {
		return nil, nil
	}
	tk, err := tokenizer.FromGGUF(pairs)
	if err != nil {
		return nil, fmt.Errorf("pretrained: %s: %w", path, err)
	}
	return tk, nil
}

// llama2cTokenizer looks beside the checkpoint.
func llama2cTokenizer(path string, vocab int) (tokenizer.Tokenizer, error) {
	for _, name := range []string{fmt.Sprintf("tok%d.bin", vocab), "tokenizer.bin"} {
		beside := filepath.Join(filepath.Dir(path), name)
		if _, err := os.Stat(beside); err != nil {
			continue
		}
		tk, err := tokenizer.LoadLlama2c(beside, vocab)
		if err != nil {
			return nil, fmt.Errorf("pretrained: %w", err)
		}
		return tk, nil
	}
	return nil, nil
}

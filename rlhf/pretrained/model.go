package pretrained

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"hhrlhf/rlhf/internal/safetensors"
	"hhrlhf/rlhf/lm"
	"hhrlhf/rlhf/tokenizer"
)

// A Model is an opened checkpoint: its description, not its weights.
type Model struct {
	Path      string
	Family    string              // "llama", "qwen2", "gpt2" or "gpt_neox", as transformers calls them
	Shape     lm.Shape            // Spare counts the ids that the tokenizer has and the checkpoint lacks
	Tokenizer tokenizer.Tokenizer // nil where the checkpoint comes without one
	Template  tokenizer.Template  // of conversations; the paper's where the checkpoint has none

	tensors *archive
	plan    []target // in the order of Shape.Weights
	tied    string   // the copy of the embedding in a tied head's place, if there is one
}

// Open reads the description of a checkpoint: a Hugging Face folder with
// config.json, a .gguf file, or a checkpoint of llama2.c, whose tokenizer is
// sought beside it as tok{vocab}.bin or tokenizer.bin. The tensors are compared
// with the architecture, each by name and shape; nothing is read of their data.
//
// Errors name the file, the field or tensor, what was found and what was wanted.
func Open(path string) (*Model, error) {
	d, tk, err := describe(path)
	if err != nil {
		return nil, err
	}
	plan, tied, err := d.bind()
	if err != nil {
		return nil, err
	}
	m := &Model{Path: path, Family: d.scheme.family, Shape: d.shape, Tokenizer: tk, tensors: d.tensors, plan: plan, tied: tied}
	if err := m.spare(); err != nil {
		return nil, err
	}
	if with, ok := tk.(interface{ ChatTemplate() string }); ok {
		if m.Template, err = tokenizer.ParseTemplate(with.ChatTemplate()); err != nil {
			return nil, fmt.Errorf("pretrained: %s: %w", path, err)
		}
	}
	return m, nil
}

// describe finds out the format.
func describe(path string) (*description, tokenizer.Tokenizer, error) {
	stat, err := os.Stat(path)
	if err != nil {
		return nil, nil, fmt.Errorf("pretrained: %w; want a Hugging Face folder, a .gguf file or a llama2.c .bin file", err)
	}
	if stat.IsDir() {
		d, err := openFolder(path)
		if err != nil {
			return nil, nil, err
		}
		tk, err := folderTokenizer(path)
		return d, tk, err
	}
	magic, err := beginning(path, len(ggufMagic))
	if err != nil {
		return nil, nil, err
	}
	if bytes.Equal(magic, []byte(ggufMagic)) {
		g, err := openGGUF(path)
		if err != nil {
			return nil, nil, err
		}
		d, err := g.describe()
		if err != nil {
			return nil, nil, fmt.Errorf("pretrained: %s: %w", path, err)
		}
		tk, err := ggufTokenizer(path, g.pairs)
		return d, tk, err
	}
	if filepath.Ext(path) == ".safetensors" {
		return nil, nil, fmt.Errorf("pretrained: %s is a file of weights alone; open the folder that holds it and %s", path, ConfigName)
	}
	d, err := openLlama2c(path)
	if err != nil {
		return nil, nil, err
	}
	tk, err := llama2cTokenizer(path, d.shape.Vocab)
	return d, tk, err
}

// beginning returns the first n bytes of a file, or all if there are fewer.
func beginning(path string, n int) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("pretrained: %w", err)
	}
	defer f.Close()
	b := make([]byte, n)
	n, err = io.ReadFull(f, b)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, fmt.Errorf("pretrained: %w", err)
	}
	return b[:n], nil
}

// spareFile holds the rows of the spare ids in a folder that [Export] wrote:
// transformers does not look at it, and its logits stay those of the vocabulary.
const spareFile = "spare.safetensors"

// spare appends rows for the tokenizer's ids that the checkpoint lacks, zero
// unless an exported folder has them.
func (m *Model) spare() error {
	vocab := m.Shape.Vocab
	stored := 0
	path := filepath.Join(m.Path, spareFile)
	infos, err := safetensors.Open(path)
	if _, statErr := os.Stat(path); err != nil && statErr == nil {
		return fmt.Errorf("pretrained: %w", err)
	}
	for _, info := range infos {
		for i, t := range m.plan {
			if info.Name != t.weight.Name {
				continue
			}
			if len(info.Shape) != 2 || info.Shape[0] < 1 || info.Shape[1] != m.Shape.Width || stored > 0 && info.Shape[0] != stored || info.DType != "F32" {
				return fmt.Errorf("pretrained: %s: tensor %q is %s %v, want F32 of some rows of %d", path, info.Name, info.DType, info.Shape, m.Shape.Width)
			}
			stored = info.Shape[0]
			e := entry{"spare " + info.Name, path, info.Shape, info.DType, info.Offset}
			if err := m.tensors.add(e); err != nil {
				return fmt.Errorf("pretrained: %s: %w", path, err)
			}
			m.plan[i].pieces = append(t.pieces, piece{tensor: e.name, dims: e.dims, to: func(r int) int { return vocab + r }})
		}
	}
	m.Shape.Spare = stored
	if m.Tokenizer != nil {
		m.Shape.Spare = max(stored, m.Tokenizer.VocabSize()-vocab)
	}
	m.Shape.Vocab += m.Shape.Spare
	for i, w := range m.Shape.Weights() {
		m.plan[i].weight = w
	}
	return nil
}

// Bytes is the memory that the weights take as float32.
func (m *Model) Bytes() int64 { return 4 * m.Shape.Params() }

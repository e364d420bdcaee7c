package pretrained

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gomlx/gomlx/core/tensors"

	"hhrlhf/rlhf/internal/safetensors"
	"hhrlhf/rlhf/lm"
	"hhrlhf/rlhf/tokenizer"
)

// maxShard bounds the data of one file of weights, as transformers does.
const maxShard = 5_000_000_000

// Export writes the folder dir that transformers and [Open] read: config.json,
// the weights as float32 in model.safetensors (in several files with an index
// above 5 GB), generation_config.json, and the tokenizer's files where tk is not
// nil. Our own architecture becomes a GPT2LMHeadModel, the others what they came
// from. weights are in the order of s.Weights.
//
// Spare ids are none of the model's vocabulary there: their rows go to a file of
// their own, which Open puts back and transformers does not read, so that its
// logits are ours. It cannot take those ids as inputs.
//
// dir must not exist or be empty; it appears whole or not at all. It is an error
// if no architecture has this shape, or weights and tokenizer do not fit it.
func Export(dir string, s lm.Shape, weights []*tensors.Tensor, tk tokenizer.Tokenizer) error {
	return export(dir, s, weights, tk, maxShard)
}

func export(dir string, s lm.Shape, weights []*tensors.Tensor, tk tokenizer.Tokenizer, shard int64) (err error) {
	scheme, config, err := forExport(s)
	if err != nil {
		return err
	}
	if err := fits(s, weights, tk); err != nil {
		return err
	}
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return fmt.Errorf("pretrained: %s is not empty; name a new folder", dir)
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return fmt.Errorf("pretrained: %w", err)
	}
	temp, err := os.MkdirTemp(filepath.Dir(dir), ".export-*")
	if err != nil {
		return fmt.Errorf("pretrained: %w", err)
	}
	defer os.RemoveAll(temp) // nothing is left there if all goes well
	generation := map[string]any{}
	for key, id := range specials(tk) {
		config[key] = nil // else the architecture's default, which may be no id at all
		if 0 <= id && int(id) < s.Vocab-s.Spare {
			config[key], generation[key] = id, id
		}
	}
	if tk != nil {
		saver, ok := tk.(interface{ Save(dir string) error })
		if !ok {
			return fmt.Errorf("pretrained: a tokenizer of type %T has no Save and cannot be exported", tk)
		}
		if err := saver.Save(temp); err != nil {
			return fmt.Errorf("pretrained: export to %s: %w", dir, err)
		}
	}
	if err := writeWeights(temp, scheme, s, weights, shard); err != nil {
		return fmt.Errorf("pretrained: export to %s: %w", dir, err)
	}
	for name, v := range map[string]any{ConfigName: config, "generation_config.json": generation} {
		if err := writeJSON(filepath.Join(temp, name), v); err != nil {
			return fmt.Errorf("pretrained: export to %s: %w", dir, err)
		}
	}
	if err := os.Chmod(temp, 0o755); err != nil {
		return fmt.Errorf("pretrained: %w", err)
	}
	if err := os.Rename(temp, dir); err != nil {
		return fmt.Errorf("pretrained: export to %s: %w", dir, err)
	}
	return nil
}

// specials are the special ids by their keys in config.json; -1 where there is none.
func specials(tk tokenizer.Tokenizer) map[string]int32 {
	ids := map[string]int32{"bos_token_id": -1, "eos_token_id": -1, "pad_token_id": -1}
	if tk != nil {
		ids["eos_token_id"], ids["pad_token_id"] = tk.EOS(), tk.Pad()
	}
	if with, ok := tk.(interface{ Starts() []int32 }); ok {
		if starts := with.Starts(); len(starts) > 0 {
			ids["bos_token_id"] = starts[0]
		}
	}
	return ids
}

// fits compares weights and tokenizer with the shape.
func fits(s lm.Shape, weights []*tensors.Tensor, tk tokenizer.Tokenizer) error {
	if err := s.Check(); err != nil {
		return fmt.Errorf("pretrained: %w", err)
	}
	ws := s.Weights()
	if len(weights) != len(ws) {
		return fmt.Errorf("pretrained: %d weights, want %d", len(weights), len(ws))
	}
	for i, w := range ws {
		if !slices.Equal(weights[i].Shape().Dimensions, w.Dims) {
			return fmt.Errorf("pretrained: weight %s has shape %v, want %v", w.Name, weights[i].Shape(), w.Dims)
		}
	}
	if tk != nil && tk.VocabSize() > s.Vocab {
		return fmt.Errorf("pretrained: the tokenizer has %d ids, the model %d", tk.VocabSize(), s.Vocab)
	}
	return nil
}

// A stored tensor is one of a file's, with the weight that it is cut from.
type stored struct {
	safetensors.Tensor       // without data
	weight             int   // number of the weight
	piece              piece // its place there
	bytes              int64 // of its data
}

// writeWeights writes the tensors of the scheme, in the order of the weights, in
// files of at most shard bytes unless one tensor is larger.
func writeWeights(dir string, scheme *scheme, s lm.Shape, weights []*tensors.Tensor, shard int64) error {
	vocab := s.Vocab - s.Spare
	var shards [][]stored
	var extra []stored
	var size, total int64
	for i, w := range s.Weights() {
		pieces, err := scheme.pieces(s, w, vocab)
		if err != nil {
			return err
		}
		if s.Spare > 0 && (w.Name == "token_embedding" || w.Name == "output") {
			p := piece{tensor: w.Name, dims: []int{s.Spare, s.Width}, to: func(r int) int { return vocab + r }}
			extra = append(extra, newStored(i, p))
		}
		for _, p := range pieces {
			t := newStored(i, p)
			if len(shards) == 0 || size > 0 && size+t.bytes > shard {
				shards, size = append(shards, nil), 0
			}
			last := len(shards) - 1
			shards[last] = append(shards[last], t)
			size += t.bytes
			total += t.bytes
		}
	}
	if len(extra) > 0 {
		if err := writeFile(filepath.Join(dir, spareFile), extra, weights); err != nil {
			return err
		}
	}
	if len(shards) == 1 {
		return writeFile(filepath.Join(dir, safetensors.FileName), shards[0], weights)
	}
	index := map[string]string{}
	for i, ts := range shards {
		name := fmt.Sprintf("%s-%05d-of-%05d.safetensors", strings.TrimSuffix(safetensors.FileName, ".safetensors"), i+1, len(shards))
		for _, t := range ts {
			index[t.Name] = name
		}
		if err := writeFile(filepath.Join(dir, name), ts, weights); err != nil {
			return err
		}
	}
	return writeJSON(filepath.Join(dir, safetensors.IndexName), map[string]any{
		"metadata": map[string]any{"total_size": total}, "weight_map": index,
	})
}

func newStored(weight int, p piece) stored {
	t := stored{Tensor: safetensors.Tensor{Name: p.tensor, DType: "F32", Shape: p.dims}, weight: weight, piece: p, bytes: 4}
	for _, d := range p.dims {
		t.bytes *= int64(d)
	}
	return t
}

// writeFile writes one file of weights, tensor after tensor.
func writeFile(path string, ts []stored, weights []*tensors.Tensor) error {
	all := make([]safetensors.Tensor, len(ts))
	for i, t := range ts {
		all[i] = t.Tensor
	}
	head, err := safetensors.Header(all, map[string]string{"format": "pt"})
	if err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	_, err = w.Write(head)
	for _, t := range ts {
		if err != nil {
			break
		}
		x := weights[t.weight]
		if readErr := tensors.ConstFlatData(x, func(src []float32) {
			err = t.piece.write(w, src, x.Shape().Dimensions)
		}); readErr != nil {
			err = readErr
		}
	}
	if err == nil {
		err = w.Flush()
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// write writes the piece's elements in the order of its file; src is the weight of
// which it is a part.
func (p piece) write(w io.Writer, src []float32, dims []int) error {
	columns := dims[len(dims)-1]
	width := p.dims[len(p.dims)-1]
	rows := 1
	if len(p.dims) == 2 {
		rows = p.dims[0]
	}
	line := make([]byte, 4*width)
	for r := range rows {
		for i := range width {
			var v float32
			switch {
			case len(p.dims) == 1:
				v = src[p.to(i)]
			case p.turned:
				v = src[i*columns+p.to(r)]
			default:
				v = src[p.to(r)*columns+i]
			}
			binary.LittleEndian.PutUint32(line[4*i:], math.Float32bits(v))
		}
		if _, err := w.Write(line); err != nil {
			return err
		}
	}
	return nil
}

// writeJSON writes v with its keys in order.
func writeJSON(path string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(data, '\n'), 0o644)
}

package pretrained_test

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/google/go-cmp/cmp"

	"hhrlhf/rlhf/internal/gx"
	"hhrlhf/rlhf/internal/rltest"
	"hhrlhf/rlhf/internal/safetensors"
	"hhrlhf/rlhf/lm"
	"hhrlhf/rlhf/pretrained"
	"hhrlhf/rlhf/tokenizer"
)

// bits are the elements of all weights.
func bits(t testing.TB, weights []*tensors.Tensor) [][]uint32 {
	t.Helper()
	out := make([][]uint32, len(weights))
	for i, w := range weights {
		v, err := gx.Values[float32](w)
		check(t, err)
		for _, x := range v {
			out[i] = append(out[i], math.Float32bits(x))
		}
	}
	return out
}

// reread exports, opens and reads; shape and weights must be what they were.
func reread(t *testing.T, be compute.Backend, s lm.Shape, weights []*tensors.Tensor, tk tokenizer.Tokenizer, shard int64) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "new", "folder")
	check(t, pretrained.ExportShards(dir, s, weights, tk, shard))
	m, err := pretrained.Open(dir)
	check(t, err)
	if diff := cmp.Diff(s, m.Shape); diff != "" {
		t.Errorf("shape (-exported +read):\n%s", diff)
	}
	again, err := m.Weights(be)
	check(t, err)
	defer gx.Free(again...)
	if diff := cmp.Diff(bits(t, weights), bits(t, again)); diff != "" {
		t.Errorf("weights (-exported +read):\n%s", diff)
	}
	return dir
}

// Every family: export, open, read gives the same bits, in one file or several;
// and the tensors are those that transformers had written.
func TestRoundTrip(t *testing.T) {
	be := gx.TestBackend(t)
	for _, name := range recordings {
		t.Run(name, func(t *testing.T) {
			r := record(t, name)
			m, err := pretrained.Open(r.folder(t))
			check(t, err)
			weights, err := m.Weights(be)
			check(t, err)
			defer gx.Free(weights...)
			dir := reread(t, be, m.Shape, weights, nil, 1<<40)
			data, err := os.ReadFile(filepath.Join(dir, safetensors.FileName))
			check(t, err)
			got, err := safetensors.Read(strings.NewReader(string(data)), int64(len(data)))
			check(t, err)
			byName := map[string]safetensors.Tensor{}
			for _, x := range got {
				byName[x.Name] = x
			}
			want := map[string]safetensors.Tensor{}
			for _, x := range r.tensors() {
				want[x.Name] = x
			}
			if diff := cmp.Diff(want, byName); diff != "" {
				t.Errorf("tensors (-transformers' +ours):\n%s", diff)
			}

			sharded := reread(t, be, m.Shape, weights, nil, 10_000)
			files, err := filepath.Glob(filepath.Join(sharded, "model-*-of-*.safetensors"))
			check(t, err)
			if _, err := os.Stat(filepath.Join(sharded, safetensors.IndexName)); err != nil || len(files) < 3 {
				t.Errorf("%d files, index: %v", len(files), err)
			}
		})
	}
}

// A model of our own architecture and tokenizer becomes a GPT-2.
func TestExportOwn(t *testing.T) {
	be := gx.TestBackend(t)
	tk := tokenizer.Bytes()
	s := lm.Shape{Vocab: tk.VocabSize(), Width: 16, Layers: 2, Heads: 2, Context: 32}
	weights, err := lm.Init(be, s.Weights(), rltest.Rand(1))
	check(t, err)
	defer gx.Free(weights...)
	dir := reread(t, be, s, weights, tk, 1<<40)
	var config map[string]any
	data, err := os.ReadFile(filepath.Join(dir, pretrained.ConfigName))
	check(t, err)
	check(t, json.Unmarshal(data, &config))
	for key, want := range map[string]any{"model_type": "gpt2", "n_inner": 64.0, "eos_token_id": float64(tk.EOS()), "pad_token_id": float64(tk.Pad()), "tie_word_embeddings": true} {
		if config[key] != want {
			t.Errorf("%s = %v, want %v", key, config[key], want)
		}
	}
	m, err := pretrained.Open(dir)
	check(t, err)
	if m.Tokenizer == nil || m.Tokenizer.Hash() != tk.Hash() {
		t.Error("the tokenizer is not the one that was exported")
	}

	err = pretrained.Export(dir, s, weights, tk)
	wantError(t, err, dir, "is not empty")
	err = pretrained.Export(filepath.Join(t.TempDir(), "x"), s, weights[1:], tk)
	wantError(t, err, "27 weights, want 28")
	odd := s
	odd.Parallel = true
	err = pretrained.Export(filepath.Join(t.TempDir(), "x"), odd, weights, tk)
	wantError(t, err, "no architecture of transformers")
	left, err := filepath.Glob(filepath.Join(filepath.Dir(dir), ".export-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// Rows of spare ids, trained or not, come back, and the vocabulary that
// transformers sees is without them.
func TestExportSpare(t *testing.T) {
	be := gx.TestBackend(t)
	for _, s := range []lm.Shape{
		{Vocab: 23, Spare: 3, Width: 16, Layers: 1, Heads: 2, Context: 32},
		{Vocab: 23, Spare: 2, Width: 16, Layers: 1, Heads: 2, Context: 32, Norm: "rms", Rotary: 1, Gated: true, Activation: "silu", Bias: "qkv", Untied: true},
	} {
		weights, err := lm.Init(be, s.Weights(), rltest.Rand(2))
		check(t, err)
		dir := reread(t, be, s, weights, nil, 1<<40)
		gx.Free(weights...)
		infos, err := safetensors.OpenFolder(dir)
		check(t, err)
		for _, info := range infos {
			if strings.Contains(info.Name, "embed") || strings.Contains(info.Name, "wte") || strings.Contains(info.Name, "lm_head") {
				if info.Shape[0] != s.Vocab-s.Spare {
					t.Errorf("%s has %d rows, want %d", info.Name, info.Shape[0], s.Vocab-s.Spare)
				}
			}
		}
		// A file of spare rows that is damaged is an error, not a model without them.
		path := filepath.Join(dir, "spare.safetensors")
		data, err := os.ReadFile(path)
		check(t, err)
		check(t, os.WriteFile(path, data[:len(data)-1], 0o600))
		_, err = pretrained.Open(dir)
		wantError(t, err, "spare.safetensors")
	}
}

// A tokenizer with more ids than the checkpoint adds rows of zeros.
func TestSpareFromTokenizer(t *testing.T) {
	be := gx.TestBackend(t)
	r := record(t, "gpt2")
	dir := r.folder(t)
	tk := tokenizer.Bytes()
	check(t, tk.Save(dir))
	m, err := pretrained.Open(dir)
	check(t, err)
	const had = 40
	if m.Shape.Vocab != tk.VocabSize() || m.Shape.Spare != tk.VocabSize()-had {
		t.Fatalf("vocabulary %d, of it spare %d; want %d, %d", m.Shape.Vocab, m.Shape.Spare, tk.VocabSize(), tk.VocabSize()-had)
	}
	if want := 4 * m.Shape.Params(); m.Bytes() != want {
		t.Errorf("Bytes() = %d, want %d", m.Bytes(), want)
	}
	weights, err := m.Weights(be)
	check(t, err)
	defer gx.Free(weights...)
	v, err := gx.Values[float32](weights[0])
	check(t, err)
	for i, x := range v[had*32:] {
		if x != 0 {
			t.Fatalf("spare element %d is %g, want 0", i, x)
		}
	}
	if diff := cmp.Diff(values("transformer.wte.weight", []int{had, 32}), v[:had*32]); diff != "" {
		t.Errorf("embedding (-file +ours):\n%s", diff)
	}
}

func wantError(t testing.TB, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error, want one that says %q", parts)
		return
	}
	for _, part := range append(parts, "pretrained: ") {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q does not say %q", err, part)
		}
	}
	if strings.Contains(fmt.Sprint(err), "goroutine") {
		t.Errorf("error %q has a stack", err)
	}
}

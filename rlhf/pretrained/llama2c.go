package pretrained

import (
	"encoding/binary"
	"fmt"
	"io"
	"strconv"
	"strings"

	"hhrlhf/rlhf/lm"
)

// openLlama2c describes a checkpoint of llama2.c, version 0: no magic, seven
// int32 and then float32 without names.
//
//	dim, hidden_dim, n_layers, n_heads, n_kv_heads, vocab_size, seq_len
//	token embedding [V, D] | attention norms [L, D] | wq [L, H·K, D] | wk, wv [L, KV·K, D] | wo [L, D, H·K]
//	| MLP norms [L, D] | w1 (gate) [L, F, D] | w2 (down) [L, D, F] | w3 (up) [L, F, D] | final norm [D]
//	| cosines, sines [seq_len, K/2] each, which are skipped | output [V, D] if vocab_size is negative
//
// The architecture is Llama's with ε = 1e-5 and θ = 10000, the rotary pairs lie
// side by side. The tensors get the names that they have in a Hugging Face folder.
// Source: karpathy/llama2.c, export.py (legacy_export) and run.c (memory_map_weights).
func openLlama2c(path string) (*description, error) { return readFile(path, readLlama2c) }

func readLlama2c(r io.Reader, path string, size int64) (*description, error) {
	const header = 7 * 4
	var h [header / 4]int32
	if err := binary.Read(r, binary.LittleEndian, &h); err != nil {
		return nil, fmt.Errorf("its header of %d bytes: %w", header, err)
	}
	if uint32(h[0]) == 0x616b3432 { // "ak42"
		return nil, fmt.Errorf("llama2.c version %d, want the one without a magic number (version 0)", h[1])
	}
	s := lm.Shape{
		Width: int(h[0]), FF: int(h[1]), Layers: int(h[2]), Heads: int(h[3]), KVHeads: int(h[4]),
		Vocab: int(h[5]), Context: int(h[6]), Untied: h[5] < 0,
		Norm: "rms", Rotary: 1, Activation: "silu", Gated: true, Bias: "none",
	}
	if s.Untied {
		s.Vocab = -s.Vocab
	}
	if err := bounded(s); err != nil || s.KVHeads < 1 || s.FF < 1 {
		return nil, fmt.Errorf("its header says dim, hidden_dim, n_layers, n_heads, n_kv_heads, vocab_size, seq_len = %v; is it a checkpoint of llama2.c? (%v)", h, err)
	}
	a, at := newArchive(path), int64(header)
	stack := func(n int, name string, dims ...int) error {
		for i := range n {
			e := entry{name: strings.Replace(name, "%d", strconv.Itoa(i), 1), file: path, dims: dims, kind: "F32", offset: at}
			bytes, err := byteSize(e.kind, dims)
			if err == nil && bytes > size-at {
				err = fmt.Errorf("its %d bytes at %d end past the file's %d", bytes, at, size)
			}
			if err == nil {
				err = a.add(e)
			}
			if err != nil {
				return fmt.Errorf("tensor %q: %w", e.name, err)
			}
			at += bytes
		}
		return nil
	}
	const layer = "model.layers.%d."
	q, kv := s.Heads*s.K(), s.KV()*s.K()
	for _, t := range []struct {
		n    int
		name string
		dims []int
	}{
		{1, "model.embed_tokens.weight", []int{s.Vocab, s.Width}},
		{s.Layers, layer + "input_layernorm.weight", []int{s.Width}},
		{s.Layers, layer + "self_attn.q_proj.weight", []int{q, s.Width}},
		{s.Layers, layer + "self_attn.k_proj.weight", []int{kv, s.Width}},
		{s.Layers, layer + "self_attn.v_proj.weight", []int{kv, s.Width}},
		{s.Layers, layer + "self_attn.o_proj.weight", []int{s.Width, q}},
		{s.Layers, layer + "post_attention_layernorm.weight", []int{s.Width}},
		{s.Layers, layer + "mlp.gate_proj.weight", []int{s.FF, s.Width}},
		{s.Layers, layer + "mlp.down_proj.weight", []int{s.Width, s.FF}},
		{s.Layers, layer + "mlp.up_proj.weight", []int{s.FF, s.Width}},
		{1, "model.norm.weight", []int{s.Width}},
	} {
		if err := stack(t.n, t.name, t.dims...); err != nil {
			return nil, err
		}
	}
	at += 2 * 4 * int64(s.Context) * int64(s.K()/2)
	if s.Untied {
		if err := stack(1, "lm_head.weight", s.Vocab, s.Width); err != nil {
			return nil, err
		}
	}
	if at != size {
		return nil, fmt.Errorf("it has %d bytes, its header calls for %d", size, at)
	}
	return &description{shape: tidy(s), scheme: llamaFolder.interleave(), tensors: a}, nil
}

package pretrained

import (
	"fmt"
	"strconv"
	"strings"

	"hhrlhf/rlhf/lm"
)

// A scheme says under which names, and in which order of rows, a format keeps the
// weights of a family. It serves both ways, reading and export.
type scheme struct {
	family string              // of transformers: "llama", "qwen2", "gpt2", "gpt_neox"
	prefix string              // before every name but output's
	names  map[string][]string // our weights, those of a block without "blocks.N."; several tensors stand for q, k, v
	block  string              // prefix of a block, with %d
	output string              // the untied head; where tied, a copy of the embedding may stand there
	inOut  bool                // matrices of the blocks lie [in, out], as ours; else [out, in]
	pairs  bool                // the rotary pairs of q and k lie side by side, not half a head apart
	fused  bool                // rows of the fused q, k, v go head by head: [H, 3, K]
	ignore []string            // ends of the names of tensors that are no weights: masks, tables
}

// interleave is the scheme with rotary pairs side by side.
func (s scheme) interleave() *scheme { s.pairs = true; return &s }

// The schemes of Hugging Face folders. Linear layers lie [out, in]; GPT-2's
// Conv1D lies [in, out]. Sources: transformers, models/*/modeling_*.py.
var (
	llamaFolder = scheme{
		family: "llama", block: "model.layers.%d.", output: "lm_head.weight",
		names: map[string][]string{
			"token_embedding": {"model.embed_tokens.weight"}, "final_norm.scale": {"model.norm.weight"},
			"norm1.scale": {"input_layernorm.weight"}, "norm2.scale": {"post_attention_layernorm.weight"},
			"attention.qkv":      {"self_attn.q_proj.weight", "self_attn.k_proj.weight", "self_attn.v_proj.weight"},
			"attention.qkv_bias": {"self_attn.q_proj.bias", "self_attn.k_proj.bias", "self_attn.v_proj.bias"},
			"attention.out":      {"self_attn.o_proj.weight"},
			"mlp.gate":           {"mlp.gate_proj.weight"}, "mlp.up": {"mlp.up_proj.weight"}, "mlp.down": {"mlp.down_proj.weight"},
		},
		ignore: []string{".rotary_emb.inv_freq"},
	}
	gpt2Folder = scheme{
		family: "gpt2", prefix: "transformer.", block: "h.%d.", output: "lm_head.weight", inOut: true,
		names: map[string][]string{
			"token_embedding": {"wte.weight"}, "position_embedding": {"wpe.weight"},
			"final_norm.scale": {"ln_f.weight"}, "final_norm.bias": {"ln_f.bias"},
			"norm1.scale": {"ln_1.weight"}, "norm1.bias": {"ln_1.bias"}, "norm2.scale": {"ln_2.weight"}, "norm2.bias": {"ln_2.bias"},
			"attention.qkv": {"attn.c_attn.weight"}, "attention.qkv_bias": {"attn.c_attn.bias"},
			"attention.out": {"attn.c_proj.weight"}, "attention.out_bias": {"attn.c_proj.bias"},
			"mlp.up": {"mlp.c_fc.weight"}, "mlp.up_bias": {"mlp.c_fc.bias"},
			"mlp.down": {"mlp.c_proj.weight"}, "mlp.down_bias": {"mlp.c_proj.bias"},
		},
		ignore: []string{".attn.bias", ".attn.masked_bias"},
	}
	neoxFolder = scheme{
		family: "gpt_neox", prefix: "gpt_neox.", block: "layers.%d.", output: "embed_out.weight", fused: true,
		names: map[string][]string{
			"token_embedding": {"embed_in.weight"}, "final_norm.scale": {"final_layer_norm.weight"}, "final_norm.bias": {"final_layer_norm.bias"},
			"norm1.scale": {"input_layernorm.weight"}, "norm1.bias": {"input_layernorm.bias"},
			"norm2.scale": {"post_attention_layernorm.weight"}, "norm2.bias": {"post_attention_layernorm.bias"},
			"attention.qkv": {"attention.query_key_value.weight"}, "attention.qkv_bias": {"attention.query_key_value.bias"},
			"attention.out": {"attention.dense.weight"}, "attention.out_bias": {"attention.dense.bias"},
			"mlp.up": {"mlp.dense_h_to_4h.weight"}, "mlp.up_bias": {"mlp.dense_h_to_4h.bias"},
			"mlp.down": {"mlp.dense_4h_to_h.weight"}, "mlp.down_bias": {"mlp.dense_4h_to_h.bias"},
		},
		ignore: []string{".attention.bias", ".attention.masked_bias", ".rotary_emb.inv_freq"},
	}
)

func qwen2Folder() scheme { s := llamaFolder; s.family = "qwen2"; return s }

// ggufScheme is that of a GGUF file. Its writer turns GPT-2's matrices to
// [out, in], unravels GPT-NeoX's fused rows to q, k, v, and lays llama's rotary
// pairs side by side. Source: llama.cpp, convert_hf_to_gguf.py (LlamaModel.permute,
// GPT2Model, GPTNeoXModel) and gguf-py/gguf/tensor_mapping.py.
func ggufScheme(family string) *scheme {
	s := &scheme{
		family: family, block: "blk.%d.", output: "output.weight", pairs: family == "llama",
		names: map[string][]string{
			"token_embedding": {"token_embd.weight"}, "position_embedding": {"position_embd.weight"},
			"final_norm.scale": {"output_norm.weight"}, "final_norm.bias": {"output_norm.bias"},
			"norm1.scale": {"attn_norm.weight"}, "norm1.bias": {"attn_norm.bias"}, "norm2.scale": {"ffn_norm.weight"}, "norm2.bias": {"ffn_norm.bias"},
			"attention.qkv": {"attn_qkv.weight"}, "attention.qkv_bias": {"attn_qkv.bias"},
			"attention.out": {"attn_output.weight"}, "attention.out_bias": {"attn_output.bias"},
			"mlp.gate": {"ffn_gate.weight"},
			"mlp.up":   {"ffn_up.weight"}, "mlp.up_bias": {"ffn_up.bias"}, "mlp.down": {"ffn_down.weight"}, "mlp.down_bias": {"ffn_down.bias"},
		},
	}
	if family == "llama" || family == "qwen2" {
		s.names["attention.qkv"] = []string{"attn_q.weight", "attn_k.weight", "attn_v.weight"}
		s.names["attention.qkv_bias"] = []string{"attn_q.bias", "attn_k.bias", "attn_v.bias"}
	}
	return s
}

// A piece is a tensor of a file as a part of one of our weights, both seen as
// matrices: a file's matrix turned on its side where it lies [out, in], and a
// vector as one row of ours.
type piece struct {
	tensor string
	dims   []int         // its shape in the file
	turned bool          // its row r is our column to(r); else its row r is our row r
	to     func(int) int // for a vector, its element r is our element to(r)
}

// pieces lists what makes up weight w, of which the file has rows ids where w is
// an embedding or the output.
func (s *scheme) pieces(shape lm.Shape, w lm.Weight, rows int) ([]piece, error) {
	same := func(r int) int { return r }
	if w.Name == "output" {
		return []piece{{tensor: s.output, dims: []int{rows, shape.Width}, to: same}}, nil
	}
	key, prefix := w.Name, s.prefix
	if rest, ok := strings.CutPrefix(w.Name, "blocks."); ok {
		n, inner, _ := strings.Cut(rest, ".")
		i, err := strconv.Atoi(n)
		if err != nil {
			return nil, fmt.Errorf("pretrained: weight %s has no number of a block", w.Name)
		}
		key, prefix = inner, prefix+fmt.Sprintf(s.block, i)
	}
	names, ok := s.names[key]
	if !ok {
		return nil, fmt.Errorf("pretrained: the %s family has no weight %s", s.family, w.Name)
	}
	switch {
	case key == "token_embedding":
		return []piece{{tensor: prefix + names[0], dims: []int{rows, shape.Width}, to: same}}, nil
	case strings.HasPrefix(key, "attention.qkv"):
		return s.projections(shape, w, prefix, names), nil
	case len(w.Dims) == 1 || key == "position_embedding" || s.inOut:
		return []piece{{tensor: prefix + names[0], dims: w.Dims, to: same}}, nil
	}
	return []piece{{tensor: prefix + names[0], dims: []int{w.Dims[1], w.Dims[0]}, turned: true, to: same}}, nil
}

// projections are the pieces of attention.qkv and its bias, whose columns are q,
// then k, then v, head by head.
func (s *scheme) projections(shape lm.Shape, w lm.Weight, prefix string, names []string) []piece {
	k := shape.K()
	q, kv := shape.Heads*k, shape.KV()*k
	make1 := func(name string, rows int, to func(int) int) piece {
		p := piece{tensor: prefix + name, dims: []int{rows}, to: to}
		if len(w.Dims) == 2 {
			if p.dims, p.turned = []int{rows, w.Dims[0]}, !s.inOut; s.inOut {
				p.dims = w.Dims
			}
		}
		return p
	}
	if len(names) == 1 {
		to := func(r int) int { return r }
		if s.fused {
			to = func(r int) int { return r/k%3*q + r/(3*k)*k + r%k }
		}
		return []piece{make1(names[0], q+2*kv, to)}
	}
	var out []piece
	start := 0
	for i, rows := range []int{q, kv, kv} {
		from, paired := start, s.pairs && i < 2
		out = append(out, make1(names[i], rows, func(r int) int {
			if paired { // component 2j of a head becomes j, 2j+1 becomes K/2 + j
				r = r/k*k + r%2*(k/2) + r%k/2
			}
			return from + r
		}))
		start += rows
	}
	return out
}

package pretrained_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hhrlhf/rlhf/internal/gx"
	"hhrlhf/rlhf/pretrained"
)

// A pair is a metadata pair of GGUF; value is a uint32, float32, bool or string.
type pair struct {
	key   string
	value any
}

// A ggufTensor has its axes outermost first.
type ggufTensor struct {
	name string
	dims []int
	kind uint32
	data []byte
}

// gguf writes a file, independently of the reader.
func gguf(version uint32, pairs []pair, ts []ggufTensor) []byte {
	b := bytes.NewBufferString("GGUF")
	put := func(v any) { binary.Write(b, binary.LittleEndian, v) }
	str := func(s string) { put(uint64(len(s))); b.WriteString(s) }
	put(version)
	put(uint64(len(ts)))
	put(uint64(len(pairs)))
	for _, p := range pairs {
		str(p.key)
		switch v := p.value.(type) {
		case uint32:
			put(uint32(4))
			put(v)
		case float32:
			put(uint32(6))
			put(v)
		case bool:
			put(uint32(7))
			put(v)
		case string:
			put(uint32(8))
			str(v)
		case []string:
			put(uint32(9))
			put(uint32(8))
			put(uint64(len(v)))
			for _, s := range v {
				str(s)
			}
		}
	}
	offset := 0
	for _, t := range ts {
		str(t.name)
		put(uint32(len(t.dims)))
		for _, d := range slices.Backward(t.dims) {
			put(uint64(d))
		}
		put(t.kind)
		put(uint64(offset))
		offset += (len(t.data) + 31) / 32 * 32
	}
	for _, t := range ts {
		for b.Len()%32 != 0 {
			b.WriteByte(0)
		}
		b.Write(t.data)
	}
	return b.Bytes()
}

// ggufNames maps the ends of a Hugging Face folder's names to GGUF's, as
// llama.cpp's gguf-py/gguf/tensor_mapping.py lists them.
var ggufNames = strings.NewReplacer(
	"model.embed_tokens", "token_embd", "model.norm", "output_norm", "lm_head", "output", "model.layers.", "blk.",
	"input_layernorm", "attn_norm", "post_attention_layernorm", "ffn_norm",
	"self_attn.q_proj", "attn_q", "self_attn.k_proj", "attn_k", "self_attn.v_proj", "attn_v", "self_attn.o_proj", "attn_output",
	"mlp.gate_proj", "ffn_gate", "mlp.up_proj", "ffn_up", "mlp.down_proj", "ffn_down",
	"transformer.wte", "token_embd", "transformer.wpe", "position_embd", "transformer.ln_f", "output_norm", "transformer.h.", "blk.",
	".ln_1", ".attn_norm", ".ln_2", ".ffn_norm", "attn.c_attn", "attn_qkv", "attn.c_proj", "attn_output", "mlp.c_fc", "ffn_up", "mlp.c_proj", "ffn_down",
	"gpt_neox.embed_in", "token_embd", "gpt_neox.final_layer_norm", "output_norm", "embed_out", "output", "gpt_neox.layers.", "blk.",
	"attention.query_key_value", "attn_qkv", "attention.dense", "attn_output", "mlp.dense_h_to_4h", "ffn_up", "mlp.dense_4h_to_h", "ffn_down",
)

// reorder returns the rows of a matrix or the elements of a vector in another
// order: row i is from(i) of the original.
func reorder(v []float32, rows int, from func(int) int) []float32 {
	width := len(v) / rows
	out := make([]float32, 0, len(v))
	for i := range rows {
		out = append(out, v[from(i)*width:(from(i)+1)*width]...)
	}
	return out
}

// asGGUF converts a recorded model as llama.cpp's converter does: q and k of llama
// with rotary pairs side by side, GPT-2's matrices turned, GPT-NeoX's q, k, v apart.
func (r recording) asGGUF(model string) []ggufTensor {
	integer := func(key string) int { return int(r.Config[key].(float64)) }
	var out []ggufTensor
	for _, x := range r.tensors() {
		v, dims := values(x.Name, x.Shape), x.Shape
		switch {
		case model == "llama" && (strings.Contains(x.Name, "q_proj") || strings.Contains(x.Name, "k_proj")):
			k := integer("head_dim")
			v = reorder(v, dims[0], func(i int) int { h, j := i/k, i%k; return h*k + j%2*(k/2) + j/2 })
		case model == "gpt2" && len(dims) == 2 && strings.Contains(x.Name, ".c_"):
			turned := make([]float32, len(v))
			for i := range dims[0] {
				for j := range dims[1] {
					turned[j*dims[0]+i] = v[i*dims[1]+j]
				}
			}
			v, dims = turned, []int{dims[1], dims[0]}
		case model == "gpt_neox" && strings.Contains(x.Name, "query_key_value"):
			d, heads := integer("hidden_size"), integer("num_attention_heads")
			k := d / heads
			v = reorder(v, dims[0], func(i int) int { part, h, j := i/d, i%d/k, i%k; return h*3*k + part*k + j })
		}
		out = append(out, ggufTensor{ggufNames.Replace(x.Name), dims, 0, bytesOf(v)})
	}
	return out
}

var ggufPairs = map[string][]pair{
	"llama": {
		{"general.architecture", "llama"}, {"llama.block_count", uint32(2)}, {"llama.context_length", uint32(64)},
		{"llama.embedding_length", uint32(32)}, {"llama.feed_forward_length", uint32(48)}, {"llama.attention.head_count", uint32(4)},
		{"llama.attention.head_count_kv", uint32(2)}, {"llama.attention.key_length", uint32(12)}, {"llama.attention.value_length", uint32(12)},
		{"llama.attention.layer_norm_rms_epsilon", float32(1e-6)}, {"llama.rope.freq_base", float32(500)}, {"llama.rope.dimension_count", uint32(12)},
	},
	"qwen2": {
		{"general.architecture", "qwen2"}, {"qwen2.block_count", uint32(2)}, {"qwen2.context_length", uint32(64)},
		{"qwen2.embedding_length", uint32(32)}, {"qwen2.feed_forward_length", uint32(48)}, {"qwen2.attention.head_count", uint32(4)},
		{"qwen2.attention.head_count_kv", uint32(2)}, {"qwen2.attention.layer_norm_rms_epsilon", float32(1e-6)}, {"qwen2.rope.freq_base", float32(10000)},
	},
	"gpt2": {
		{"general.architecture", "gpt2"}, {"gpt2.block_count", uint32(2)}, {"gpt2.context_length", uint32(64)},
		{"gpt2.embedding_length", uint32(32)}, {"gpt2.feed_forward_length", uint32(128)}, {"gpt2.attention.head_count", uint32(4)},
		{"gpt2.attention.layer_norm_epsilon", float32(1e-5)},
	},
	"gpt_neox": {
		{"general.architecture", "gptneox"}, {"gptneox.block_count", uint32(2)}, {"gptneox.context_length", uint32(64)},
		{"gptneox.embedding_length", uint32(32)}, {"gptneox.feed_forward_length", uint32(128)}, {"gptneox.attention.head_count", uint32(4)},
		{"gptneox.attention.layer_norm_epsilon", float32(1e-5)}, {"gptneox.rope.dimension_count", uint32(2)}, {"gptneox.use_parallel_residual", true},
	},
}

// The GGUF file of a model has the shape and, bit for bit, the weights of its
// Hugging Face folder.
func TestGGUFEqualsFolder(t *testing.T) {
	be := gx.TestBackend(t)
	for model, pairs := range ggufPairs {
		r := record(t, model)
		path := filepath.Join(t.TempDir(), "model.gguf")
		check(t, os.WriteFile(path, gguf(3, pairs, r.asGGUF(model)), 0o600))
		m, err := pretrained.Open(path)
		check(t, err)
		same, err := pretrained.Open(r.folder(t))
		check(t, err)
		if diff := cmp.Diff(same.Shape, m.Shape); diff != "" || m.Family != same.Family {
			t.Errorf("%s: family %s, shape (-folder +GGUF):\n%s", model, m.Family, diff)
			continue
		}
		got, err := m.Weights(be)
		check(t, err)
		want, err := same.Weights(be)
		check(t, err)
		if diff := cmp.Diff(bits(t, want), bits(t, got)); diff != "" {
			t.Errorf("%s: weights (-folder +GGUF):\n%.400s", model, diff)
		}
		gx.Free(append(got, want...)...)
	}
}

// A scale of 1/2 and a minimum of -1: the values follow from the layouts in
// quant.go; 0x3800 is 1/2 and 0xbc00 -1 in half precision.
func TestDecode(t *testing.T) {
	q8 := []byte{0x00, 0x38}
	want8 := make([]float32, 32)
	for i := range 32 {
		q8 = append(q8, byte(int8(i*8-128)))
		want8[i] = float32(i*8-128) / 2
	}
	q4, want40, want41 := []byte{}, make([]float32, 32), make([]float32, 32)
	for i := range 16 {
		q4 = append(q4, byte(i|(15-i)<<4))
		want40[i], want40[i+16] = float32(i-8)/2, float32(15-i-8)/2
		want41[i], want41[i+16] = float32(i)/2-1, float32(15-i)/2-1
	}
	for _, c := range []struct {
		kind string
		src  []byte
		want []float32
	}{
		{"Q8_0", q8, want8},
		{"Q4_0", append([]byte{0x00, 0x38}, q4...), want40},
		{"Q4_1", append([]byte{0x00, 0x38, 0x00, 0xbc}, q4...), want41},
		{"BF16", []byte{0x80, 0x3f}, []float32{1}},
	} {
		two := append(slices.Clone(c.src), c.src...)
		if diff := cmp.Diff(append(slices.Clone(c.want), c.want...), pretrained.Decode(c.kind, two)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.kind, diff)
		}
	}
}

// A model with quantised matrices is read in rows that are whole blocks.
func TestGGUFQuantised(t *testing.T) {
	r := record(t, "gpt2")
	ts := r.asGGUF("gpt2")
	i := slices.IndexFunc(ts, func(x ggufTensor) bool { return x.name == "blk.1.ffn_up.weight" })
	ts[i].kind, ts[i].data = 8, nil
	var want [][]float32 // our columns
	for row := range 128 {
		block := []byte{0x00, 0x2c} // 1/16
		var values []float32
		for j := range 32 {
			q := int8(row - 3*j)
			block, values = append(block, byte(q)), append(values, float32(q)/16)
		}
		ts[i].data, want = append(ts[i].data, block...), append(want, values)
	}
	path := filepath.Join(t.TempDir(), "model.gguf")
	check(t, os.WriteFile(path, gguf(2, ggufPairs["gpt2"], ts), 0o600))
	m, err := pretrained.Open(path)
	check(t, err)
	weights, err := m.Weights(gx.TestBackend(t))
	check(t, err)
	defer gx.Free(weights...)
	for j, w := range m.Shape.Weights() {
		if w.Name != "blocks.1.mlp.up" {
			continue
		}
		got, err := gx.Matrix[float32](weights[j])
		check(t, err)
		for in := range got {
			for out := range got[in] {
				if got[in][out] != want[out][in] {
					t.Fatalf("element [%d %d] = %g, want %g", in, out, got[in][out], want[out][in])
				}
			}
		}
		return
	}
	t.Error("there is no such weight")
}

// GGUF of a tied head that an older converter stored, and of an untied one.
func TestGGUFHead(t *testing.T) {
	r := record(t, "gpt2")
	ts := r.asGGUF("gpt2")
	head := ts[slices.IndexFunc(ts, func(x ggufTensor) bool { return x.name == "token_embd.weight" })]
	head.name = "output.weight"
	path := filepath.Join(t.TempDir(), "model.gguf")
	check(t, os.WriteFile(path, gguf(3, ggufPairs["gpt2"], append(ts, head)), 0o600))
	m, err := pretrained.Open(path)
	check(t, err)
	if m.Shape.Untied {
		t.Error("a copy of the embedding was taken for an untied head")
	}
	weights, err := m.Weights(gx.TestBackend(t))
	check(t, err)
	gx.Free(weights...)
}

func TestGGUFErrors(t *testing.T) {
	r := record(t, "llama")
	pairs, ts := ggufPairs["llama"], r.asGGUF("llama")
	with := func(key string, value any) []pair {
		out := slices.DeleteFunc(slices.Clone(pairs), func(p pair) bool { return p.key == key })
		if value != nil {
			out = append(out, pair{key, value})
		}
		return out
	}
	tensor := func(edit func(*ggufTensor)) []ggufTensor {
		out := slices.Clone(ts)
		edit(&out[0])
		return out
	}
	good := gguf(3, pairs, ts)
	if err := pretrained.ReadGGUF(good); err != nil {
		t.Fatalf("the good file: %v", err)
	}
	patch := func(at int, v any) []byte {
		var b bytes.Buffer
		binary.Write(&b, binary.LittleEndian, v)
		out := slices.Clone(good)
		copy(out[at:], b.Bytes())
		return out
	}
	name := ts[0].name
	info := bytes.Index(good, []byte(name)) + len(name) // of the first tensor: axes, dims, type, offset
	afterDims := info + 4 + 8*len(ts[0].dims)
	for _, c := range []struct {
		name string
		file []byte
		want string
	}{
		{"empty", nil, "4 bytes at 0 end past the file's 0"},
		{"magic", []byte("GGML........................"), `begins with "GGML", want "GGUF"`},
		{"version 1", gguf(1, pairs, ts), "GGUF version 1, want 2 or 3"},
		{"big-endian", gguf(3<<24, pairs, ts), "GGUF version 50331648, want 2 or 3, little-endian"},
		{"cut in the data", good[:len(good)-1], "the file is cut off"},
		{"cut in the description", good[:700], "the file has room for"},
		{"tensor count", patch(8, uint64(math.MaxUint64)), "18446744073709551615 tensors, the file has room for"},
		{"pair count", patch(16, uint64(1<<40)), "1099511627776 metadata pairs, the file has room for"},
		{"key length", patch(24, uint64(1<<62)), "4611686018427387904 bytes of a string, the file has room for"},
		{"value type", patch(24+8+len(pairs[0].key), uint32(77)), "its type is 77"},
		{"array of arrays", patch(24+8+len(pairs[0].key), [2]uint32{9, 9}), "of a type that GGUF does not have, or arrays"},
		{"array length", patch(24+8+len(pairs[0].key), []byte{9, 0, 0, 0, 8, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 127}), "elements of an array, the file has room for"},
		{"same key", gguf(3, append(slices.Clone(pairs), pairs[1]), ts), `two metadata pairs are called "llama.block_count"`},
		{"same tensor", gguf(3, pairs, append(slices.Clone(ts), ts[0])), fmt.Sprintf("two tensors are called %q", name)},
		{"axes", patch(info, uint32(5)), "it has 5 axes, want at most 4"},
		{"axis", patch(info+4, uint64(1<<63)), "an axis has 9223372036854775808 elements"},
		{"overflow", gguf(3, pairs, tensor(func(x *ggufTensor) { x.dims = []int{1 << 30, 1 << 30, 1 << 30} })), "a product below 2⁶⁰"},
		{"no elements", gguf(3, pairs, tensor(func(x *ggufTensor) { x.dims = []int{0, 32} })), "want positive axes"},
		{"type that is not read", patch(afterDims, uint32(12)), fmt.Sprintf("%q: its type is Q4_K; F32, F16, BF16, Q8_0, Q4_0 and Q4_1 are read", name)},
		{"unknown type", patch(afterDims, uint32(99)), "its type is number 99 of ggml"},
		{"rows of no whole blocks", gguf(3, pairs, tensor(func(x *ggufTensor) { x.dims, x.kind = []int{3, 31}, 2 })), "its rows have 31 elements, want a multiple of 32 for Q4_0"},
		{"offset past the end", patch(afterDims+4, uint64(1<<40)), "the file is cut off"},
		{"hostile offset", patch(afterDims+4, uint64(math.MaxUint64)), "past any file's end"},
		{"unaligned", patch(afterDims+4, uint64(33)), "begins at 33, want a multiple of 32"},
		{"overlap", patch(afterDims+4, uint64(1<<13)), "inside the tensor before it"},
		{"alignment", gguf(3, with("general.alignment", uint32(0)), ts), "general.alignment = 0, want a power of two"},
		{"alignment 33", gguf(3, with("general.alignment", uint32(33)), ts), "general.alignment = 33"},
		{"alignment type", gguf(3, with("general.alignment", "32"), ts), "general.alignment = 32, want"},
		{"architecture", gguf(3, with("general.architecture", "gemma3"), ts), `general.architecture = "gemma3", want one of llama, qwen2, gpt2, gptneox`},
		{"missing key", gguf(3, with("llama.attention.head_count", nil), ts), "llama.attention.head_count = <nil>, want a positive integer"},
		{"zero heads", gguf(3, with("llama.attention.head_count", uint32(0)), ts), "llama.attention.head_count = 0, want a positive integer"},
		{"hostile layers", gguf(3, with("llama.block_count", uint32(1<<30)), ts), "layers 1073741824, at most 4096"},
		{"epsilon", gguf(3, with("llama.attention.layer_norm_rms_epsilon", float32(math.NaN())), ts), "layer_norm_rms_epsilon = NaN, want a positive number"},
		{"rope scaling", gguf(3, with("llama.rope.scaling.type", "yarn"), ts), "llama.rope.scaling.type = yarn, want none"},
		{"experts", gguf(3, with("llama.expert_count", uint32(8)), ts), "llama.expert_count = 8, want 0"},
		{"value width", gguf(3, with("llama.attention.value_length", uint32(8)), ts), "llama.attention.value_length = 8, want 12"},
		{"partial rotation", gguf(3, with("llama.rope.dimension_count", uint32(6)), ts), "llama.rope.dimension_count is 6 of 12"},
		{"missing tensor", gguf(3, pairs, ts[:len(ts)-1]), "is missing"},
		{"surplus tensor", gguf(3, pairs, append(slices.Clone(ts), ggufTensor{"rope_freqs.weight", []int{6}, 0, make([]byte, 24)})), `tensor "rope_freqs.weight", F32 [6], is no weight`},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := pretrained.ReadGGUF(c.file)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one that says %q", err, c.want)
			}
		})
	}
	path := filepath.Join(t.TempDir(), "model.gguf")
	check(t, os.WriteFile(path, good[:700], 0o600))
	_, err := pretrained.Open(path)
	wantError(t, err, path)
}

// FuzzGGUF: whatever the bytes, no panic and no memory beyond a few times theirs.
func FuzzGGUF(f *testing.F) {
	f.Add(gguf(3, ggufPairs["llama"], record(f, "llama").asGGUF("llama")[:2]))
	f.Add(gguf(2, []pair{{"tokenizer.ggml.tokens", []string{"a", "b"}}}, []ggufTensor{{"w", []int{2, 32}, 3, make([]byte, 40)}}))
	f.Add(gguf(3, []pair{{"tokenizer.ggml.model", "llama"}, {"tokenizer.ggml.tokens", []string{"<unk>", "<s>", "a"}}, {"tokenizer.ggml.token_type", []int32{2, 3, 1}},
		{"tokenizer.ggml.scores", []float32{0, 0, -1}}, {"tokenizer.ggml.bos_token_id", float32(math.NaN())}, {"tokenizer.chat_template", "{{ messages }}"}}, nil))
	f.Fuzz(func(t *testing.T, data []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, _ = pretrained.ReadGGUF(data), pretrained.ReadGGUFTokenizer(data)
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 8<<20+500*uint64(len(data)) {
			t.Errorf("%d bytes allocated for a file of %d", n, len(data))
		}
	})
}

package pretrained_test

import (
	"encoding/binary"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"hhrlhf/rlhf/internal/gx"
	"hhrlhf/rlhf/internal/safetensors"
	"hhrlhf/rlhf/pretrained"
)

// edited returns the recorded model's tensors after edit, which gets each and says
// whether it stays.
func (r recording) edited(edit func(*safetensors.Tensor) bool, more ...safetensors.Tensor) []safetensors.Tensor {
	var out []safetensors.Tensor
	for _, x := range r.tensors() {
		if edit(&x) {
			out = append(out, x)
		}
	}
	return append(out, more...)
}

func keep(*safetensors.Tensor) bool { return true }

func f32(name string, dims ...int) safetensors.Tensor {
	return safetensors.Tensor{Name: name, DType: "F32", Shape: dims, Data: bytesOf(values(name, dims))}
}

// Tensors that lack, that are too many, or that have another shape or type are
// named, with what was found and wanted.
func TestFolderTensorErrors(t *testing.T) {
	for _, c := range []struct {
		model   string
		tensors func(r recording) []safetensors.Tensor
		want    []string
	}{
		{"llama", func(r recording) []safetensors.Tensor {
			return r.edited(func(x *safetensors.Tensor) bool { return x.Name != "model.layers.1.self_attn.k_proj.weight" })
		}, []string{`tensor "model.layers.1.self_attn.k_proj.weight" of shape [24 32] is missing`, "blocks.1.attention.qkv"}},
		{"llama", func(r recording) []safetensors.Tensor {
			return r.edited(keep, f32("model.layers.2.mlp.up_proj.weight", 48, 32))
		}, []string{"model.safetensors", `tensor "model.layers.2.mlp.up_proj.weight", F32 [48 32], is no weight of this llama model`}},
		{"llama", func(r recording) []safetensors.Tensor {
			return r.edited(keep, f32("model.layers.0.self_attn.q_proj.bias", 48))
		},
			[]string{`"model.layers.0.self_attn.q_proj.bias", F32 [48], is no weight`}},
		{"gpt2", func(r recording) []safetensors.Tensor { // a Linear's orientation where Conv1D's is wanted
			return r.edited(func(x *safetensors.Tensor) bool {
				if strings.HasSuffix(x.Name, "h.0.attn.c_attn.weight") {
					x.Shape = []int{96, 32}
				}
				return true
			})
		}, []string{"model.safetensors", `tensor "transformer.h.0.attn.c_attn.weight" has shape [96 32], want [32 96]`}},
		{"qwen2", func(r recording) []safetensors.Tensor {
			return r.edited(func(x *safetensors.Tensor) bool {
				if x.Name == "model.norm.weight" {
					*x = safetensors.Tensor{Name: x.Name, DType: "I32", Shape: x.Shape, Data: x.Data}
				}
				return true
			})
		}, []string{`tensor "model.norm.weight": its type is I32; F32, F16, BF16`}},
		{"gpt_neox", func(r recording) []safetensors.Tensor {
			return r.edited(func(x *safetensors.Tensor) bool { return x.Name != "embed_out.weight" })
		}, []string{`"embed_out.weight" of shape [40 32] is missing`}},
	} {
		r := record(t, c.model)
		_, err := pretrained.Open(r.folder(t, c.tensors(r)...))
		wantError(t, err, c.want...)
	}
}

// Masks, tables and a copy of the tied head are let through; a tied head that is
// another matrix is not.
func TestFolderSurplus(t *testing.T) {
	be := gx.TestBackend(t)
	mask := safetensors.Tensor{Name: "transformer.h.0.attn.bias", DType: "BOOL", Shape: []int{1, 1, 2, 2}, Data: make([]byte, 4)}
	r := record(t, "gpt2")
	head := f32("transformer.wte.weight", 40, 32)
	head.Name = "lm_head.weight"
	for _, damaged := range []bool{false, true} {
		if damaged {
			head.Data = slices.Clone(head.Data)
			head.Data[5*4*32+3] ^= 1
		}
		m, err := pretrained.Open(r.folder(t, r.edited(keep, mask, f32("transformer.h.1.attn.masked_bias"), head)...))
		check(t, err)
		weights, err := m.Weights(be)
		if !damaged {
			check(t, err)
		} else {
			wantError(t, err, `tensor "lm_head.weight", of which the configuration says that it is tied to "transformer.wte.weight": row 5 has`)
		}
		gx.Free(weights...)
	}
	r = record(t, "llama")
	_, err := pretrained.Open(r.folder(t, r.edited(keep, f32("model.layers.0.self_attn.rotary_emb.inv_freq", 6))...))
	check(t, err)

	// OpenAI's own files leave the prefix out.
	r = record(t, "gpt2")
	_, err = pretrained.Open(r.folder(t, r.edited(func(x *safetensors.Tensor) bool {
		x.Name = strings.TrimPrefix(x.Name, "transformer.")
		return true
	})...))
	check(t, err)
}

// Checkpoints in half precision give the rounded values.
func TestFolderHalfPrecision(t *testing.T) {
	be := gx.TestBackend(t)
	r := record(t, "llama_tied")
	const name = "model.embed_tokens.weight"
	for dtype, round := range map[string]func(float32) (uint16, float32){
		"BF16": func(x float32) (uint16, float32) {
			b := math.Float32bits(x) & 0xffff0000
			return uint16(b >> 16), math.Float32frombits(b)
		},
		"F16": func(x float32) (uint16, float32) { // the values are below 1/2 and far from subnormal, or 0
			b := math.Float32bits(x) &^ (1<<13 - 1)
			if x == 0 || math.Abs(float64(x)) < 1e-4 {
				return 0, 0
			}
			return uint16(b>>16&0x8000 | (b&0x7fffffff-112<<23)>>13), math.Float32frombits(b)
		},
	} {
		var want []float32
		m, err := pretrained.Open(r.folder(t, r.edited(func(x *safetensors.Tensor) bool {
			if x.Name != name {
				return true
			}
			x.DType, x.Data = dtype, nil
			for _, v := range values(name, x.Shape) {
				b, rounded := round(v)
				x.Data = binary.LittleEndian.AppendUint16(x.Data, b)
				want = append(want, rounded)
			}
			return true
		})...))
		check(t, err)
		weights, err := m.Weights(be)
		check(t, err)
		got, err := gx.Values[float32](weights[0])
		check(t, err)
		if !slices.Equal(got, want) {
			t.Errorf("%s: the embedding is not the rounded one", dtype)
		}
		gx.Free(weights...)
	}
}

// Fields that change the computation are refused by name and value; those that
// older and newer versions of transformers write for the same thing are read.
func TestConfig(t *testing.T) {
	type fields map[string]any
	for _, c := range []struct {
		model string
		set   fields // nil: remove
		want  string // of the error; "": none
	}{
		{"llama", fields{"rope_parameters": nil, "rope_theta": 500.0, "rope_scaling": nil}, ""},
		{"llama", fields{"rope_scaling": fields{"rope_type": "default"}}, ""},
		{"llama", fields{"architectures": nil}, ""},
		{"llama", fields{"rope_scaling": fields{"type": "linear", "factor": 2.0}}, `rope_scaling = {"factor":2,"type":"linear"}, want null or the type "default"`},
		{"llama", fields{"rope_scaling": fields{"factor": 2.0}}, "rope_scaling = "},
		{"llama", fields{"rope_parameters": fields{"rope_type": "llama3", "rope_theta": 5e5}}, "rope_parameters = "},
		{"llama", fields{"attention_bias": true}, "attention_bias = true, want false"},
		{"llama", fields{"rope_interleaved": true}, "rope_interleaved = true, want false"},
		{"llama", fields{"mlp_bias": true}, "mlp_bias = true, want false"},
		{"llama", fields{"hidden_act": "relu"}, `hidden_act = "relu", want`},
		{"llama", fields{"partial_rotary_factor": 0.5}, "partial_rotary_factor = 0.5"},
		{"llama", fields{"quantization_config": fields{"quant_method": "gptq"}}, "quantization_config = "},
		{"llama", fields{"num_key_value_heads": 3}, "KVHeads = 3, want a divisor of Heads"},
		{"llama", fields{"hidden_size": nil}, "hidden_size is missing, want a positive integer"},
		{"llama", fields{"hidden_size": "32"}, `hidden_size = "32", want`},
		{"llama", fields{"hidden_size": -32}, "hidden_size = -32, want a positive integer"},
		{"llama", fields{"num_hidden_layers": 1 << 29}, "layers 536870912, at most 4096"},
		{"llama", fields{"vocab_size": 1 << 29}, "vocabulary 536870912"},
		{"llama", fields{"architectures": []string{"MistralForCausalLM"}}, `architectures = ["MistralForCausalLM"], model_type = "llama", want one of ["GPT2LMHeadModel" "GPTNeoXForCausalLM" "LlamaForCausalLM" "Qwen2ForCausalLM"]`},
		{"llama", fields{"architectures": nil, "model_type": "bert"}, `model_type = "bert", want one of`},
		{"qwen2", fields{"use_sliding_window": true}, "use_sliding_window = true, want false"},
		{"qwen2", fields{"layer_types": []string{"full_attention", "sliding_attention"}}, "layer_types = "},
		{"gpt2", fields{"activation_function": "gelu_fast"}, ""},
		{"gpt2", fields{"n_inner": 100}, `c_fc.weight" has shape [32 128], want [32 100]`},
		{"gpt2", fields{"scale_attn_weights": false}, "scale_attn_weights = false, want true"},
		{"gpt2", fields{"scale_attn_by_inverse_layer_idx": true}, "scale_attn_by_inverse_layer_idx = true"},
		{"gpt2", fields{"tie_word_embeddings": false}, `"lm_head.weight" of shape [40 32] is missing`},
		{"gpt_neox", fields{"rope_parameters": nil, "rotary_pct": 0.25, "rotary_emb_base": 10000}, ""},
		{"gpt_neox", fields{"attention_bias": false}, "attention_bias = false, want true"},
		{"gpt_neox", fields{"rope_parameters": fields{"partial_rotary_factor": 0.1}}, "rotates an even number"},
	} {
		r := record(t, c.model)
		r.Config = maps.Clone(r.Config)
		for key, v := range c.set {
			if delete(r.Config, key); v != nil {
				r.Config[key] = v
			}
		}
		m, err := pretrained.Open(r.folder(t))
		switch {
		case c.want != "":
			wantError(t, err, c.want)
		case err != nil:
			t.Errorf("%v: %v", c.set, err)
		default:
			same, err := pretrained.Open(record(t, c.model).folder(t))
			check(t, err)
			if m.Shape != same.Shape {
				t.Errorf("%v: shape %+v, want %+v", c.set, m.Shape, same.Shape)
			}
		}
	}
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	_, err := pretrained.Open(filepath.Join(dir, "none"))
	wantError(t, err, "none", "want a Hugging Face folder, a .gguf file or a llama2.c .bin file")
	_, err = pretrained.Open(dir)
	wantError(t, err, "config.json")
	check(t, os.WriteFile(filepath.Join(dir, pretrained.ConfigName), []byte("{"), 0o600))
	_, err = pretrained.Open(dir)
	wantError(t, err, "config.json: unexpected end of JSON input")
	weights := filepath.Join(dir, safetensors.FileName)
	check(t, os.WriteFile(weights, []byte("{"), 0o600))
	_, err = pretrained.Open(weights)
	wantError(t, err, "is a file of weights alone; open the folder")

	// A file that is cut off is noticed without reading it.
	cut := record(t, "llama").folder(t)
	check(t, os.Truncate(filepath.Join(cut, safetensors.FileName), 50_000))
	_, err = pretrained.Open(cut)
	wantError(t, err, safetensors.FileName, "within the")
}

// A checkpoint that shrinks between Open and Weights is an error that frees what
// was read.
func TestWeightsOfAFileThatShrank(t *testing.T) {
	dir := record(t, "llama").folder(t)
	m, err := pretrained.Open(dir)
	check(t, err)
	check(t, os.Truncate(filepath.Join(dir, safetensors.FileName), 50_000))
	weights, err := m.Weights(gx.TestBackend(t))
	wantError(t, err, "the file is shorter than when it was opened")
	if len(weights) > 0 {
		t.Errorf("%d weights beside the error", len(weights))
	}
}

// A model that does not fit is an error before anything is read.
func TestFreeMemory(t *testing.T) {
	m, err := pretrained.Open(record(t, "llama").folder(t))
	check(t, err)
	wantError(t, m.FitsIn(m.Bytes()-1), m.Path, "its weights take 0 MB as float32")
	check(t, m.FitsIn(m.Bytes()))
}

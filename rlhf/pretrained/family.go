package pretrained

import (
	"errors"
	"fmt"
	"maps"

	"hhrlhf/rlhf/lm"
)

// errNotExpressible is wrapped by the error for a shape that no supported family has.
var errNotExpressible = errors.New("no architecture of transformers that is written here has this shape")

// forExport returns the scheme and config.json of a shape, its spare ids left out.
func forExport(s lm.Shape) (*scheme, map[string]any, error) {
	epsilon, theta := s.Epsilon, s.Theta
	if epsilon == 0 {
		epsilon = 1e-5
	}
	if theta == 0 {
		theta = 10000
	}
	c := map[string]any{
		"vocab_size": s.Vocab - s.Spare, "tie_word_embeddings": !s.Untied, "torch_dtype": "float32", "use_cache": true,
	}
	add := func(more map[string]any) { maps.Copy(c, more) }
	sizes := map[string]any{
		"hidden_size": s.Width, "num_hidden_layers": s.Layers, "num_attention_heads": s.Heads, "intermediate_size": s.F(),
		"max_position_embeddings": s.Context, "initializer_range": 0.02,
	}
	layerNorm, whole := s.Norm == "", s.KV() == s.Heads && s.K()*s.Heads == s.Width
	activation := map[string]string{"": "gelu_new", "gelu": "gelu", "silu": "silu"}[s.Activation]
	var scheme scheme
	var architecture string
	switch {
	case s.Norm == "rms" && s.Gated && s.Rotary == 1 && !s.Parallel && (s.Bias == "none" || s.Bias == "qkv"):
		if scheme, architecture = llamaFolder, "LlamaForCausalLM"; s.Bias == "qkv" {
			scheme, architecture = qwen2Folder(), "Qwen2ForCausalLM"
			add(map[string]any{"use_sliding_window": false})
		} else {
			add(map[string]any{"attention_bias": false, "mlp_bias": false})
		}
		add(sizes)
		add(map[string]any{
			"num_key_value_heads": s.KV(), "head_dim": s.K(), "hidden_act": activation, "rms_norm_eps": epsilon,
			"rope_theta": theta, "rope_scaling": nil,
		})
	case layerNorm && whole && s.Bias == "" && !s.Gated && s.Rotary == 0 && !s.Parallel:
		scheme, architecture = gpt2Folder, "GPT2LMHeadModel"
		add(map[string]any{
			"n_embd": s.Width, "n_layer": s.Layers, "n_head": s.Heads, "n_positions": s.Context, "n_ctx": s.Context, "n_inner": s.F(),
			"activation_function": activation, "layer_norm_epsilon": epsilon, "initializer_range": 0.02,
			"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0, // no dropout here: fine-tune there as here
		})
	case layerNorm && whole && s.Bias == "" && !s.Gated && s.Rotary > 0:
		scheme, architecture = neoxFolder, "GPTNeoXForCausalLM"
		add(sizes)
		add(map[string]any{
			"hidden_act": activation, "layer_norm_eps": epsilon, "rotary_pct": s.Rotary, "rotary_emb_base": theta,
			"use_parallel_residual": s.Parallel, "attention_bias": true, "hidden_dropout": 0.0, "attention_dropout": 0.0,
		})
	default:
		return nil, nil, fmt.Errorf("pretrained: %+v: %w; want GPT-2's, GPT-NeoX's, Llama's or Qwen2's combination of fields", s, errNotExpressible)
	}
	c["architectures"], c["model_type"] = []string{architecture}, scheme.family
	return &scheme, c, nil
}

package pretrained

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"hhrlhf/rlhf/internal/safetensors"
	"hhrlhf/rlhf/lm"
)

// ConfigName is the file that makes a folder a Hugging Face checkpoint.
const ConfigName = "config.json"

const maxConfig = 1 << 20 // bytes

// A config is a config.json, read field by field. The first fault stays in err.
type config struct {
	fields map[string]json.RawMessage
	err    error
}

// architectures maps what config.json calls a model to the reader of its shape.
var architectures = map[string]func(*config, *lm.Shape) *scheme{
	"LlamaForCausalLM":   (*config).llama,
	"Qwen2ForCausalLM":   (*config).qwen2,
	"GPT2LMHeadModel":    (*config).gpt2,
	"GPTNeoXForCausalLM": (*config).neox,
}

// modelTypes serves folders whose config.json names no architecture.
var modelTypes = map[string]string{
	"llama": "LlamaForCausalLM", "qwen2": "Qwen2ForCausalLM", "gpt2": "GPT2LMHeadModel", "gpt_neox": "GPTNeoXForCausalLM",
}

// openFolder describes a Hugging Face folder. A field that changes the computation
// into one that is not ours is refused by name and value. Defaults of absent fields
// are those of transformers, models/*/configuration_*.py.
func openFolder(dir string) (*description, error) {
	path := filepath.Join(dir, ConfigName)
	c, err := readConfig(path)
	if err != nil {
		return nil, fmt.Errorf("pretrained: %w", err)
	}
	d, err := c.describe()
	if err != nil {
		return nil, fmt.Errorf("pretrained: %s: %w", path, err)
	}
	infos, err := safetensors.OpenFolder(dir)
	if err != nil {
		return nil, fmt.Errorf("pretrained: %w", err)
	}
	d.tensors = newArchive(dir)
	for _, info := range infos {
		e := entry{info.Name, info.File, info.Shape, info.DType, info.Offset}
		if !d.scheme.ignores(e.name) { // masks may be of types that are not read
			if _, err := byteSize(e.kind, e.dims); err != nil {
				return nil, fmt.Errorf("pretrained: %s: tensor %q: %w", e.file, e.name, err)
			}
		}
		if err := d.tensors.add(e); err != nil {
			return nil, fmt.Errorf("pretrained: %s: %w", e.file, err)
		}
	}
	if _, bare := d.tensors.entries["wte.weight"]; bare && d.scheme.family == "gpt2" {
		d.scheme.prefix = "" // OpenAI's own files leave it out
	}
	return d, nil
}

func readConfig(path string) (*config, error) {
	stat, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if stat.Size() > maxConfig {
		return nil, fmt.Errorf("%s: %d bytes, want at most %d", path, stat.Size(), maxConfig)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	c := &config{}
	if err := json.Unmarshal(data, &c.fields); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// describe makes a description without tensors.
func (c *config) describe() (*description, error) {
	var archs []string
	c.get("architectures", &archs)
	if len(archs) == 0 {
		archs = []string{modelTypes[text(c, "model_type", "")]}
	}
	read := architectures[archs[0]]
	if read == nil {
		known := make([]string, 0, len(architectures))
		for name := range architectures {
			known = append(known, name)
		}
		slices.Sort(known)
		return nil, fmt.Errorf("architectures = %q, model_type = %q, want one of %q", archs, text(c, "model_type", ""), known)
	}
	var s lm.Shape
	scheme := read(c, &s)
	s.Vocab = c.int("vocab_size")
	if raw, ok := c.fields["quantization_config"]; ok && string(raw) != "null" {
		c.fault("quantization_config", "nothing: such checkpoints are not read")
	}
	if c.err != nil {
		return nil, c.err
	}
	if err := bounded(s); err != nil {
		return nil, err
	}
	return &description{shape: tidy(s), scheme: scheme}, nil
}

// llama reads LlamaForCausalLM: SmolLM2, TinyLlama, Llama 1 and 2.
func (c *config) llama(s *lm.Shape) *scheme {
	c.llamaLike(s)
	s.Bias = "none"
	c.mustBe("attention_bias", false)
	c.mustBe("rope_interleaved", false)
	scheme := llamaFolder
	return &scheme
}

// qwen2 reads Qwen2ForCausalLM: llama with a bias on q, k and v.
func (c *config) qwen2(s *lm.Shape) *scheme {
	c.llamaLike(s)
	s.Bias = "qkv"
	c.mustBe("use_sliding_window", false)
	var layers []string
	c.get("layer_types", &layers)
	for _, l := range layers {
		if l != "full_attention" {
			c.fault("layer_types", `"full_attention" in every layer`)
		}
	}
	scheme := qwen2Folder()
	return &scheme
}

func (c *config) llamaLike(s *lm.Shape) {
	s.Width, s.Layers, s.Heads = c.int("hidden_size"), c.int("num_hidden_layers"), c.int("num_attention_heads")
	s.FF, s.Context = c.int("intermediate_size"), c.int("max_position_embeddings")
	s.KVHeads, s.HeadWidth = c.intOr("num_key_value_heads", s.Heads), c.intOr("head_dim", 0)
	s.Norm, s.Epsilon = "rms", c.floatOr("rms_norm_eps", 1e-6)
	s.Rotary, s.Theta = 1, c.floatOr("rope_theta", 10000)
	s.Gated, s.Untied = true, !boolean(c, "tie_word_embeddings", false)
	s.Activation = c.activation("hidden_act", "silu")
	c.mustBe("mlp_bias", false)
	c.rope(s, 1)
}

// gpt2 reads GPT2LMHeadModel.
func (c *config) gpt2(s *lm.Shape) *scheme {
	s.Width, s.Layers, s.Heads = c.int("n_embd"), c.int("n_layer"), c.int("n_head")
	s.Context, s.FF = c.int("n_positions"), c.intOr("n_inner", 0)
	s.Epsilon = c.floatOr("layer_norm_epsilon", 1e-5)
	s.Activation = c.activation("activation_function", "gelu_new")
	s.Untied = !boolean(c, "tie_word_embeddings", true)
	c.mustBe("scale_attn_weights", true)
	c.mustBe("scale_attn_by_inverse_layer_idx", false)
	c.mustBe("add_cross_attention", false)
	scheme := gpt2Folder
	return &scheme
}

// neox reads GPTNeoXForCausalLM: Pythia.
func (c *config) neox(s *lm.Shape) *scheme {
	s.Width, s.Layers, s.Heads = c.int("hidden_size"), c.int("num_hidden_layers"), c.int("num_attention_heads")
	s.FF, s.Context = c.int("intermediate_size"), c.int("max_position_embeddings")
	s.Epsilon = c.floatOr("layer_norm_eps", 1e-5)
	s.Rotary, s.Theta = c.floatOr("rotary_pct", .25), c.floatOr("rotary_emb_base", 10000)
	s.Activation = c.activation("hidden_act", "gelu")
	s.Parallel, s.Untied = boolean(c, "use_parallel_residual", true), !boolean(c, "tie_word_embeddings", false)
	c.mustBe("attention_bias", true)
	c.rope(s, s.Rotary)
	scheme := neoxFolder
	return &scheme
}

// rope refuses scaled rotary positions, and reads rope_parameters, where
// transformers 5 writes what had fields of their own before.
func (c *config) rope(s *lm.Shape, fraction float64) {
	for _, key := range []string{"rope_scaling", "rope_parameters"} {
		var r struct {
			Type1   *string  `json:"rope_type"`
			Type2   *string  `json:"type"`
			Theta   *float64 `json:"rope_theta"`
			Partial *float64 `json:"partial_rotary_factor"`
		}
		c.get(key, &r)
		for _, kind := range []*string{r.Type1, r.Type2} {
			if kind != nil && *kind != "default" {
				c.fault(key, `null or the type "default": scaled rotary positions are not supported`)
			}
		}
		if raw := c.fields[key]; key == "rope_scaling" && len(raw) > 0 && string(raw) != "null" && r.Type1 == nil && r.Type2 == nil {
			c.fault(key, `null or the type "default"`)
		}
		if r.Theta != nil {
			s.Theta = *r.Theta
		}
		if r.Partial != nil {
			s.Rotary = *r.Partial
		}
	}
	if f := c.floatOr("partial_rotary_factor", s.Rotary); f != s.Rotary || fraction == 1 && f != 1 {
		c.fault("partial_rotary_factor", fmt.Sprint(s.Rotary))
	}
}

// activations maps transformers' names to those of [lm.Shape]; gelu_fast and
// gelu_new are the same tanh form.
var activations = map[string]string{
	"gelu_new": "", "gelu_pytorch_tanh": "", "gelu_fast": "", "gelu": "gelu", "silu": "silu", "swish": "silu",
}

func (c *config) activation(key, otherwise string) string {
	a, ok := activations[text(c, key, otherwise)]
	if !ok {
		c.fault(key, `"gelu", "gelu_new", "gelu_fast", "gelu_pytorch_tanh" or "silu"`)
	}
	return a
}

func (c *config) fault(key, want string) {
	if raw, ok := c.fields[key]; c.err == nil && ok {
		c.err = fmt.Errorf("%s = %s, want %s", key, raw, want)
	} else if c.err == nil {
		c.err = fmt.Errorf("%s is missing, want %s", key, want)
	}
}

// get decodes a field unless it is absent or null, and says whether it did.
func (c *config) get(key string, into any) bool {
	raw, ok := c.fields[key]
	if !ok || string(raw) == "null" {
		return false
	}
	if err := json.Unmarshal(raw, into); err != nil {
		c.fault(key, fmt.Sprintf("a value of another type (%v)", err))
		return false
	}
	return true
}

// int reads an integer of 1 to 2³⁰.
func (c *config) int(key string) int {
	var v int
	if !c.get(key, &v) || v < 1 || v > 1<<30 {
		c.fault(key, "a positive integer")
	}
	return v
}

func (c *config) intOr(key string, otherwise int) int {
	if raw, ok := c.fields[key]; !ok || string(raw) == "null" {
		return otherwise
	}
	return c.int(key)
}

func (c *config) floatOr(key string, otherwise float64) float64 {
	v := otherwise
	c.get(key, &v)
	return v
}

func boolean(c *config, key string, otherwise bool) bool {
	v := otherwise
	c.get(key, &v)
	return v
}

func text(c *config, key, otherwise string) string {
	v := otherwise
	c.get(key, &v)
	return v
}

// mustBe refuses a field that is there with another value.
func (c *config) mustBe(key string, want bool) {
	if boolean(c, key, want) != want {
		c.fault(key, fmt.Sprintf("%v: the rest is not supported", want))
	}
}

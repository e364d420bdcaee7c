package pretrained

import (
	"fmt"
	"math"
	"strconv"

	"hhrlhf/rlhf/lm"
)

// ggufFamilies maps general.architecture to the family.
var ggufFamilies = map[string]string{"llama": "llama", "qwen2": "qwen2", "gpt2": "gpt2", "gptneox": "gpt_neox"}

// describe makes a description of the metadata. Keys are those of ggml,
// docs/gguf.md; what changes the computation and is not ours is refused by name.
func (g *ggufFile) describe() (*description, error) {
	arch, _ := g.pairs["general.architecture"].(string)
	family, ok := ggufFamilies[arch]
	if !ok {
		return nil, fmt.Errorf("general.architecture = %q, want one of llama, qwen2, gpt2, gptneox", arch)
	}
	in := metadata{pairs: g.pairs, arch: arch}
	embedding, ok := g.tensors.entries["token_embd.weight"]
	if !ok || len(embedding.dims) != 2 {
		return nil, fmt.Errorf("tensor %q is missing, or no matrix", "token_embd.weight")
	}
	s := lm.Shape{
		Vocab: embedding.dims[0], Width: in.int("embedding_length"), Layers: in.int("block_count"),
		Heads: in.int("attention.head_count"), Context: in.int("context_length"), FF: in.int("feed_forward_length"),
	}
	s.KVHeads = in.intOr("attention.head_count_kv", s.Heads)
	s.HeadWidth = in.intOr("attention.key_length", 0)
	if in.err == nil && s.Heads > 0 {
		in.mustBe("attention.value_length", float64(s.K()))
	}
	_, s.Untied = g.tensors.entries["output.weight"]
	switch family {
	case "llama", "qwen2":
		s.Norm, s.Activation, s.Gated, s.Bias, s.Rotary = "rms", "silu", true, "none", 1
		s.Epsilon = in.float("attention.layer_norm_rms_epsilon")
		if family == "qwen2" {
			s.Bias = "qkv"
		}
	case "gpt2":
		s.Epsilon = in.float("attention.layer_norm_epsilon")
		if head := g.tensors.entries["output.weight"]; head.kind == embedding.kind {
			s.Untied = false // older writers store the tied head; that it is the embedding is checked
		}
	case "gpt_neox":
		s.Epsilon, s.Activation = in.float("attention.layer_norm_epsilon"), "gelu"
		s.Parallel = in.boolOr("use_parallel_residual", true)
	}
	if family != "gpt2" && in.err == nil && s.Heads > 0 && s.Width >= s.Heads {
		s.Rotary = fraction(in.intOr("rope.dimension_count", s.K()), s.K())
		s.Theta = in.floatOr("rope.freq_base", 10000)
		in.mustBe("rope.scaling.type", "none")
		in.mustBe("rope.scaling.factor", 1.0)
		in.mustBe("rope.scale_linear", 1.0)
	}
	in.mustBe("expert_count", 0.0)
	if in.err != nil {
		return nil, in.err
	}
	if err := bounded(s); err != nil {
		return nil, err
	}
	scheme := ggufScheme(family)
	if s.Rotary != 1 && scheme.pairs {
		return nil, fmt.Errorf("%s.rope.dimension_count is %d of %d, want all of a head", arch, s.Rotated(), s.K())
	}
	return &description{shape: tidy(s), scheme: scheme, tensors: g.tensors}, nil
}

// fraction is n/of, such that its product with of is n when rounded down.
func fraction(n, of int) float64 {
	f := float64(n) / float64(of)
	if int(f*float64(of)) < n {
		f = math.Nextafter(f, 2)
	}
	return f
}

// metadata reads values of the keys {arch}.{key}; the first fault stays in err.
type metadata struct {
	pairs map[string]any
	arch  string
	err   error
}

func (m *metadata) fault(key string, v any, want string) {
	if m.err == nil {
		m.err = fmt.Errorf("%s.%s = %v, want %s", m.arch, key, v, want)
	}
}

// number returns a numeric value of any of the format's types.
func (m *metadata) number(key string) (float64, bool) {
	switch v := m.pairs[m.arch+"."+key].(type) {
	case uint8:
		return float64(v), true
	case int8:
		return float64(v), true
	case uint16:
		return float64(v), true
	case int16:
		return float64(v), true
	case uint32:
		return float64(v), true
	case int32:
		return float64(v), true
	case uint64:
		return float64(v), true
	case int64:
		return float64(v), true
	case float32:
		return decimal(v), true
	case float64:
		return v, true
	}
	return 0, false
}

// decimal is the shortest decimal number that v rounds to: 1e-5, not
// 9.99999974737875e-06.
func decimal(v float32) float64 {
	d, err := strconv.ParseFloat(strconv.FormatFloat(float64(v), 'g', -1, 32), 64)
	if err != nil {
		return float64(v) // cannot be: what FormatFloat writes can be parsed
	}
	return d
}

func (m *metadata) int(key string) int {
	v, ok := m.number(key)
	if !ok || v != math.Trunc(v) || v < 1 || v > 1<<31 {
		m.fault(key, m.pairs[m.arch+"."+key], "a positive integer")
		return 0
	}
	return int(v)
}

func (m *metadata) intOr(key string, otherwise int) int {
	if _, ok := m.pairs[m.arch+"."+key]; !ok {
		return otherwise
	}
	return m.int(key)
}

func (m *metadata) float(key string) float64 {
	v, ok := m.number(key)
	if !ok || !(v > 0) || math.IsInf(v, 0) {
		m.fault(key, m.pairs[m.arch+"."+key], "a positive number")
		return 0
	}
	return v
}

func (m *metadata) floatOr(key string, otherwise float64) float64 {
	if _, ok := m.pairs[m.arch+"."+key]; !ok {
		return otherwise
	}
	return m.float(key)
}

func (m *metadata) boolOr(key string, otherwise bool) bool {
	switch v := m.pairs[m.arch+"."+key].(type) {
	case nil:
		return otherwise
	case bool:
		return v
	default:
		m.fault(key, v, "true or false")
		return otherwise
	}
}

// mustBe refuses a value other than the one that leaves the computation as it is.
func (m *metadata) mustBe(key string, want any) {
	v, ok := m.pairs[m.arch+"."+key]
	if !ok || v == want {
		return
	}
	if n, numeric := m.number(key); numeric && n == want {
		return
	}
	m.fault(key, v, fmt.Sprintf("%v: the rest is not supported", want))
}

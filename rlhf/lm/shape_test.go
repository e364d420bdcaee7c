package lm_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hhrlhf/rlhf/lm"
)

// What a loader must fill, by name, order and dimensions.
func TestWeights(t *testing.T) {
	list := func(s lm.Shape) (out []string) {
		for _, w := range s.Weights() {
			out = append(out, fmt.Sprint(w.Name, w.Dims))
		}
		return out
	}
	for _, c := range []struct {
		name  string
		shape lm.Shape
		want  []string
	}{
		{"GPT-2", lm.Shape{Vocab: 9, Width: 4, Layers: 1, Heads: 2, Context: 6}, []string{
			"token_embedding[9 4]", "position_embedding[6 4]", "final_norm.scale[4]", "final_norm.bias[4]",
			"blocks.0.norm1.scale[4]", "blocks.0.norm1.bias[4]", "blocks.0.attention.qkv[4 12]", "blocks.0.attention.qkv_bias[12]",
			"blocks.0.attention.out[4 4]", "blocks.0.attention.out_bias[4]", "blocks.0.norm2.scale[4]", "blocks.0.norm2.bias[4]",
			"blocks.0.mlp.up[4 16]", "blocks.0.mlp.up_bias[16]", "blocks.0.mlp.down[16 4]", "blocks.0.mlp.down_bias[4]",
		}},
		{"Llama", lm.Shape{Vocab: 9, Width: 8, Layers: 1, Heads: 4, Context: 6, KVHeads: 2, HeadWidth: 6, FF: 5, Norm: "rms", Rotary: 1, Gated: true, Bias: "none", Untied: true}, []string{
			"token_embedding[9 8]", "final_norm.scale[8]", "blocks.0.norm1.scale[8]", "blocks.0.attention.qkv[8 48]", "blocks.0.attention.out[24 8]",
			"blocks.0.norm2.scale[8]", "blocks.0.mlp.gate[8 5]", "blocks.0.mlp.up[8 5]", "blocks.0.mlp.down[5 8]", "output[9 8]",
		}},
		{"Qwen2", lm.Shape{Vocab: 9, Width: 8, Layers: 1, Heads: 4, Context: 6, KVHeads: 1, FF: 5, Norm: "rms", Rotary: 1, Gated: true, Bias: "qkv"}, []string{
			"token_embedding[9 8]", "final_norm.scale[8]", "blocks.0.norm1.scale[8]", "blocks.0.attention.qkv[8 12]", "blocks.0.attention.qkv_bias[12]",
			"blocks.0.attention.out[8 8]", "blocks.0.norm2.scale[8]", "blocks.0.mlp.gate[8 5]", "blocks.0.mlp.up[8 5]", "blocks.0.mlp.down[5 8]",
		}},
	} {
		if diff := cmp.Diff(c.want, list(c.shape)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

func TestCheckNamesTheField(t *testing.T) {
	good := lm.Shape{Vocab: 9, Width: 24, Layers: 1, Heads: 4, Context: 6}
	if err := good.Check(); err != nil {
		t.Error(err)
	}
	for _, c := range []struct {
		change func(*lm.Shape)
		want   string
	}{
		{func(s *lm.Shape) { s.Vocab = 0 }, "Vocab = 0"},
		{func(s *lm.Shape) { s.Layers = -1 }, "Layers = -1"},
		{func(s *lm.Shape) { s.Heads = 0 }, "Heads = 0"},
		{func(s *lm.Shape) { s.Heads = 5 }, "Heads = 5, want a divisor of Width (24)"},
		{func(s *lm.Shape) { s.KVHeads = 3 }, "KVHeads = 3, want a divisor of Heads (4)"},
		{func(s *lm.Shape) { s.KVHeads = 8 }, "KVHeads = 8"},
		{func(s *lm.Shape) { s.FF = -4 }, "FF = -4"},
		{func(s *lm.Shape) { s.Norm = "layer" }, `Norm = "layer"`},
		{func(s *lm.Shape) { s.Epsilon = -1 }, "Epsilon = -1"},
		{func(s *lm.Shape) { s.Rotary = 1.5 }, "Rotary = 1.5"},
		{func(s *lm.Shape) { s.Rotary = .5 }, "Rotary = 0.5, want a fraction that rotates an even number of a head's 6"},
		{func(s *lm.Shape) { s.Rotary = .1 }, "Rotary = 0.1"},
		{func(s *lm.Shape) { s.Theta = -1 }, "Theta = -1"},
		{func(s *lm.Shape) { s.Activation = "relu" }, `Activation = "relu"`},
		{func(s *lm.Shape) { s.Bias = "mlp" }, `Bias = "mlp"`},
		{func(s *lm.Shape) { s.Spare = 9 }, "Spare = 9"},
	} {
		s := good
		c.change(&s)
		if err := s.Check(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", s, err, c.want)
		}
	}
}

// A shape written before the families existed reads as GPT-2's, and one of
// today's architecture is written as it was then.
func TestShapeJSON(t *testing.T) {
	s := lm.Shape{Vocab: 9, Width: 4, Layers: 1, Heads: 2, Context: 6}
	const want = `{"vocab":9,"width":4,"layers":1,"heads":2,"context":6}`
	if got := string(must(json.Marshal(s))); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

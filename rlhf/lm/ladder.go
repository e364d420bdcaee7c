package lm

import (
	"fmt"
	"strings"
)

// rungs are the shapes of the ladder by name: layers, width and heads. The seven
// from 13M are the paper's (Askell et al. 2021, arXiv:2112.00861, appendix A;
// Bai et al. 2022 use the same), with d_model = 128·n_layer and d_ff = 4·d_model.
// The three below them are ours. Heads are 64 wide from 13M, where the paper
// does not state them, and 32 wide below.
var rungs = []struct {
	name                 string
	layers, width, heads int
}{
	{"0.2M", 1, 128, 4},
	{"1M", 2, 192, 6},
	{"3M", 3, 288, 9},
	{"13M", 4, 512, 8},
	{"42M", 6, 768, 12},
	{"197M", 10, 1280, 20},
	{"810M", 16, 2048, 32},
	{"2.7B", 24, 3072, 48},
	{"13B", 40, 5120, 80},
	{"52B", 64, 8192, 128},
}

// Sizes lists the names that [Size] knows, smallest first.
func Sizes() []string {
	names := make([]string, len(rungs))
	for i, r := range rungs {
		names[i] = r.name
	}
	return names
}

// Size returns a shape of the paper's ladder, or one of three smaller ones for
// a machine with two cores. Vocab is 2^16 and Context 8192 as in the paper; set
// them to what the tokenizer and the task need. Positions are learned, the head
// is tied to the embedding and weights start as in GPT-2 (see [Shape.Weights]):
// the paper states none of these.
//
//	name    n_layer  d_model  12·n_layer·d_model²
//	0.2M          1      128             196,608
//	1M            2      192             884,736
//	3M            3      288           2,985,984
//	13M           4      512          12,582,912
//	42M           6      768          42,467,328
//	197M         10     1280         196,608,000
//	810M         16     2048         805,306,368
//	2.7B         24     3072       2,717,908,992
//	13B          40     5120      12,582,912,000
//	52B          64     8192      51,539,607,552
//
// The last column is [Shape.NonEmbedding]. The rule d_model = 128·n_layer allows
// only .197M, 1.57M and 5.31M below 13M, so 1M and 3M keep the rule's layers and
// have d_model = 96·n_layer: at these widths embeddings are far more than the
// blocks (8.4M of 0.2M's 9.6M parameters at the paper's vocabulary).
func Size(name string) (Shape, error) {
	for _, r := range rungs {
		if r.name == name {
			return Shape{Vocab: 1 << 16, Width: r.width, Layers: r.layers, Heads: r.heads, Context: 8192}, nil
		}
	}
	return Shape{}, fmt.Errorf("lm: size %q is not on the ladder; the sizes are %s", name, strings.Join(Sizes(), ", "))
}

// Memory estimates the bytes that a program over [batch, tokens] rows needs in
// float32, to warn before anything large is started. With P parameters,
// N = batch·tokens and W = 2·D + (H + 2·KV)·K + 3·F a token's widest activations:
//
//	inference  4·(P + N·2·L·KV·K + N·W + 2·batch·H·tokens² + 2·N·V)
//	training   4·(4·P + L·(3·N·W + 2·batch·H·tokens²) + 3·N·V)
//
// Inference is weights, the cache, one block's activations with its scores, and
// the logits with their softmax; training is weights, gradients and Adam's two
// moments, every block's activations and scores kept for the gradient, and the
// logits with softmax and gradient. The process and the compiler come on top: on
// XLA's CPU backend the peak of a process that trained on 16 × 128 tokens was .34
// GB above the estimate of .31 GB at d 128, 4 layers, vocabulary 2048, and .36 GB
// above .94 GB at d 256, 6 layers, vocabulary 4096. Gradient checkpointing keeps
// fewer activations than this.
func (s Shape) Memory(batch, tokens int, training bool) int64 {
	p := Pass{Rows: batch, Tokens: tokens, Logits: tokens, Training: training}
	if training {
		return 4*4*s.Params() + s.Activations(p)
	}
	return 4*s.Params() + s.Cache(batch, tokens) + s.Activations(p)
}

// A Pass is a forward pass over Rows × Tokens, which computes logits at Logits places of
// every row; with Training a backward pass follows, with Checkpointing one that keeps
// each block's input only.
type Pass struct {
	Rows, Tokens, Logits    int
	Training, Checkpointing bool
}

// Activations estimates what a pass holds beside weights and cache, in bytes: see Memory.
func (s Shape) Activations(p Pass) int64 {
	n, places := int64(p.Rows)*int64(p.Tokens), int64(p.Rows)*int64(p.Logits)
	l, v := int64(s.Layers), int64(s.Vocab)
	wide := int64(2*s.Width + (s.Heads+2*s.KV())*s.K() + 3*s.F())
	scores := 2 * n * int64(s.Heads) * int64(p.Tokens)
	switch {
	case !p.Training:
		return 4 * (n*wide + scores + 2*places*v)
	case p.Checkpointing:
		return 4 * (l*n*int64(s.Width) + 3*n*wide + scores + 3*places*v)
	}
	return 4 * (l*(3*n*wide+scores) + 3*places*v)
}

// Cache is what the keys and values of rows take while they are written, in bytes.
func (s Shape) Cache(rows, tokens int) int64 {
	return 4 * int64(rows) * int64(tokens) * 2 * int64(s.Layers) * int64(s.KV()*s.K())
}

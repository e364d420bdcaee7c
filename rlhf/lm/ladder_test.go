package lm_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hhrlhf/rlhf/lm"
)

// The paper's seven models by name, with the counts by which it calls them.
func TestLadderIsThePapers(t *testing.T) {
	for _, c := range []struct {
		name          string
		layers, width int
		count         float64
	}{
		{"13M", 4, 512, 13e6}, {"42M", 6, 768, 42e6}, {"197M", 10, 1280, 197e6}, {"810M", 16, 2048, 810e6},
		{"2.7B", 24, 3072, 2.7e9}, {"13B", 40, 5120, 13e9}, {"52B", 64, 8192, 52e9},
	} {
		s, err := lm.Size(c.name)
		if err != nil {
			t.Fatal(err)
		}
		if s.Layers != c.layers || s.Width != c.width || s.Width != 128*s.Layers || s.F() != 4*s.Width || s.Vocab != 65536 || s.Context != 8192 {
			t.Errorf("%s: %+v", c.name, s)
		}
		if off := float64(s.NonEmbedding())/c.count - 1; off > .04 || off < -.04 {
			t.Errorf("%s has %d parameters without embeddings", c.name, s.NonEmbedding())
		}
	}
	if _, err := lm.Size("14M"); err == nil || !strings.Contains(err.Error(), `"14M"`) || !strings.Contains(err.Error(), "2.7B") {
		t.Errorf("an unknown size: %v, want its name and the known ones", err)
	}
}

// Every rung can be built, names grow with the shapes, and a GPT-2 block counts
// 12·D² without biases and norms, 12·D² + 13·D with them.
func TestSizes(t *testing.T) {
	last := int64(0)
	for _, name := range lm.Sizes() {
		s := must(lm.Size(name))
		if err := s.Check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		l, d := int64(s.Layers), int64(s.Width)
		if got := s.NonEmbedding(); got != 12*l*d*d || got <= last {
			t.Errorf("%s: %d parameters, want %d, more than %d", name, got, 12*l*d*d, last)
		}
		last = s.NonEmbedding()
		embeddings := int64(s.Vocab+s.Context) * d
		if got, want := s.Params(), embeddings+12*l*d*d+13*l*d+2*d; got != want {
			t.Errorf("%s: %d parameters in all, want %d", name, got, want)
		}
	}
}

// The estimate's terms by hand for one tiny shape.
func TestMemory(t *testing.T) {
	s := lm.Shape{Vocab: 10, Width: 4, Layers: 3, Heads: 2, Context: 8, KVHeads: 1, FF: 6, Norm: "rms", Rotary: 1, Gated: true, Bias: "none"}
	p := int64(10*4 + 4 + 3*(4+4*8+4*4+4+3*4*6)) // K = 2; qkv is [4, 8]
	const n, wide, scores = 2 * 5, 2*4 + (2+2)*2 + 3*6, 2 * 2 * 2 * 5 * 5
	want := []int64{4 * (p + n*2*3*2 + n*wide + scores + 2*n*10), 4 * (4*p + 3*(3*n*wide+scores) + 3*n*10)}
	if diff := cmp.Diff(want, []int64{s.Memory(2, 5, false), s.Memory(2, 5, true)}); diff != "" || s.Params() != p {
		t.Errorf("%d parameters, want %d; bytes (-want +got):\n%s", s.Params(), p, diff)
	}
}

func ExampleSize() {
	s, err := lm.Size("13M")
	if err != nil {
		panic(err)
	}
	s.Vocab, s.Context = 4096, 512 // what a small tokenizer and short transcripts need
	fmt.Printf("%d layers of %d, %.1fM parameters and %.1fM in embeddings\n",
		s.Layers, s.Width, float64(s.NonEmbedding())/1e6, float64(s.Params()-s.NonEmbedding())/1e6)
	// Output: 4 layers of 512, 12.6M parameters and 2.4M in embeddings
}

package lm_test

import (
	"math"
	"testing"

	"github.com/gomlx/gomlx/core/graph"

	"hhrlhf/rlhf/internal/gx"
	"hhrlhf/rlhf/lm"
)

// What the reader says of a text is what the loss says of it, and the listed next
// tokens are the largest of the distribution, in order.
func TestReader(t *testing.T) {
	be := gx.TestBackend(t)
	shape := lm.Shape{Vocab: 50, Width: 16, Layers: 1, Heads: 2, Context: 100}
	weights, err := lm.Init(be, shape.Weights(), stream("reader", 0))
	if err != nil {
		t.Fatal(err)
	}
	ids := make([]int32, 90) // more than one pass through the head
	for i := range ids {
		ids[i] = int32(3 + (i*i)%40)
	}
	places, err := lm.NewReader(be, shape).Read(weights, ids, 4)
	if err != nil {
		t.Fatal(err)
	}
	sum := gx.NewProgram(be, "sum", func(in []*graph.Node) []*graph.Node {
		net := lm.NewNet(shape, in[2:])
		logp, _, _ := net.NextLogProbs(in[0], in[1], len(ids)-1, 1)
		return []*graph.Node{logp}
	})
	tokens, segments, err := lm.LayOut(be, [][]int32{ids}, len(ids), 0, false)
	if err != nil {
		t.Fatal(err)
	}
	out, err := sum.Call(append([]any{tokens, segments}, gx.Keep(weights)...)...)
	if err != nil {
		t.Fatal(err)
	}
	want, err := gx.Values[float32](out[0])
	if err != nil {
		t.Fatal(err)
	}
	for i, w := range want {
		p := places[i+1]
		if math.Abs(p.LogP-float64(w)) > 1e-5 {
			t.Errorf("place %d: log p = %v, want %v", i+1, p.LogP, w)
		}
		if before := places[i]; p.Rank <= 4 && before.Top[p.Rank-1] != ids[i+1] {
			t.Errorf("place %d has rank %d, but %v were expected there", i+1, p.Rank, before.Top)
		}
	}
	if places[0].LogP != 0 || places[0].Rank != 0 {
		t.Errorf("nothing stands before the first token, yet it has %+v", places[0])
	}
	for i, p := range places {
		if len(p.Top) != 4 || len(p.LogPs) != 4 {
			t.Fatalf("place %d lists %v", i, p.Top)
		}
		for j := 1; j < 4; j++ {
			if p.LogPs[j] > p.LogPs[j-1] || p.Logits[j] > p.Logits[j-1] {
				t.Errorf("place %d lists %v with %v", i, p.Top, p.LogPs)
			}
		}
	}
	if _, err := lm.NewReader(be, shape).Read(weights, make([]int32, 101), 1); err == nil {
		t.Error("a text longer than the context is read")
	}
}

package lm_test

import (
	"testing"

	. "github.com/gomlx/gomlx/core/graph"

	"hhrlhf/rlhf/internal/gx"
	"hhrlhf/rlhf/internal/rltest"
	"hhrlhf/rlhf/lm"
)

// Activations at some slots, and the gradient of every weight through them, are those
// of the whole pass cut afterwards, in every architecture; the slots one to the left
// have others.
func TestHiddenAt(t *testing.T) {
	be := gx.TestBackend(t)
	for i, f := range families {
		t.Run(f.name, func(t *testing.T) {
			flat, _ := randomWeights(f.shape, uint64(i))
			program := gx.NewProgram(be, "slots", func(in []*Node) (out []*Node) {
				net, bias, at := lm.NewNet(f.shape, in[3:]), lm.CausalBias(in[1]), lm.Slots(3, 7)
				for _, h := range []*Node{
					at(net.Hidden(in[0], in[2], bias)),
					net.HiddenAt(in[0], in[2], bias, at),
					net.HiddenAt(in[0], in[2], bias, lm.Slots(2, 6)),
				} {
					loss := ReduceAllSum(lm.LogProbs(net.Logits(h), ZerosLike(at(in[0])), 1)) // id 0 is none of Spare
					out = append(append(out, h), Gradient(loss, in[3:]...)...)
				}
				return out
			})
			var in []any
			for _, m := range [][][]int32{randomTokens(f.shape, uint64(i)), segments, positions} {
				in = append(in, must(gx.Rows(be, m, len(segments[0]), 0, false)))
			}
			for j, w := range f.shape.Weights() {
				in = append(in, must(gx.Flat(be, flat[j], w.Dims...)))
			}
			out, err := program.Call(in...)
			if err != nil {
				t.Fatal(err)
			}
			defer gx.Free(out...)
			n := len(out) / 3
			for j := range n {
				want := must(gx.Values[float32](out[j]))
				rltest.Close(t, "some slots", must(gx.Values[float32](out[n+j])), want, 1e-4)
				if j == 0 {
					rltest.NotClose(t, "other slots", must(gx.Values[float32](out[2*n+j])), want, 1e-4)
				}
			}
		})
	}
}

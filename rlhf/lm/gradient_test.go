package lm_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	. "github.com/gomlx/gomlx/core/graph"

	"hhrlhf/rlhf/internal/gx"
	"hhrlhf/rlhf/internal/rltest"
	"hhrlhf/rlhf/lm"
)

// The gradient of the loss with respect to every tensor, along a random
// direction in it, against central differences of the twin. Llama and GPT-NeoX
// between them use every operation that GPT-2 lacks.
func TestFamilyGradients(t *testing.T) {
	be := gx.TestBackend(t)
	for i, f := range families {
		if f.name != "Llama" && f.name != "GPT-NeoX" {
			continue
		}
		t.Run(f.name, func(t *testing.T) {
			s := f.shape
			flat, named := randomWeights(s, uint64(i))
			tokens := randomTokens(s, uint64(i))
			for _, row := range tokens { // ids from Spare on cannot be predicted
				for j := range row {
					row[j] %= int32(s.Vocab - s.Spare)
				}
			}
			rows := lm.Rows{Width: len(tokens[0]), Tokens: tokens, Segments: segments, Positions: positions}

			program := gx.NewProgram(be, "gradients", func(in []*Node) []*Node {
				t := in[0].Shape().Dimensions[1]
				from := func(x *Node) *Node { return Slice(x, AxisRange(), AxisRange(0, t-1)) }
				to := func(x *Node) *Node { return Slice(x, AxisRange(), AxisRange(1, t)) }
				net := lm.NewNet(s, in[3:])
				h := net.Hidden(in[0], in[2], lm.CausalBias(in[1]))
				logp := lm.LogProbs(net.Logits(from(h)), to(in[0]), 1)
				counts := LogicalAnd(Equal(from(in[1]), to(in[1])), GreaterThan(to(in[1]), ZerosLike(to(in[1]))))
				loss := Neg(ReduceAllSum(Where(counts, logp, ZerosLike(logp))))
				return append([]*Node{loss}, Gradient(loss, in[3:]...)...)
			})
			var in []any
			for _, m := range [][][]int32{tokens, segments, positions} {
				in = append(in, must(gx.Rows(be, m, rows.Width, 0, false)))
			}
			for j, w := range s.Weights() {
				in = append(in, must(gx.Flat(be, flat[j], w.Dims...)))
			}
			out, err := program.Call(in...)
			if err != nil {
				t.Fatal(err)
			}
			defer gx.Free(out...)
			rltest.Close(t, "loss", must(gx.Scalar[float32](out[0])), twinLoss(twin{s, named, ""}, rows), rltest.Float32)

			rng := rand.New(rand.NewPCG(3, 3))
			for j, w := range s.Weights() {
				gradient, was := must(gx.Values[float32](out[1+j])), named[w.Name]
				direction, got, length := make([]float64, len(was)), 0.0, 0.0
				for k := range direction {
					direction[k] = rng.NormFloat64()
					got += direction[k] * float64(gradient[k])
					length += direction[k] * direction[k]
				}
				at := func(step float64) float64 {
					moved := slices.Clone(was)
					for k := range moved {
						moved[k] += step * direction[k] / math.Sqrt(length)
					}
					named[w.Name] = moved
					defer func() { named[w.Name] = was }()
					return twinLoss(twin{s, named, ""}, rows)
				}
				const h = 1e-4
				want := (at(h) - at(-h)) / (2 * h)
				rltest.Close(t, w.Name, got/math.Sqrt(length), want, 3e-5)
				rltest.NotClose(t, w.Name+", a gradient of zero", 0, want, 3e-5)
			}
		})
	}
}

// twinLoss is the summed −log p of every token that has an earlier one in its segment.
func twinLoss(t twin, r lm.Rows) (loss float64) {
	for i, tokens := range r.Tokens {
		logits := t.logits(tokens, r.Segments[i], r.Positions[i])
		for j := 1; j < len(tokens); j++ {
			if r.Segments[i][j] == 0 || r.Segments[i][j] != r.Segments[i][j-1] {
				continue
			}
			sum := 0.0
			for _, z := range logits[j-1] {
				sum += math.Exp(z - logits[j-1][tokens[j]])
			}
			loss += math.Log(sum)
		}
	}
	return loss
}

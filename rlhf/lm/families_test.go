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

// families are tiny shapes of every architecture, with the mistakes that each
// one invites.
var families = []struct {
	name     string
	shape    lm.Shape
	mistakes []string
}{
	{"GPT-2", lm.Shape{Vocab: 29, Width: 16, Layers: 2, Heads: 4, Context: 12}, []string{"the other GELU", "no bias on qkv"}},
	{"Llama", lm.Shape{Vocab: 29, Width: 16, Layers: 2, Heads: 4, Context: 12, KVHeads: 2, HeadWidth: 6, FF: 20, Norm: "rms", Epsilon: 1e-6,
		Rotary: 1, Activation: "silu", Gated: true, Bias: "none", Untied: true, Spare: 3},
		[]string{"neighbours rotated together", "RMSNorm subtracts the mean", "gate and up exchanged", "query heads dealt round the key heads", "the head tied"}},
	{"Qwen2", lm.Shape{Vocab: 29, Width: 16, Layers: 2, Heads: 4, Context: 12, KVHeads: 1, FF: 20, Norm: "rms", Epsilon: 1e-6,
		Rotary: 1, Theta: 1e6, Activation: "silu", Gated: true, Bias: "qkv"}, []string{"no bias on qkv", "theta left at 10000"}},
	{"GPT-NeoX", lm.Shape{Vocab: 29, Width: 32, Layers: 2, Heads: 2, Context: 12, Rotary: .25, Activation: "gelu", Parallel: true, Untied: true, Spare: 1},
		[]string{"neighbours rotated together", "the whole head rotated", "the other GELU", "blocks one after the other", "no bias on qkv"}},
	{"llama2.c", lm.Shape{Vocab: 29, Width: 16, Layers: 2, Heads: 2, Context: 12, FF: 24, Norm: "rms",
		Rotary: 1, Activation: "silu", Gated: true, Bias: "none"}, []string{"neighbours rotated together"}},
}

// Three rows of eight slots: full, padded at the start, and two packed sequences.
// The first five slots are the prompt of the cached pass.
var (
	segments  = [][]int32{{1, 1, 1, 1, 1, 1, 1, 1}, {0, 0, 0, 1, 1, 1, 1, 1}, {1, 1, 1, 2, 2, 2, 2, 2}}
	positions = [][]int32{{0, 1, 2, 3, 4, 5, 6, 7}, {0, 0, 0, 0, 1, 2, 3, 4}, {0, 1, 2, 0, 1, 2, 3, 4}}
)

const prompt = 5

// pass is a family's forward pass over tokens [3, 8] in two ways: whole, and by
// prefill and one cached step a token. Both return logits, [3][8][V]; those of
// the cached pass stand at the slots prompt … 7.
func pass(t *testing.T, s lm.Shape, weights [][]float32) func(tokens [][]int32) (whole, cached [][][]float32) {
	be := gx.TestBackend(t)
	width := len(segments[0])
	program := gx.NewProgram(be, "families", func(in []*Node) []*Node {
		tokens, segments, positions, net := in[0], in[1], in[2], lm.NewNet(s, in[3:])
		columns := func(x *Node, from, to int) *Node { return Slice(x, AxisRange(), AxisRange(from, to)) }
		column := func(x *Node, i int) *Node { return Squeeze(columns(x, i, i+1), 1) }

		whole := net.Logits(net.Hidden(tokens, positions, lm.CausalBias(segments)))
		_, keys, values := net.Prefill(columns(tokens, 0, prompt), columns(positions, 0, prompt), lm.CausalBias(columns(segments, 0, prompt)), width)
		var cached []*Node
		for i := prompt; i < width; i++ {
			last := BroadcastToDims(columns(segments, i, i+1), segments.Shape().Dimensions...)
			slot := Iota(tokens.Graph(), segments.Shape(), 1)
			visible := LogicalAnd(Equal(segments, last), LessOrEqual(slot, Const(tokens.Graph(), int32(i))))
			var h *Node
			h, keys, values = net.Step(column(tokens, i), column(positions, i), lm.SlotBias(visible), keys, values, Const(tokens.Graph(), int32(i)))
			cached = append(cached, net.Logits(h))
		}
		return []*Node{whole, Stack(cached, 1)}
	})
	var ws []any
	for i, w := range s.Weights() {
		ws = append(ws, must(gx.Flat(be, weights[i], w.Dims...)))
	}
	upload := func(x [][]int32) any { return must(gx.Rows(be, x, width, 0, false)) }
	return func(tokens [][]int32) (whole, cached [][][]float32) {
		out, err := program.Call(append([]any{upload(tokens), upload(segments), upload(positions)}, ws...)...)
		if err != nil {
			t.Fatal(err)
		}
		defer gx.Free(out...)
		for i, first := range []int{0, prompt} {
			values := must(gx.Values[float32](out[i]))
			rows := make([][][]float32, len(tokens))
			for b := range rows {
				rows[b] = make([][]float32, width)
				for j := first; j < width; j++ {
					rows[b][j], values = values[:s.Vocab], values[s.Vocab:]
				}
			}
			if i == 0 {
				whole = rows
			} else {
				cached = rows
			}
		}
		return whole, cached
	}
}

func must[T any](x T, err error) T {
	if err != nil {
		panic(err)
	}
	return x
}

func randomTokens(s lm.Shape, seed uint64) [][]int32 {
	rng := rand.New(rand.NewPCG(seed, 8))
	rows := make([][]int32, len(segments))
	for i := range rows {
		for range segments[0] {
			rows[i] = append(rows[i], rng.Int32N(int32(s.Vocab)))
		}
	}
	return rows
}

// Every architecture agrees with its twin, whole, cached, padded and packed; a
// twin with one of the known mistakes does not agree. Padded slots do not matter
// to any other, and Spare ids cannot be sampled.
func TestFamilies(t *testing.T) {
	for i, f := range families {
		t.Run(f.name, func(t *testing.T) {
			if err := f.shape.Check(); err != nil {
				t.Fatal(err)
			}
			flat, named := randomWeights(f.shape, uint64(i))
			run := pass(t, f.shape, flat)
			tokens := randomTokens(f.shape, uint64(i))
			whole, cached := run(tokens)

			const tolerance = 1e-5
			likely := f.shape.Vocab - f.shape.Spare
			for row := range tokens {
				want := twin{f.shape, named, ""}.logits(tokens[row], segments[row], positions[row])
				for j, w := range want {
					if w == nil {
						continue
					}
					rltest.Close(t, "whole", whole[row][j][:likely], w, tolerance)
					rltest.NotClose(t, "one logit off by 1e-3", add(w, append(make([]float64, likely-1), 1e-3*math.Max(1, math.Abs(w[likely-1])))), w, tolerance)
					if j >= prompt {
						rltest.Close(t, "cached", cached[row][j][:likely], w, tolerance)
						rltest.Close(t, "cached spare", cached[row][j][likely:], slices.Repeat([]float32{-1e9}, f.shape.Spare), 0)
					}
					rltest.Close(t, "spare", whole[row][j][likely:], slices.Repeat([]float32{-1e9}, f.shape.Spare), 0)
				}
			}
			for _, mistake := range f.mistakes { // the smallest effect is that of the GELUs, 2e-4 at these weights
				wrong := twin{f.shape, named, mistake}.logits(tokens[0], segments[0], positions[0])
				rltest.NotClose(t, mistake, wrong, clip(whole[0], likely), 10*tolerance)
			}

			poisoned := make([][]int32, len(tokens))
			for row := range tokens {
				poisoned[row] = slices.Clone(tokens[row])
				for j, segment := range segments[row] {
					if segment == 0 {
						poisoned[row][j] = (tokens[row][j] + 13) % int32(f.shape.Vocab)
					}
				}
			}
			whole2, cached2 := run(poisoned)
			for row := range tokens {
				for j, segment := range segments[row] {
					if segment != 0 {
						rltest.Close(t, "other tokens in padding", whole2[row][j], whole[row][j], 0)
					} else {
						rltest.NotClose(t, "the padded slot itself", whole2[row][j], whole[row][j], tolerance)
					}
					rltest.Close(t, "other tokens in padding, cached", cached2[row][j], cached[row][j], 0)
				}
			}
		})
	}
}

func clip(rows [][]float32, n int) [][]float32 {
	out := make([][]float32, len(rows))
	for i := range rows {
		out[i] = rows[i][:n]
	}
	return out
}

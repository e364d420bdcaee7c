package lm_test

import (
	"math"
	"math/rand/v2"
	"testing"

	. "github.com/gomlx/gomlx/core/graph"

	"hhrlhf/rlhf/internal/gx"
	"hhrlhf/rlhf/lm"
)

// Each operation with a gradient in closed form, beside the same operation made
// of GoMLX's own, whose gradient is derived. variant is a slightly different
// operation, which the comparison has to tell from the first.
var closedForms = []struct {
	name                   string
	dims                   [][]int
	closed, plain, variant func(in []*Node) *Node
}{
	{
		name:    "layerNorm",
		dims:    [][]int{{3, 5, 8}, {8}, {8}},
		closed:  func(in []*Node) *Node { return lm.OpNorm(in[0], in[1], in[2], 1e-5) },
		plain:   func(in []*Node) *Node { return plainNorm(in[0], in[1], in[2], 1e-5) },
		variant: func(in []*Node) *Node { return plainNorm(in[0], in[1], in[2], 1e-3) },
	},
	{
		name:    "linear",
		dims:    [][]int{{3, 5, 8}, {8, 32}, {32}},
		closed:  func(in []*Node) *Node { return lm.OpLinear(in[0], in[1], in[2]) },
		plain:   func(in []*Node) *Node { return plainLinear(in[0], in[1], in[2]) },
		variant: func(in []*Node) *Node { return plainLinear(in[0], MulScalar(in[1], 1.001), in[2]) },
	},
	{
		name:    "linear to fewer", // its gradient is made the other way round
		dims:    [][]int{{3, 5, 32}, {32, 16}, {16}},
		closed:  func(in []*Node) *Node { return lm.OpLinear(in[0], in[1], in[2]) },
		plain:   func(in []*Node) *Node { return plainLinear(in[0], in[1], in[2]) },
		variant: func(in []*Node) *Node { return plainLinear(in[0], MulScalar(in[1], 1.001), in[2]) },
	},
	{
		name:    "product with a transpose",
		dims:    [][]int{{3, 5, 8}, {32, 8}},
		closed:  func(in []*Node) *Node { return lm.OpProduct(in[0], in[1], 1) },
		plain:   func(in []*Node) *Node { return plainProduct(in[0], in[1]) },
		variant: func(in []*Node) *Node { return plainProduct(in[0], MulScalar(in[1], 1.001)) },
	},
	{
		name:    "attend",
		dims:    [][]int{{2, 3, 5, 4}, {2, 3, 5, 4}, {2, 3, 5, 4}},
		closed:  func(in []*Node) *Node { return lm.OpAttend(in[0], in[1], in[2], attendBias(in)) },
		plain:   func(in []*Node) *Node { return plainAttend(in[0], in[1], in[2], attendBias(in), 0.5) },
		variant: func(in []*Node) *Node { return plainAttend(in[0], in[1], in[2], attendBias(in), 0.501) },
	},
	{
		name:    "LogProbs",
		dims:    [][]int{{3, 5, 7}},
		closed:  func(in []*Node) *Node { return lm.LogProbs(in[0], someTargets(in[0]), 0.7) },
		plain:   func(in []*Node) *Node { return plainLogProbs(in[0], 0.7) },
		variant: func(in []*Node) *Node { return plainLogProbs(in[0], 0.7007) },
	},
}

func plainNorm(x, scale, bias *Node, epsilon float64) *Node {
	c := Sub(x, ReduceAndKeep(x, ReduceMean, -1))
	std := Sqrt(AddScalar(ReduceAndKeep(Square(c), ReduceMean, -1), epsilon))
	return Add(Mul(Div(c, std), ExpandLeftToRank(scale, x.Rank())), ExpandLeftToRank(bias, x.Rank()))
}

func plainLinear(x, w, b *Node) *Node {
	y := DotGeneral(x, []int{2}, nil, w, []int{0}, nil)
	return Add(y, ExpandLeftToRank(b, 3))
}

func plainProduct(x, w *Node) *Node { return DotGeneral(x, []int{2}, nil, w, []int{1}, nil) }

func plainAttend(q, k, v, bias *Node, c float64) *Node {
	s := MulScalar(DotGeneral(q, []int{3}, []int{0, 1}, k, []int{3}, []int{0, 1}), c)
	s = Add(s, BroadcastToDims(bias, s.Shape().Dimensions...))
	o := DotGeneral(Softmax(s, -1), []int{3}, []int{0, 1}, v, []int{2}, []int{0, 1})
	return Reshape(TransposeAllDims(o, 0, 2, 1, 3), 2, 5, 12)
}

// attendBias hides what is to come, and everything from the first row's first slot.
func attendBias(in []*Node) *Node {
	segments := Const(in[0].Graph(), [][]int32{{0, 1, 1, 1, 2}, {1, 1, 1, 1, 1}})
	return lm.CausalBias(segments)
}

func plainLogProbs(logits *Node, temperature float64) *Node {
	return lm.TakeLast(LogSoftmax(DivScalar(logits, temperature), -1), someTargets(logits))
}

func someTargets(x *Node) *Node {
	return Const(x.Graph(), [][]int32{{0, 6, 3, 3, 1}, {2, 2, 2, 5, 4}, {6, 0, 1, 4, 5}})
}

// Values and gradients of the closed forms equal those that GoMLX derives, also
// where one input only has a gradient and where everything is computed anew.
func TestClosedForms(t *testing.T) {
	be := gx.TestBackend(t)
	rng := rand.New(rand.NewPCG(5, 5))
	const tolerance = 1e-5 // of the largest gradient of a tensor
	for _, c := range closedForms {
		t.Run(c.name, func(t *testing.T) {
			forms := []func(in []*Node) *Node{c.plain, c.closed, func(in []*Node) *Node {
				in = append([]*Node{in[0].Checkpoint()}, in[1:]...)
				return c.closed(in).StopCheckpoint()
			}, c.variant}
			n := len(c.dims)
			outputs := 2 + n // the value and the gradients, then that of the last input alone
			program := gx.NewProgram(be, c.name, func(in []*Node) (out []*Node) {
				for _, f := range forms {
					y := f(in)
					wave := Sin(IotaFull(y.Graph(), y.Shape())) // the gradient that arrives
					loss := ReduceAllSum(Mul(y, wave))
					out = append(append(out, y), Gradient(loss, in...)...)
					out = append(out, Gradient(loss, in[n-1])...)
				}
				return out
			})
			var in []any
			for _, d := range c.dims {
				size := 1
				for _, x := range d {
					size *= x
				}
				v := make([]float32, size)
				for i := range v {
					v[i] = float32(rng.NormFloat64())
				}
				in = append(in, must(gx.Flat(be, v, d...)))
			}
			out, err := program.Call(in...)
			if err != nil {
				t.Fatal(err)
			}
			defer gx.Free(out...)
			differs := false
			for f := 1; f < len(forms); f++ {
				for i := range outputs {
					want, got := must(gx.Values[float32](out[i])), must(gx.Values[float32](out[f*outputs+i]))
					worst, scale := 0.0, 0.0
					for j := range want {
						worst = max(worst, math.Abs(float64(got[j]-want[j])))
						scale = max(scale, math.Abs(float64(want[j])))
					}
					switch far := worst > tolerance*scale; {
					case f == len(forms)-1:
						differs = differs || far
					case far:
						t.Errorf("form %d, output %d of %d: off by %g, the largest is %g", f, i, outputs, worst, scale)
					}
				}
			}
			if !differs {
				t.Error("the comparison does not see a slightly different operation")
			}
		})
	}
}

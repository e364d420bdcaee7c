package fit

import (
	"fmt"
	"math"

	"github.com/gomlx/compute"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"hhrlhf/rlhf/internal/gx"
	"hhrlhf/rlhf/rl"
)

// A SumLoss maps weights and data to scalars: the sum of a loss over the items of a
// micro-batch, how many items that is, and further sums to add up beside them.
type SumLoss func(weights, data []*Node) (sum, count *Node, extra []*Node)

// Accumulated updates one group by the gradient over several micro-batches, for
// batches too large to hold at once. With the sums s_m and counts c_m of the
// micro-batches m it follows the gradient of
//
//	(Σ_m s_m) / (Σ_m c_m)
//
// which is the mean over all items of the batch. The mean of the micro-batches'
// means is another number wherever their counts differ, as they do when rows are
// padded: it would weigh the tokens of short rows more. (A defect of several
// training libraries, mended in 2024.)
//
// Two programs do it: one adds a micro-batch's gradient to sums that stay on the
// device, the other applies them.
type Accumulated struct {
	be            compute.Backend
	group         Group
	data, extra   int
	add, apply    *gx.Program
	grads, totals []*tensors.Tensor // sums so far; totals are the loss's sum and count, and the extra sums
	added         int               // micro-batches since the last update

	// Maxima is how many of the extra outputs, the last ones, are kept as the largest
	// of all micro-batches and not added up. Set it before the first Add.
	Maxima int
}

// NewAccumulated prepares the programs; each is compiled at its first call. data
// and extra are the numbers of data inputs and of extra sums.
func NewAccumulated(be compute.Backend, name string, data, extra int, group Group, loss SumLoss) *Accumulated {
	a := &Accumulated{be: be, group: group, data: data, extra: extra}
	a.add = gx.NewProgram(be, name+" gradient", func(in []*Node) []*Node { return a.addGraph(in, loss) })
	a.apply = gx.NewProgram(be, name+" update", a.applyGraph)
	return a
}

// addGraph takes data, whether the sums start anew, params, gradient sums and
// totals; it returns gradient sums and totals.
func (a *Accumulated) addGraph(in []*Node, loss SumLoss) []*Node {
	n := len(a.group.Names)
	data, anew, in := in[:a.data], in[a.data], in[a.data+1:]
	params, sums := in[:n], in[n:]
	sum, count, extra := loss(params, data)
	sum.AssertDims()
	count.AssertDims()
	out := append(append(Gradient(sum, params...), sum, count), extra...)
	for i := range out {
		// Not a product with 0, which would keep what is not finite.
		first := BroadcastToShape(anew, sums[i].Shape())
		if i >= len(out)-a.Maxima {
			out[i] = Where(first, out[i], Max(sums[i], out[i]))
		} else {
			out[i] = Add(Where(first, ZerosLike(sums[i]), sums[i]), out[i])
		}
	}
	return out
}

// applyGraph takes rate, step, gradient sums, the loss's sum and count, params, m,
// v; it returns the gradient's norm and the loss, then params, m, v.
func (a *Accumulated) applyGraph(in []*Node) []*Node {
	n := len(a.group.Names)
	rate, step, in := in[0], in[1], in[2:]
	grads, sum, count, old := in[:n], in[n], in[n+1], in[n+2:]
	count = Max(count, OnesLike(count))
	loss := Div(sum, count)
	mean := make([]*Node, n)
	for i, g := range grads {
		mean[i] = Div(g, ConvertDType(count, g.DType()))
	}
	clipped, norm := rl.ClipByGlobalNorm(mean, a.group.ClipNorm)
	adam := rl.DefaultAdam()
	adam.WeightDecay = a.group.WeightDecay
	p, m, v, _ := adam.Update(old[:n], clipped, old[n:2*n], old[2*n:], step, rate, a.group.Decay)
	updated := append(append(p, m...), v...)
	finite := LogicalAnd(IsFinite(loss), IsFinite(norm))
	for i := range updated {
		updated[i] = Where(BroadcastToShape(finite, updated[i].Shape()), updated[i], old[i])
	}
	return append([]*Node{norm, loss}, updated...)
}

// Add adds the gradient of one micro-batch under the state's weights.
func (a *Accumulated) Add(s *State, data ...any) error {
	if len(data) != a.data {
		return fmt.Errorf("fit: %s: %d data inputs, want %d", a.add.Name(), len(data), a.data)
	}
	if a.grads == nil {
		a.grads = gx.ZerosLike(s.Params)
		for range 2 + a.extra {
			t, err := gx.Flat(a.be, []float32{0})
			if err != nil {
				return err
			}
			a.totals = append(a.totals, t)
		}
	}
	in := append(append([]any{}, data...), a.added == 0)
	in = append(append(append(in, gx.Keep(s.Params)...), gx.Donate(a.grads)...), gx.Donate(a.totals)...)
	out, err := a.add.Call(in...)
	if err != nil {
		a.Free() // the sums were donated
		return err
	}
	n := len(a.grads)
	a.grads, a.totals = out[:n:n], out[n:]
	a.added++
	return nil
}

// Apply updates the state by what was added since the last Apply, and returns
// the gradient's norm before clipping, the mean loss, and the extra sums.
func (a *Accumulated) Apply(s *State, rate float64) (norm, loss float64, extra []float64, err error) {
	if a.added == 0 {
		return 0, 0, nil, fmt.Errorf("fit: %s: nothing was added", a.apply.Name())
	}
	a.added = 0
	for _, t := range a.totals[2:] {
		x, err := gx.Scalar[float32](t)
		if err != nil {
			return 0, 0, nil, err
		}
		extra = append(extra, float64(x))
	}
	in := []any{float32(rate), int32(s.Updates)}
	in = append(append(in, gx.Keep(a.grads)...), gx.Keep(a.totals[:2])...)
	in = append(append(append(in, gx.Donate(s.Params)...), gx.Donate(s.M)...), gx.Donate(s.V)...)
	out, err := a.apply.Call(in...)
	if err != nil {
		return 0, 0, nil, err
	}
	n := len(s.Params)
	results, updated := out[:2], out[2:]
	s.Params, s.M, s.V = updated[:n:n], updated[n:2*n:2*n], updated[2*n:]
	defer gx.Free(results...)
	for i, v := range []*float64{&norm, &loss} {
		x, err := gx.Scalar[float32](results[i])
		if err != nil {
			return 0, 0, nil, err
		}
		*v = float64(x)
	}
	if x := norm + loss; math.IsNaN(x) || math.IsInf(x, 0) {
		return 0, 0, nil, fmt.Errorf("fit: %s: update %d: %w (loss %v, gradient norm %v)", a.apply.Name(), s.Updates+1, ErrNotFinite, loss, norm)
	}
	s.Updates++
	return norm, loss, extra, nil
}

// Exec is the program that adds a micro-batch's gradient, for its compile time.
func (a *Accumulated) Exec() *gx.Program { return a.add }

// Discard forgets what was added since the last Apply.
func (a *Accumulated) Discard() { a.added = 0 }

// Free releases the sums; the next Add starts anew.
func (a *Accumulated) Free() {
	gx.Free(a.grads...)
	gx.Free(a.totals...)
	a.grads, a.totals, a.added = nil, nil, 0
}

package fit_test

import (
	"errors"
	"math"
	"testing"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"hhrlhf/rlhf/internal/fit"
	"hhrlhf/rlhf/internal/gx"
)

// squares is Σ (x·w − y)² over the items that count, and their number; x is [N, 2].
func squares(w, data []*Node) (sum, count *Node, extra []*Node) {
	x, y, counts := data[0], data[1], data[2]
	miss := Sub(DotGeneral(x, []int{1}, nil, w[0], []int{0}, nil), y)
	return ReduceAllSum(Mul(Square(miss), counts)), ReduceAllSum(counts), []*Node{ReduceAllSum(Mul(miss, counts))}
}

// The update by micro-batches of unequal counts is that of the whole batch in
// one piece, and not that of the mean of the micro-batches' means.
func TestAccumulated(t *testing.T) {
	be := gx.TestBackend(t)
	group := fit.Group{Names: []string{"w"}, Decay: []bool{true}, WeightDecay: 0.1, ClipNorm: 0.5}
	x := []float32{1, 2, -1, 0.5, 3, 1, 0.2, -2, 1, 1, 2, 2, -3, 1, 0.1, 0.3}
	y := []float32{1, -1, 2, 0.5, 4, 3, -2, 0}
	counts := []float32{1, 1, 1, 1, 1, 0, 0, 0} // the second half of the batch has one item
	state := func() *fit.State {
		w, err := gx.Flat(be, []float32{0.3, -0.2}, 2)
		if err != nil {
			t.Fatal(err)
		}
		return fit.NewState([]*tensors.Tensor{w})
	}
	part := func(from, to int) []any {
		var in []any
		for _, v := range [][]float32{y[from:to], counts[from:to]} {
			d, err := gx.Flat(be, v, to-from)
			if err != nil {
				t.Fatal(err)
			}
			in = append(in, d)
		}
		d, err := gx.Flat(be, x[2*from:2*to], to-from, 2)
		if err != nil {
			t.Fatal(err)
		}
		return append([]any{d}, in...)
	}
	whole := fit.New(be, "whole", 3, []fit.Group{group}, func(w [][]*Node, data []*Node) (*Node, []*Node) {
		sum, count, missed := squares(w[0], data)
		return Div(sum, count), []*Node{Div(sum, count), missed[0]}
	})
	pieces := fit.NewAccumulated(be, "pieces", 3, 1, group, squares)
	a, b := state(), state()
	for step := range 4 {
		norms, extra, err := whole.Step([]*fit.State{a}, []float64{0.1}, part(0, 8)...)
		if err != nil {
			t.Fatal(err)
		}
		loss, err := gx.Scalar[float32](extra[0])
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range []int{0, 4} {
			if err := pieces.Add(b, part(at, at+4)...); err != nil {
				t.Fatal(err)
			}
		}
		norm, got, missed, err := pieces.Apply(b, 0.1)
		if err != nil {
			t.Fatal(err)
		}
		if want, err := gx.Scalar[float32](extra[1]); err != nil || len(missed) != 1 || math.Abs(missed[0]-float64(want)) > 1e-5 {
			t.Errorf("step %d: extra sums %v, want %v (%v)", step, missed, want, err)
		}
		if !near(norm, norms[0], 1e-6) || !near(got, float64(loss), 1e-6) {
			t.Errorf("step %d: norm %v, loss %v in pieces, %v and %v in one", step, norm, got, norms[0], loss)
		}
		wa, wb := values(t, a), values(t, b)
		for i := range wa {
			if math.Abs(float64(wb[i]-wa[i])) > 1e-6 {
				t.Errorf("step %d: w[%d] = %v in pieces, %v in one", step, i, wb[i], wa[i])
			}
		}
	}
	if a.Updates != 4 || b.Updates != 4 {
		t.Errorf("%d and %d updates", a.Updates, b.Updates)
	}
	// The known mistake, in plain Go: the mean of two means.
	var sums, n [2]float64
	for i := range y {
		miss := float64(x[2*i])*0.3 - float64(x[2*i+1])*0.2 - float64(y[i])
		sums[i/4] += miss * miss * float64(counts[i])
		n[i/4] += float64(counts[i])
	}
	if right, wrong := (sums[0]+sums[1])/(n[0]+n[1]), (sums[0]/n[0]+sums[1]/n[1])/2; near(right, wrong, 1e-2) {
		t.Errorf("the mean of means is %v, the mean %v: this test cannot tell them apart", wrong, right)
	}

	// What is not finite changes nothing, and the next step is clean.
	before := values(t, b)
	y[0] = float32(math.NaN())
	if err := pieces.Add(b, part(0, 4)...); err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := pieces.Apply(b, 0.1); !errors.Is(err, fit.ErrNotFinite) {
		t.Errorf("NaN: %v", err)
	}
	if after := values(t, b); after[0] != before[0] || b.Updates != 4 {
		t.Errorf("a step that is not finite changed the weights: %v, %v", before, after)
	}
	y[0] = 1
	if err := pieces.Add(b, part(0, 4)...); err != nil {
		t.Fatal(err)
	}
	if _, loss, _, err := pieces.Apply(b, 0.1); err != nil || math.IsNaN(loss) {
		t.Errorf("after it: loss %v, %v", loss, err)
	}
	if _, _, _, err := pieces.Apply(b, 0.1); err == nil {
		t.Error("an update from nothing")
	}
}

func near(a, b, tolerance float64) bool { return math.Abs(a-b) <= tolerance*math.Abs(b) }

func values(t *testing.T, s *fit.State) []float32 {
	t.Helper()
	v, err := gx.Values[float32](s.Params[0])
	if err != nil {
		t.Fatal(err)
	}
	return v
}

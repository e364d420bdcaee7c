package pm_test

import (
	"math"
	"slices"
	"testing"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/google/go-cmp/cmp"

	"hhrlhf/rlhf/internal/gx"
	"hhrlhf/rlhf/internal/rltest"
	"hhrlhf/rlhf/pm"
)

// Rows with both responses have the loss and the gradients of rows with one each,
// the language loss included.
func TestRowsApart(t *testing.T) {
	const bound = 1e-12 // float64's
	together := smallRows()
	apart := [3][][]int32{ // the chosen ones first
		{{3, 4, 5, 6, 7, 2, 0}, {4, 9, 3, 2, 0, 0, 0}, {3, 4, 5, 8, 9, 2, 0}, {4, 9, 5, 5, 2, 0, 0}},
		{{1, 1, 1, 2, 2, 2, 0}, {1, 1, 2, 2, 0, 0, 0}, {1, 1, 1, 2, 2, 2, 0}, {1, 1, 2, 2, 2, 0, 0}},
		{{0, 1, 2, 3, 4, 5, 0}, {0, 1, 2, 3, 0, 0, 0}, {0, 1, 2, 3, 4, 5, 0}, {0, 1, 2, 3, 4, 0, 0}},
	}
	crossed := apart // known mistake: pair by pair, not side by side
	for i, rows := range apart {
		crossed[i] = [][]int32{rows[0], rows[2], rows[1], rows[3]}
	}
	ws := pm.ScalarWeights(small, pm.End)
	rng := rltest.Rand(3)
	weights := make([]any, len(ws))
	for i, w := range ws {
		n := 1
		for _, d := range w.Dims {
			n *= d
		}
		v := make([]float64, n)
		for k := range v {
			v[k] = 0.4 * rng.NormFloat64()
		}
		weights[i] = v
	}
	loss := pm.PairLoss(small, 0.7, 2)
	f := rltest.Compile(t, dtypes.Float64, func(x []*Node) []*Node {
		data := x[:6]
		for i := range 3 {
			data[i] = ConvertDType(data[i], dtypes.Int32)
		}
		w := make([]*Node, len(ws))
		for i := range w {
			w[i] = Reshape(x[6+i], ws[i].Dims...)
		}
		l, extra := loss(w, data)
		return append(append([]*Node{l}, extra...), Gradient(l, w...)...)
	})
	run := func(rows [3][][]int32) [][]float64 {
		return f(append([]any{rows[0], rows[1], rows[2], []float64{0.5, 1.5}, 0.5, 1.0 / 6}, weights...)...)
	}
	want, got, wrong := run(together), run(apart), run(crossed)
	far := 0.0
	for i := range want {
		for k := range want[i] {
			if d := math.Abs(got[i][k] - want[i][k]); d > bound*math.Max(1, math.Abs(want[i][k])) {
				t.Errorf("output %d[%d]: %v in rows apart, %v together", i, k, got[i][k], want[i][k])
			}
			far = max(far, math.Abs(wrong[i][k]-want[i][k]))
		}
	}
	if far < 1e-2 {
		t.Errorf("the sides crossed differ by %g only: the comparison says nothing", far)
	}
}

// Pairs share a row where their prompt is long enough, and score as they do alone
// however they stand.
func TestArrange(t *testing.T) {
	const bound = 2e-5 // float32's, between two widths of one program
	m := model(t, gx.TestBackend(t), 1)
	ids := func(n, first int) []int32 {
		out := make([]int32, n)
		for i := range out {
			out[i] = int32(97 + (first+7*i)%26)
		}
		return out
	}
	pair := func(prompt, chosen, rejected int) pm.Pair {
		end := []int32{m.Tok.EOS(), m.Tok.EOC()}
		return pm.Pair{Prompt: ids(prompt, 0), Chosen: append(ids(chosen, 3), end...), Rejected: append(ids(rejected, 5), end...)}
	}
	short, long := pair(4, 22, 20), pair(50, 10, 12)
	for _, c := range []struct {
		pairs       []pm.Pair
		rows, width int
	}{
		{[]pm.Pair{short}, 2, 32}, // 28 and 26 slots, for one row of 50
		{[]pm.Pair{long}, 1, 96},  // 76, for two of 62 and 64
		{[]pm.Pair{short, short, short}, 6, 32},
		{[]pm.Pair{{Prompt: short.Prompt, Chosen: short.Chosen}}, 1, 32},
	} {
		rows, width := m.Arrange(c.pairs)
		if len(rows) != c.rows || width != c.width {
			t.Errorf("%d pairs of %d slots: %d rows of %d, want %d of %d", len(c.pairs), len(c.pairs[0].Prompt), len(rows), width, c.rows, c.width)
		}
		if n := len(c.pairs); c.rows == 2*n {
			for i, p := range c.pairs {
				want := []pm.Pair{{Prompt: p.Prompt, Chosen: p.Chosen}, {Prompt: p.Prompt, Chosen: p.Rejected}}
				if diff := cmp.Diff(want, []pm.Pair{rows[i], rows[n+i]}); diff != "" {
					t.Errorf("(-want +got)\n%s", diff)
				}
			}
		}
	}
	pairs := []pm.Pair{short, long, pair(3, 20, 24)}
	got, err := m.ScorePairs(pairs)
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range pairs {
		bare := func(r []int32) []int32 { return slices.Clone(r[:len(r)-1]) } // ScoreTokens appends the last
		alone, err := m.ScoreTokens([][]int32{p.Prompt, p.Prompt}, [][]int32{bare(p.Chosen), bare(p.Rejected)})
		if err != nil {
			t.Fatal(err)
		}
		rltest.Close(t, "scores", got[i][:], alone, bound)
		rltest.NotClose(t, "sides crossed", got[i][:], []float32{alone[1], alone[0]}, 100*bound)
	}
}

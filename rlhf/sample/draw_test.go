package sample

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	. "github.com/gomlx/gomlx/core/graph"

	"hhrlhf/rlhf/internal/gx"
)

const drawRows, drawVocab = 48, 300 // no power of two divides 300 far: the table is filled up

// logits are quantised, so that many are equal; some tokens are impossible.
func tiedLogits(seed uint64) [][]float32 {
	rng := rand.New(rand.NewPCG(seed, 1))
	rows := make([][]float32, drawRows)
	for i := range rows {
		rows[i] = make([]float32, drawVocab)
		for j := range rows[i] {
			rows[i][j] = float32(math.Round(3*4*rng.NormFloat64())) / 4
			if rng.IntN(4) == 0 || j >= drawVocab-5 {
				rows[i][j] = -1e9
			}
		}
	}
	return rows
}

// kept is the plain-Go twin of top-k and top-p: which tokens remain of softmax(z).
func kept(z []float32, topK int, topP float64) (keep []bool, nearTie bool) {
	order := make([]int, len(z))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(z[b], z[a]) })
	limit := len(z)
	if topK > 0 {
		limit = min(topK, len(z))
		for limit < len(z) && z[order[limit]] == z[order[limit-1]] {
			limit++
		}
	}
	if topP > 0 {
		total, sum := 0.0, 0.0
		weight := func(i int) float64 { return math.Exp(float64(z[order[i]] - z[order[0]])) }
		for i := range limit {
			total += weight(i)
		}
		n := 0
		for n < limit && sum < topP*total {
			group := z[order[n]]
			for ; n < limit && z[order[n]] == group; n++ {
				sum += weight(n)
			}
			nearTie = nearTie || math.Abs(sum/total-topP) < 1e-5
		}
		limit = n
	}
	keep = make([]bool, len(z))
	for _, i := range order[:limit] {
		keep[i] = z[i] > -1e8
	}
	return keep, nearTie
}

func drawProgram(t *testing.T, m mode, from func(m mode, k knobs, logits, u *Node) []*Node) func(logits [][]float32, u []float32, temperature float64, topK int, topP float64) [][]float32 {
	t.Helper()
	be := gx.TestBackend(t)
	p := gx.NewProgram(be, fmt.Sprintf("draw %+v", m), func(in []*Node) []*Node { return from(m, knobsOf(in[2:]), in[0], in[1]) })
	return func(logits [][]float32, u []float32, temperature float64, topK int, topP float64) [][]float32 {
		x, err := gx.Rows(be, logits, len(logits[0]), 0, false)
		if err != nil {
			t.Fatal(err)
		}
		y, err := gx.Flat(be, u, len(u))
		if err != nil {
			t.Fatal(err)
		}
		out, err := p.Call(x, y, float32(temperature), int32(topK), float32(topP))
		if err != nil {
			t.Fatal(err)
		}
		defer gx.Free(append(out, x, y)...)
		var rows [][]float32
		for _, o := range out {
			v, err := gx.Values[float32](o)
			if err != nil {
				t.Fatal(err)
			}
			rows = append(rows, v)
		}
		return rows
	}
}

// What top-k and top-p keep, found by bisection, is what sorting keeps.
func TestTruncationIsTheSortedTwins(t *testing.T) {
	masks := func(m mode, k knobs, logits, _ *Node) []*Node {
		table := asTable(logits)
		d := table.Shape().Dimensions
		top := ReduceMax(ReduceMax(table, 1), -1)
		gap := Sub(BroadcastToDims(Reshape(top, d[0], 1, 1), d...), table)
		return []*Node{Reshape(truncate(m, k, gap, Exp(Neg(gap))), d[0], d[1]*d[2])}
	}
	for _, m := range []mode{{topK: true}, {topK: true, topP: true}} {
		run := drawProgram(t, m, masks)
		compared, cutSome, mistakes := 0, 0, 0
		for _, c := range []struct {
			k int
			p float64
		}{{1, .01}, {2, .3}, {10, .9}, {50, .95}, {299, .999}, {1000, .5}} {
			logits := tiedLogits(uint64(c.k))
			got := run(logits, make([]float32, drawRows), 1, c.k, c.p)[0]
			k, p := c.k, c.p
			if !m.topK {
				k = 0
			}
			if !m.topP {
				p = 0
			}
			width := len(got) / drawRows
			for b, z := range logits {
				want, near := kept(z, k, p)
				if near {
					continue // float32 sums may fall on either side
				}
				compared++
				for v, keep := range want {
					if e := got[b*width+v]; (e > 0) != keep {
						t.Fatalf("%+v k=%d p=%v row %d: token %d with logit %v kept %v, want %v", m, k, p, b, v, z[v], e > 0, keep)
					}
				}
				cutSome += len(z) - count(want)
				// Known mistake: k off by one.
				if off, _ := kept(z, k+1, p); m.topK && !slices.Equal(off, want) {
					mistakes++
				}
			}
		}
		if compared < drawRows*4 || cutSome == 0 || m.topK && mistakes == 0 {
			t.Errorf("%+v: %d rows compared, %d tokens cut, k+1 differs in %d rows: the test sees too little", m, compared, cutSome, mistakes)
		}
	}
}

func count(set []bool) int {
	n := 0
	for _, in := range set {
		if in {
			n++
		}
	}
	return n
}

// The token drawn is the one whose interval of the cumulative distribution holds
// u, at the ends of [0, 1) too, and never one of probability 0.
func TestDrawInvertsTheCumulativeDistribution(t *testing.T) {
	both := func(m mode, k knobs, logits, u *Node) []*Node {
		token, logp := draw(m, k, logits, u)
		return []*Node{ConvertDType(token, logp.DType()), logp}
	}
	const temperature = 0.7
	for _, m := range []mode{{}, {greedy: true}} {
		run := drawProgram(t, m, both)
		rng := rand.New(rand.NewPCG(5, 6))
		seen := map[int]bool{}
		for round := range 20 {
			logits := tiedLogits(uint64(100 + round))
			u := make([]float32, drawRows)
			for i := range u {
				u[i] = rng.Float32()
			}
			u[0], u[1], u[2] = 0, 1-1.0/(1<<24), 1 // the last can only come from rounding
			out := run(logits, u, temperature, 0, 0)
			for b, z := range logits {
				tok := int(out[0][b])
				if z[tok] < -1e8 {
					t.Fatalf("%+v: row %d drew token %d, which is impossible (u = %v)", m, b, tok, u[b])
				}
				seen[tok] = true
				tt := temperature
				if m.greedy {
					tt = 1
					if best := slices.Index(z, slices.Max(z)); tok != best {
						t.Fatalf("greedy: row %d drew %d, want %d", b, tok, best)
					}
				}
				if want := logSoftmax(z, tt)[tok]; math.Abs(float64(out[1][b])-want) > 2e-5 {
					t.Fatalf("%+v: row %d: log-probability %v, want %v", m, b, out[1][b], want)
				}
				if low, high := interval(z, tok, tt); !m.greedy && (float64(u[b]) < low-1e-6 || float64(u[b]) > high+1e-6) {
					t.Fatalf("%+v: row %d: u = %v drew token %d of [%v, %v]", m, b, u[b], tok, low, high)
				}
			}
		}
		if !m.greedy && len(seen) < 50 {
			t.Errorf("%+v: %d tokens seen, the test sees too little", m, len(seen))
		}
	}
}

func logSoftmax(z []float32, temperature float64) []float64 {
	top, sum := float64(slices.Max(z))/temperature, 0.0
	out := make([]float64, len(z))
	for i := range z {
		out[i] = float64(z[i])/temperature - top
		sum += math.Exp(out[i])
	}
	for i := range out {
		out[i] -= math.Log(sum)
	}
	return out
}

// interval is token's share of [0, 1) in the order of draw: columns of the table,
// and the entries of a column.
func interval(z []float32, token int, temperature float64) (low, high float64) {
	const columns = 32
	logp := logSoftmax(z, temperature)
	total := 0.0
	for column := range columns {
		for i := column; i < len(z); i += columns {
			if i == token {
				low, high = total, total+math.Exp(logp[i])
			}
			total += math.Exp(logp[i])
		}
	}
	return low / total, high / total
}

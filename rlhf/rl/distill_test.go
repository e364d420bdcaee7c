package rl_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"

	"hhrlhf/rlhf/internal/rltest"
	"hhrlhf/rlhf/rl"
)

// A distilBatch is [B, R, V] logits of a teacher and a student.
type distilBatch struct {
	teacher, student [][][]float64
	mask             [][]bool
}

func newDistilBatch(rng *rand.Rand, b, r, v int, spread float64) distilBatch {
	x := distilBatch{mask: rltest.PrefixMask(rng, b, r)}
	for range b {
		x.teacher = append(x.teacher, rltest.Matrix(rng, r, v))
		x.student = append(x.student, rltest.Matrix(rng, r, v))
	}
	for i := range x.teacher {
		for j := range x.teacher[i] {
			for w := range x.teacher[i][j] {
				x.teacher[i][j][w] *= spread
				x.student[i][j][w] *= spread
			}
		}
	}
	return x
}

// plain is the KL of each position at k, by the twins; how gives each position's.
func (x distilBatch) plain(how func(teacher, student []float64) float64) (kl [][]float64, mean float64) {
	n := 0.0
	for b := range x.teacher {
		kl = append(kl, make([]float64, len(x.teacher[b])))
		for r := range kl[b] {
			if x.mask[b][r] {
				kl[b][r] = how(x.teacher[b][r], x.student[b][r])
				mean, n = mean+kl[b][r], n+1
			}
		}
	}
	return kl, mean / math.Max(n, 1)
}

func coarse(k int) func(teacher, student []float64) float64 {
	return func(teacher, student []float64) float64 {
		ids, logp := rl.TopLogProbsPlain(teacher, k)
		return rl.CoarseKLPlain(student, ids, logp)
	}
}

// distilGraph: teacher, student, mask → ids, logp, KL, its gradient, KL of the teacher with itself.
func distilGraph(k int) func(n []*Node) []*Node {
	return func(n []*Node) []*Node {
		ids, logp := rl.TopLogProbs(n[0], k)
		kl := rl.CoarseKL(n[1], ids, logp, n[2])
		return []*Node{ids, logp, kl, Gradient(rl.MaskedMean(kl, n[2], nil), n[1])[0], rl.CoarseKL(n[0], ids, logp, n[2])}
	}
}

func TestCoarseKL(t *testing.T) {
	const v, k = 13, 4
	x := newDistilBatch(rltest.Rand(1), 3, 4, v, 2)
	for _, dtype := range []dtypes.DType{dtypes.Float64, dtypes.Float32} {
		tol := rltest.Float64
		if dtype == dtypes.Float32 {
			tol = rltest.Float32
		}
		run := rltest.Compile(t, dtype, distilGraph(k))
		out := run(x.teacher, x.student, x.mask)
		var ids, logp []float64
		for b := range x.teacher {
			for _, row := range x.teacher[b] {
				i, l := rl.TopLogProbsPlain(row, k)
				ids, logp = append(ids, rltest.Flat(i)...), append(logp, l...)
			}
		}
		rltest.Close(t, "ids", out[0], ids, 0)
		rltest.Close(t, "log-probabilities", out[1], logp, tol)
		want, _ := x.plain(coarse(k))
		rltest.Close(t, "KL", out[2], want, tol)
		wrong, _ := x.plain(coarse(k))
		wrong[0][0] += 10 * tol
		rltest.NotClose(t, "KL, one entry off", out[2], wrong, tol)
		if self := rltest.Flat(out[4]); rltest.Diff(self, make([]float64, len(self)), 0) != nil {
			t.Errorf("%v: KL of the teacher with itself %v, want zeros exactly", dtype, self)
		}

		// What a mask hides may be anything.
		y := x
		y.student = nil
		for b := range x.student {
			rows := make([][]bool, len(x.mask[b]))
			for r := range rows {
				rows[r] = make([]bool, v)
				for w := range rows[r] {
					rows[r][w] = x.mask[b][r]
				}
			}
			y.student = append(y.student, rltest.Poison(x.student[b], rows, math.NaN()))
		}
		poisoned := run(y.teacher, y.student, y.mask)
		rltest.Close(t, "KL with NaN where the mask is false", poisoned[2], out[2], 0)
		rltest.Close(t, "its gradient", poisoned[3], out[3], 0)

		if dtype == dtypes.Float64 {
			diff := rltest.Gradient(func(flat []float64) float64 {
				y := x
				y.student = nil
				for b := range x.student {
					var m [][]float64
					for r := range x.student[b] {
						m = append(m, flat[(b*len(x.student[b])+r)*v:][:v])
					}
					y.student = append(y.student, m)
				}
				_, mean := y.plain(coarse(k))
				return mean
			}, rltest.Flat(x.student))
			rltest.Close(t, "gradient", out[3], diff, rltest.Differences)
			diff[1] += 10 * rltest.Differences
			rltest.NotClose(t, "gradient, one entry off", out[3], diff, rltest.Differences)
		}
	}
}

// All of it at once and none of it: k = V is the exact KL, and a teacher whose
// top has all the mass but 1e-30 gives finite numbers and gradients in float32.
func TestCoarseKLAtTheEnds(t *testing.T) {
	const v = 6
	x := newDistilBatch(rltest.Rand(2), 2, 3, v, 1)
	out := rltest.Run(t, dtypes.Float32, distilGraph(v), x.teacher, x.student, x.mask)
	exact, _ := x.plain(rl.ExactKLPlain)
	rltest.Close(t, "KL at k = V", out[2], exact, rltest.Float32)

	peak := distilBatch{mask: [][]bool{{true}}, teacher: [][][]float64{{{70, 1, 0, 0, 0, 0}}}, student: [][][]float64{{{0, 1, 70, 0, 0, 0}}}}
	out = rltest.Run(t, dtypes.Float32, distilGraph(2), peak.teacher, peak.student, peak.mask)
	want, _ := peak.plain(coarse(2))
	rltest.Close(t, "KL of two peaks", out[2], want, rltest.Float32)
	rltest.Close(t, "its gradient", out[3], []float64{-1, 0, 1, 0, 0, 0}, rltest.Float32)
	if rest := out[1][2]; math.IsInf(rest, 0) || rest < -75 || rest > -60 {
		t.Errorf("log of the rest's mass is %v, want about -68: one less the top is 0 in float32", rest)
	}
}

func TestCoarseKLRelations(t *testing.T) {
	const v = 20
	x := newDistilBatch(rltest.Rand(3), 4, 8, v, 1.5)
	_, exact := x.plain(rl.ExactKLPlain)
	before := 0.0
	for k := 1; k <= v; k++ {
		each, mean := x.plain(coarse(k))
		for _, kl := range rltest.Flat(each) {
			if kl < -1e-12 {
				t.Errorf("k = %d: KL %v is negative", k, kl)
			}
		}
		if mean < before-1e-12 || mean > exact+1e-12 {
			t.Errorf("k = %d: mean KL %v, want from %v (k-1) to %v (all of it)", k, mean, before, exact)
		}
		if k == v/2 && !(mean < 0.98*exact) {
			t.Errorf("k = %d: mean KL %v of %v: the test sees no coarse-graining", k, mean, exact)
		}
		before = mean
	}
	rltest.Close(t, "k = V", before, exact, rltest.Float64)

	// Zero exactly if the categories agree, whatever happens within the rest.
	teacher := []float64{2, 1, 0, -1, -3}
	ids, logp := rl.TopLogProbsPlain(teacher, 3)
	rltest.Close(t, "rest shuffled", rl.CoarseKLPlain([]float64{2, 1, 0, -3, -1}, ids, logp), 0.0, rltest.Float64)
	rltest.NotClose(t, "top shuffled", rl.CoarseKLPlain([]float64{2, 0, 1, -1, -3}, ids, logp), 0.0, 0.01)
	rltest.NotClose(t, "rest lighter", rl.CoarseKLPlain([]float64{2, 1, 0, -2, -4}, ids, logp), 0.0, 1e-3)
}

// Known mistakes: the divergence the other way round, and the top renormalised
// without the category of the rest, whose gradient leaves the rest where it was.
func TestCoarseKLKnownMistakes(t *testing.T) {
	const v, k = 30, 5
	x := newDistilBatch(rltest.Rand(4), 2, 3, v, 1)
	out := rltest.Run(t, dtypes.Float64, distilGraph(k), x.teacher, x.student, x.mask)
	_, ours := x.plain(coarse(k))

	_, reversed := x.plain(func(teacher, student []float64) float64 {
		ids, _ := rl.TopLogProbsPlain(teacher, k)
		teacherAll, studentAll := rl.LogSoftmaxPlain(teacher), rl.LogSoftmaxPlain(student)
		kl, p, q := 0.0, 1.0, 1.0
		for _, i := range ids {
			kl += math.Exp(studentAll[i]) * (studentAll[i] - teacherAll[i])
			p, q = p-math.Exp(teacherAll[i]), q-math.Exp(studentAll[i])
		}
		return kl + q*(math.Log(q)-math.Log(p))
	})
	rltest.NotClose(t, "mean KL, reversed", ours, reversed, 0.01)

	renormalised := func(teacher, student []float64) float64 {
		ids, _ := rl.TopLogProbsPlain(teacher, k)
		var a, b []float64
		for _, i := range ids {
			a, b = append(a, teacher[i]), append(b, student[i])
		}
		return rl.ExactKLPlain(a, b)
	}
	_, without := x.plain(renormalised)
	rltest.NotClose(t, "mean KL, renormalised", ours, without, 0.01)
	// The mistake has no gradient outside the top; ours has.
	outside := 0.0
	for b := range x.teacher {
		for r, row := range x.teacher[b] {
			ids, _ := rl.TopLogProbsPlain(row, k)
			inTop := map[int]bool{}
			for _, i := range ids {
				inTop[i] = true
			}
			for w := range v {
				if !inTop[w] {
					outside += math.Abs(out[3][(b*len(x.teacher[b])+r)*v+w])
				}
			}
		}
	}
	if outside < 0.05 {
		t.Errorf("the gradient outside the top is %v in all: the rest's category is missing", outside)
	}
}

// A teacher with probabilities ½, 3/10, 1/5 and a student with 1/5, 3/10, ½. With
// one category and the rest: ½ ln 5/2 + ½ ln 5/8.
func ExampleCoarseKLPlain() {
	teacher := []float64{math.Log(0.5), math.Log(0.3), math.Log(0.2)}
	student := []float64{math.Log(0.2), math.Log(0.3), math.Log(0.5)}
	for k := 1; k <= 3; k++ {
		ids, logp := rl.TopLogProbsPlain(teacher, k)
		fmt.Printf("k = %d: %.6f\n", k, rl.CoarseKLPlain(student, ids, logp))
	}
	fmt.Printf("exact: %.6f\n", rl.ExactKLPlain(teacher, student))
	// Output:
	// k = 1: 0.223144
	// k = 2: 0.274887
	// k = 3: 0.274887
	// exact: 0.274887
}

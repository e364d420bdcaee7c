package lm_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"hhrlhf/rlhf/internal/gx"
	"hhrlhf/rlhf/lm"
)

// Scores are log-probabilities: over all tokens that may come next they add up to
// one, and only the most probable is greedy; a continuation's is the difference of
// two losses; and logits in pieces are logits.
func TestScore(t *testing.T) {
	be := gx.TestBackend(t)
	// So many entries that the logits of a pass exceed what is held at once.
	s := lm.Shape{Vocab: 20000, Width: 8, Layers: 1, Heads: 2, Context: 48}
	weights, err := lm.Init(be, s.Weights(), stream("init", 0))
	if err != nil {
		t.Fatal(err)
	}
	defer gx.Free(weights...)
	e := lm.NewEvaluator(be, s)
	score := func(pairs ...lm.Pair) []lm.Continuation {
		out, err := e.Score(weights, pairs)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	loss := func(seq []int32) float64 {
		ev, err := e.Evaluate(weights, lm.Pack([][]int32{seq}, s.Context, 0))
		if err != nil {
			t.Fatal(err)
		}
		return -ev.Loss * float64(ev.Tokens)
	}
	context, target := []int32{5, 17, 900, 4000, 7}, []int32{11, 19000, 3}
	whole := append(append([]int32{}, context...), target...)
	got := score(lm.Pair{Context: context, Target: target})[0]
	if want := loss(whole) - loss(context); math.Abs(got.LogProb-want) > 1e-3 || got.Tokens != 3 {
		t.Errorf("log-probability %v of %d tokens, the losses differ by %v", got.LogProb, got.Tokens, want)
	}
	if d := math.Abs(got.LogProb - loss(whole)); d < 1 {
		t.Errorf("with and without the context are %v apart: the bound sees nothing", d)
	}

	// One after another, and all of a row's positions at once: both go through pieces.
	chain := 0.0
	for i := range target {
		chain += score(lm.Pair{Context: whole[:len(context)+i], Target: target[i : i+1]})[0].LogProb
	}
	if math.Abs(chain-got.LogProb) > 1e-4 {
		t.Errorf("token by token %v, together %v", chain, got.LogProb)
	}

	// A long context keeps its end.
	long := append(make([]int32, 60), context...)
	cut := append(make([]int32, 60-len(whole)+2+len(target)), context...)
	cut = cut[len(cut)-(s.Context-len(target)+1):]
	two := score(lm.Pair{Context: long, Target: target}, lm.Pair{Context: cut, Target: target})
	if math.Abs(two[0].LogProb-two[1].LogProb) > 1e-5 {
		t.Errorf("a long context scores %v, its end %v", two[0].LogProb, two[1].LogProb)
	}
	for _, p := range []lm.Pair{{Target: target}, {Context: context}} {
		if _, err := e.Score(weights, []lm.Pair{p}); err == nil || !strings.Contains(err.Error(), "pair 0") {
			t.Errorf("%v: %v", p, err)
		}
	}
}

// Pairs of one context share a row, and have what each has alone, in every architecture.
func TestScoreShares(t *testing.T) {
	be := gx.TestBackend(t)
	one, other, long := []int32{1, 2, 3, 4}, []int32{4, 3, 2, 1}, slices.Repeat([]int32{7, 8}, 20)
	pairs := []lm.Pair{
		{one, []int32{5}}, {other, []int32{5, 6, 7}}, {one, []int32{5, 6, 7}}, {one, []int32{5, 6, 8}}, {one, []int32{6}},
		{other, []int32{5}}, {one, []int32{5}}, // seen before
		{one, []int32{9, 8, 7, 6, 5}},                                 // longer than its context
		{long, []int32{4}}, {long, []int32{9}}, {long, []int32{4, 5}}, // one context, cut twice at one place and once at another
	}
	for i, f := range families {
		t.Run(f.name, func(t *testing.T) {
			s := f.shape
			s.Context = 12
			weights, err := lm.Init(be, s.Weights(), stream("init", i))
			if err != nil {
				t.Fatal(err)
			}
			defer gx.Free(weights...)
			e := lm.NewEvaluator(be, s)
			rows, err := e.RowsOf(pairs)
			if want := [][]int{{0, 2, 3, 4, 6}, {1, 5}, {7}, {8, 9}, {10}}; err != nil || !slices.EqualFunc(rows, want, slices.Equal) {
				t.Errorf("rows of the pairs %v, want %v (%v)", rows, want, err)
			}
			score := func(pairs ...lm.Pair) []lm.Continuation {
				out, err := e.Score(weights, pairs)
				if err != nil {
					t.Fatal(err)
				}
				return out
			}
			together := score(pairs...)
			for i, p := range pairs {
				alone := score(p)[0]
				if math.Abs(together[i].LogProb-alone.LogProb) > 1e-5 || together[i].Tokens != alone.Tokens || together[i].Right != alone.Right {
					t.Errorf("pair %d: %+v in company, %+v alone", i, together[i], alone)
				}
			}
			if math.Abs(together[0].LogProb-together[5].LogProb) < 1e-4 || together[0] != together[6] {
				t.Errorf("contexts are confused: %+v", together)
			}
			// The usual mistakes: a target that sees the one before it in the row, or stands behind it.
			seen := score(lm.Pair{Context: append(slices.Clone(one), 5, 6), Target: []int32{5, 6, 8}})[0]
			if math.Abs(seen.LogProb-together[3].LogProb) < 1e-4 {
				t.Errorf("behind another target %v, alone %v: the bound sees nothing", seen.LogProb, together[3].LogProb)
			}
		})
	}
}

func TestScoreIsADistribution(t *testing.T) {
	be := gx.TestBackend(t)
	s := lm.Shape{Vocab: 50, Width: 8, Layers: 1, Heads: 2, Context: 16}
	weights, err := lm.Init(be, s.Weights(), stream("init", 0))
	if err != nil {
		t.Fatal(err)
	}
	defer gx.Free(weights...)
	var pairs []lm.Pair
	for v := range int32(50) {
		pairs = append(pairs, lm.Pair{Context: []int32{1, 2, 3}, Target: []int32{v}})
	}
	all, err := lm.Score(be, s, weights, pairs)
	if err != nil {
		t.Fatal(err)
	}
	sum, best, greedy := 0.0, 0, 0
	for v, c := range all {
		sum += math.Exp(c.LogProb)
		if c.LogProb > all[best].LogProb {
			best = v
		}
		if c.Greedy() {
			greedy++
		}
	}
	if math.Abs(sum-1) > 1e-5 {
		t.Errorf("probabilities add up to %v", sum)
	}
	if greedy != 1 || !all[best].Greedy() {
		t.Errorf("%d greedy tokens; the most probable one is: %v", greedy, all[best].Greedy())
	}
}

func TestEval(t *testing.T) {
	e := lm.Eval{Loss: 2, SE: 0.1, Tokens: 30}
	if lo, hi := e.Interval(); math.Abs(lo-1.804) > 1e-9 || math.Abs(hi-2.196) > 1e-9 {
		t.Errorf("interval [%v, %v]", lo, hi)
	}
	if got := e.PerByte(120); got != 0.5 {
		t.Errorf("%v nats per byte", got)
	}
	if got := e.Perplexity(); math.Abs(got-math.E*math.E) > 1e-9 {
		t.Errorf("perplexity %v", got)
	}
}

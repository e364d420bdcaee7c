package sample

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"hhrlhf/rlhf/internal/gx"
	"hhrlhf/rlhf/lm"
)

// However the work is cut into calls, one response comes out: prompts in groups of
// rows or all at once, the loop step by step or in one call.
func TestCallsDoNotShowInTheResponses(t *testing.T) {
	be := gx.TestBackend(t)
	shape := lm.Shape{Vocab: 50, Width: 16, Layers: 1, Heads: 2, Context: 24}
	w, err := lm.Init(be, shape.Weights(), rand.New(rand.NewPCG(1, 1)))
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(be, shape, Options{Prompt: 6, Response: 12, Temperature: 1, EOS: 1})
	if err != nil {
		t.Fatal(err)
	}
	prompts, seeds := [][]int32{{2, 3}, {4, 5, 6}, {7}, {8, 9, 10, 11}}, []uint64{1, 2, 3, 4}
	whole, err := s.Sample(w, prompts, seeds)
	if err != nil {
		t.Fatal(err)
	}
	s.work = 1 // one row a group
	if n := s.group(len(prompts)); n != 1 {
		t.Fatalf("groups of %d rows, want 1", n)
	}
	calls := 0
	var last *progress
	for p, err := range s.run(w, prompts, seeds, time.Nanosecond) {
		if err != nil {
			t.Fatal(err)
		}
		calls, last = calls+1, p
	}
	if longest := slices.Max(whole.Length); calls != longest {
		t.Errorf("%d calls, want one for each of %d steps", calls, longest)
	}
	for i := range prompts {
		if !slices.Equal(last.tokens[i], whole.Tokens[i]) {
			t.Errorf("row %d: %v in small calls, %v in large ones", i, last.tokens[i], whole.Tokens[i])
		}
	}
	// A step takes longer than a call may: calls of one step.
	s.stepTime[4] = time.Hour
	if n := s.stepsIn(4, callTime); n != 1 {
		t.Errorf("%d steps in a call that has time for less than one", n)
	}
	if s.stepTime[4] = time.Millisecond; s.stepsIn(4, callTime) != int(callTime/time.Millisecond) {
		t.Errorf("%d steps of 1 ms in a call of %v", s.stepsIn(4, callTime), callTime)
	}
}

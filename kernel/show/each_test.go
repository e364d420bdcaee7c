package show_test

import (
	"errors"
	"iter"
	"strings"
	"testing"

	"hhrlhf/kernel/show"
	"hhrlhf/rlhf"
)

// counted is a run that can be trained and nothing else.
type counted struct {
	rlhf.Run
	name          string
	step, planned int
	fails         error
}

func (r *counted) Info() (rlhf.RunInfo, error) {
	return rlhf.RunInfo{Name: r.name, Step: r.step, Planned: r.planned}, nil
}

func (r *counted) Train() iter.Seq2[rlhf.Event, error] {
	return func(yield func(rlhf.Event, error) bool) {
		for r.step < r.planned {
			if r.fails != nil {
				yield(rlhf.Event{}, r.fails)
				return
			}
			r.step++
			if !yield(rlhf.Event{Run: r.name, Step: r.step, Of: r.planned, Point: &rlhf.Point{Step: r.step}}, nil) {
				return
			}
		}
	}
}

// Every run is trained, in order, what was trained already is not counted, and a run
// that fails ends the cell with its error.
func TestEach(t *testing.T) {
	runs := []*counted{{name: "a", planned: 3}, {name: "b", step: 2, planned: 4}, {name: "c", step: 5, planned: 5}}
	got := catch(t, func() { show.Each(runs) })
	if runs[0].step != 3 || runs[1].step != 4 || runs[2].step != 5 {
		t.Errorf("trained to %d, %d and %d", runs[0].step, runs[1].step, runs[2].step)
	}
	last := got[len(got)-1].Text
	if !strings.Contains(last, "3 runs · 5 steps") || !strings.Contains(got[0].Text, "run 1 of 3 · a · step 1 of 3") {
		t.Errorf("first %q, last %q", got[0].Text, last)
	}
	bad := []*counted{{name: "bad", planned: 2, fails: errors.New("disk full")}, {name: "after", planned: 1}}
	code := 0
	show.CatchExit(t, func(c int) { code = c })
	catch(t, func() { show.Each(bad) })
	if bad[1].step != 0 || code != 1 {
		t.Error("the runs after one that failed went on")
	}
}

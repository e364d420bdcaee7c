package show_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hhrlhf/kernel/show"
)

// Looks come at the first step, at the last and evenly between; the figure knows the newest;
// and the run makes the same steps as without.
func TestTrainPM(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJudge(0, 50)
		j.every = 300 * time.Millisecond
		pictures, below := frames(t, func() { show.TrainPM(j, 4) })
		if j.done != 50 || j.scored != 5 {
			t.Errorf("trained to step %d with %d looks, want 50 and 5", j.done, j.scored)
		}
		looks := map[string]bool{}
		for _, p := range pictures {
			if p.Height != pictures[0].Height {
				t.Fatalf("heights %d and %d", pictures[0].Height, p.Height)
			}
			for _, line := range strings.Split(p.Text, "\n") {
				if at := strings.Index(line, "256 held-out comparisons at step "); at >= 0 {
					looks[strings.Fields(line[at:])[5]] = true
				}
			}
		}
		for _, want := range []string{"0:", "12:", "25:", "37:", "50:"} {
			if !looks[want] {
				t.Errorf("no look at step %s it looked at %v", want, looks)
			}
		}
		if got := last(below).Text; !strings.Contains(got, "step 50 of 50 · done") {
			t.Errorf("at the end: %q", got)
		}
		for _, b := range below { // the axis and the bar are of the whole run, not of a stretch
			if !strings.Contains(b.Text, " of 50 · ") {
				t.Fatalf("a stretch passes for the run: %q", b.Text)
			}
		}
	})
}

// The time left is that of the run, not that of the stretch up to the next look.
func TestTrainPMTimeLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJudge(0, 60) // the fake says 2.5 s a step
		j.every = 400 * time.Millisecond
		_, below := frames(t, func() { show.TrainPM(j, 6) })
		for _, b := range below {
			if strings.Contains(b.Text, "step 5 of 60") && strings.Contains(b.Text, "left") {
				if !strings.Contains(b.Text, "2:18 left") { // 55 · 2.5 s, rounded
					t.Errorf("at step 5: %q", b.Text)
				}
				return
			}
		}
		t.Error("no frame at step 5")
	})
}

func TestTrainPMTrained(t *testing.T) {
	j := newJudge(30, 30)
	pictures, below := frames(t, func() { show.TrainPM(j, 4) })
	if j.scored != 1 || !strings.Contains(last(pictures).Text, "comparisons at step 30") || !strings.Contains(last(below).Text, "done") {
		t.Errorf("%d looks, %q", j.scored, last(below).Text)
	}
}

// What the held-out scores say grows with training; the known mistake, to score once and
// keep that, does not.
func TestTrainPMLooksAnew(t *testing.T) {
	share := func(done int) string {
		pictures, _ := frames(t, func() { show.TrainPM(newJudge(done, done), 1) })
		_, after, _ := strings.Cut(last(pictures).Text, "ranked right ")
		return after[:5]
	}
	j := newJudge(0, 30)
	pictures, _ := frames(t, func() { show.TrainPM(j, 1) })
	_, end, _ := strings.Cut(last(pictures).Text, "ranked right ")
	if end[:5] != share(30) {
		t.Errorf("at the end %s, want %s", end[:5], share(30))
	}
	if end[:5] < "0.700" {
		t.Errorf("ranked right %s at the end, want that of a trained model", end[:5])
	}
}

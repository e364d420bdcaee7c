package show_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hhrlhf/kernel/engine/enginetest"
	"hhrlhf/kernel/show"
	"hhrlhf/rlhf"
)

// frames returns what f shows, pictures, which are not drawn, and the texts below them apart.
func frames(t *testing.T, f func()) (pictures, below []show.Shown) {
	t.Helper()
	show.Undrawn(t)
	for _, s := range catch(t, f) {
		if s.PNG != nil {
			pictures = append(pictures, s)
		} else {
			below = append(below, s)
		}
	}
	return pictures, below
}

func last[T any](s []T) T { return s[len(s)-1] }

// A run that somebody else trains is drawn to its end, in one place, from what its log and
// the lab say; and what stands there then is what the cell that trained it shows.
func TestRunFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRun("ppo", 0, 60, true)
		r.every = 700 * time.Millisecond
		lab := &fakeLab{run: r}
		trained := make(chan struct{})
		go func() { // the other cell, whose page nobody sees any more
			defer close(trained)
			lab.train(60)
		}()
		time.Sleep(20 * time.Second)
		start := time.Now()
		pictures, below := frames(t, func() { show.Run(lab, "tour-ppo") })
		took := time.Since(start)
		<-trained
		if n := len(pictures); n < 20 || float64(n) > 5*took.Seconds() {
			t.Errorf("%d pictures in %v", n, took)
		}
		for _, p := range pictures {
			if p.ID != pictures[0].ID || p.ID == "" || p.Height != pictures[0].Height {
				t.Fatalf("a frame of height %d at %q, the first of %d at %q", p.Height, p.ID, pictures[0].Height, pictures[0].ID)
			}
		}
		if first := pictures[0].Text; !strings.Contains(first, "steps 1 to 28") {
			t.Errorf("the first picture, in the middle of training, says %q", first)
		}
		if got := last(below); !strings.Contains(got.Text, "step 60 of 60 · done") || !strings.Contains(got.HTML, "Newest samples") || !strings.Contains(got.HTML, "It is 7.") {
			t.Errorf("below the last picture: %q", got.Text)
		}
		whole := newRun("ppo", 0, 60, true)
		want, wantBelow := frames(t, func() { show.Train(whole) })
		if last(below).HTML != last(wantBelow).HTML { // the newest responses among it
			t.Errorf("below it Run shows\n%s\nand Train\n%s", last(below).HTML, last(wantBelow).HTML)
		}
		if last(pictures).Text != last(want).Text {
			t.Errorf("what Run shows at the end:\n%swhat Train shows:\n%s", last(pictures).Text, last(want).Text)
		}
	})
}

// What stands still is drawn and no more: at once where it is trained, and where it is not
// after the time in which whoever trains it may take the next step.
func TestRunStandsStill(t *testing.T) {
	for _, c := range []struct {
		name       string
		done       int
		trains     int // steps more, by another cell
		want       string
		from, upTo time.Duration
	}{
		{"trained", 40, 0, "step 40 of 40 · done", 0, 0},
		{"halfway", 20, 0, "step 20 of 40 · stands still", 10 * time.Second, 11 * time.Second},
		{"not begun", 0, 0, "step 0 of 40 · stands still", 10 * time.Second, 11 * time.Second},
		{"left off", 20, 5, "step 25 of 40 · stands still", 10 * time.Second, 20 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRun("ppo", c.done, 40, true)
				r.every = 900 * time.Millisecond
				lab := &fakeLab{run: r}
				stopped := make(chan struct{})
				go func() {
					defer close(stopped)
					lab.train(c.trains)
				}()
				start := time.Now()
				pictures, below := frames(t, func() { show.Run(lab, "tour-ppo") })
				<-stopped
				if took := time.Since(start); took < c.from || took > c.upTo {
					t.Errorf("it took %v, want %v to %v", took, c.from, c.upTo)
				}
				if len(pictures) == 0 || !strings.Contains(last(below).Text, c.want) {
					t.Errorf("%d pictures, %q, want %q", len(pictures), last(below).Text, c.want)
				}
			})
		})
	}
}

func TestRunUnknown(t *testing.T) {
	code := 0
	show.CatchExit(t, func(c int) { code = c })
	if got := catch(t, func() { show.Run(&fakeLab{run: newRun("ppo", 1, 2, true)}, "tour") }); len(got) > 0 || code != 1 {
		t.Errorf("shown %v, exit code %d, want nothing and 1", got, code)
	}
}

// An engine that goes away while it is watched leaves the last frame and the reason.
func TestRunFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		code := 0
		show.CatchExit(t, func(c int) { code = c })
		r := newRun("ppo", 20, 40, true)
		lab := &fakeLab{run: r, err: errors.New("the engine went away")}
		pictures, below := frames(t, func() { show.Run(lab, "tour-ppo") })
		if code != 1 || len(pictures) == 0 || !strings.Contains(last(below).Text, "stopped: show: Run: the engine went away") {
			t.Errorf("exit code %d, %d pictures, %q", code, len(pictures), last(below).Text)
		}
	})
}

// Runs of every kind open by their name alone, in a lab with all the calls of one.
func TestRunOfEveryKind(t *testing.T) {
	lab, err := enginetest.New(enginetest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	made := func(r rlhf.Run, err error) {
		if err != nil {
			t.Fatal(err)
		}
		for _, err := range r.Train() {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	lm, err := lab.LM("words", rlhf.LM{Size: rlhf.Tiny})
	made(lm, err)
	kind, err := lab.Distill("kind", rlhf.Distill{Teacher: "words"})
	made(kind, err)
	pm, err := lab.PM("judge", rlhf.PM{Size: rlhf.Tiny, LM: "words"})
	made(pm, err)
	ppo, err := lab.PPO("policy", rlhf.PPO{Size: rlhf.Tiny, Policy: "words", PM: "judge"})
	made(ppo, err)
	for _, name := range []string{"words", "kind", "judge", "policy"} {
		pictures, below := frames(t, func() { show.Run(lab, name) })
		if len(pictures) == 0 || !strings.Contains(last(below).Text, name+" · step ") || !strings.Contains(last(below).Text, "done") {
			t.Errorf("%s: %d pictures, %q", name, len(pictures), last(below).Text)
		}
	}
}

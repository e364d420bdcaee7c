package show_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"hhrlhf/kernel/show"
	"hhrlhf/rlhf"
	"hhrlhf/rlhf/eval"
	"hhrlhf/rlhf/online"
)

// One line says the stage, the run in it and the time; it ends with how long all took,
// and a failure ends the program.
func TestProgress(t *testing.T) {
	stage := func(i int, what string) rlhf.Event {
		return rlhf.Event{Run: "loop", Kind: "online", Step: i, Of: 3, Message: what}
	}
	events := func(fails error) func(func(rlhf.Event, error) bool) {
		return func(yield func(rlhf.Event, error) bool) {
			_ = yield(rlhf.Event{Run: "loop", Kind: "online", Of: 3, Message: "answers: 1 of 2", Left: 65e9}, nil) &&
				yield(stage(1, "training"), nil) && yield(rlhf.Event{Run: "pm-1", Kind: "pm", Step: 4, Of: 9}, nil) &&
				yield(stage(2, "report"), fails)
		}
	}
	got := catch(t, func() { show.Progress(events(nil)) })
	if first := got[0].Text; !strings.Contains(first, "loop · stage 1 of 3 · answers: 1 of 2 · 1:05 left") {
		t.Errorf("first %q", first)
	}
	if last := got[len(got)-1].Text; !strings.Contains(last, "loop · 3 stages · 0:0") {
		t.Errorf("last %q", last)
	}
	if got := catch(t, func() { show.Progress(func(func(rlhf.Event, error) bool) {}) }); !strings.Contains(got[0].Text, "nothing to do") {
		t.Errorf("a loop that is done: %q", got[0].Text)
	}
	code := 0
	show.CatchExit(t, func(c int) { code = c })
	got = catch(t, func() { show.Progress(events(errors.New("disk full"))) })
	if code != 1 || !strings.Contains(got[len(got)-1].Text, "stopped") {
		t.Errorf("a failure ends with %d, %q", code, got[len(got)-1].Text)
	}
}

// What a loop came to is said in text as well, and the verdict follows the interval.
func TestOnlineText(t *testing.T) {
	text := func(draw func()) string { return catch(t, draw)[0].Text }
	c := onlineControl()
	for _, v := range []struct {
		low, high float64
		want      string
	}{{0.517, 0.602, "the mix is preferred"}, {0.46, 0.55, "no difference is shown"}, {0.3, 0.4, "base alone is preferred"}} {
		c.Won.Low, c.Won.High = v.low, v.high
		if got := text(func() { show.HeadToHead(c) }); !strings.Contains(got, v.want) {
			t.Errorf("won %v to %v: %q, want %q", v.low, v.high, got, v.want)
		}
	}
	if got := text(func() { show.Elo(onlineReports()[0].Elo) }); !strings.Contains(got, "ppo-1@60  +148") || !strings.Contains(got, "0.70") {
		t.Errorf("ratings: %q", got)
	}
	if got := text(func() { show.Tranches(onlineReports()...) }); !strings.Contains(got, "online-2") || !strings.Contains(got, "0.620") {
		t.Errorf("tranches: %q", got)
	}
	if got := text(func() { show.Shift(onlineReports()[1]) }); !strings.Contains(got, "ppo-2@60") {
		t.Errorf("scores: %q", got)
	}
	// Nothing, and what is no number, is drawn without a crash.
	for _, draw := range []func(){
		func() { show.Elo(nil) }, func() { show.Tranches() }, func() { show.Shift(online.Report{}) }, func() { show.HeadToHead(online.Control{}) },
		func() {
			show.Elo([]eval.Rating{{Name: hostile, Elo: math.NaN(), Low: math.Inf(-1), High: math.Inf(1)}})
		},
	} {
		if got := catch(t, draw); got[0].PNG == nil || strings.Contains(got[0].Text, "\x1b") {
			t.Errorf("%q", got[0].Text)
		}
	}
}

// A study does not know how many stages it has: none are counted.
func TestProgressOfNobodyKnowsHowMuch(t *testing.T) {
	var got []show.Shown
	show.Catch(t, func(s show.Shown) { got = append(got, s) })
	show.Progress(func(yield func(rlhf.Event, error) bool) {
		yield(rlhf.Event{Run: "study", Kind: "study", Message: "measuring models-r0-s1"}, nil)
	})
	if len(got) < 2 || !strings.Contains(got[0].Text, "study · measuring models-r0-s1") || !strings.Contains(got[len(got)-1].Text, "study · done · 0:00") {
		t.Errorf("shown %+v", got)
	}
}

package show_test

import (
	"strings"
	"testing"
	"time"

	"hhrlhf/kernel/engine/enginetest"
	"hhrlhf/kernel/show"
	"hhrlhf/rlhf"
)

// A run that another notebook drives is drawn as one's own: what it has done, what it
// does, and that it stands still.
func TestLiveWatchesAnother(t *testing.T) {
	l, err := enginetest.New(enginetest.Options{Step: time.Millisecond, Still: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	run, err := l.PPO("theirs", rlhf.PPO{Policy: "lm", PM: "pm", Planned: 40})
	if err != nil {
		t.Fatal(err)
	}
	drive := func(n int) {
		for _, err := range run.Steps(n) {
			if err != nil {
				t.Error(err)
			}
		}
	}
	drive(7)
	done := make(chan struct{})
	go func() { defer close(done); drive(5) }()
	shown := catch(t, func() {
		if err := show.Watch(l.Watch("theirs")); err != nil {
			t.Error(err)
		}
	})
	<-done
	all := ""
	for _, s := range shown {
		all += s.Text + s.HTML
	}
	if !strings.Contains(all, "theirs · step 12 of 40 · stands still") {
		t.Errorf("the last frame is not of step 12: %.2000s", all)
	}
	drive(28)
	shown = catch(t, func() { show.Live(l.Watch("theirs")) })
	if last := shown[len(shown)-1]; !strings.Contains(last.Text+last.HTML, "step 40 of 40 · done") {
		t.Errorf("of a run that is done: %+v", last)
	}
}

package local_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"hhrlhf/rlhf"
)

// A watcher in the same process sees the run as its driver does, and Status names the
// job, the watcher and what is in memory while it goes on.
func TestWatchAndStatus(t *testing.T) {
	l := open(t, t.TempDir())
	r, err := l.LM("lm", lmConfig)
	if err != nil {
		t.Fatal(err)
	}
	train(t, r, 2)
	seen := make(chan []rlhf.Event)
	watch := func() {
		var got []rlhf.Event
		for e, err := range l.Watch("lm") {
			if err != nil {
				t.Error(err)
			}
			got = append(got, e)
		}
		seen <- got
	}
	var drove []rlhf.Point
	for e, err := range r.Steps(4) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Point == nil {
			continue
		}
		if drove = append(drove, *e.Point); len(drove) > 1 {
			continue
		}
		go watch()
		s := status(t, l)
		for len(s.Watchers) == 0 {
			time.Sleep(time.Millisecond)
			s = status(t, l)
		}
		if s.Job == nil || s.Job.Run != "lm" || s.Job.What != "training" || s.Job.Step != 3 || s.Job.Of != 6 {
			t.Errorf("job %+v", s.Job)
		}
		if len(s.Runs) != 1 || s.Runs[0].State != rlhf.StateBusy || s.Runs[0].Step != 3 || s.Runs[0].Metric != "lm/loss" || s.Runs[0].Value != e.Point.Values["lm/loss"] {
			t.Errorf("runs %+v", s.Runs)
		}
		if s.PID == 0 || s.Watchers[0].Run != "lm" {
			t.Errorf("status %+v", s)
		}
	}
	got := <-seen
	var steps []int
	for _, e := range got {
		if e.Point != nil {
			steps = append(steps, e.Step)
		}
	}
	if !slices.Equal(steps, []int{1, 2, 3, 4, 5, 6}) {
		t.Errorf("the watcher saw steps %v", steps)
	}
	if last := got[len(got)-1]; last.Point == nil || last.Point.Values["lm/loss"] != drove[3].Values["lm/loss"] {
		t.Errorf("last event %+v", last)
	}
	s := status(t, l)
	info, err := r.Info()
	if err != nil {
		t.Fatal(err)
	}
	// Weights and both moments, 4 bytes each.
	if len(s.Models) != 1 || s.Models[0].Bytes != 12*info.Params || s.DeviceBytes != s.Models[0].Bytes {
		t.Errorf("models %+v, want one of %d bytes", s.Models, 12*info.Params)
	}
	if s.Runs[0].State != rlhf.StateDone || s.Job != nil {
		t.Errorf("after training: %+v", s)
	}
	// A run whose files are broken does not keep the others from being told.
	if err := os.WriteFile(filepath.Join(info.Dir, "metrics.jsonl"), []byte("{\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if s := status(t, l); len(s.Runs) != 1 || s.Runs[0].State != rlhf.StateBroken {
		t.Errorf("broken: %+v", s.Runs)
	}
	for _, err := range l.Watch("nobody") {
		if err == nil || !strings.Contains(err.Error(), `"nobody"`) {
			t.Errorf("unknown run: %v", err)
		}
	}
}

func status(t *testing.T, l rlhf.Lab) rlhf.Status {
	t.Helper()
	s, err := l.Status()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

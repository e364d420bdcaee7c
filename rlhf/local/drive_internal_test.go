package local

import (
	"testing"
	"time"
)

func TestDue(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		last, before, since time.Duration
		want                bool
	}{
		{0, 0, time.Nanosecond, true}, // the first step of all
		{time.Second, time.Second, 19 * time.Second, false},
		{time.Second, time.Second, 21 * time.Second, true},
		{3 * time.Second, 10 * time.Millisecond, 300 * time.Millisecond, true}, // slow once
		{2 * time.Second, 2 * time.Second, 31 * time.Second, true},
		{time.Minute, time.Minute, 9 * time.Minute, false}, // slow always
		{time.Minute, time.Minute, 11 * time.Minute, true},
	} {
		r := &loadedRun{savedAt: now.Add(-c.since), saveCosts: [2]time.Duration{c.last, c.before}}
		if got := r.due(now); got != c.want {
			t.Errorf("checkpoints took %v and %v, %v ago: due = %v", c.last, c.before, c.since, got)
		}
	}
}

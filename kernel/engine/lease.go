package engine

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"hhrlhf/rlhf"
)

// A lease is the right to use the device, which one job has at a time. The
// others stand in line, first come first served.
type lease struct {
	mu     sync.Mutex
	holder *job
	line   []*job
}

// A job is one call on the device.
type job struct {
	run, what, client string
	granted           chan struct{} // closed once the job has the lease
	// Guarded by lease.mu:
	step, of int           // of a stretch of steps
	left     time.Duration // to its end, as it was estimated last
	since    time.Time     // when it got in line, or the lease
}

// String says what the job is at: "tour-ppo is at step 37/200 (pid 123)". The
// caller holds the lease's lock.
func (j *job) String() string {
	at := "is at " + j.what
	if j.of > 0 {
		at = fmt.Sprintf("is at step %d/%d", j.step, j.of)
	}
	return fmt.Sprintf("%s %s (%s)", j.run, at, j.client)
}

// acquire waits until j has the lease, or ctx ends. While it waits it calls
// waiting, at once and whenever the job in front has moved on, at most once a
// second; and with "" when the wait is over.
func (l *lease) acquire(ctx context.Context, j *job, waiting func(behind string)) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	l.mu.Lock()
	j.since = time.Now()
	if l.holder == nil {
		l.holder = j
		l.mu.Unlock()
		return nil
	}
	j.granted = make(chan struct{})
	l.line = append(l.line, j)
	l.mu.Unlock()

	defer waiting("")
	told := ""
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		if behind := l.busy(); behind != "" && behind != told {
			told = behind
			waiting(behind)
		}
		select {
		case <-j.granted:
			return nil
		case <-ctx.Done():
			l.leave(j)
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// release hands the lease to the first in line.
func (l *lease) release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next()
}

func (l *lease) next() {
	l.holder = nil
	if len(l.line) > 0 {
		l.holder, l.line = l.line[0], l.line[1:]
		l.holder.since = time.Now()
		close(l.holder.granted)
	}
}

// leave takes j out of the line, or passes the lease on if j just got it.
func (l *lease) leave(j *job) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.holder == j {
		l.next()
		return
	}
	l.line = slices.DeleteFunc(l.line, func(o *job) bool { return o == j })
}

// progress notes how far the job is.
func (l *lease) progress(j *job, step, of int, left time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	j.step, j.of, j.left = step, of, left
}

// describe says how far a job is.
func (l *lease) describe(j *job) rlhf.Job {
	l.mu.Lock()
	defer l.mu.Unlock()
	return j.noun()
}

// noun is the job as it is told. The caller holds the lease's lock.
func (j *job) noun() rlhf.Job {
	return rlhf.Job{Run: j.run, What: j.what, Client: j.client, Step: j.step, Of: j.of, Left: j.left, Since: j.since}
}

// jobs returns the job that has the device, nil if none, and those in line.
func (l *lease) jobs() (holder *rlhf.Job, line []rlhf.Job) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.holder != nil {
		j := l.holder.noun()
		holder = &j
	}
	for _, j := range l.line {
		line = append(line, j.noun())
	}
	return holder, line
}

// busy says what runs now, "" if nothing does.
func (l *lease) busy() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.holder == nil {
		return ""
	}
	return l.holder.String()
}

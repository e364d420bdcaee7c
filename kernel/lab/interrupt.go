package lab

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/janpfeifer/gonb/gonbui"
)

// interrupts knows the calls in progress, which SIGINT ends.
var interrupts struct {
	tracker
	watch sync.Once
}

type tracker struct {
	mu    sync.Mutex
	calls map[*context.CancelCauseFunc]bool
	hit   bool // there was an interrupt
}

// enter notes a call in progress; the returned function strikes it out.
func (t *tracker) enter(cancel context.CancelCauseFunc) (leave func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.hit { // the cell is ending: do not begin anything
		cancel(errInterrupt)
		return func() {}
	}
	if t.calls == nil {
		t.calls = map[*context.CancelCauseFunc]bool{}
	}
	key := &cancel
	t.calls[key] = true
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.calls, key)
	}
}

// interrupt ends every call in progress and says whether there was one.
func (t *tracker) interrupt() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.hit = true
	for cancel := range t.calls {
		(*cancel)(errInterrupt)
	}
	return len(t.calls) > 0
}

// watchInterrupts makes SIGINT end the calls in progress. Where there is none,
// and at the second SIGINT, the process dies of it as it would without us: a cell
// that only computes must not become deaf because it has declared a session.
func watchInterrupts() {
	interrupts.watch.Do(func() {
		signals := make(chan os.Signal, 1)
		signal.Notify(signals, os.Interrupt)
		go func() {
			<-signals
			signal.Stop(signals)
			if interrupts.interrupt() {
				return
			}
			flush(time.Second)
			if p, err := os.FindProcess(os.Getpid()); err == nil {
				_ = p.Signal(syscall.SIGINT)
			}
		}()
	})
}

// flush lets GoNB take over what has been displayed: at the end of a process it
// drops what it has not read.
func flush(limit time.Duration) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		gonbui.Sync()
	}()
	select {
	case <-done:
	case <-time.After(limit):
	}
}

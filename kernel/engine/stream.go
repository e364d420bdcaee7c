package engine

import (
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"sync"
	"time"

	"hhrlhf/kernel/engine/wire"
	"hhrlhf/rlhf"
)

// drain is how long a finished stream may take to be read to its end.
const drain = 10 * time.Second

// A stretch is what a streaming call has under way: its events, the steps done
// before them and those that will be done after them; both 0 for text.
type stretch struct {
	events   iter.Seq2[rlhf.Event, error]
	step, of int
}

// steps is a stretch of n steps; n < 0 means to the planned number.
func steps[R rlhf.Run](run R, n int) (stretch, error) {
	info, err := run.Info()
	if err != nil {
		return stretch{}, err
	}
	if n < 0 {
		return stretch{run.Train(), info.Step, max(info.Step, info.Planned)}, nil
	}
	return stretch{run.Steps(n), info.Step, info.Step + n}, nil
}

// writing is the stretch of a response that is streamed piece by piece.
func writing(pieces iter.Seq2[string, error]) (stretch, error) {
	return stretch{events: func(yield func(rlhf.Event, error) bool) {
		for text, err := range pieces {
			if !yield(rlhf.Event{Text: text}, err) {
				return
			}
		}
	}}, nil
}

// stream handles a call that answers with one event a line.
func stream[Q any, R rlhf.Run](s *server, kind, what string, open func(rlhf.Lab, string) (R, error), ask func(R, Q) (stretch, error)) served {
	return served{func(w http.ResponseWriter, r *http.Request) {
		q, err := decode[Q](r, s.o.MaxBody)
		if err != nil {
			s.fail(w, err)
			return
		}
		name := r.PathValue("name")
		c, done := s.begin(r, name, what)
		defer done()
		out := newLines(w)
		defer out.close()
		waiting := func(behind string) {
			ev := rlhf.Event{Run: name, Kind: kind, Message: "waiting: " + behind}
			out.send(wire.EventLine(ev))
		}
		err = s.onDevice(c, waiting, func(l rlhf.Lab) error {
			opened, err := open(l, name)
			if err != nil {
				return s.explain(c, err, 0, 0)
			}
			st, err := ask(opened, q)
			if err != nil {
				return s.explain(c, err, 0, 0)
			}
			return s.forward(c, out, st.events, st.step, st.of)
		})
		last := wire.Line{End: err == nil}
		if err != nil {
			last.Err = wireError(err)
		}
		out.send(last)
	}, typeOf[Q](), typeOf[wire.Line]()}
}

// forward sends the events of a stretch from step to of, until the call ends.
func (s *server) forward(c *call, out *lines, events iter.Seq2[rlhf.Event, error], step, of int) error {
	s.lease.progress(c.job, step, of, 0)
	for ev, err := range events {
		if err != nil {
			err = s.explain(c, err, step, of)
			s.watch.Tell(rlhf.Event{Run: c.job.run, Kind: ev.Kind, Step: step, Of: of, Message: "stopped: " + err.Error()})
			return err
		}
		if ev.Point != nil {
			step = ev.Step
			s.lease.progress(c.job, step, of, ev.Left)
		}
		if ev.Text == "" {
			s.watch.Tell(ev)
		}
		line := wire.EventLine(ev)
		if err := wire.CheckFinite(line); err != nil {
			return fmt.Errorf("engine: event of %s after step %d: %w, which JSON cannot carry; the run is kept", c.job.run, step, err)
		}
		if err := out.send(line); err != nil {
			return err
		}
		if c.ctx.Err() != nil {
			break
		}
	}
	if step < of && c.ctx.Err() != nil {
		return s.explain(c, nil, step, of)
	}
	return nil
}

// lines writes JSON lines from a goroutine of its own, so that a reader who is
// slow, or stopped in a debugger, keeps neither the training nor those who wait
// for the device. What has not been read stays in memory: a few kilobytes a step.
type lines struct {
	w    http.ResponseWriter
	wake chan struct{} // buffered: there may be something to do
	done chan struct{} // closed when all is written, or can't be

	mu     sync.Mutex
	queue  [][]byte
	closed bool
}

// newLines begins the reply.
func newLines(w http.ResponseWriter) *lines {
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.Header().Set("Connection", "close") // close sets a deadline on the connection
	l := &lines{w: w, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go l.pump()
	return l
}

// send puts a line into the queue.
func (l *lines) send(line wire.Line) error {
	text, err := json.Marshal(line)
	if err != nil {
		return fmt.Errorf("engine: event: %w", err)
	}
	l.mu.Lock()
	l.queue = append(l.queue, append(text, '\n'))
	l.mu.Unlock()
	l.nudge()
	return nil
}

// close waits until all lines are written, or the reader has had his time.
func (l *lines) close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.nudge()
	// The connection supports deadlines: it is a socket.
	_ = http.NewResponseController(l.w).SetWriteDeadline(time.Now().Add(drain))
	<-l.done
}

func (l *lines) nudge() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

func (l *lines) pump() {
	defer close(l.done)
	rc := http.NewResponseController(l.w)
	l.w.WriteHeader(http.StatusOK)
	for err := rc.Flush(); err == nil; {
		l.mu.Lock()
		batch, closed := l.queue, l.closed
		l.queue = nil
		l.mu.Unlock()
		for _, text := range batch {
			if _, err = l.w.Write(text); err != nil {
				return
			}
		}
		if len(batch) > 0 {
			err = rc.Flush()
			continue
		}
		if closed {
			return
		}
		<-l.wake
	}
}

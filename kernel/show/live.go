package show

import (
	"fmt"
	"iter"
	"slices"
	gosync "sync"
	"time"

	"github.com/janpfeifer/gonb/gonbui"

	"hhrlhf/rlhf"
)

// redraw is the least time between two frames; a frame that takes long to draw
// is followed by four times as long a pause, because training needs the cores.
const redraw = 200 * time.Millisecond

// printEvery is the least time between two lines of progress in a program that
// is no notebook.
const printEvery = 2 * time.Second

// samplesShown is the number of samples under a live figure.
const samplesShown = 4

// Live draws a run while it trains: one figure that redraws in place at most
// five times a second, under it the progress and, of PPO, the newest samples.
// The last frame always shows the last event, and it is what the notebook saves.
// If training fails, that frame stays, the error is printed and the program ends
// with exit code 1.
//
// Live knows only the events that it sees; [Steps] and [Train] draw what the run
// did before as well.
func Live(events iter.Seq2[rlhf.Event, error]) {
	if err := Watch(events); err != nil {
		fail(err)
	}
}

// Watch is Live that returns the error of the sequence. An empty sequence is
// none: the run was trained already.
func Watch(events iter.Seq2[rlhf.Event, error]) error {
	return watch(events, &state{})
}

// Train trains a run to its planned number of steps and draws it from its first
// step on. A run that is trained already is drawn as it is.
func Train(run rlhf.Run) { liveRun(run, run.Train()) }

// Steps trains a run n steps more and draws it from its first step on.
func Steps(run rlhf.Run, n int) { liveRun(run, run.Steps(n)) }

func liveRun(run rlhf.Run, events iter.Seq2[rlhf.Event, error]) {
	s, err := past(run)
	if err == nil {
		err = watch(events, s)
	}
	if err != nil {
		fail(err)
	}
}

// History draws what a run has done, without training it.
func History(run rlhf.Run) {
	s, err := past(run)
	if err != nil {
		fail(err)
		return
	}
	show(s.board.card(s.points, s.of).output(""))
}

// past returns the state that a run's history leaves.
func past(run rlhf.Run) (*state, error) {
	info, err := run.Info()
	if err != nil {
		return nil, fmt.Errorf("show: run: %w", err)
	}
	points, err := run.History()
	if err != nil {
		return nil, fmt.Errorf("show: history of %s: %w", info.Name, err)
	}
	s := &state{run: info.Name, kind: info.Kind, step: info.Step, of: info.Step, points: slices.Clone(points)}
	s.board = newDashboard(s.kind, s.run)
	return s, nil
}

// state is what is known of a run while it is watched.
type state struct {
	run, kind string
	step, of  int
	left      time.Duration
	points    []rlhf.Point
	samples   []rlhf.Sample
	message   string
	seen      int // events
	done      bool
	err       error
	board     *dashboard
}

// add takes in an event.
func (s *state) add(e rlhf.Event) {
	if s.board == nil {
		s.run, s.kind = e.Run, e.Kind
		if s.kind == "" && e.Point != nil {
			s.kind = kindOf([]rlhf.Point{*e.Point})
		}
		s.board = newDashboard(s.kind, s.run)
	}
	s.seen++
	s.step, s.of, s.left, s.message = e.Step, e.Of, e.Left, e.Message
	if len(e.Samples) > 0 {
		s.samples = e.Samples
	}
	if e.Point == nil {
		return
	}
	if n := len(s.points); n > 0 && s.points[n-1].Step >= e.Point.Step {
		// A run that was cut off repeats the step it had not saved. The slice may
		// be on its way to the screen, hence a copy.
		keep := 0
		for keep < n && s.points[keep].Step < e.Point.Step {
			keep++
		}
		s.points = slices.Clone(s.points[:keep])
	}
	s.points = append(s.points, *e.Point)
}

// watch ranges over the events while another goroutine draws the latest state.
func watch(events iter.Seq2[rlhf.Event, error], s *state) error {
	v := newView()
	var mu gosync.Mutex
	dirty := make(chan struct{}, 1)
	quit, finished := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(finished)
		for {
			select {
			case <-dirty:
			case <-quit:
				return
			}
			mu.Lock()
			now := *s
			mu.Unlock()
			pause := v.frame(&now)
			select {
			case <-time.After(pause):
			case <-quit:
				return
			}
		}
	}()
	for e, err := range events {
		if err != nil {
			mu.Lock()
			s.err = err
			mu.Unlock()
			break
		}
		mu.Lock()
		s.add(e)
		mu.Unlock()
		select {
		case dirty <- struct{}{}:
		default:
		}
	}
	close(quit)
	<-finished
	s.done = true
	v.frame(s)
	flush()
	return s.err
}

// A view is the place on the screen where a run is watched: a picture and,
// below it, progress and samples.
type view struct{ picture, below string }

func newView() *view { return &view{picture: gonbui.UniqueId(), below: gonbui.UniqueId()} }

// frame draws the state and returns how long to wait before the next.
func (v *view) frame(s *state) time.Duration {
	if s.board == nil { // no event and no history
		if s.err == nil {
			put(output{id: v.below, html: "<div>Nothing to do: the run has done its steps.</div>", text: "nothing to do: the run has done its steps\n"})
		}
		return redraw
	}
	if !notebook() {
		line := s.status() + "\n"
		if s.done {
			line += s.board.text(s.points)
		}
		put(output{text: line})
		return printEvery
	}
	start := time.Now()
	put(s.board.card(s.points, s.of).output(v.picture))
	put(output{id: v.below, html: s.below(), text: s.status() + "\n"})
	return max(redraw, 4*time.Since(start))
}

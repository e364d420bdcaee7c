package show

import (
	"fmt"
	"iter"
	"slices"
	gosync "sync"
	"time"

	"github.com/janpfeifer/gonb/gonbui"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/eval"
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
// did before as well, and the band about the target of an adaptive penalty.
func Live(events iter.Seq2[rlhf.Event, error]) {
	if err := Watch(events); err != nil {
		fail(err)
	}
}

// Watch is Live that returns the error of the sequence. An empty sequence is
// none: the run was trained already.
func Watch(events iter.Seq2[rlhf.Event, error]) error {
	return watch(plain(events), &state{})
}

// Train trains a run to its planned number of steps and draws it from its first
// step on. A run that is trained already is drawn as it is.
func Train(run rlhf.Run) { liveRun(run, run.Train()) }

// Steps trains a run n steps more and draws it from its first step on.
func Steps(run rlhf.Run, n int) { liveRun(run, run.Steps(n)) }

func liveRun(run rlhf.Run, events iter.Seq2[rlhf.Event, error]) {
	s, err := past(run)
	if err == nil {
		err = watch(plain(events), s)
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
	show(s.board.card(s.record).output(""))
}

// A writer is a run that keeps responses of its steps, as an rlhf.PPORun does.
type writer interface {
	Written(last int) ([]rlhf.Sample, error)
}

// past returns the state that a run's log leaves.
func past(run rlhf.Run) (*state, error) {
	info, err := run.Info()
	if err != nil {
		return nil, fmt.Errorf("show: run: %w", err)
	}
	points, err := run.History()
	if err != nil {
		return nil, fmt.Errorf("show: history of %s: %w", info.Name, err)
	}
	s := &state{run: info.Name, kind: info.Kind, step: info.Step, record: record{of: info.Step, points: slices.Clone(points)}}
	if w, ok := run.(writer); ok {
		if s.written, err = w.Written(0); err != nil {
			return nil, fmt.Errorf("show: responses of %s: %w", info.Name, err)
		}
		s.samples = newest(s.written)
	}
	s.board = newDashboard(s.kind, s.run)
	s.board.configure(info.Config)
	return s, nil
}

// newest returns the responses of the last step that has any.
func newest(written []rlhf.Sample) []rlhf.Sample {
	from := len(written)
	for from > 0 && written[from-1].Step == written[len(written)-1].Step {
		from--
	}
	return written[from:]
}

// state is what is known of a run while it is watched.
type state struct {
	run, kind string
	step      int
	left      time.Duration
	record
	samples  []rlhf.Sample // the newest
	message  string
	seen     int // events
	done     bool
	watching bool // somebody else trains it
	err      error
	board    *dashboard
}

// news is an event, or what this package finds out about a run beside its events.
type news struct {
	rlhf.Event
	judged []eval.Judged // held-out comparisons, as the model scores them now
}

// plain makes news of events.
func plain(events iter.Seq2[rlhf.Event, error]) iter.Seq2[news, error] {
	return func(yield func(news, error) bool) {
		for e, err := range events {
			if !yield(news{Event: e}, err) {
				return
			}
		}
	}
}

// add takes in news.
func (s *state) add(e news) {
	if s.board == nil {
		s.run, s.kind = e.Run, e.Kind
		if s.kind == "" && e.Point != nil {
			s.kind = kindOf([]rlhf.Point{*e.Point})
		}
		s.board = newDashboard(s.kind, s.run)
	}
	s.seen++
	s.step, s.of, s.left, s.message = e.Step, e.Of, e.Left, e.Message
	if e.judged != nil {
		s.judged, s.judgedAt = e.judged, e.Step
	}
	if len(e.Samples) > 0 {
		s.samples = e.Samples
		if e.Samples[0].Step > 0 {
			s.written = append(before(s.written, e.Samples[0].Step, func(w rlhf.Sample) int { return w.Step }), e.Samples...)
		}
	}
	if e.Point != nil {
		s.points = append(before(s.points, e.Point.Step, func(p rlhf.Point) int { return p.Step }), *e.Point)
	}
}

// before returns those of list that are of steps before step. A run that was cut off
// repeats the step it had not saved. The list may be on its way to the screen: where
// something goes, what is left is a copy.
func before[T any](list []T, step int, of func(T) int) []T {
	keep := len(list)
	for keep > 0 && of(list[keep-1]) >= step {
		keep--
	}
	if keep == len(list) {
		return list
	}
	return slices.Clone(list[:keep])
}

// watch ranges over the events while another goroutine draws the latest state.
func watch(events iter.Seq2[news, error], s *state) error {
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
	put(s.board.card(s.record).output(v.picture))
	put(output{id: v.below, html: s.below(), text: s.status() + "\n"})
	return max(redraw, 4*time.Since(start))
}

package local

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math"
	"time"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/internal/fit"
	"hhrlhf/rlhf/run"
)

// A trainee is a run that is loaded: the three kinds differ in these.
type trainee interface {
	closer
	// advance does one step; samples are a few of its responses, if it has any.
	advance() (point rlhf.Point, samples []rlhf.Sample, err error)
	done() int // steps done
	states() map[string]*fit.State
	names() map[string][]string // of the weights, by state
}

// A keeper is a trainee with numbers beside its states that a checkpoint must hold.
type keeper interface{ scalars() map[string]*float64 }

// base is what the handles of the three kinds share: a name, and the lab to load it in.
type base struct {
	lab     *Lab
	name    string
	kind    string
	planned int
	load    func(l *Lab, name string, say func(string)) (*loadedRun, error)
}

// handle opens a run of a kind by its name, decodes its configuration into cfg,
// and returns what its handle is based on.
func (l *Lab) handle(name, kind string, cfg any, load func(l *Lab, name string, say func(string)) (*loadedRun, error)) (base, error) {
	r, f, err := l.openKind(name, kind, cfg)
	if err != nil {
		return base{}, err
	}
	defer r.Close()
	return base{lab: l, name: name, kind: kind, planned: f.Planned, load: load}, nil
}

// loadedRun is a run whose models are in memory.
type loadedRun struct {
	trainee
	disk *run.Run

	pending   []entry          // of steps that are done, which the disk had no room for
	saved     int              // step of the newest checkpoint
	savedAt   time.Time        // when it was written
	saveCosts [2]time.Duration // what writing it and the one before took
}

// An entry is what a step leaves on disk.
type entry struct {
	point   *rlhf.Point // nil: it is there
	samples []rlhf.Sample
}

// due is whether it is time for a checkpoint: often enough that little is lost, seldom
// enough that it costs little, a twentieth of the time. A disk that was slow once
// does not count, and what is lost is never more than half a minute's work, or
// that of ten checkpoints.
func (r *loadedRun) due(now time.Time) bool {
	cost := min(r.saveCosts[0], r.saveCosts[1])
	return now.Sub(r.savedAt) > min(20*cost, max(30*time.Second, 10*cost))
}

func (r *loadedRun) close() {
	r.trainee.close()
	r.disk.Close()
}

// Info implements rlhf.Run.
func (b *base) Info() (rlhf.RunInfo, error) { return b.lab.info(b.name) }

// History implements rlhf.Run.
func (b *base) History() ([]rlhf.Point, error) { return b.lab.History(b.name) }

// Train implements rlhf.Run.
func (b *base) Train() iter.Seq2[rlhf.Event, error] {
	return b.steps(func(done int) int { return b.planned - done })
}

// Steps implements rlhf.Run.
func (b *base) Steps(n int) iter.Seq2[rlhf.Event, error] {
	return b.steps(func(int) int { return n })
}

// with runs f with the run loaded and the device held.
func (b *base) with(what string, f func(r *loadedRun) error) error {
	defer b.lab.watch.Drive(b.name)()
	release, err := b.lab.acquire(what, b.name)
	if err != nil {
		return err
	}
	defer release()
	b.lab.makeRoom(b.name)
	r, err := b.loaded(func(string) {})
	if err != nil {
		return err
	}
	return f(r)
}

func (b *base) loaded(say func(string)) (*loadedRun, error) {
	b.lab.mu.Lock()
	r, ok := b.lab.host.loaded[b.name].(*loadedRun)
	b.lab.mu.Unlock()
	if ok {
		b.lab.used(b.name)
		return r, nil
	}
	r, err := b.load(b.lab, b.name, say)
	if err != nil {
		return nil, err
	}
	b.lab.keep(b.name, r)
	return r, nil
}

func (b *base) steps(count func(done int) int) iter.Seq2[rlhf.Event, error] {
	return func(yield func(rlhf.Event, error) bool) {
		event := rlhf.Event{Run: b.name, Kind: b.kind}
		defer b.lab.watch.Drive(b.name)()
		told := yield
		yield = func(e rlhf.Event, err error) bool {
			news := e
			if err != nil {
				news = withMessage(e, "stopped: "+err.Error())
			}
			b.lab.watch.Tell(news)
			return told(e, err)
		}
		release, err := b.lab.acquire("training", b.name)
		if err != nil {
			yield(event, err)
			return
		}
		defer release()
		b.lab.makeRoom(b.name)
		alive := true // whether the consumer still listens
		r, err := b.loaded(func(msg string) {
			if alive {
				event.Message = msg
				alive = yield(event, nil)
			}
		})
		event.Message = ""
		if err != nil {
			if alive {
				yield(event, err)
			}
			return
		}
		done := r.done()
		n := count(done)
		event.Step, event.Of = done, done+max(n, 0)
		if n <= 0 || !alive {
			// Nothing to do, unless the last step found no room.
			if err := r.checkpoint(); err != nil && alive {
				yield(event, r.noRoom(err))
			}
			return
		}
		if !yield(withMessage(event, "compiling"), nil) {
			return
		}
		err = b.stretch(r, n, event, yield)
		if errors.Is(err, run.ErrNoSpace) {
			yield(event, err)
			return
		}
		if saveErr := r.checkpoint(); saveErr != nil && !errors.Is(err, errStopped) {
			err = errors.Join(err, r.noRoom(saveErr))
		}
		if err != nil && !errors.Is(err, errStopped) {
			yield(event, err)
		}
	}
}

func withMessage(e rlhf.Event, msg string) rlhf.Event {
	e.Message = msg
	return e
}

// errStopped means that the consumer broke off the loop.
var errStopped = errors.New("stopped")

// stretch does n steps. Its error is what ended it early: the context's, a
// step's, or errStopped.
func (b *base) stretch(r *loadedRun, n int, event rlhf.Event, yield func(rlhf.Event, error) bool) error {
	var clock stopwatch
	for i := range n {
		if err := b.lab.ctx.Err(); err != nil {
			return fmt.Errorf("local: %s: interrupted at step %d, which is kept: %w", b.name, r.done(), err)
		}
		b.lab.say(fmt.Sprintf("training %s: step %d of %d", b.name, r.done()+1, event.Of))
		start := time.Now()
		point, samples, err := r.advance()
		if err != nil {
			return b.failed(r, err)
		}
		for name, v := range point.Values {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				return b.failed(r, fmt.Errorf("local: %s: step %d: %s = %v: %w", b.name, point.Step, name, v, fit.ErrNotFinite))
			}
		}
		if err := r.record(point, samples); errors.Is(err, run.ErrNoSpace) {
			return r.noRoom(err)
		} else if err != nil {
			return b.failed(r, err)
		}
		clock.lap(time.Since(start))
		event.Step, event.Point, event.Samples = point.Step, &point, samples
		event.Left = clock.left(n - i - 1)
		b.lab.progress(point.Step, event.Of, event.Left)
		if !yield(event, nil) {
			return errStopped
		}
	}
	return nil
}

// tell tells those who watch of a step that was done by itself.
func (b *base) tell(r *loadedRun, p rlhf.Point, samples []rlhf.Sample) {
	b.lab.watch.Tell(rlhf.Event{Run: b.name, Kind: b.kind, Step: p.Step, Of: max(p.Step, b.planned), Point: &p, Samples: samples})
}

// noRoom adds to the error of a full disk that nothing is lost: what is done stays in
// memory until there is room.
func (r *loadedRun) noRoom(err error) error {
	if errors.Is(err, run.ErrNoSpace) {
		return fmt.Errorf("%w; once there is room, going on goes on from step %d", err, r.done())
	}
	return err
}

// failed drops a run whose memory can no longer be trusted, so that the next
// call loads its last checkpoint. An update that was not finite has changed nothing;
// but a policy's step is many updates, and those before it have.
func (b *base) failed(r *loadedRun, err error) error {
	if _, many := r.trainee.(*ppoModel); many || !errors.Is(err, fit.ErrNotFinite) {
		b.lab.unload(b.name)
	}
	return err
}

// record writes a step to disk, and a checkpoint if one is due. What finds no room waits
// for the next call.
func (r *loadedRun) record(p rlhf.Point, samples []rlhf.Sample) error {
	r.pending = append(r.pending, entry{&p, samples})
	if err := r.flush(); err != nil {
		return err
	}
	if r.due(time.Now()) {
		return r.checkpoint()
	}
	return nil
}

// flush writes what waits.
func (r *loadedRun) flush() error {
	for ; len(r.pending) > 0; r.pending = r.pending[1:] {
		e := &r.pending[0]
		if e.point != nil {
			if err := r.disk.AppendMetrics(e.point.Step, e.point.Values); err != nil {
				return err
			}
		}
		step := r.done() - len(r.pending) + 1
		for e.point = nil; len(e.samples) > 0; e.samples = e.samples[1:] {
			if err := r.disk.AppendSample(step, e.samples[0]); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkpoint writes the optimiser states unless the newest checkpoint has them.
func (r *loadedRun) checkpoint() error {
	if r.saved == r.done() {
		return nil
	}
	if err := r.flush(); err != nil { // a checkpoint's history is on disk
		return err
	}
	start := time.Now()
	ck := run.Checkpoint{Step: r.done()}
	state := map[string]any{}
	for name, s := range r.states() {
		state[name] = s.Updates
	}
	if k, ok := r.trainee.(keeper); ok {
		for name, x := range k.scalars() {
			state[name] = *x
		}
	}
	var err error
	if ck.State, err = json.Marshal(state); err != nil {
		return fmt.Errorf("local: %w", err)
	}
	if ck.Tensors, err = export(r.trainee); err != nil {
		return err
	}
	if err := r.disk.SaveCheckpoint(ck); err != nil {
		return err
	}
	r.saved, r.savedAt = r.done(), time.Now()
	r.saveCosts = [2]time.Duration{time.Since(start), r.saveCosts[0]}
	return nil
}

// A stopwatch estimates the time left from the steps after the first, which compiles.
type stopwatch struct {
	n     int
	total time.Duration
}

func (s *stopwatch) lap(d time.Duration) {
	s.n++
	if s.n == 2 { // forget the compiling step as soon as there is another
		s.total = 0
	}
	s.total += d
}

// left is 0 as long as only the compiling step is known: it says nothing of the others.
func (s *stopwatch) left(steps int) time.Duration {
	if s.n < 2 {
		return 0
	}
	return s.total / time.Duration(max(1, s.n-1)) * time.Duration(steps)
}

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

	saved    int           // step of the newest checkpoint
	savedAt  time.Time     // when it was written
	saveCost time.Duration // what writing it took
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
	release, err := b.lab.acquire(what + " " + b.name)
	if err != nil {
		return err
	}
	defer release()
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
		return r, nil
	}
	r, err := b.load(b.lab, b.name, say)
	if err != nil {
		return nil, err
	}
	b.lab.keep(b.name, r)
	return r, nil
}

// samplesEvery is how often events carry samples.
const samplesEvery = 5

func (b *base) steps(count func(done int) int) iter.Seq2[rlhf.Event, error] {
	return func(yield func(rlhf.Event, error) bool) {
		event := rlhf.Event{Run: b.name, Kind: b.kind}
		release, err := b.lab.acquire("training " + b.name)
		if err != nil {
			yield(event, err)
			return
		}
		defer release()
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
			return
		}
		if !yield(withMessage(event, "compiling"), nil) {
			return
		}
		err = b.stretch(r, n, event, yield)
		if saveErr := r.checkpoint(); saveErr != nil && !errors.Is(err, errStopped) {
			err = errors.Join(err, saveErr)
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
		if err := r.record(point, samples); err != nil {
			return b.failed(r, err)
		}
		clock.lap(time.Since(start))
		event.Step, event.Point, event.Samples = point.Step, &point, nil
		event.Left = clock.left(n - i - 1)
		if point.Step%samplesEvery == 1 || i == n-1 {
			event.Samples = samples
		}
		if !yield(event, nil) {
			return errStopped
		}
	}
	return nil
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

// record writes a step to disk, and a checkpoint if one is due.
func (r *loadedRun) record(p rlhf.Point, samples []rlhf.Sample) error {
	if err := r.disk.AppendMetrics(p.Step, p.Values); err != nil {
		return err
	}
	for _, s := range samples {
		if err := r.disk.AppendSample(p.Step, s); err != nil {
			return err
		}
	}
	// Often enough that little is lost, seldom enough that it costs little.
	if time.Since(r.savedAt) > 20*r.saveCost {
		return r.checkpoint()
	}
	return nil
}

// checkpoint writes the optimiser states unless the newest checkpoint has them.
func (r *loadedRun) checkpoint() error {
	if r.saved == r.done() {
		return nil
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
	r.saved, r.savedAt, r.saveCost = r.done(), time.Now(), time.Since(start)
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

func (s *stopwatch) left(steps int) time.Duration {
	return s.total / time.Duration(max(1, s.n-1)) * time.Duration(steps)
}

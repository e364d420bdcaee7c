package soak

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"
)

// Options says what to soak, and how long.
type Options struct {
	// Kernel is the command that is a kernel on a connection file, with its runs
	// in a folder. Its environment is this process's, with folders of its own for
	// temporary files.
	Kernel func(connection, runs string) []string
	// Engine is the command that serves an engine alone, for the straight runs.
	Engine func(socket, runs string) []string
	// For is how long blows fall; then the round is finished in peace. In the
	// second half of it none falls that ends the engine, so that its memory can be
	// watched. 0: until each blow has fallen once.
	For time.Duration
	// Every is the mean time from the start of a cell to the next blow. 0: 10 s.
	Every time.Duration
	// Seed decides which blow falls when. Not what it meets: that is up to the machine.
	Seed uint64
	// Steps is how many steps the policy of a round is trained; the language model and the
	// preference model have a third of them. 0: 150.
	Steps int
	// Event, if any, gets each event as it is over.
	Event func(Event)
	// Say, if any, gets a line of progress every few seconds.
	Say func(string)
}

// An Event is a blow and what it did, or a round that ended.
type Event struct {
	At      float64  `json:"at"` // seconds since the beginning
	Kind    string   `json:"kind"`
	Run     string   `json:"run,omitempty"`
	Step    int      `json:"step"`            // the last on disk when all was quiet again
	Again   int      `json:"again,omitempty"` // steps that have to be done again
	Took    float64  `json:"took"`            // seconds until then
	Outcome string   `json:"outcome"`
	Faults  []string `json:"faults,omitempty"` // what is not as it must be
}

// Run soaks until its time is over, or ctx ends. What goes wrong is in the
// report; the error says that there was no kernel to soak.
func Run(ctx context.Context, o Options) (r Report, err error) {
	if o.Every == 0 {
		o.Every = 10 * time.Second
	}
	if o.Steps == 0 {
		o.Steps = 150
	}
	if o.Say == nil {
		o.Say = func(string) {}
	}
	dir, err := os.MkdirTemp("", "soak") // short: sockets lie in it
	if err != nil {
		return r, fmt.Errorf("soak: %w", err)
	}
	defer os.RemoveAll(dir)
	s := &soak{o: o, dir: dir, began: time.Now(), random: rand.New(rand.NewPCG(o.Seed, 0x50a4)), report: &r}
	r.Seed = o.Seed
	if s.disk, err = newDisk(filepath.Join(dir, "runs")); err != nil {
		return r, fmt.Errorf("soak: %w", err)
	}
	defer s.disk.close()
	o.Say("training the straight runs")
	if s.straight, err = straightRuns(ctx, o, dir); err != nil {
		return r, fmt.Errorf("soak: the straight runs: %w", err)
	}
	s.began = time.Now()
	defer s.dropKernel()
	for ctx.Err() == nil && !s.over() {
		s.round(ctx)
	}
	s.finish()
	r.Seconds = time.Since(s.began).Seconds()
	return r, ctx.Err()
}

// A soak is the state of Run.
type soak struct {
	o        Options
	dir      string
	disk     *disk
	began    time.Time
	random   *rand.Rand
	straight map[string]*record // by kind
	deck     []string           // blows to come
	dealt    int                // decks
	kernel   *kernel
	kernels  int
	report   *Report
}

func (s *soak) over() bool {
	if s.o.For == 0 {
		return s.dealt > 0 && len(s.deck) == 0
	}
	return time.Since(s.began) > s.o.For
}

// gentle is whether the engine is to live on.
func (s *soak) gentle() bool { return s.o.For > 0 && time.Since(s.began) > s.o.For/2 }

// next returns the blow that is on top of the deck, dealing another deck if it is empty.
func (s *soak) next() string {
	for {
		if len(s.deck) == 0 {
			if s.deck = s.disk.blows(); s.o.For == 0 {
				s.deck = s.disk.order()
			}
			s.random.Shuffle(len(s.deck), func(i, j int) { s.deck[i], s.deck[j] = s.deck[j], s.deck[i] })
			s.dealt++
		}
		if kind := s.deck[0]; !s.gentle() || !endsEngine[kind] {
			return kind
		}
		s.deck = s.deck[1:]
	}
}

// round trains one run of each kind to its plan, through all that happens.
func (s *soak) round(ctx context.Context) {
	s.report.Rounds++
	began := time.Now()
	for _, kind := range kinds {
		for attempt := 0; ; attempt++ {
			done, err := s.cell(ctx, kind)
			if done || ctx.Err() != nil {
				break
			}
			if err != nil {
				s.event(Event{Kind: "fault", Run: runName(kind, s.report.Rounds), Faults: []string{err.Error()}})
				s.dropKernel()
				if attempt > 50 {
					return
				}
			}
		}
	}
	if ctx.Err() != nil {
		return
	}
	e := s.compare()
	e.Took = time.Since(began).Seconds()
	s.event(e)
}

// cell trains a run by one cell until it is done, a blow falls, or something is
// not as it must be, which is the error.
func (s *soak) cell(ctx context.Context, kind string) (done bool, err error) {
	defer func() {
		if f, ok := recover().(failure); ok { // of the front-end: see reporter
			err = errors.New(string(f))
		}
	}()
	k, err := s.startKernel(ctx)
	if err != nil {
		return false, err
	}
	name := runName(kind, s.report.Rounds)
	id := k.execute(code(kind, s.o.Steps, s.report.Rounds))
	var due <-chan time.Time
	if !s.over() {
		due = time.After(min(time.Duration(s.random.ExpFloat64()*float64(s.o.Every)), 4*s.o.Every))
	}
	for {
		if r, ended := k.poll(id); ended {
			if r.Status != "ok" {
				return false, fmt.Errorf("a cell that nothing disturbed ended with %q: %s", r.Status, tail(r.Stderr+fmt.Sprint(r.Error)))
			}
			return true, nil
		}
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-due:
			blow := s.next()
			s.deck = s.deck[1:]
			s.event(s.blow(blow, k, id, kind, name))
			due = nil
			if s.kernel != k {
				return false, nil
			}
			if _, ended := k.poll(id); ended {
				return false, nil
			} // else it had not called the engine that died, and goes on with the next
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// event notes an event.
func (s *soak) event(e Event) {
	e.At = time.Since(s.began).Seconds()
	s.report.Events = append(s.report.Events, e)
	if s.o.Event != nil {
		s.o.Event(e)
	}
}

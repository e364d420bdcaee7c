package online

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/run"
	"hhrlhf/rlhf/synth"
)

// Kind is the kind of a loop's own events; those of the runs that it trains have theirs.
const Kind = "online"

// Options are what a configuration cannot write down.
type Options struct {
	// Dir is the loop's folder. "": .online/NAME beside the lab's runs.
	Dir string
	// Labeller compares. nil: the workers of Config.World.
	Labeller Labeller
	// Crowd are those workers. Its zero value: synth.DefaultCrowd.
	Crowd synth.Crowd
	// Prompts are what policies are asked, each once before any comes again. nil: the
	// world writes fresh ones. With them, policies are trained on the prompts of the
	// comparisons, as the world is not theirs.
	Prompts []string
}

// A Loop is one iterated online loop on disk.
type Loop struct {
	lab   rlhf.Lab
	ctx   context.Context
	name  string
	cfg   Config
	o     Options
	dir   string
	world *synth.World // nil unless Config.World is one
	seed  run.Seed
}

// Open opens the loop of that name, or makes it. A loop that exists must have the
// configuration given, but for Rounds and Control.
func Open(lab rlhf.Lab, name string, c Config, o Options) (*Loop, error) {
	if err := run.CheckName(name); err != nil {
		return nil, err
	}
	l := &Loop{lab: lab, ctx: context.Background(), name: name, o: o, dir: o.Dir}
	if c.LM != "" && c.World == "" {
		m, err := lab.OpenLM(c.LM)
		if err != nil {
			return nil, fmt.Errorf("online: LM = %q: %w", c.LM, err)
		}
		info, err := m.Info()
		if err != nil {
			return nil, fmt.Errorf("online: LM = %q: %w", c.LM, err)
		}
		var of struct{ Data string }
		if err := json.Unmarshal(info.Config, &of); err != nil {
			return nil, fmt.Errorf("online: LM = %q: its configuration: %w", c.LM, err)
		}
		c.World = of.Data
	}
	l.cfg = c.Filled()
	if err := l.cfg.Validate(); err != nil {
		return nil, err
	}
	l.seed = run.Seed(l.cfg.Seed)
	if rlhf.Synthetic(l.cfg.World) {
		var err error
		if l.world, err = synth.Named(l.cfg.World); err != nil {
			return nil, fmt.Errorf("online: World: %w", err)
		}
	} else if o.Labeller == nil || len(o.Prompts) == 0 {
		return nil, fmt.Errorf("online: World = %q is not synthetic, so nobody writes prompts or compares; set Options.Prompts and Options.Labeller, or take a language model of %q", l.cfg.World, rlhf.SynthSmall)
	}
	if err := l.crowd().Validate(); err != nil {
		return nil, err
	}
	if l.dir == "" {
		s, err := lab.Status()
		if err != nil {
			return nil, err
		}
		l.dir = filepath.Join(s.Dir, ".online", name)
	}
	var err error
	if l.dir, err = filepath.Abs(l.dir); err != nil {
		return nil, fmt.Errorf("online: Options.Dir: %w", err)
	}
	return l, l.claim()
}

// claim writes the configuration into the folder, or compares it with what is there.
func (l *Loop) claim() error {
	path := l.path("config.json")
	fields := func(c Config) (m map[string]any, err error) {
		text, err := json.Marshal(c)
		if err == nil {
			err = json.Unmarshal(text, &m)
		}
		delete(m, "rounds")
		delete(m, "control")
		return m, err
	}
	var was Config
	there, err := run.ReadJSON(path, &was)
	if err != nil {
		return err
	}
	if !there {
		return run.WriteJSON(path, l.cfg)
	}
	a, errA := fields(was)
	b, errB := fields(l.cfg)
	if err := errors.Join(errA, errB); err != nil {
		return fmt.Errorf("online: %s: %w", path, err)
	}
	var diff []string
	for _, k := range slices.Sorted(maps.Keys(b)) {
		if !reflect.DeepEqual(a[k], b[k]) {
			diff = append(diff, fmt.Sprintf("%s is %v on disk, %v asked for", k, a[k], b[k]))
		}
	}
	if len(diff) > 0 {
		return fmt.Errorf("online: the loop %q exists with another configuration: %s; open it with the same one, or take another name", l.name, strings.Join(diff, "; "))
	}
	return nil
}

// With returns the same loop whose calls end when ctx does.
func (l *Loop) With(ctx context.Context) *Loop {
	m := *l
	m.ctx, m.lab = ctx, l.lab.With(ctx)
	return &m
}

// Name, Config and Dir are what the loop was opened with, filled.
func (l *Loop) Name() string   { return l.name }
func (l *Loop) Config() Config { return l.cfg }
func (l *Loop) Dir() string    { return l.dir }

func (l *Loop) path(elem ...string) string {
	return filepath.Join(append([]string{l.dir}, elem...)...)
}

// run is the name of one of the loop's runs.
func (l *Loop) run(format string, args ...any) string {
	return l.name + "-" + fmt.Sprintf(format, args...)
}

// Train goes through all stages up to the last round's. What is done already costs a
// look at the disk. Events of the loop itself have Kind and a Message, and count stages;
// those of the runs that it trains are passed on as they come. Breaking off the loop
// stops after what is in progress: a part of some answers, a step of training.
func (l *Loop) Train() iter.Seq2[rlhf.Event, error] {
	return func(yield func(rlhf.Event, error) bool) {
		w := &walk{Loop: l, yield: yield, seen: map[[2]string]bool{}}
		stages := l.stages(w)
		w.event = rlhf.Event{Run: l.name, Kind: Kind, Of: len(stages)}
		for i, s := range stages {
			w.event.Step, w.stage = i, s.name
			if err := w.ctx.Err(); err != nil {
				yield(w.event, fmt.Errorf("online: %s: interrupted before %s; what is done is kept: %w", l.name, s.name, err))
				return
			}
			err := s.do()
			if errors.Is(err, errStopped) {
				return
			}
			if err != nil {
				yield(w.event, fmt.Errorf("online: %s: %s: %w", l.name, s.name, err))
				return
			}
		}
	}
}

// errStopped means that the consumer broke off the loop.
var errStopped = errors.New("stopped")

package enginetest

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/watch"
)

// Options says how a [Lab] behaves.
type Options struct {
	// Dir keeps the runs on disk, one file each, so that they outlive the
	// process. "": in memory.
	Dir string
	// Step is how long a step takes, and each phase of one. A step under way
	// can't be ended, as on a device.
	Step time.Duration
	// Still is how long a watched run may stand still. 0: a second.
	Still time.Duration
	// Text, if not "", is what samples answer: a model may write anything.
	Text string
	// Hook, if any, is called as each call on the device begins, with the name
	// of the method and of the run. It may return an error, or panic.
	Hook func(method, run string) error
}

// A Lab implements rlhf.Lab.
type Lab struct {
	w   *world
	ctx context.Context
}

// A world is what all the labs made by With share.
type world struct {
	o     Options
	since time.Time

	watch watch.Hub

	mu       sync.Mutex
	runs     map[string]*record
	device   int    // calls on the device now
	busy     string // what the device does
	overlaps int
	calls    []string
}

// A record is a run, as it is on disk.
type record struct {
	Info   rlhf.RunInfo `json:"info"`
	Points []rlhf.Point `json:"points"`
}

// New returns a lab. It reads the runs that are in o.Dir.
func New(o Options) (*Lab, error) {
	if o.Still == 0 {
		o.Still = time.Second
	}
	w := &world{o: o, since: time.Unix(1700000000, 0).UTC(), runs: map[string]*record{}}
	if o.Dir != "" {
		files, err := filepath.Glob(filepath.Join(o.Dir, "*.json"))
		if err != nil {
			return nil, fmt.Errorf("enginetest: %w", err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				return nil, fmt.Errorf("enginetest: %w", err)
			}
			rec := new(record)
			if err := json.Unmarshal(text, rec); err != nil {
				return nil, fmt.Errorf("enginetest: %s: %w", file, err)
			}
			w.runs[rec.Info.Name] = rec
		}
	}
	return &Lab{w: w, ctx: context.Background()}, nil
}

// Overlaps returns how often a call began on the device while another was on
// it, which the owner of a device must not let happen.
func (l *Lab) Overlaps() int {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	return l.w.overlaps
}

// Calls returns "method run" of every call on the device so far, in order.
func (l *Lab) Calls() []string {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	return slices.Clone(l.w.calls)
}

// With implements rlhf.Lab.
func (l *Lab) With(ctx context.Context) rlhf.Lab { return &Lab{w: l.w, ctx: ctx} }

// LM implements rlhf.Lab.
func (l *Lab) LM(name string, c rlhf.LM) (rlhf.LMRun, error) {
	c = c.Filled()
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if err := l.create(name, "lm", c, c.Planned); err != nil {
		return nil, err
	}
	return l.OpenLM(name)
}

// Distill implements rlhf.Lab.
func (l *Lab) Distill(name string, c rlhf.Distill) (rlhf.LMRun, error) {
	c = c.Filled()
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if err := l.create(name, "distill", c, 40); err != nil {
		return nil, err
	}
	return l.OpenLM(name)
}

// Direct implements rlhf.Lab. It knows every loss.
func (l *Lab) Direct(name string, c rlhf.Direct) (rlhf.LMRun, error) {
	c = c.Filled()
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if err := l.create(name, "direct", c, 40); err != nil {
		return nil, err
	}
	return l.OpenLM(name)
}

// PM implements rlhf.Lab.
func (l *Lab) PM(name string, c rlhf.PM) (rlhf.PMRun, error) {
	c = c.Filled()
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if err := l.create(name, "pm", c, 40); err != nil {
		return nil, err
	}
	return l.OpenPM(name)
}

// PPO implements rlhf.Lab.
func (l *Lab) PPO(name string, c rlhf.PPO) (rlhf.PPORun, error) {
	c = c.Filled()
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if err := l.create(name, "ppo", c, c.Planned); err != nil {
		return nil, err
	}
	return l.OpenPPO(name)
}

// OpenLM implements rlhf.Lab.
func (l *Lab) OpenLM(name string) (rlhf.LMRun, error) {
	r, err := l.open(name, "")
	if err == nil && r.rec.Info.Kind != "distill" && r.rec.Info.Kind != "direct" {
		r, err = l.open(name, "lm")
	}
	return r, err
}

// OpenPM implements rlhf.Lab.
func (l *Lab) OpenPM(name string) (rlhf.PMRun, error) {
	r, err := l.open(name, "pm")
	return pmRun{r}, err
}

// OpenPPO implements rlhf.Lab.
func (l *Lab) OpenPPO(name string) (rlhf.PPORun, error) {
	r, err := l.open(name, "ppo")
	return ppoRun{r}, err
}

// Runs implements rlhf.Lab.
func (l *Lab) Runs() ([]rlhf.RunInfo, error) {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	var infos []rlhf.RunInfo
	for _, rec := range l.w.runs {
		infos = append(infos, rec.Info)
	}
	slices.SortFunc(infos, func(a, b rlhf.RunInfo) int {
		return cmp.Or(a.Created.Compare(b.Created), strings.Compare(a.Name, b.Name))
	})
	return infos, nil
}

// Remove implements rlhf.Lab.
func (l *Lab) Remove(name string) error {
	if _, err := l.open(name, ""); err != nil {
		return err
	}
	done, err := l.begin("Remove", name)
	if err != nil {
		return err
	}
	defer done()
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	delete(l.w.runs, name)
	l.w.watch.Forget(name)
	if l.w.o.Dir != "" {
		return os.Remove(filepath.Join(l.w.o.Dir, name+".json"))
	}
	return nil
}

// History implements rlhf.Lab.
func (l *Lab) History(name string) ([]rlhf.Point, error) {
	r, err := l.open(name, "")
	if err != nil {
		return nil, err
	}
	return r.History()
}

// Watch implements rlhf.Lab.
func (l *Lab) Watch(name string) iter.Seq2[rlhf.Event, error] {
	return l.w.watch.Watch(l.ctx, l, name, "", l.w.o.Still)
}

// Written implements rlhf.Lab: two samples of every step of a PPO run.
func (l *Lab) Written(name string, last int) ([]rlhf.Sample, error) {
	if last < 0 {
		return nil, fmt.Errorf("enginetest: Written: last = %d, want 0 or more", last)
	}
	r, err := l.open(name, "")
	if err != nil {
		return nil, err
	}
	info, err := r.Info()
	var out []rlhf.Sample
	for step := 1; step <= info.Step && info.Kind == "ppo"; step++ {
		out = append(out, r.kept(step)...)
	}
	if last > 0 && len(out) > last {
		out = out[len(out)-last:]
	}
	return out, err
}

// kept are the samples that a step of a PPO run leaves on disk.
func (r run) kept(step int) []rlhf.Sample {
	out := r.samples([]string{"\n\nHuman: 2+2?\n\nAssistant:", "\n\nHuman: 2+3?\n\nAssistant:"}, uint64(step))
	for i := range out {
		out[i].Step = step
	}
	return out
}

// Status implements rlhf.Lab.
func (l *Lab) Status() (rlhf.Status, error) {
	infos, err := l.Runs()
	if err != nil {
		return rlhf.Status{}, err
	}
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	st := rlhf.Status{
		Backend: "arithmetic", Device: "arithmetic on one thread", Busy: l.w.busy, Since: l.w.since, PID: os.Getpid(),
		RSSBytes: 1 << 20, Dir: l.w.o.Dir, Version: "enginetest", Models: []rlhf.Loaded{}, Runs: []rlhf.RunState{},
	}
	for _, r := range infos {
		s := rlhf.RunState{Name: r.Name, Kind: r.Kind, Step: r.Step, Planned: r.Planned, State: rlhf.StateOf(r.Step, r.Planned)}
		if points := l.w.runs[r.Name].Points; len(points) > 0 {
			s.Metric, s.Value = "objective/score", points[len(points)-1].Values["objective/score"]
		}
		st.Runs = append(st.Runs, s)
		st.Models = append(st.Models, rlhf.Loaded{Name: r.Name, Bytes: 4000})
		st.DeviceBytes += 4000
	}
	st.Watchers = l.w.watch.Watchers()
	return st, nil
}

// create makes the run, or checks that the one there has the same configuration.
func (l *Lab) create(name, kind string, config any, planned int) error {
	if name == "" || strings.ContainsAny(name, "/\\. ") {
		return fmt.Errorf("enginetest: run name %q: want letters, digits and dashes", name)
	}
	text, err := json.Marshal(config)
	if err != nil {
		return fmt.Errorf("enginetest: %w", err)
	}
	done, err := l.begin("Create", name)
	if err != nil {
		return err
	}
	defer done()
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	if rec, ok := l.w.runs[name]; ok {
		if rec.Info.Kind != kind || !reflect.DeepEqual([]byte(rec.Info.Config), text) {
			return fmt.Errorf("enginetest: run %q exists with another configuration", name)
		}
		return nil
	}
	rec := &record{Info: rlhf.RunInfo{
		Name: name, Kind: kind, Dir: filepath.Join(l.w.o.Dir, name), Planned: planned, Params: 1000,
		Created: l.w.since.Add(time.Duration(len(l.w.runs)) * time.Second), Backend: "arithmetic", Config: text,
		Data: []rlhf.DataInfo{{Name: "synth", Rows: 100, SHA256: "00"}},
	}}
	l.w.runs[name] = rec
	return l.w.save(rec)
}

func (l *Lab) open(name, kind string) (run, error) {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	rec, ok := l.w.runs[name]
	if !ok {
		return run{}, fmt.Errorf("enginetest: there is no run %q", name)
	}
	if kind != "" && rec.Info.Kind != kind {
		return run{}, fmt.Errorf("enginetest: run %q is a %s run, not a %s run", name, rec.Info.Kind, kind)
	}
	return run{l: l, rec: rec}, nil
}

// begin marks the device as taken until the returned function is called.
func (l *Lab) begin(method, name string) (func(), error) {
	if err := l.ctx.Err(); err != nil {
		return nil, err
	}
	l.w.mu.Lock()
	l.w.device++
	if l.w.device > 1 {
		l.w.overlaps++
	}
	l.w.busy = method + " " + name
	l.w.calls = append(l.w.calls, l.w.busy)
	l.w.mu.Unlock()
	done := func() {
		l.w.mu.Lock()
		defer l.w.mu.Unlock()
		l.w.device--
		l.w.busy = ""
	}
	if l.w.o.Hook != nil {
		returned := false
		defer func() {
			if !returned { // the hook panics
				done()
			}
		}()
		err := l.w.o.Hook(method, name)
		returned = true
		if err != nil {
			done()
			return nil, err
		}
	}
	return done, nil
}

// save writes a run's file in one piece. The caller holds the lock.
func (w *world) save(rec *record) error {
	if w.o.Dir == "" {
		return nil
	}
	text, err := json.Marshal(rec)
	if err != nil {
		return fmt.Errorf("enginetest: %w", err)
	}
	file := filepath.Join(w.o.Dir, rec.Info.Name+".json")
	if err := os.WriteFile(file+".new", text, 0o600); err != nil {
		return fmt.Errorf("enginetest: %w", err)
	}
	return os.Rename(file+".new", file)
}

// errNoBatch is what a phase returns for a batch that is not of its run or step.
var errNoBatch = errors.New("the batch is not one of this run's next step")

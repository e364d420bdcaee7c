package local

import (
	"errors"
	"iter"
	"os"
	"runtime/debug"
	"slices"
	"time"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/memory"
	"hhrlhf/rlhf/run"
)

// Status implements rlhf.Lab. It reads the end of each run's metrics and nothing more.
func (l *Lab) Status() (rlhf.Status, error) {
	s := rlhf.Status{
		Backend: l.opt.Backend, Device: l.be.Description(), Since: l.started, PID: os.Getpid(),
		Dir: l.store.Dir(), Version: version(), Watchers: l.watch.Watchers(),
	}
	s.RSSBytes, _ = memory.Held(s.PID)
	s.FreeBytes, _ = memory.Free("/")
	s.Runs = l.states()
	l.mu.Lock()
	defer l.mu.Unlock()
	s.Busy, s.Waiting, s.Models = l.busy, len(l.line), slices.Clone(l.models)
	for _, m := range s.Models {
		s.DeviceBytes += m.Bytes
	}
	if l.job != nil {
		job := *l.job
		s.Job = &job
	}
	for _, j := range l.line {
		s.Line = append(s.Line, *j)
	}
	s.SetBusy()
	return s, nil
}

// states describes the runs on disk, each in a line. One whose manifest is broken is
// left out; Runs says which.
func (l *Lab) states() []rlhf.RunState {
	ms, _ := l.store.List()
	states := []rlhf.RunState{}
	for _, m := range ms {
		s := rlhf.RunState{Name: m.Name, Kind: m.Kind}
		newest, f, err := l.newest(m.Name)
		if errors.Is(err, run.ErrNotFound) {
			continue // removed meanwhile
		}
		if s.Step, s.Planned, s.State = newest.Step, f.Planned, rlhf.StateOf(newest.Step, f.Planned); err != nil {
			s.State = rlhf.StateBroken
		}
		if v, ok := newest.Values[rlhf.Headline(m.Kind)]; ok {
			s.Metric, s.Value = rlhf.Headline(m.Kind), v
		}
		states = append(states, s)
	}
	return states
}

// newest returns what a run has recorded last.
func (l *Lab) newest(name string) (rlhf.Point, facts, error) {
	r, err := l.store.Open(name)
	if err != nil {
		return rlhf.Point{}, facts{}, err
	}
	defer r.Close()
	p, _, err := r.Newest()
	if err != nil {
		return p, facts{}, err
	}
	f, err := l.factsOf(name)
	return p, f, err
}

// still is how long a watched run may stand still.
const still = 10 * time.Second

// Watch implements rlhf.Lab.
func (l *Lab) Watch(name string) iter.Seq2[rlhf.Event, error] {
	return l.watch.Watch(l.ctx, l, name, "", still)
}

func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return info.Main.Version
}

package local

import (
	"errors"
	"iter"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/memory"
	"hhrlhf/rlhf/run"
)

// Status implements rlhf.Lab. It reads the end of each run's metrics and nothing more.
func (l *Lab) Status() (rlhf.Status, error) {
	s := rlhf.Status{
		Backend: l.opt.Backend, Device: l.be.Description(), Since: l.started, PID: os.Getpid(),
		RSSBytes: rss(), Dir: l.store.Dir(), Version: version(), Watchers: l.watch.Watchers(),
	}
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

// rss is the resident memory of the process as the kernel reports it, 0 where it does not.
func rss() int64 {
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(statm))
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize())
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

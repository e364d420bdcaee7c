package show

import (
	"fmt"
	"iter"
	"strings"

	"hhrlhf/rlhf"
)

// Run draws the run of a name from its log: all that it did, whoever trained it, also
// before this page was loaded. While another cell, notebook or program is still
// training it, Run goes on drawing as [Live] does, until the run is trained or stands
// still. It trains nothing itself.
//
// After a reload in the middle of training, when the page no longer follows the cell that
// trains, this is the cell to run.
func Run(lab rlhf.Lab, name string) {
	run, err := open(lab, name)
	if err != nil {
		fail(err)
		return
	}
	s, err := past(run)
	if err != nil {
		fail(err)
		return
	}
	if info, err := run.Info(); err == nil {
		s.of = max(info.Planned, s.step)
	}
	s.watching = true
	if err := watch(plain(onward(lab, name, s)), s); err != nil {
		fail(err)
	}
}

// open opens a run of any kind.
func open(lab rlhf.Lab, name string) (rlhf.Run, error) {
	all, err := lab.Runs()
	if err != nil {
		return nil, fmt.Errorf("show: Run: %w", err)
	}
	var names []string
	for _, info := range all {
		names = append(names, info.Name)
		if info.Name != name {
			continue
		}
		switch info.Kind {
		case "pm":
			return lab.OpenPM(name)
		case "ppo":
			return lab.OpenPPO(name)
		}
		return lab.OpenLM(name)
	}
	return nil, fmt.Errorf("show: Run: there is no run %q; there are: %s", name, strings.Join(names, ", "))
}

// onward begins with where s stands, so that it is drawn at once, and goes on with the
// steps after it, as somebody else takes them, and what happens between.
func onward(lab rlhf.Lab, name string, s *state) iter.Seq2[rlhf.Event, error] {
	step := s.step
	return func(yield func(rlhf.Event, error) bool) {
		if !yield(rlhf.Event{Run: s.run, Kind: s.kind, Step: step, Of: s.of}, nil) {
			return
		}
		for e, err := range lab.Watch(name) {
			if err != nil {
				yield(e, fmt.Errorf("show: Run: %w", err))
				return
			}
			if (e.Point == nil || e.Step > step) && !yield(e, nil) {
				return
			}
		}
	}
}

package main

import (
	"context"
	"fmt"

	"hhrlhf/rlhf"
)

// drive trains a run to its plan, or as many steps more as asked for, and says what
// happens: first what the run is, then a line a step. seen gets every event and words
// a step's figures.
func drive(ctx context.Context, s shell, command, name string, r rlhf.Run, more int, seen func(rlhf.Event) (figures string, err error)) error {
	info, err := r.Info()
	if err != nil {
		return fmt.Errorf("%s: %w", command, err)
	}
	fmt.Fprintf(s.err, "%s: %s, %s parameters, step %d of %d, in %s\n", command, name, count(info.Params), info.Step, info.Planned, info.Dir)
	for _, note := range info.Notes {
		fmt.Fprintln(s.err, "  "+note)
	}
	if len(info.Memory) > 0 {
		fmt.Fprint(s.err, info.Memory)
	}
	steps := r.Train()
	if more > 0 {
		steps = r.Steps(more)
	}
	p := newProgress(s.err, command)
	last := info.Step
	for e, err := range steps {
		if err != nil {
			if ctx.Err() != nil {
				return fmt.Errorf("%s: stopped at step %d, which is kept; rlhf %s -name %s goes on", command, last, command, name)
			}
			return fmt.Errorf("%s: %w", command, err)
		}
		last = e.Step
		figures, err := seen(e)
		if err != nil {
			return err
		}
		if e.Point == nil {
			p.say("%s", e.Message)
		} else {
			p.left = e.Left
			p.at(e.Step, e.Of, figures)
		}
	}
	return nil
}

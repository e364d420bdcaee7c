package online

import (
	"fmt"
	"iter"
	"strings"
	"time"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/run"
)

// A walk is one call of Train: where it is, and who listens.
type walk struct {
	*Loop
	yield func(rlhf.Event, error) bool
	event rlhf.Event
	stage string

	tranches []tranche          // collected so far
	seen     map[[2]string]bool // comparisons in them
	games    []match            // between different players, for the ratings
}

// say sends a message of the loop's own.
func (w *walk) say(what string, left time.Duration) error {
	e := w.event
	e.Message, e.Left = w.stage+": "+what, left
	if !w.yield(e, nil) {
		return errStopped
	}
	if err := w.ctx.Err(); err != nil {
		return fmt.Errorf("interrupted; what is done is kept: %w", err)
	}
	return nil
}

// A stopwatch estimates the time that is left of equal things.
type stopwatch struct {
	start time.Time
	todo  int
}

func (w *walk) clock(todo int) stopwatch { return stopwatch{time.Now(), todo} }

func (s stopwatch) left(todo int) time.Duration {
	if todo >= s.todo {
		return 0
	}
	return time.Since(s.start) / time.Duration(s.todo-todo) * time.Duration(todo)
}

// A stage is done completely or goes on where it was.
type stage struct {
	name string
	do   func() error
}

// stages are all of a loop, in order.
func (l *Loop) stages(w *walk) []stage {
	base := player{name: "base", run: l.cfg.LM}
	judge := l.run("pm-base")
	stages := []stage{
		{"comparisons of the base model", func() error { return w.collect(l.compared("base", l.cfg.Base, []player{base}), 0) }},
		{"a preference model on them", func() error { return w.judge(judge, nil, 0) }},
		{"comparisons by rejection sampling", func() error {
			return w.collect(l.compared("rs", l.cfg.RS, []player{{"rs", l.cfg.LM, judge}}), 0)
		}},
	}
	for r := 1; r <= l.cfg.Rounds; r++ {
		say := func(what string) string { return fmt.Sprintf("round %d of %d, %s", r, l.cfg.Rounds, what) }
		pm, policy := l.run("pm-%d", r), l.run("ppo-%d", r)
		stages = append(stages,
			stage{say("preference model"), func() error { return w.judge(pm, nil, 0) }},
			stage{say("policy"), func() error {
				if there, err := run.ReadJSON(l.path(fmt.Sprintf("report-%d.json", r)), &Report{}); there || err != nil {
					return err // nothing to load
				}
				return w.policy(policy, pm, l.cfg.at())
			}},
			stage{say("deployment"), func() error {
				return w.collect(l.compared(fmt.Sprintf("online-%d", r), l.cfg.Online, l.deployed(r)), r)
			}},
			stage{say("trial and report"), func() error { return w.report(r, base) }},
		)
	}
	if l.cfg.Control > 0 {
		stages = append(stages, stage{"control", func() error { return w.control() }})
	}
	return stages
}

// deployed are the policies that write the online comparisons of round r: all snapshots of
// its own policy, and the last one of each before.
func (l *Loop) deployed(r int) []player {
	var ps []player
	for before := 1; before <= r; before++ {
		steps := l.cfg.at()
		if before < r {
			steps = steps[len(steps)-1:]
		}
		for _, s := range steps {
			ps = append(ps, player{name: fmt.Sprintf("ppo-%d@%d", before, s), run: l.run("ppo-%d-s%d", before, s)})
		}
	}
	return ps
}

// collect makes a tranche.
func (w *walk) collect(d deal, round int) error {
	_, ms, err := w.held(d)
	if err != nil {
		return err
	}
	w.tranches = append(w.tranches, w.tranche(d.tranche, round, ms))
	if round > 0 {
		w.games = append(w.games, ms...)
	}
	return nil
}

// judge trains a preference model on all tranches that there are, from the base model.
// With a mix, on so many rows of it.
func (w *walk) judge(name string, mix []rlhf.Share, rows int) error {
	folder, err := w.data(strings.TrimPrefix(name, w.name+"-"), w.tranches)
	if err != nil {
		return err
	}
	c := w.cfg.PM
	c.LM, c.Data, c.Mix, c.Rows, c.Seed = w.cfg.LM, folder, mix, rows, w.seed.Uint64("online/pm", len(w.tranches))
	if c.Planned == 0 {
		c.Planned = w.steps(rows)
	}
	p, err := w.lab.PM(name, c)
	if err != nil {
		return err
	}
	return w.train(p)
}

// steps are those of a preference model on so many comparisons, or on all there are.
func (w *walk) steps(rows int) int {
	if rows == 0 {
		for _, t := range w.tranches {
			rows += len(t.rows)
		}
	}
	trained := float64(rows) * (1 - w.cfg.PM.HeldOut)
	return max(1, int(float64(w.cfg.Epochs)*trained/float64(w.cfg.PM.Filled().Batch)))
}

// train trains a run to its plan and passes its events on.
func (w *walk) train(r rlhf.Run) error {
	info, err := r.Info()
	if err != nil {
		return err
	}
	if info.Step < info.Planned {
		if err := w.say("training "+info.Name, 0); err != nil {
			return err
		}
	}
	// A run that is at its plan by its metrics may have been killed before the checkpoint.
	return w.pass(r.Train())
}

// pass hands a run's events on.
func (w *walk) pass(events iter.Seq2[rlhf.Event, error]) error { return pass(events, w.hand) }

// hand is the walk's listener as a function that reports its end as an error.
func (w *walk) hand(e rlhf.Event) error {
	if !w.yield(e, nil) {
		return errStopped
	}
	return nil
}

// pass hands events to say, whose error ends them.
func pass(events iter.Seq2[rlhf.Event, error], say func(rlhf.Event) error) error {
	for e, err := range events {
		if err == nil {
			err = say(e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// policy trains a policy from the base model against a preference model, and takes a
// snapshot after each of the steps.
func (w *walk) policy(name, pm string, steps []int) error {
	c := w.cfg.PPO
	c.Policy, c.PM, c.Seed = w.cfg.LM, pm, w.seed.Uint64("online/ppo", len(w.tranches))
	if w.world != nil && len(w.o.Prompts) == 0 {
		c.Data = w.cfg.World
		if c.HarmfulFraction == 0 {
			c.HarmfulFraction = w.cfg.Harmful
			if w.cfg.Harmful == 0 {
				c.HarmfulFraction = -1 // none; 0 would be PPO's default
			}
		}
	}
	p, err := w.lab.PPO(name, c)
	if err != nil {
		return err
	}
	for _, s := range steps {
		if err := w.snapshot(p, fmt.Sprintf("%s-s%d", name, s), s); err != nil {
			return err
		}
	}
	return nil
}

// snapshot is Snapshot of a policy of the loop.
func (w *walk) snapshot(p rlhf.PPORun, name string, step int) error {
	return Snapshot(w.lab, p, name, step, func(e rlhf.Event) error {
		if e.Message != "" && e.Kind == Kind {
			return w.say(e.Message, 0)
		}
		return w.hand(e)
	})
}

// Snapshot trains a policy up to a step and copies it there as the language model of that
// name, unless that is done. What happens is told to say, whose error ends it between two
// steps.
func Snapshot(lab rlhf.Lab, p rlhf.PPORun, name string, step int, say func(rlhf.Event) error) error {
	info, err := p.Info()
	if err == nil && info.Step > step {
		if _, err = lab.OpenLM(name); err != nil {
			err = fmt.Errorf("%s is at step %d and has no snapshot of step %d, so it was trained by somebody else; remove it, and it is trained again: %w", info.Name, info.Step, step, err)
		}
		return err
	}
	// Loading the run takes back metrics of a step that a killed process had not saved.
	if err == nil {
		err = pass(p.Steps(0), say)
	}
	if err == nil {
		info, err = p.Info()
	}
	if err != nil {
		return err
	}
	if info.Step < step {
		if err := say(rlhf.Event{Run: info.Name, Kind: Kind, Message: fmt.Sprintf("training %s to step %d", info.Name, step)}); err != nil {
			return err
		}
		if err := pass(p.Steps(step-info.Step), say); err != nil {
			return err
		}
	}
	_, err = p.Snapshot(name) // one that is there already is compared, and finished if it was not
	return err
}

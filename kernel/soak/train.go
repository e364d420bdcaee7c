package soak

import (
	"context"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"hhrlhf/kernel/lab"
	"hhrlhf/rlhf"
	"hhrlhf/rlhf/run"
)

// kinds are the runs of a round, in order.
var kinds = []string{"lm", "pm", "ppo"}

func runName(kind string, round int) string { return fmt.Sprintf("%s-%d", kind, round) }

// The configurations of a round's runs: as small as they come, since what is
// tried is not the training.
func lmConfig(steps int) rlhf.LM {
	return rlhf.LM{Layers: 1, Width: 32, Heads: 2, Context: 96, Vocab: 400, Batch: 4, Rows: 400, Planned: max(1, steps/3), Warmup: 2}
}

func pmConfig(steps, round int) rlhf.PM {
	return rlhf.PM{LM: runName("lm", round), Batch: 8, Rows: 200, Planned: max(1, steps/3), Warmup: 2}
}

func ppoConfig(steps, round int) rlhf.PPO {
	return rlhf.PPO{Policy: runName("lm", round), PM: runName("pm", round), Prompt: 48, Response: 12, Batch: 8, Minibatches: 2,
		Epochs: 2, Planned: steps, KLCoef: 0.02, Rows: 400, HarmfulFraction: 0.3}
}

// code is the cell that trains a run of a round from where it is to its plan.
func code(kind string, steps, round int) string {
	var call string
	switch name := runName(kind, round); kind {
	case "lm":
		call = fmt.Sprintf("LM(%q, %#v)", name, lmConfig(steps))
	case "pm":
		call = fmt.Sprintf("PM(%q, %#v)", name, pmConfig(steps, round))
	case "ppo":
		call = fmt.Sprintf("PPO(%q, %#v)", name, ppoConfig(steps, round))
	}
	return `import (
	"fmt"
	"hhrlhf/kernel/lab"
	"hhrlhf/rlhf"
)
%%
run := lab.Must(lab.Attach().` + call + `)
for ev, err := range run.Train() {
	lab.Check(err)
	if ev.Point != nil {
		fmt.Println("step", ev.Step)
	}
}`
}

// A record is what a run has on disk.
type record struct {
	points []rlhf.Point // without wall times
	ck     *run.Checkpoint
}

// step is the last step in the history, saved that of the newest checkpoint.
func (r *record) step() int {
	if len(r.points) == 0 {
		return 0
	}
	return r.points[len(r.points)-1].Step
}

func (r *record) saved() int {
	if r.ck == nil {
		return 0
	}
	return r.ck.Step
}

// read reads a run from disk, as another process finds it. A run that does not exist yet
// is an empty record, and so far one without a checkpoint has none.
func read(dir, name string) (*record, error) {
	store, err := run.OpenStore(dir)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
		return &record{}, nil
	}
	r, err := store.Open(name)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	points, err := r.Metrics()
	if err != nil {
		return nil, err
	}
	for _, p := range points {
		for name := range p.Values {
			if strings.HasPrefix(name, "time/") {
				delete(p.Values, name)
			}
		}
	}
	rec := &record{points: points}
	if left, _ := filepath.Glob(filepath.Join(r.Dir(), "checkpoints", "[0-9]*")); len(left) > 0 {
		rec.ck, err = r.LoadCheckpoint()
	}
	return rec, err
}

// begins says how the history r differs from the beginning of the straight one, "" if it does not.
func (r *record) begins(straight *record) string {
	for i, p := range r.points {
		switch {
		case i >= len(straight.points):
			return fmt.Sprintf("step %d is behind the plan's end, %d", p.Step, straight.step())
		case p.Step != straight.points[i].Step:
			return fmt.Sprintf("point %d is of step %d, in the straight run of step %d", i, p.Step, straight.points[i].Step)
		}
		for name, want := range straight.points[i].Values {
			if got, ok := p.Values[name]; !ok || math.Float64bits(got) != math.Float64bits(want) {
				return fmt.Sprintf("step %d: %s = %v, in the straight run %v", p.Step, name, got, want)
			}
		}
	}
	return ""
}

// equals says how r differs from the straight run at its end, "" if it does not.
func (r *record) equals(straight *record) string {
	switch d := r.begins(straight); {
	case d != "":
		return d
	case len(r.points) != len(straight.points):
		return fmt.Sprintf("%d steps, in the straight run %d", len(r.points), len(straight.points))
	case r.saved() != straight.saved():
		return fmt.Sprintf("checkpoint of step %d, in the straight run %d", r.saved(), straight.saved())
	case string(r.ck.State) != string(straight.ck.State):
		return fmt.Sprintf("state %s, in the straight run %s", r.ck.State, straight.ck.State)
	}
	i := slices.IndexFunc(r.ck.Tensors, func(t run.Tensor) bool {
		return !slices.ContainsFunc(straight.ck.Tensors, func(o run.Tensor) bool { return reflect.DeepEqual(o, t) })
	})
	if i >= 0 || len(r.ck.Tensors) != len(straight.ck.Tensors) {
		return fmt.Sprintf("weights differ, tensor %d of %d", i, len(r.ck.Tensors))
	}
	return ""
}

// straightRuns trains a round on an engine that nothing disturbs.
func straightRuns(ctx context.Context, o Options, dir string) (map[string]*record, error) {
	runs, socket := filepath.Join(dir, "straight"), filepath.Join(dir, "s", "e.sock")
	argv := o.Engine(socket, runs)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Cancel = func() error { return cmd.Process.Signal(unix.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	var log strings.Builder
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	defer func() {
		cmd.Process.Signal(unix.SIGTERM)
		cmd.Wait()
	}()
	l := lab.Open(lab.Options{Socket: socket, Wait: 2 * time.Minute}).With(ctx)
	made := map[string]func() (rlhf.Run, error){
		"lm":  func() (rlhf.Run, error) { return l.LM(runName("lm", 0), lmConfig(o.Steps)) },
		"pm":  func() (rlhf.Run, error) { return l.PM(runName("pm", 0), pmConfig(o.Steps, 0)) },
		"ppo": func() (rlhf.Run, error) { return l.PPO(runName("ppo", 0), ppoConfig(o.Steps, 0)) },
	}
	records := map[string]*record{}
	for _, kind := range kinds {
		r, err := made[kind]()
		if err != nil {
			return nil, fmt.Errorf("%w\n%s", err, log.String())
		}
		for ev, err := range r.Train() {
			if err != nil {
				return nil, err
			}
			if ev.Point != nil && ev.Step%20 == 0 {
				o.Say(fmt.Sprintf("straight %s: step %d of %d", kind, ev.Step, ev.Of))
			}
		}
		if records[kind], err = read(runs, runName(kind, 0)); err != nil {
			return nil, err
		}
	}
	return records, nil
}

package study

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/run"
	"hhrlhf/rlhf/synth"
)

// Kind is the kind of a study's own events; those of the runs that it trains have theirs.
const Kind = "study"

// Options are what a plan cannot write down.
type Options struct {
	// Dir is the study's folder. "": .study/NAME beside the lab's runs.
	Dir string
	// Tasks is the folder of the public task files, see package tasks. "": none.
	Tasks string
	// Comparisons is a folder of hh-rlhf's comparisons. "": none.
	Comparisons string
	// Model is the pretrained model that real tasks are asked of, a name or path as
	// rlhf.LM.From takes them. "": none.
	Model string
	// Seeds are those that this process measures, so that several share a study on disk.
	// None: all of the plan's.
	Seeds []int
	// Say is told what happens. An error of it ends what is in progress, at a place from
	// which it can be gone on with.
	Say func(rlhf.Event) error
}

// A Study is one study on disk.
type Study struct {
	Plan  Plan
	World *synth.World

	lab  rlhf.Lab // nil: what is not measured is not there
	ctx  context.Context
	name string
	dir  string
	o    Options
}

// ErrNotMeasured is that of a study that was only read, see [Read].
var ErrNotMeasured = errors.New("not measured")

// Open opens the study of that name, or begins it. One that exists must have the plan given.
func Open(lab rlhf.Lab, name string, p Plan, o Options) (*Study, error) {
	if err := run.CheckName(name); err != nil {
		return nil, err
	}
	if err := p.Validate(); err != nil {
		return nil, err
	}
	if o.Dir == "" {
		s, err := lab.Status()
		if err != nil {
			return nil, err
		}
		o.Dir = filepath.Join(s.Dir, ".study", name)
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("study: Options.Dir: %w", err)
	}
	for _, seed := range o.Seeds {
		if seed < 1 || seed > p.Seeds {
			return nil, fmt.Errorf("study: Options.Seeds has %d, want 1 to %d, the plan's number", seed, p.Seeds)
		}
	}
	st := &Study{Plan: p, lab: lab, ctx: context.Background(), name: name, dir: dir, o: o}
	if st.World, err = synth.Named(p.Data); err != nil {
		return nil, err
	}
	var was Plan
	there, err := run.ReadJSON(st.path("plan.json"), &was)
	switch {
	case err != nil:
		return nil, err
	case !there:
		return st, run.WriteJSON(st.path("plan.json"), p)
	case !reflect.DeepEqual(was, p):
		a, _ := json.Marshal(was) // both have just been read or checked
		b, _ := json.Marshal(p)
		return nil, fmt.Errorf("study: %q exists in %s with another plan:\n  on disk    %s\n  asked for  %s\ntake another name, or the plan on disk", name, dir, a, b)
	}
	return st, nil
}

// Read returns what the study in a folder has measured. Asking it for more is ErrNotMeasured.
func Read(dir string) (*Study, error) {
	st := &Study{ctx: context.Background(), name: filepath.Base(dir), dir: dir}
	there, err := run.ReadJSON(st.path("plan.json"), &st.Plan)
	if err == nil && !there {
		err = fmt.Errorf("study: %s has no plan.json: it is not the folder of a study", dir)
	}
	if err == nil {
		st.World, err = synth.Named(st.Plan.Data)
	}
	return st, err
}

// With returns the same study whose calls end when ctx does.
func (st *Study) With(ctx context.Context) *Study {
	other := *st
	other.ctx = ctx
	if st.lab != nil {
		other.lab = st.lab.With(ctx)
	}
	return &other
}

// Lab is what the study drives; nil if it was only read.
func (st *Study) Lab() rlhf.Lab { return st.lab }

// Dir is the study's folder.
func (st *Study) Dir() string { return st.dir }

// Name is the name of one of the study's runs.
func (st *Study) Name(format string, args ...any) string {
	return st.name + "-" + fmt.Sprintf(format, args...)
}

// Seeds are the seeds that are measured, from 1 up.
func (st *Study) Seeds() []int {
	if len(st.o.Seeds) > 0 {
		return st.o.Seeds
	}
	all := make([]int, st.Plan.Seeds)
	for i := range all {
		all[i] = i + 1
	}
	return all
}

// Runs are the study's runs on disk.
func (st *Study) Runs() ([]rlhf.RunInfo, error) {
	if st.lab == nil {
		return nil, st.noLab()
	}
	all, err := st.lab.Runs()
	return slices.DeleteFunc(all, func(r rlhf.RunInfo) bool { return !strings.HasPrefix(r.Name, st.Name("")) }), err
}

// TaskFiles is the folder of the public task files, "" if there is none or the plan asks
// for nothing real; Comparisons that of hh-rlhf's comparisons; Model the name of the
// pretrained model that they are asked of.
func (st *Study) TaskFiles() string   { return st.real(st.o.Tasks) }
func (st *Study) Comparisons() string { return st.real(st.o.Comparisons) }
func (st *Study) Model() string       { return st.real(st.o.Model) }

func (st *Study) real(what string) string {
	if !st.Plan.Real {
		return ""
	}
	return what
}

// Once returns what measure measured, from disk if that has been done. The key is the name
// of a file. What is measured must survive JSON: no infinities, no unexported fields.
func Once[T any](st *Study, key string, measure func() (T, error)) (T, error) {
	var kept T
	path := st.path("measured", key+".json")
	there, err := run.ReadJSON(path, &kept)
	if there || err != nil {
		return kept, err
	}
	if st.lab == nil {
		return kept, fmt.Errorf("study: %s: %s: %w; rlhf report measures it", st.dir, key, ErrNotMeasured)
	}
	if err := st.Say("measuring %s", key); err != nil {
		return kept, err
	}
	made, err := measure()
	if err == nil {
		err = st.ctx.Err()
	}
	if err != nil {
		return kept, fmt.Errorf("study: %s: %w", key, err)
	}
	if err := run.WriteJSON(path, made); err != nil {
		return kept, err
	}
	_, err = run.ReadJSON(path, &kept) // what a later call returns, this one returns too
	return kept, err
}

// eachSeed measures once for each seed, under the name and the seed's number.
func eachSeed[T any](st *Study, name string, measure func(seed int) (T, error)) (all []T, err error) {
	for _, seed := range st.Seeds() {
		one, err := Once(st, fmt.Sprintf("%s-s%d", name, seed), func() (T, error) { return measure(seed) })
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}

// eachModel measures once for each seed and rung of the grid, under the name and both numbers.
func eachModel[T any](st *Study, name string, measure func(rung, seed int) (T, error)) (all []T, err error) {
	for _, seed := range st.Seeds() {
		for rung := range st.Plan.Shapes {
			one, err := Once(st, fmt.Sprintf("%s-r%d-s%d", name, rung, seed), func() (T, error) { return measure(rung, seed) })
			if err != nil {
				return nil, err
			}
			all = append(all, one)
		}
	}
	return all, nil
}

// optional is Once of what is left out, as nil, where it has not been measured and measure
// says ErrNotMeasured, because what it needs is not at hand.
func optional[T any](st *Study, key string, measure func() (T, error)) (*T, error) {
	one, err := Once(st, key, measure)
	switch {
	case errors.Is(err, ErrNotMeasured):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return &one, nil
}

// Say tells whoever listens what is being done.
func (st *Study) Say(format string, args ...any) error {
	return st.tell(rlhf.Event{Run: st.name, Kind: Kind, Message: fmt.Sprintf(format, args...)})
}

func (st *Study) tell(e rlhf.Event) error {
	if st.o.Say != nil {
		if err := st.o.Say(e); err != nil {
			return err
		}
	}
	return st.ctx.Err()
}

func (st *Study) path(elem ...string) string {
	return filepath.Join(append([]string{st.dir}, elem...)...)
}

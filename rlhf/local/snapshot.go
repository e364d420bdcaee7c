package local

import (
	"errors"
	"fmt"
	"reflect"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/lm"
	"hhrlhf/rlhf/run"
)

// An origin says of which policy a snapshot is.
type origin struct {
	Run  string `json:"run"`
	Step int    `json:"step"`
	Ours bool   `json:"ours"` // it descends from fresh weights, see language
}

func (o origin) String() string {
	return fmt.Sprintf("the policy of PPO run %q at step %d", o.Run, o.Step)
}

// unfinished is the error of a snapshot whose weights were not written: the process
// was killed in between.
func (o origin) unfinished(name string) error {
	return fmt.Errorf("local: run %q is %s, without its weights: making it was interrupted; Remove it, or take the snapshot again if the policy is still there: %w", name, o, run.ErrNoCheckpoint)
}

// Snapshot implements rlhf.PPORun. A snapshot is a language model that is not trained
// (Planned = Untrained) with a checkpoint of its own, where others of that kind are read
// from what From names.
func (h *ppoRun) Snapshot(name string) (rlhf.LMRun, error) {
	err := h.phase("snapshot of", func(m *ppoModel, _ *loadedRun) error {
		weights, err := onHost("lm/", lm.Names(m.PolicyWeights()[:len(m.Decoder())]), m.Decoder())
		if err != nil {
			return err
		}
		return h.lab.saveSnapshot(name, origin{Run: h.name, Step: m.done()}, h.cfg.Policy, weights)
	})
	if err != nil {
		return nil, err
	}
	return h.lab.OpenLM(name)
}

// saveSnapshot makes the run of that name, or checks that it is what would be made.
func (l *Lab) saveSnapshot(name string, from origin, policy string, weights []run.Tensor) error {
	_, err := l.manifest(name)
	switch {
	case errors.Is(err, run.ErrNotFound):
		if err := l.newSnapshot(name, from, policy); err != nil {
			return err
		}
	case err != nil:
		return err
	}
	r, err := l.store.Open(name)
	if err != nil {
		return err
	}
	defer r.Close()
	f, err := l.factsOf(name)
	switch {
	case err != nil:
		return err
	case f.Snapshot == nil:
		return fmt.Errorf("local: run %q exists and is no snapshot but of kind %q; take another name", name, r.Manifest().Kind)
	case f.Snapshot.Run != from.Run || f.Snapshot.Step != from.Step:
		return fmt.Errorf("local: run %q is %s already, and this is %s; a snapshot is for good: take another name, or Remove it", name, f.Snapshot, from)
	}
	ck, err := r.LoadCheckpoint()
	switch {
	case isNoCheckpoint(err):
		return r.SaveCheckpoint(run.Checkpoint{Tensors: weights})
	case err != nil:
		return err
	case !reflect.DeepEqual(ck.Tensors, weights):
		return fmt.Errorf("local: run %q is %s, but of another run of that name, which was removed since: their weights differ; take another name, or Remove it", name, f.Snapshot)
	}
	return nil
}

// newSnapshot makes a run without weights. What it was trained on is what the language
// model that the policy began as was trained on.
func (l *Lab) newSnapshot(name string, from origin, policy string) error {
	g, err := l.language(policy)
	if err != nil {
		return err
	}
	parent, err := l.manifest(from.Run)
	if err != nil {
		return err
	}
	from.Ours = g.ours
	cfg := rlhf.LM{From: from.Run, Planned: rlhf.Untrained, Data: g.data, HeldOut: g.heldOut, LearningRate: g.rate}.Filled()
	return l.ensure(name, "lm", 0, cfg, func(m *run.Manifest, f *facts) (func(string) error, error) {
		m.Data, m.Tokenizer, m.Parents = parent.Data, parent.Tokenizer, []string{from.Run}
		f.Shape, f.Context, f.Template, f.Planned = g.shape, g.context, g.template, cfg.Planned
		f.Snapshot, f.Notes = &from, []string{"snapshot: " + from.String()}
		return saver(g.tok), nil
	})
}

package local

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/tensors"

	"hhrlhf/rlhf/internal/fit"
	"hhrlhf/rlhf/internal/gx"
	"hhrlhf/rlhf/lm"
	"hhrlhf/rlhf/run"
)

// parts are the three lists of a state, with the prefix of their tensors' names.
func parts(s *fit.State) []struct {
	prefix string
	list   *[]*tensors.Tensor
} {
	return []struct {
		prefix string
		list   *[]*tensors.Tensor
	}{{"", &s.Params}, {"adam_m/", &s.M}, {"adam_v/", &s.V}}
}

// held are the tensors of a trainee's states.
func held(t trainee) []*tensors.Tensor {
	var all []*tensors.Tensor
	for _, s := range t.states() {
		all = slices.Concat(all, s.Params, s.M, s.V)
	}
	return all
}

// export copies a trainee's states to the host as "policy/blocks.0.mlp.up",
// "adam_m/policy/…" and so on.
func export(t trainee) ([]run.Tensor, error) {
	var out []run.Tensor
	states := t.states()
	for _, which := range slices.Sorted(maps.Keys(states)) {
		for _, p := range parts(states[which]) {
			ts, err := onHost(p.prefix+which+"/", t.names()[which], *p.list)
			if err != nil {
				return nil, err
			}
			out = append(out, ts...)
		}
	}
	return out, nil
}

// onHost copies tensors to the host under their names behind a prefix.
func onHost(prefix string, names []string, list []*tensors.Tensor) ([]run.Tensor, error) {
	out := make([]run.Tensor, len(names))
	for i, name := range names {
		rt := run.Tensor{Name: prefix + name, DType: "F32", Shape: list[i].Shape().Dimensions}
		values, err := gx.Values[float32](list[i])
		if err != nil {
			return nil, fmt.Errorf("local: %s: %w", rt.Name, err)
		}
		rt.Data = make([]byte, 0, 4*len(values))
		for _, v := range values {
			rt.Data = binary.LittleEndian.AppendUint32(rt.Data, math.Float32bits(v))
		}
		out[i] = rt
	}
	return out, nil
}

// restore sets the states from a checkpoint; a tensor missing, surplus or
// mis-shaped is an error that names it.
func restore(be compute.Backend, t trainee, ck *run.Checkpoint) error {
	state, err := counters(t, ck)
	if err != nil {
		return fmt.Errorf("local: checkpoint of step %d: %w", ck.Step, err)
	}
	tensorsOf := byName(ck.Tensors)
	for which, s := range t.states() {
		for _, p := range parts(s) {
			for i, name := range t.names()[which] {
				full := p.prefix + which + "/" + name
				x, err := take(be, tensorsOf, full, (*p.list)[i].Shape().Dimensions)
				if err != nil {
					return fmt.Errorf("local: checkpoint of step %d: %w", ck.Step, err)
				}
				gx.Free((*p.list)[i])
				(*p.list)[i] = x
			}
		}
		s.Updates = state[which]
	}
	if len(tensorsOf) > 0 {
		return fmt.Errorf("local: checkpoint of step %d: tensor %q belongs to nothing", ck.Step, slices.Sorted(maps.Keys(tensorsOf))[0])
	}
	return nil
}

// counters returns how many updates each state has had, and sets what a keeper keeps
// beside them; a checkpoint from before it kept anything leaves that as it is.
func counters(t trainee, ck *run.Checkpoint) (updates map[string]int, err error) {
	var state map[string]json.Number
	if err := json.Unmarshal(ck.State, &state); err != nil {
		return nil, err
	}
	if k, ok := t.(keeper); ok {
		for name, x := range k.scalars() {
			if n, saved := state[name]; saved {
				if *x, err = n.Float64(); err != nil {
					return nil, err
				}
			}
		}
	}
	updates = map[string]int{}
	for name := range t.states() {
		n, err := state[name].Int64()
		if err != nil {
			return nil, fmt.Errorf("state %q: %w", name, err)
		}
		updates[name] = int(n)
	}
	return updates, nil
}

func byName(ts []run.Tensor) map[string]run.Tensor {
	m := make(map[string]run.Tensor, len(ts))
	for _, t := range ts {
		m[t.Name] = t
	}
	return m
}

// take removes the tensor of that name from the map and uploads it.
func take(be compute.Backend, from map[string]run.Tensor, name string, dims []int) (*tensors.Tensor, error) {
	t, ok := from[name]
	if !ok {
		return nil, fmt.Errorf("tensor %q is missing", name)
	}
	delete(from, name)
	if t.DType != "F32" || !slices.Equal(t.Shape, dims) {
		return nil, fmt.Errorf("tensor %q is %s %v, want F32 %v", name, t.DType, t.Shape, dims)
	}
	values := make([]float32, len(t.Data)/4)
	for i := range values {
		values[i] = math.Float32frombits(binary.LittleEndian.Uint32(t.Data[4*i:]))
	}
	return gx.Flat(be, values, dims...)
}

// weightsOf reads the trained weights of a run's newest checkpoint: state is
// "lm", "pm", "policy" or "value".
func (l *Lab) weightsOf(name, state string, ws []lm.Weight) ([]*tensors.Tensor, int, error) {
	r, err := l.store.Open(name)
	if err != nil {
		return nil, 0, err
	}
	defer r.Close()
	ck, err := r.LoadCheckpoint()
	if err != nil {
		return nil, 0, fmt.Errorf("local: run %q has no weights to start from; train it first: %w", name, err)
	}
	all := byName(ck.Tensors)
	out := make([]*tensors.Tensor, len(ws))
	for i, w := range ws {
		if out[i], err = take(l.be, all, state+"/"+w.Name, w.Dims); err != nil {
			return nil, 0, fmt.Errorf("local: run %q: %w", name, err)
		}
	}
	return out, ck.Step, nil
}

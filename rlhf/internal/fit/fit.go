// Package fit is one optimiser step as one XLA program: a loss, its gradient,
// the global-norm clip and the AdamW update, with weights and moments donated,
// so that a step holds them once. Every stage that trains, trains through it.
package fit

import (
	"errors"
	"fmt"
	"math"

	"github.com/gomlx/compute"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"hhrlhf/rlhf/internal/gx"
	"hhrlhf/rlhf/rl"
)

// ErrNotFinite is returned when a loss or a gradient is NaN or infinite. The
// step has then changed nothing.
var ErrNotFinite = errors.New("loss or gradient is not finite")

// A Group is a set of weights with an optimiser state of its own: a model.
type Group struct {
	Names       []string // of the weights, for checkpoints and errors
	Decay       []bool   // whether weight decay applies, per weight
	WeightDecay float64
	ClipNorm    float64
}

// State is what AdamW knows of a group: weights and both moments on the device,
// and the number of updates done. It belongs to one goroutine.
type State struct {
	Params, M, V []*tensors.Tensor
	Updates      int
}

// NewState starts from weights with zero moments; it takes the weights over.
func NewState(params []*tensors.Tensor) *State {
	return &State{Params: params, M: gx.ZerosLike(params), V: gx.ZerosLike(params)}
}

// Free releases the state's device memory.
func (s *State) Free() {
	gx.Free(s.Params...)
	gx.Free(s.M...)
	gx.Free(s.V...)
}

// A Loss maps the weights of each group and the data to a scalar and to further
// outputs, which Step returns. The program differentiates the scalar.
type Loss func(weights [][]*Node, data []*Node) (loss *Node, extra []*Node)

// A Program updates its groups by one step a call.
type Program struct {
	groups []Group
	exec   *gx.Program
	data   int
}

// New prepares the program; it is compiled by the first Step. data is the number of data inputs.
func New(be compute.Backend, name string, data int, groups []Group, loss Loss) *Program {
	p := &Program{groups: groups, data: data}
	p.exec = gx.NewProgram(be, name, func(in []*Node) []*Node { return p.graph(in, loss) })
	return p
}

// graph takes data, then for each group: rate, step, params, m, v. It returns,
// for each group, its gradient norm; then the extras; then for each group
// params, m, v.
func (p *Program) graph(in []*Node, loss Loss) []*Node {
	data, in := in[:p.data], in[p.data:]
	type slot struct {
		rate, step   *Node
		params, m, v []*Node
	}
	slots := make([]slot, len(p.groups))
	weights := make([][]*Node, len(p.groups))
	var all []*Node
	for i, g := range p.groups {
		n := len(g.Names)
		slots[i] = slot{in[0], in[1], in[2 : 2+n], in[2+n : 2+2*n], in[2+2*n : 2+3*n]}
		in = in[2+3*n:]
		weights[i] = slots[i].params
		all = append(all, weights[i]...)
	}
	l, extra := loss(weights, data)
	l.AssertDims()
	grads := Gradient(l, all...)
	finite := IsFinite(l)
	var norms, updated []*Node
	for i, g := range p.groups {
		clipped, norm := rl.ClipByGlobalNorm(grads[:len(g.Names)], g.ClipNorm)
		grads = grads[len(g.Names):]
		norms, finite = append(norms, norm), LogicalAnd(finite, IsFinite(norm))
		s := slots[i]
		adam := rl.DefaultAdam()
		adam.WeightDecay = g.WeightDecay
		np, nm, nv, _ := adam.Update(s.params, clipped, s.m, s.v, s.step, s.rate, g.Decay)
		updated = append(append(append(updated, np...), nm...), nv...)
	}
	// A step that is not finite must not reach the weights.
	var old []*Node
	for _, s := range slots {
		old = append(append(append(old, s.params...), s.m...), s.v...)
	}
	for i := range updated {
		updated[i] = Where(BroadcastToShape(finite, updated[i].Shape()), updated[i], old[i])
	}
	return append(append(norms, extra...), updated...)
}

// Step updates the states, one a group, at the given learning rates. It returns
// the gradient norms before clipping and the loss's extra outputs, which belong
// to the caller.
func (p *Program) Step(states []*State, rates []float64, data ...any) (norms []float64, extra []*tensors.Tensor, err error) {
	if len(data) != p.data {
		return nil, nil, fmt.Errorf("fit: %s: %d data inputs, want %d", p.exec.Name(), len(data), p.data)
	}
	in := data
	kept := 0
	for i, s := range states {
		in = append(in, float32(rates[i]), int32(s.Updates))
		in = append(append(append(in, gx.Donate(s.Params)...), gx.Donate(s.M)...), gx.Donate(s.V)...)
		kept += 3 * len(s.Params)
	}
	out, err := p.exec.Call(in...)
	if err != nil {
		return nil, nil, err
	}
	results, updated := out[:len(out)-kept], out[len(out)-kept:]
	for _, s := range states {
		n := len(s.Params)
		s.Params, s.M, s.V, updated = updated[:n:n], updated[n:2*n:2*n], updated[2*n:3*n:3*n], updated[3*n:]
	}
	norms = make([]float64, len(states))
	for i := range norms {
		v, err := gx.Scalar[float32](results[i])
		if err != nil {
			return nil, nil, err
		}
		if norms[i] = float64(v); math.IsNaN(norms[i]) || math.IsInf(norms[i], 0) {
			gx.Free(results...)
			return nil, nil, fmt.Errorf("fit: %s: update %d: %w (gradient norm %v)", p.exec.Name(), states[i].Updates+1, ErrNotFinite, v)
		}
	}
	gx.Free(results[:len(states)]...)
	for _, s := range states {
		s.Updates++
	}
	return norms, results[len(states):], nil
}

// StepLoss is Step for a program of one group whose extra output is its loss. It
// returns the loss before the update and the gradient norm before clipping.
func (p *Program) StepLoss(s *State, rate float64, data ...any) (loss, norm float64, err error) {
	norms, extra, err := p.Step([]*State{s}, []float64{rate}, data...)
	if err != nil {
		return 0, 0, err
	}
	defer gx.Free(extra...)
	l, err := gx.Scalar[float32](extra[0])
	return float64(l), norms[0], err
}

// Exec is the compiled program, for its compile time.
func (p *Program) Exec() *gx.Program { return p.exec }

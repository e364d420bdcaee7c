package ppo

import (
	. "github.com/gomlx/gomlx/core/graph"

	"hhrlhf/rlhf/internal/fit"
	"hhrlhf/rlhf/internal/gx"
	"hhrlhf/rlhf/lm"
)

// An updater makes one minibatch one update: in one program with both networks'
// passes, clips by global norm and Adam, or in several whose gradients add up.
type updater struct {
	whole         *fit.Program
	policy, value *fit.Accumulated // value is nil where it is no network of its own
}

func (p *Programs) newUpdater() updater {
	group := func(ws []lm.Weight) fit.Group {
		return fit.Group{Names: lm.Names(ws), Decay: lm.Decays(ws), ClipNorm: p.cfg.ClipNorm}
	}
	groups := []fit.Group{group(p.PolicyWeights())}
	if ownValue(p.cfg) {
		groups = append(groups, group(p.ValueWeights()))
	}
	if p.cfg.Accumulate > 1 {
		return p.newAccumulated(groups)
	}
	return updater{whole: fit.New(p.be, "ppo update", numInputs, groups, func(w [][]*Node, data []*Node) (*Node, []*Node) {
		in := part(data)
		if !ownValue(p.cfg) {
			loss, stats := p.oneLoss(w[0], in)
			return loss, []*Node{Stack(stats, 0)}
		}
		policy, value, stats := p.ownLosses(w[0], w[1], in)
		// The networks share no weight, so the sum's gradient is each loss's own.
		return Add(policy, value), []*Node{Stack(stats, 0)}
	})}
}

// newAccumulated is newUpdater for minibatches in Accumulate parts. Their denominator
// is the whole minibatch's, so the counts of the parts add up to 1.
func (p *Programs) newAccumulated(groups []fit.Group) updater {
	sum := func(loss func(w, in []*Node) (*Node, []*Node)) fit.SumLoss {
		return func(w, data []*Node) (*Node, *Node, []*Node) {
			l, stats := loss(w, part(data))
			return l, Scalar(l.Graph(), l.DType(), 1/float64(p.cfg.Accumulate)), stats
		}
	}
	if !ownValue(p.cfg) {
		u := updater{policy: fit.NewAccumulated(p.be, "ppo", numInputs, numPolicyStats+numValueStats, groups[0],
			sum(func(w, in []*Node) (*Node, []*Node) {
				loss, stats := p.oneLoss(w, in)
				return loss, maximaLast(stats)
			}))}
		u.policy.Maxima = 2
		return u
	}
	u := updater{
		policy: fit.NewAccumulated(p.be, "ppo policy", numInputs, numPolicyStats, groups[0], sum(func(w, in []*Node) (*Node, []*Node) {
			return p.policyLoss(p.policyNet(w, in[inTokens], in[inSegments]), in)
		})),
		value: fit.NewAccumulated(p.be, "ppo value", numInputs, numValueStats, groups[1], sum(func(w, in []*Node) (*Node, []*Node) {
			return p.valueLoss(p.valueNet(w, in[inTokens], in[inSegments]), in)
		})),
	}
	u.policy.Maxima = 2
	return u
}

// maximaLast moves the policy's two maxima behind the value function's sums, and
// statsFirst moves them back.
func maximaLast[T any](stats []T) []T {
	out := append([]T(nil), stats[:statRatioMax]...)
	out = append(out, stats[numPolicyStats:]...)
	return append(out, stats[statRatioMax:numPolicyStats]...)
}

func statsFirst[T any](stats []T) []T {
	out := append([]T(nil), stats[:statRatioMax]...)
	out = append(out, stats[len(stats)-2:]...)
	return append(out, stats[statRatioMax:len(stats)-2]...)
}

// step updates by the rows of one minibatch. It returns the gradient norms of policy
// and value function, the latter 0 where it is no network of its own, and the statistics.
func (u updater) step(t *Trainer, batch []any, rows []int32, rates []float64) (norms [2]float64, stats []float64, err error) {
	if u.whole != nil {
		return u.stepWhole(t, batch, rows, rates)
	}
	// Whatever an earlier run, broken off within a minibatch, has left is not ours.
	u.policy.Discard()
	if u.value != nil {
		u.value.Discard()
	}
	size := len(rows) / t.cfg.Accumulate
	for at := 0; at < len(rows); at += size {
		in, free, err := t.withRows(batch, rows[at:at+size])
		if err != nil {
			return norms, nil, err
		}
		if err = u.policy.Add(t.Policy, in...); err == nil && u.value != nil {
			err = u.value.Add(t.Value, in...)
		}
		free()
		if err != nil {
			return norms, nil, err
		}
	}
	if norms[0], _, stats, err = u.policy.Apply(t.Policy, rates[0]); err != nil {
		return norms, nil, err
	}
	if u.value == nil {
		return norms, statsFirst(stats), nil
	}
	var more []float64
	norms[1], _, more, err = u.value.Apply(t.Value, rates[1])
	return norms, append(stats, more...), err
}

func (u updater) stepWhole(t *Trainer, batch []any, rows []int32, rates []float64) (norms [2]float64, stats []float64, err error) {
	in, free, err := t.withRows(batch, rows)
	if err != nil {
		return norms, nil, err
	}
	defer free()
	states := []*fit.State{t.Policy}
	if t.Value != nil {
		states = append(states, t.Value)
	}
	got, extra, err := u.whole.Step(states, rates[:len(states)], in...)
	if err != nil {
		return norms, nil, err
	}
	defer gx.Free(extra...)
	copy(norms[:], got)
	values, err := gx.Values[float32](extra[0])
	for _, v := range values {
		stats = append(stats, float64(v))
	}
	return norms, stats, err
}

// withRows completes the inputs of the update's programs.
func (t *Trainer) withRows(batch []any, rows []int32) (in []any, free func(), err error) {
	at, err := gx.Flat(t.be, rows, len(rows))
	return append(append([]any(nil), batch...), at), func() { gx.Free(at) }, err
}

package pm

import (
	"fmt"
	"math/rand/v2"

	"github.com/gomlx/compute"
	. "github.com/gomlx/gomlx/core/graph"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/internal/fit"
	"hhrlhf/rlhf/internal/gx"
	"hhrlhf/rlhf/lm"
	"hhrlhf/rlhf/rl"
)

// A Trainer finetunes a preference model on pairs.
type Trainer struct {
	State *fit.State

	cfg    rlhf.PM
	model  *Model
	pairs  []Pair
	stream func(name string, step int) *rand.Rand
	step   *fit.Program

	epoch int // whose batches are cached
	order [][]int
}

// NewTrainer prepares training of m, whose weights it takes over and keeps up to
// date. cfg is filled and its Planned set.
func NewTrainer(be compute.Backend, cfg rlhf.PM, m *Model, pairs []Pair, stream func(name string, step int) *rand.Rand) (*Trainer, error) {
	if len(pairs) < cfg.Batch {
		return nil, fmt.Errorf("pm: %d training comparisons, fewer than Batch = %d", len(pairs), cfg.Batch)
	}
	ws := m.Shape.ScalarWeights()
	group := fit.Group{Names: lm.Names(ws), Decay: lm.Decays(ws), ClipNorm: cfg.ClipNorm}
	t := &Trainer{State: fit.NewState(m.Weights), cfg: cfg, model: m, pairs: pairs, stream: stream, epoch: -1}
	t.step = fit.New(be, "pm step", 2, []fit.Group{group}, func(w [][]*Node, data []*Node) (*Node, []*Node) {
		terms := lossGraph(m.Shape, w[0], data[0], data[1])
		return terms.Loss, []*Node{terms.Loss, terms.Accuracy, terms.Gap}
	})
	return t, nil
}

// lossGraph: tokens and segments are [2B, T], the chosen first.
func lossGraph(s lm.Shape, weights []*Node, tokens, segments *Node) rl.PreferenceTerms[*Node] {
	r := scoreGraph(s, weights, tokens, segments) // [2B]
	b := r.Shape().Dimensions[0] / 2
	chosen, rejected := Slice(r, AxisRange(0, b)), Slice(r, AxisRange(b, 2*b))
	every := BroadcastToDims(Const(r.Graph(), true), b)
	return rl.PreferenceLoss(chosen, rejected, nil, every, nil, rl.PreferenceOptions{})
}

// Step does one optimiser step on the next batch of pairs and returns its metrics.
func (t *Trainer) Step() (map[string]float64, error) {
	n := t.State.Updates
	perEpoch := StepsPerEpoch(len(t.pairs), t.cfg.Batch)
	if epoch := n / perEpoch; epoch != t.epoch {
		t.epoch, t.order = epoch, batches(t.pairs, t.cfg.Batch, t.stream("pm/order", epoch))
	}
	at := t.order[n%perEpoch]
	rows, width := make([][]int32, 2*len(at)), 0
	for i, j := range at {
		rows[i], rows[len(at)+i] = t.pairs[j].Chosen, t.pairs[j].Rejected
		width = max(width, t.pairs[j].width())
	}
	tokens, segments, err := lm.LayOut(t.model.be, rows, Bucket(width, t.model.Context), t.model.Tok.Pad(), false)
	if err != nil {
		return nil, err
	}
	defer gx.Free(tokens, segments)
	rate := Rate(n, t.cfg.LearningRate, t.cfg.Warmup, t.cfg.Planned)
	norms, extra, err := t.step.Step([]*fit.State{t.State}, []float64{rate}, tokens, segments)
	t.model.Weights = t.State.Params
	if err != nil {
		return nil, fmt.Errorf("pm: step %d: %w", n+1, err)
	}
	defer gx.Free(extra...)
	values := map[string]float64{"grad_norm": norms[0], "lr": rate}
	for i, name := range []string{"pm/loss", "pm/accuracy", "pm/margin"} {
		v, err := gx.Scalar[float32](extra[i])
		if err != nil {
			return nil, err
		}
		values[name] = float64(v)
	}
	return values, nil
}

// Rate is the learning rate of step (from 0): linear warm-up, then linear decay
// to a hundredth at the last planned step, and constant from there.
func Rate(step int, peak float64, warmup, planned int) float64 {
	if step < warmup {
		return peak * float64(step+1) / float64(warmup)
	}
	left := 1 - float64(step-warmup)/float64(max(1, planned-warmup))
	return peak * max(0.01, left)
}

// StepsPerEpoch is the number of whole batches in one pass over n pairs.
func StepsPerEpoch(n, batch int) int { return max(1, n/batch) }

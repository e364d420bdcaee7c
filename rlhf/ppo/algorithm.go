package ppo

import (
	"fmt"
	"runtime/debug"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/support/exceptions"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/rl"
)

// An Algorithm is what a run has in the place of PPO's own where rlhf.PPO.Algorithm
// names one. What is nil stays PPO's. Everything else, sampling, scoring, shaping,
// clipping by norm, Adam, checkpoints and metrics, is as in any run.
//
// The name stands in the run's configuration, the code does not: a run that goes on with
// other code under the same name is another experiment, so give that another name.
type Algorithm struct {
	// Advantages reads a batch that has gone through Shape, most of all Reward [B][R],
	// and writes Advantage [B][R], which it finds at zero, and Return [B][R] where there
	// is a value function to learn it. Slots whose Mask is false are cleared afterwards.
	// The advantages are then whitened unless rlhf.PPO.NoWhiten is set.
	Advantages func(b *rlhf.Batch) error
	// Loss returns what each token adds to the policy's loss, [B, R], to be made smaller.
	// The run takes the mean over the valid tokens of a minibatch; what stands elsewhere
	// is not read. It is called while the program is built, not in every step.
	Loss func(t Tokens) *Node
}

// Tokens are the tokens of a minibatch as a loss sees them: [B, R] each, zero where
// Mask is false.
type Tokens struct {
	LogP      *Node // log π(a_t|s_t) of the policy in training: the gradient goes through it
	LogPOld   *Node // of the policy that wrote the batch
	LogPRef   *Node // of π₀
	Advantage *Node
	Mask      *Node // bool
}

// check refuses an algorithm that is not there.
func (a Algorithm) check(name string) error {
	if name != "" && a.Advantages == nil && a.Loss == nil {
		return fmt.Errorf("ppo: Algorithm = %q has neither Advantages nor Loss: it would be PPO", name)
	}
	return nil
}

// ownAdvantages is Advantages by the algorithm.
func (t *Trainer) ownAdvantages(b *rlhf.Batch) error {
	b.Advantage, b.Return = zeros(b.Mask), zeros(b.Mask)
	if err := t.callAdvantages(b); err != nil {
		return fmt.Errorf("ppo: step %d: the advantages of Algorithm = %q: %w", b.Step, t.cfg.Algorithm, err)
	}
	for _, f := range []struct {
		name string
		x    [][]float32
	}{{"Advantage", b.Advantage}, {"Return", b.Return}} {
		if err := t.finite(b, "Advantages", f.name, fmt.Sprintf("Algorithm = %q", t.cfg.Algorithm), f.x); err != nil {
			return fmt.Errorf("%w; Algorithm = %q wrote it", err, t.cfg.Algorithm)
		}
		for i, row := range b.Mask {
			for r, valid := range row {
				if !valid {
					f.x[i][r] = 0
				}
			}
		}
	}
	if !t.cfg.NoWhiten {
		b.Advantage = rl.WhitenPlain(b.Advantage, b.Mask, rl.WhitenOptions{})
	}
	return nil
}

// callAdvantages turns a panic of the algorithm into an error: a mistake in it is no
// reason for the engine to end.
func (t *Trainer) callAdvantages(b *rlhf.Batch) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
		}
	}()
	return t.algorithm.Advantages(b)
}

// ownLoss is the algorithm's loss of each token.
func (p *Programs) ownLoss(logp *Node, in []*Node) *Node {
	mask := in[inMask]
	valid := func(x *Node) *Node { return Where(mask, x, ScalarZero(x.Graph(), x.DType())) }
	loss := p.algorithm.Loss(Tokens{LogP: valid(logp), LogPOld: valid(in[inLogP]), LogPRef: valid(in[inLogPRef]),
		Advantage: valid(in[inAdvantage]), Mask: mask})
	if loss == nil || !loss.Shape().Equal(logp.Shape()) {
		exceptions.Panicf("ppo: the loss of Algorithm = %q is %v, want one number for each token, %v", p.cfg.Algorithm, loss, logp.Shape())
	}
	return loss
}

// zeros has the mask's shape.
func zeros(mask [][]bool) [][]float32 {
	out := make([][]float32, len(mask))
	for i := range mask {
		out[i] = make([]float32, len(mask[i]))
	}
	return out
}

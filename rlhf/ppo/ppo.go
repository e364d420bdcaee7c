package ppo

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/tensors"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/internal/fit"
	"hhrlhf/rlhf/internal/gx"
	"hhrlhf/rlhf/lm"
	"hhrlhf/rlhf/sample"
	"hhrlhf/rlhf/tokenizer"
)

// ErrInvariant is wrapped by errors that mean the machinery is broken, not the
// run: two passes over the same tokens disagree.
var ErrInvariant = errors.New("invariant broken")

// A Scorer gives one number to each response; a preference model is one. Token
// ids of prompts are unpadded, those of responses include the end token where
// the policy wrote one.
type Scorer interface {
	ScoreTokens(prompts, responses [][]int32) ([]float32, error)
}

// A Prompt is text in the paper's format and its token ids, at most P.
type Prompt struct {
	Text string
	IDs  []int32
}

// Models are what a run is made of. All read one tokenizer.
type Models struct {
	Tok       tokenizer.Tokenizer
	Shape     lm.Shape
	Policy    []*tensors.Tensor // weights of Shape.Weights, trained: the trainer takes them over
	Reference []*tensors.Tensor // π₀, same weights at the start, never changed

	// The value function of its own, trained: the trainer takes it over. Its head may
	// read [D] or, as pm.EndAndMean does, [2·D]. nil where rlhf.PPO.Value is "shared" or "none".
	ValueShape lm.Shape
	Value      []*tensors.Tensor

	// Algorithm is what rlhf.PPO.Algorithm names, the zero value where it names none.
	Algorithm Algorithm
	// Programs may be those of an earlier run with the same Key; nil: the run compiles its own.
	Programs *Programs

	Scorer Scorer // the reward; nil: whoever holds the batch sets its Score
	Test   Scorer // for the eye; or nil
}

// A Trainer takes a policy through PPO steps. It is not safe for concurrent use.
type Trainer struct {
	// Policy and Value are the optimiser states; the number of steps done is
	// derived from them. Value is nil where it is no network of its own.
	Policy, Value *fit.State
	// KLCoef is the coefficient of the KL penalty in the next step; with
	// rlhf.PPO.KLTarget it moves, and belongs into a checkpoint.
	KLCoef float64

	*Programs
	cfg          rlhf.PPO // all of it; Programs has its part
	sampler      *sample.Sampler
	reference    []*tensors.Tensor
	tok          tokenizer.Tokenizer
	prompts      []Prompt
	scorer, test Scorer
	stream       func(name string, step int) *rand.Rand
	norm         *moments // of scores of π₀'s responses; nil until they are needed
}

// New prepares a run. cfg is filled; stream gives the run's named random
// streams; prompts are drawn from it without replacement in each epoch.
func New(be compute.Backend, cfg rlhf.PPO, m Models, prompts []Prompt, stream func(name string, step int) *rand.Rand) (*Trainer, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if err := m.Algorithm.check(cfg.Algorithm); err != nil {
		return nil, err
	}
	if len(prompts) == 0 {
		return nil, fmt.Errorf("ppo: no prompts")
	}
	if m.Tok.Pad() == m.Tok.EOS() {
		return nil, fmt.Errorf("ppo: pad and end-of-text are both token %d; a masked end token would never be learnt, so they must differ", m.Tok.EOS())
	}
	if m.Programs == nil {
		m.Programs = NewPrograms(be, KeyOf(cfg, m), m.Algorithm)
	}
	t := &Trainer{
		KLCoef: cfg.KLCoef, Programs: m.Programs,
		cfg: cfg, reference: m.Reference, tok: m.Tok, prompts: prompts, scorer: m.Scorer, test: m.Test, stream: stream,
	}
	var err error
	if t.sampler, err = t.samplerOf(cfg.Plant); err != nil {
		return nil, err
	}
	switch {
	case ownValue(cfg):
		t.Value = fit.NewState(m.Value)
	case t.shared():
		if m.Policy, err = withHead(be, m.Shape, m.Policy); err != nil {
			return nil, err
		}
	}
	t.Policy = fit.NewState(m.Policy)
	return t, nil
}

// withHead appends a value head at zero to a decoder's weights.
func withHead(be compute.Backend, s lm.Shape, weights []*tensors.Tensor) ([]*tensors.Tensor, error) {
	head, err := gx.Flat(be, make([]float32, s.Width), s.Width)
	if err != nil {
		return nil, err
	}
	bias, err := gx.Flat(be, []float32{0})
	if err != nil {
		return nil, err
	}
	return append(weights, head, bias), nil
}

// Decoder returns the policy's weights in the order of Shape.Weights. They are the
// trainer's and change with every step.
func (t *Trainer) Decoder() []*tensors.Tensor { return t.Policy.Params[:len(t.reference)] }

// Steps is the number of steps done.
func (t *Trainer) Steps() int { return t.Policy.Updates / (t.cfg.Epochs * t.cfg.Minibatches) }

// Step is one whole step: rollout, score, shape, advantages, update. look, if
// not nil, sees each batch after its rollout and may add gold labels.
func (t *Trainer) Step(look func(*rlhf.Batch)) (*rlhf.Batch, rlhf.Point, error) {
	if t.scorer == nil {
		return nil, rlhf.Point{}, fmt.Errorf("ppo: PM is empty, so that nothing scores the responses; pass a reward with rlhf.StepsWith, or set Batch.Score between Score and Shape")
	}
	start := time.Now()
	seconds := map[string]float64{}
	b, err := t.Rollout()
	if err != nil {
		return nil, rlhf.Point{}, err
	}
	if look != nil {
		look(b)
	}
	seconds["time/rollout"] = time.Since(start).Seconds()
	mark := time.Now()
	if err := t.Score(b); err != nil {
		return nil, rlhf.Point{}, err
	}
	if err := t.Shape(b); err != nil {
		return nil, rlhf.Point{}, err
	}
	if err := t.Advantages(b); err != nil {
		return nil, rlhf.Point{}, err
	}
	seconds["time/score"] = time.Since(mark).Seconds()
	mark = time.Now()
	point, err := t.Update(b)
	if err != nil {
		return nil, rlhf.Point{}, err
	}
	seconds["time/update"] = time.Since(mark).Seconds()
	seconds["time/step"] = time.Since(start).Seconds()
	for k, v := range seconds {
		point.Values[k] = v
	}
	return b, point, nil
}

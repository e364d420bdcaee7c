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

// Models are the networks of a run. They share one shape and one tokenizer.
type Models struct {
	Shape     lm.Shape
	Policy    []*tensors.Tensor // weights of Shape.Weights, trained: the trainer takes them over
	Reference []*tensors.Tensor // π₀, same weights at the start, never changed
	Value     []*tensors.Tensor // weights of Shape.ScalarWeights, trained
	Tok       tokenizer.Tokenizer
}

// A Trainer takes a policy through PPO steps. It is not safe for concurrent use.
type Trainer struct {
	// Policy and Value are the optimiser states; the number of steps done is
	// derived from them.
	Policy, Value *fit.State

	cfg       rlhf.PPO
	shape     lm.Shape
	reference []*tensors.Tensor
	tok       tokenizer.Tokenizer
	prompts   []Prompt
	scorer    Scorer
	stream    func(name string, step int) *rand.Rand
	be        compute.Backend

	sampler        *sample.Sampler
	evaluate       *gx.Program
	shape_, advant *gx.Program
	update         *fit.Program
}

// New prepares a run. cfg is filled; stream gives the run's named random
// streams; prompts are drawn from it without replacement in each epoch.
func New(be compute.Backend, cfg rlhf.PPO, m Models, prompts []Prompt, scorer Scorer, stream func(name string, step int) *rand.Rand) (*Trainer, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if len(prompts) == 0 {
		return nil, fmt.Errorf("ppo: no prompts")
	}
	t := &Trainer{
		Policy: fit.NewState(m.Policy), Value: fit.NewState(m.Value),
		cfg: cfg, shape: m.Shape, reference: m.Reference, tok: m.Tok,
		prompts: prompts, scorer: scorer, stream: stream, be: be,
	}
	var err error
	t.sampler, err = sample.New(be, m.Shape, sample.Options{
		Prompt: cfg.Prompt, Response: cfg.Response, Temperature: cfg.Temperature, EOS: m.Tok.EOS(), Pad: m.Tok.Pad(),
	})
	if err != nil {
		return nil, err
	}
	t.evaluate = gx.NewProgram(be, "ppo score", t.evaluateGraph)
	t.shape_ = gx.NewProgram(be, "ppo shape", t.shapeGraph)
	t.advant = gx.NewProgram(be, "ppo advantages", t.advantagesGraph)
	t.update = t.newUpdate()
	return t, nil
}

// Steps is the number of steps done.
func (t *Trainer) Steps() int { return t.Policy.Updates / (t.cfg.Epochs * t.cfg.Minibatches) }

// Step is one whole step: rollout, score, shape, advantages, update. look, if
// not nil, sees each batch after its rollout and may add gold labels.
func (t *Trainer) Step(look func(*rlhf.Batch)) (*rlhf.Batch, rlhf.Point, error) {
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

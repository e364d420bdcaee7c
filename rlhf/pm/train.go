package pm

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/gomlx/gomlx/core/tensors"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/internal/fit"
	"hhrlhf/rlhf/internal/gx"
)

// A Trainer trains a preference model on pairs: all of it, or the head alone on the
// activations of a frozen trunk.
type Trainer struct {
	State *fit.State // of all weights, or of the head

	cfg      rlhf.PM
	model    *Model
	source   Source
	order    *order
	features *Part // of a frozen trunk, else nil
	weights  map[string]float64
	kind     stepKind
}

// NewTrainer prepares training of m, whose weights it takes over and keeps up to
// date. cfg is filled and its Planned set; every comparison of source can be encoded
// (see [Encode]).
func NewTrainer(cfg rlhf.PM, m *Model, source Source, stream func(name string, step int) *rand.Rand) (*Trainer, error) {
	t, err := newTrainer(cfg, m, source, stream)
	if err != nil {
		return nil, err
	}
	t.State = fit.NewState(m.Weights)
	return t, nil
}

// NewHeadTrainer prepares training of m's head on the activations of its trunk, which
// stays as it is.
func NewHeadTrainer(cfg rlhf.PM, m *Model, features *Part, stream func(name string, step int) *rand.Rand) (*Trainer, error) {
	t, err := newTrainer(cfg, m, features, stream)
	if err != nil {
		return nil, err
	}
	t.features, t.kind.frozen = features, true
	// The activations stand in for the tokens, which are not needed again.
	t.order.encode = func(c rlhf.Comparison) (Pair, Fate) { return Pair{Tranche: c.Tranche}, Whole }
	head, err := gx.Clone(m.Weights[len(m.Weights)-2:])
	if err != nil {
		return nil, err
	}
	t.State = fit.NewState(head)
	return t, nil
}

func newTrainer(cfg rlhf.PM, m *Model, source Source, stream func(name string, step int) *rand.Rand) (*Trainer, error) {
	if source.Len() < cfg.Batch {
		return nil, fmt.Errorf("pm: %d training comparisons, fewer than Batch = %d", source.Len(), cfg.Batch)
	}
	half, err := half(m.programs.be, cfg.Precision)
	if err != nil {
		return nil, err
	}
	pieces := max(1, cfg.Accumulate)
	if cfg.Batch%pieces != 0 {
		return nil, fmt.Errorf("pm: Accumulate = %d, want a divisor of Batch = %d", pieces, cfg.Batch)
	}
	t := &Trainer{cfg: cfg, model: m, source: source, weights: map[string]float64{}}
	t.kind = stepKind{lmCoef: cfg.LMCoef, eoc: m.Tok.EOC(), clip: cfg.ClipNorm, decay: cfg.WeightDecay, checkpointing: cfg.Checkpointing, half: half, pieces: pieces}
	for _, w := range cfg.Weights {
		t.weights[w.Data] = w.Weight
	}
	encode := func(c rlhf.Comparison) (Pair, Fate) { return Encode(m.Tok, c, m.Context) }
	t.order = newOrder(source, cfg.Batch, encode, func(epoch int) *rand.Rand { return stream("pm/order", epoch) })
	return t, nil
}

// Step does one optimiser step on the next batch of pairs and returns its metrics.
func (t *Trainer) Step() (map[string]float64, error) {
	n := t.State.Updates
	values, err := t.step(n)
	if err := errors.Join(err, t.Adopt()); err != nil {
		return nil, fmt.Errorf("pm: step %d: %w", n+1, err)
	}
	if t.cfg.Centre && t.State.Updates == t.cfg.Planned {
		if err := t.centre(); err != nil {
			return nil, fmt.Errorf("pm: centring the scores: %w", err)
		}
	}
	return values, nil
}

func (t *Trainer) step(n int) (map[string]float64, error) {
	batch, err := t.order.at(n)
	if err != nil {
		return nil, err
	}
	rate := Rate(n, t.cfg)
	program := t.model.programs.step(t.kind)
	values := map[string]float64{"lr": rate}
	if program.pieces != nil {
		program.pieces.Discard() // what a step that failed has left
		size := len(batch) / t.kind.pieces
		for at := 0; at < len(batch); at += size {
			data, err := t.upload(batch[at:at+size], batch)
			if err != nil {
				return nil, err
			}
			err = program.pieces.Add(t.State, gx.Keep(data)...)
			gx.Free(data...)
			if err != nil {
				return nil, err
			}
		}
		norm, _, extra, err := program.pieces.Apply(t.State, rate)
		if err != nil {
			return nil, err
		}
		values["grad_norm"] = norm
		for i, name := range t.reports() {
			values[name] = extra[i]
		}
		return values, nil
	}
	data, err := t.upload(batch, batch)
	if err != nil {
		return nil, err
	}
	defer gx.Free(data...)
	norms, extra, err := program.whole.Step([]*fit.State{t.State}, []float64{rate}, gx.Keep(data)...)
	if err != nil {
		return nil, err
	}
	defer gx.Free(extra...)
	values["grad_norm"] = norms[0]
	for i, name := range t.reports() {
		v, err := gx.Scalar[float32](extra[i])
		if err != nil {
			return nil, err
		}
		values[name] = float64(v)
	}
	return values, nil
}

// reports are the metrics that this run has.
func (t *Trainer) reports() []string {
	if t.kind.lmCoef == 0 || t.kind.frozen {
		return metrics[:len(metrics)-1]
	}
	return metrics
}

// upload makes a step's inputs of a part of a batch: see [Programs.pairLoss].
func (t *Trainer) upload(part, batch []Pair) (in []*tensors.Tensor, err error) {
	defer func() {
		if err != nil {
			gx.Free(in...)
		}
	}()
	be := t.model.programs.be
	if t.features != nil {
		x, err := t.features.upload(be, part)
		if err != nil {
			return nil, err
		}
		in = append(in, x)
	} else {
		rows, width := t.model.arrange(part)
		if in, err = t.model.layOut(rows, len(rows), width); err != nil {
			return nil, err
		}
	}
	weights, tokens := make([]float32, len(part)), 0
	for i, p := range part {
		w, named := t.weights[p.Tranche]
		if !named {
			w = 1
		}
		weights[i] = float32(t.cfg.PMCoef * w / float64(len(batch)))
	}
	for _, p := range batch {
		tokens += len(p.Prompt) + len(p.Chosen) - 2
	}
	x, err := gx.Flat(be, weights, len(weights))
	if err != nil {
		return in, err
	}
	in = append(in, x)
	scalars := []float32{1 / float32(len(batch)), 1 / float32(max(1, tokens))}
	if t.features != nil {
		scalars = scalars[:1]
	}
	for _, s := range scalars {
		x, err := gx.Flat(be, []float32{s})
		if err != nil {
			return in, err
		}
		in = append(in, x)
	}
	return in, nil
}

// Adopt gives the model the weights of State: after each step, and after a checkpoint
// was loaded into it.
func (t *Trainer) Adopt() error {
	if t.features == nil {
		t.model.Weights = t.State.Params
		return nil
	}
	if t.State.Updates == 0 {
		return nil
	}
	return t.features.Adopt(t.State.Params)
}

// centreOn is how many training pairs the mean score is taken over.
const centreOn = 1024

// centre takes the mean score of training pairs off the head's bias: the loss knows
// differences only, so a score's zero is free (Bai et al. 2022, B.2, subtract the mean
// over several thousand samples).
func (t *Trainer) centre() error {
	mean, err := t.meanScore(min(centreOn, t.source.Len()))
	if err != nil {
		return err
	}
	bias := &t.State.Params[len(t.State.Params)-1]
	old, err := gx.Scalar[float32](*bias)
	if err != nil {
		return err
	}
	shifted, err := gx.Flat(t.model.programs.be, []float32{float32(float64(old) - mean)})
	if err != nil {
		return err
	}
	gx.Free(*bias)
	*bias = shifted
	return t.Adopt()
}

// meanScore is the mean score of the responses of n training pairs.
func (t *Trainer) meanScore(n int) (mean float64, err error) {
	pairs := make([]Pair, n)
	for k := range pairs {
		i := k * t.source.Len() / n
		if t.features != nil {
			scores, err := t.features.Scores(t.features.pairs[i])
			if err != nil {
				return 0, err
			}
			mean += (scores[0] + scores[1]) / float64(2*n)
			continue
		}
		c, err := t.source.At(i)
		if err != nil {
			return 0, err
		}
		pairs[k], _ = t.order.encode(c)
	}
	if t.features != nil {
		return mean, nil
	}
	scores, err := t.model.ScorePairs(pairs)
	for _, s := range scores {
		mean += (float64(s[0]) + float64(s[1])) / float64(2*n)
	}
	return mean, err
}

// Rate is the learning rate of step (from 0): linear warm-up to cfg.LearningRate, then
// as cfg.Schedule says: constant, or linear decay to a hundredth at the last planned
// step, and constant from there.
func Rate(step int, cfg rlhf.PM) float64 {
	if step < cfg.Warmup {
		return cfg.LearningRate * float64(step+1) / float64(cfg.Warmup)
	}
	if cfg.Schedule == "constant" {
		return cfg.LearningRate
	}
	left := 1 - float64(step-cfg.Warmup)/float64(max(1, cfg.Planned-cfg.Warmup))
	return cfg.LearningRate * max(0.01, left)
}

// StepsPerEpoch is the number of whole batches in one pass over n pairs.
func StepsPerEpoch(n, batch int) int { return max(1, n/batch) }

package lm

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/internal/fit"
	"hhrlhf/rlhf/internal/gx"
)

// Training says how a step is computed. The zero value is one program that holds
// the whole batch in float32; the other choices change what fits into memory.
type Training struct {
	// Accumulate is the number of micro-batches that a batch is cut into, a divisor
	// of Batch; their gradients are added up. 0 and 1: none.
	Accumulate int `json:"accumulate,omitempty"`
	// Checkpointing keeps the input of each block only and computes the rest anew for
	// the gradient: see [Net.Checkpointing].
	Checkpointing bool `json:"checkpointing,omitempty"`
	// Precision of matrix products: "f32" (also ""), or "bf16" where the backend has
	// it: see [Net.Mixed].
	Precision string `json:"precision,omitempty"`
	// Decay of the learning rate after the warm-up. "": cosine, to a tenth.
	Decay Decay `json:"decay,omitempty"`
}

// A Trainer trains a decoder by next-token cross-entropy, the mean over all
// predicted tokens of a batch, with AdamW, linear warm-up, a declared decay, and a
// global-norm clip.
type Trainer struct {
	State *fit.State

	cfg      rlhf.LM
	training Training
	shape    Shape
	source   Source
	be       compute.Backend
	whole    *fit.Program     // where a batch is one piece
	pieces   *fit.Accumulated // where it is not
	eval     *Evaluator
}

// NewTrainer prepares training from freshly drawn weights on rows held in memory.
// cfg is filled; stream gives the run's named random streams.
func NewTrainer(be compute.Backend, cfg rlhf.LM, rows Rows, stream func(name string, step int) *rand.Rand) (*Trainer, error) {
	if len(rows.Tokens) == 0 {
		return nil, fmt.Errorf("lm: no transcripts to train on")
	}
	s := Shape{Vocab: cfg.Vocab, Width: cfg.Width, Layers: cfg.Layers, Heads: cfg.Heads, Context: cfg.Context}
	weights, err := Init(be, s.Weights(), stream("lm/init", 0))
	if err != nil {
		return nil, err
	}
	source := Shuffled(rows, func(round int) *rand.Rand { return stream("lm/order", round) })
	return NewTrainerFrom(be, s, weights, cfg, Training{}, source)
}

// NewTrainerFrom prepares training of a decoder of shape s from given weights, fresh,
// pretrained or another run's, which it takes over. Of cfg it uses Batch, Planned,
// LearningRate, Warmup, WeightDecay and ClipNorm. The rows of source may be
// narrower than s.Context, not wider.
func NewTrainerFrom(be compute.Backend, s Shape, weights []*tensors.Tensor, cfg rlhf.LM, tr Training, source Source) (*Trainer, error) {
	list := s.Weights()
	if err := checkWeights(list, weights); err != nil {
		return nil, err
	}
	half, err := Precision(be, tr.Precision)
	if err != nil {
		return nil, err
	}
	if err := tr.Decay.check(); err != nil {
		return nil, err
	}
	if n := tr.Accumulate; n < 0 || n > 0 && cfg.Batch%n != 0 {
		return nil, fmt.Errorf("lm: Training.Accumulate = %d, want a divisor of Batch = %d", n, cfg.Batch)
	}
	t := &Trainer{State: fit.NewState(weights), cfg: cfg, training: tr, shape: s, source: source, be: be, eval: NewEvaluator(be, s)}
	group := fit.Group{Names: Names(list), Decay: Decays(list), WeightDecay: cfg.WeightDecay, ClipNorm: cfg.ClipNorm}
	loss := func(w, data []*Node) (sum, count *Node) {
		net := NewNet(s, w)
		if half != dtypes.InvalidDType {
			net.Mixed(half)
		}
		if tr.Checkpointing {
			net.Checkpointing()
		}
		sums, counts := net.rowLosses(data, tr.Checkpointing)
		return ReduceAllSum(sums), ReduceAllSum(counts)
	}
	if tr.Accumulate > 1 {
		t.pieces = fit.NewAccumulated(be, "lm", 3, 0, group, func(w, data []*Node) (sum, count *Node, _ []*Node) {
			sum, count = loss(w, data)
			return sum, count, nil
		})
		return t, nil
	}
	t.whole = fit.New(be, "lm step", 3, []fit.Group{group}, func(w [][]*Node, data []*Node) (*Node, []*Node) {
		sum, count := loss(w[0], data)
		mean := Div(sum, MaxScalar(count, 1))
		return mean, []*Node{mean}
	})
	return t, nil
}

func checkWeights(list []Weight, weights []*tensors.Tensor) error {
	if len(weights) != len(list) {
		return fmt.Errorf("lm: %d weights, want %d", len(weights), len(list))
	}
	for i, w := range list {
		if got := weights[i].Shape(); got.DType != dtypes.Float32 || !slices.Equal(got.Dimensions, w.Dims) {
			return fmt.Errorf("lm: weight %s is %s, want Float32 %v", w.Name, got, w.Dims)
		}
	}
	return nil
}

// Shape returns the decoder's shape.
func (t *Trainer) Shape() Shape { return t.shape }

// Step does one optimiser step on the next batch of rows and returns its metrics.
func (t *Trainer) Step() (map[string]float64, error) {
	n := t.State.Updates
	rate := t.training.Decay.Rate(n, t.cfg.LearningRate, t.cfg.Warmup, t.cfg.Planned)
	step := t.stepWhole
	if t.pieces != nil {
		step = t.stepPieces
	}
	loss, norm, width, err := step(n*t.cfg.Batch, rate)
	if err != nil {
		return nil, fmt.Errorf("lm: step %d: %w", n+1, err)
	}
	return map[string]float64{
		"lm/loss": loss, "grad_norm": norm, "lr": rate,
		"lm/tokens": float64((n + 1) * t.cfg.Batch * width),
	}, nil
}

// batch uploads n rows from row first on.
func (t *Trainer) batch(first, n int) (data []*tensors.Tensor, width int, err error) {
	rows, err := t.source.Batch(first, n)
	if err != nil {
		return nil, 0, err
	}
	if rows.Width > t.shape.Context {
		return nil, 0, fmt.Errorf("rows of %d tokens for a context of %d", rows.Width, t.shape.Context)
	}
	data, err = upload(t.be, rows)
	return data, rows.Width, err
}

func (t *Trainer) stepWhole(first int, rate float64) (loss, norm float64, width int, err error) {
	data, width, err := t.batch(first, t.cfg.Batch)
	if err != nil {
		return 0, 0, 0, err
	}
	defer gx.Free(data...)
	loss, norm, err = t.whole.StepLoss(t.State, rate, gx.Keep(data)...)
	return loss, norm, width, err
}

func (t *Trainer) stepPieces(first int, rate float64) (loss, norm float64, width int, err error) {
	t.pieces.Discard() // what a step that failed has left
	size := t.cfg.Batch / t.training.Accumulate
	for i := range t.training.Accumulate {
		var data []*tensors.Tensor
		if data, width, err = t.batch(first+i*size, size); err != nil {
			return 0, 0, 0, err
		}
		err = t.pieces.Add(t.State, gx.Keep(data)...)
		gx.Free(data...)
		if err != nil {
			return 0, 0, 0, err
		}
	}
	norm, loss, _, err = t.pieces.Apply(t.State, rate)
	return loss, norm, width, err
}

// Evaluate returns the mean loss over the tokens of rows in nats, its standard
// error over rows, and the number of tokens predicted.
func (t *Trainer) Evaluate(rows Rows) (loss, se float64, tokens int, err error) {
	e, err := t.eval.Evaluate(t.State.Params, rows)
	return e.Loss, e.SE, e.Tokens, err
}

func upload(be compute.Backend, r Rows) ([]*tensors.Tensor, error) {
	out := make([]*tensors.Tensor, 3)
	for i, m := range [][][]int32{r.Tokens, r.Segments, r.Positions} {
		t, err := gx.Rows(be, m, r.Width, 0, false)
		if err != nil {
			return nil, err
		}
		out[i] = t
	}
	return out, nil
}

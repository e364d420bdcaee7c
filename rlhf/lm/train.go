package lm

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/internal/fit"
	"hhrlhf/rlhf/internal/gx"
)

// A Trainer trains a decoder on packed rows by next-token cross-entropy with
// AdamW, linear warm-up, cosine decay to a tenth, and a global-norm clip.
type Trainer struct {
	State *fit.State

	cfg    rlhf.LM
	shape  Shape
	rows   Rows
	stream func(name string, step int) *rand.Rand
	be     compute.Backend
	step   *fit.Program
	eval   *gx.Program
}

// NewTrainer prepares training from freshly drawn weights. cfg is filled; stream
// gives the run's named random streams.
func NewTrainer(be compute.Backend, cfg rlhf.LM, rows Rows, stream func(name string, step int) *rand.Rand) (*Trainer, error) {
	if len(rows.Tokens) == 0 {
		return nil, fmt.Errorf("lm: no transcripts to train on")
	}
	s := Shape{Vocab: cfg.Vocab, Width: cfg.Width, Layers: cfg.Layers, Heads: cfg.Heads, Context: cfg.Context}
	weights, err := Init(be, s.Weights(), stream("lm/init", 0))
	if err != nil {
		return nil, err
	}
	group := fit.Group{Names: Names(s.Weights()), Decay: Decays(s.Weights()), WeightDecay: cfg.WeightDecay, ClipNorm: cfg.ClipNorm}
	t := &Trainer{State: fit.NewState(weights), cfg: cfg, shape: s, rows: rows, stream: stream, be: be}
	t.step = fit.New(be, "lm step", 3, []fit.Group{group}, func(w [][]*Node, data []*Node) (*Node, []*Node) {
		loss := meanLoss(s, w[0], data)
		return loss, []*Node{loss}
	})
	t.eval = gx.NewProgram(be, "lm eval", func(in []*Node) []*Node {
		sum, count := sumLoss(s, in[3:], in[:3])
		return []*Node{sum, count}
	})
	return t, nil
}

// Shape returns the decoder's shape.
func (t *Trainer) Shape() Shape { return t.shape }

// Step does one optimiser step on the next batch of rows and returns its metrics.
func (t *Trainer) Step() (map[string]float64, error) {
	n := t.State.Updates
	at := Order(n, t.cfg.Batch, len(t.rows.Tokens), func(epoch int) *rand.Rand { return t.stream("lm/order", epoch) })
	batch := t.rows.Pick(at)
	data, err := upload(t.be, batch)
	if err != nil {
		return nil, err
	}
	defer gx.Free(data...)
	rate := Rate(n, t.cfg.LearningRate, t.cfg.Warmup, t.cfg.Planned)
	norms, extra, err := t.step.Step([]*fit.State{t.State}, []float64{rate}, gx.Keep(data)...)
	if err != nil {
		return nil, fmt.Errorf("lm: step %d: %w", n+1, err)
	}
	defer gx.Free(extra...)
	loss, err := gx.Scalar[float32](extra[0])
	if err != nil {
		return nil, err
	}
	return map[string]float64{
		"lm/loss": float64(loss), "grad_norm": norms[0], "lr": rate,
		"lm/tokens": float64((n + 1) * t.cfg.Batch * t.rows.Width),
	}, nil
}

// Rate is the learning rate of step (from 0): linear warm-up, then cosine decay
// to a tenth of the peak at the last planned step, and constant from there.
func Rate(step int, peak float64, warmup, planned int) float64 {
	if step < warmup {
		return peak * float64(step+1) / float64(warmup)
	}
	done := min(1, float64(step-warmup)/float64(max(1, planned-warmup)))
	return peak * (0.1 + 0.9*0.5*(1+math.Cos(math.Pi*done)))
}

// Evaluate returns the mean loss over the tokens of rows in nats, its standard
// error over rows, and the number of tokens predicted.
func (t *Trainer) Evaluate(rows Rows) (loss, se float64, tokens int, err error) {
	var sums, counts []float64
	for start := 0; start < len(rows.Tokens); start += t.cfg.Batch {
		at := make([]int, t.cfg.Batch)
		for i := range at {
			if at[i] = start + i; at[i] >= len(rows.Tokens) {
				at[i] = -1
			}
		}
		s, c, err := t.evalBatch(rows.Pick(at))
		if err != nil {
			return 0, 0, 0, err
		}
		for i := range s {
			if c[i] > 0 {
				sums, counts = append(sums, float64(s[i])), append(counts, float64(c[i]))
			}
		}
	}
	total, n := 0.0, 0.0
	for i := range sums {
		total, n = total+sums[i], n+counts[i]
	}
	if n == 0 {
		return 0, 0, 0, fmt.Errorf("lm: no held-out tokens to evaluate")
	}
	loss = total / n
	for i := range sums { // the ratio estimator's linearised variance
		d := sums[i] - loss*counts[i]
		se += d * d
	}
	return loss, math.Sqrt(se) / n, int(n), nil
}

func (t *Trainer) evalBatch(batch Rows) (sums, counts []float32, err error) {
	data, err := upload(t.be, batch)
	if err != nil {
		return nil, nil, err
	}
	defer gx.Free(data...)
	out, err := t.eval.Call(append(gx.Keep(data), gx.Keep(t.State.Params)...)...)
	if err != nil {
		return nil, nil, err
	}
	defer gx.Free(out...)
	if sums, err = gx.Values[float32](out[0]); err != nil {
		return nil, nil, err
	}
	counts, err = gx.Values[float32](out[1])
	return sums, counts, err
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

// sumLoss returns Σ −log p(token) and the number of predicted tokens of each
// row, both [B]. data is tokens, segments, positions, [B, T] each.
func sumLoss(s Shape, weights, data []*Node) (sum, count *Node) {
	tokens, segments, positions := data[0], data[1], data[2]
	t := tokens.Shape().Dimensions[1]
	net := NewNet(s, weights)
	h := net.Hidden(tokens, positions, CausalBias(segments))
	from := func(x *Node) *Node { return Slice(x, AxisRange(), AxisRange(0, t-1)) }
	to := func(x *Node) *Node { return Slice(x, AxisRange(), AxisRange(1, t)) }
	logp := LogProbs(net.Logits(from(h)), to(tokens), 1) // [B, T-1]
	counts := LogicalAnd(Equal(from(segments), to(segments)), GreaterThan(to(segments), ZerosLike(to(segments))))
	sum = ReduceSum(Where(counts, Neg(logp), ZerosLike(logp)), -1)
	return sum, ReduceSum(ConvertDType(counts, dtypes.Float32), -1)
}

// meanLoss is the mean over all predicted tokens of the batch, a scalar.
func meanLoss(s Shape, weights, data []*Node) *Node {
	sum, count := sumLoss(s, weights, data)
	return Div(ReduceAllSum(sum), MaxScalar(ReduceAllSum(count), 1))
}

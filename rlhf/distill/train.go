package distill

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"hhrlhf/rlhf/internal/fit"
	"hhrlhf/rlhf/internal/gx"
	"hhrlhf/rlhf/lm"
	"hhrlhf/rlhf/rl"
)

// RateShare is the paper's learning rate over that of pretraining (Askell et al.
// 2021, B.5).
const RateShare = 0.05

// Settings are how a student is trained.
type Settings struct {
	// LearningRate is AdamW's at the first step; it falls linearly to zero over
	// the planned steps. Paper: [RateShare] times that of pretraining.
	LearningRate float64
	// Batch is the number of texts in a step. 0: 32 (Askell et al. 2021, B.5).
	Batch int
	// Planned is the number of steps. 0: one pass over the texts.
	Planned int
	// ClipNorm bounds the global gradient norm. 0: 1 (not stated).
	ClipNorm float64
	// Accumulate is the number of parts, a divisor of Batch, into which a batch is
	// cut where the student's logits, Batch × W × V floats and several times that,
	// are too large to hold at once. 0: 1.
	Accumulate int
}

// Filled returns the settings for n texts with every field at zero set.
func (s Settings) Filled(n int) Settings {
	if s.Batch == 0 {
		s.Batch = 32
	}
	if s.Planned == 0 {
		s.Planned = max(1, n/max(1, s.Batch))
	}
	if s.ClipNorm == 0 {
		s.ClipNorm = 1
	}
	if s.Accumulate == 0 {
		s.Accumulate = 1
	}
	return s
}

func (s Settings) validate() error {
	for _, f := range []struct {
		name  string
		value any
		ok    bool
	}{
		{"LearningRate", s.LearningRate, s.LearningRate > 0 && !math.IsInf(s.LearningRate, 0)},
		{"Batch", s.Batch, s.Batch > 0},
		{"Planned", s.Planned, s.Planned > 0},
		{"ClipNorm", s.ClipNorm, s.ClipNorm > 0},
	} {
		if !f.ok {
			return fmt.Errorf("distill: %s = %v, want > 0", f.name, f.value)
		}
	}
	if s.Accumulate < 1 || s.Batch%s.Accumulate != 0 {
		return fmt.Errorf("distill: Accumulate = %d, want a divisor of Batch = %d", s.Accumulate, s.Batch)
	}
	return nil
}

// A Trainer teaches a student, of any size, to say without a prompt what the
// teacher says with it. State holds the student's weights; who exports it and sets
// it again goes on bit for bit, on the CPU.
type Trainer struct {
	State *fit.State

	be      compute.Backend
	student Model
	targets *Targets
	set     Settings
	stream  func(name string, step int) *rand.Rand
	step    *fit.Program     // where a batch is one piece
	pieces  *fit.Accumulated // where it is not
	eval    *gx.Program
}

// NewTrainer prepares training of student, whose weights it takes over. The
// student's tokenizer must be the teacher's; stream gives the run's named random
// streams. A text longer than the student's context is an error.
func NewTrainer(be compute.Backend, student Model, targets *Targets, s Settings, stream func(name string, step int) *rand.Rand) (*Trainer, error) {
	s = s.Filled(len(targets.Texts))
	if err := s.validate(); err != nil {
		return nil, err
	}
	t := &Trainer{be: be, student: student, targets: targets, set: s, stream: stream}
	if err := t.check(targets); err != nil {
		return nil, err
	}
	if len(targets.Texts) < s.Batch {
		return nil, fmt.Errorf("distill: %d texts, fewer than Batch = %d", len(targets.Texts), s.Batch)
	}
	ws := student.Shape.Weights()
	group := fit.Group{Names: lm.Names(ws), Decay: lm.Decays(ws), ClipNorm: s.ClipNorm}
	t.State = fit.NewState(student.Weights)
	t.step = fit.New(be, "distill step", 5, []fit.Group{group}, func(w [][]*Node, data []*Node) (*Node, []*Node) {
		loss := rl.MaskedMean(t.divergence(w[0], data), data[4], nil)
		return loss, []*Node{loss}
	})
	if s.Accumulate > 1 {
		t.pieces = fit.NewAccumulated(be, "distill", 5, 0, group, func(w, data []*Node) (sum, count *Node, _ []*Node) {
			return ReduceAllSum(t.divergence(w, data)), ReduceAllSum(ConvertDType(data[4], dtypes.Float32)), nil
		})
	}
	t.eval = gx.NewProgram(be, "distill eval", func(in []*Node) []*Node {
		return []*Node{t.divergence(in[5:], in[:5])}
	})
	return t, nil
}

// check says whether the student can read the targets.
func (t *Trainer) check(targets *Targets) error {
	if hash := t.student.Tokenizer.Hash(); hash != targets.Tokenizer {
		return fmt.Errorf("distill: the student's tokenizer (%.12s…) is not the teacher's (%.12s…): their ids mean different tokens; distil between models of one tokenizer", hash, targets.Tokenizer)
	}
	if targets.K >= t.student.Shape.Vocab {
		return fmt.Errorf("distill: K = %d, want less than the student's vocabulary of %d", targets.K, t.student.Shape.Vocab)
	}
	for i, x := range targets.Texts {
		if n := len(targets.Start) + len(x); n > t.student.Shape.Context {
			return fmt.Errorf("distill: text %d has %d tokens, more than the student's context of %d", i, n, t.student.Shape.Context)
		}
	}
	return nil
}

// Planned is the number of steps after which the learning rate is zero.
func (t *Trainer) Planned() int { return t.set.Planned }

// Rate is the learning rate of step (from 0): peak at the first, falling linearly
// to zero after the last planned one.
func Rate(step int, peak float64, planned int) float64 {
	return peak * max(0, 1-float64(step)/float64(max(1, planned)))
}

// Step does one optimiser step on the next batch of texts and returns its metrics:
// distill/kl in nats per token, distill/tokens that counted in this step, lr and
// grad_norm.
func (t *Trainer) Step() (map[string]float64, error) {
	n := t.State.Updates
	at := lm.Order(n, t.set.Batch, len(t.targets.Texts), func(epoch int) *rand.Rand { return t.stream("distill/order", epoch) })
	rate := Rate(n, t.set.LearningRate, t.set.Planned)
	step := t.whole
	if t.pieces != nil {
		step = t.inPieces
	}
	kl, norm, tokens, err := step(at, rate)
	if err != nil {
		return nil, fmt.Errorf("distill: step %d: %w", n+1, err)
	}
	return map[string]float64{"distill/kl": kl, "distill/tokens": float64(tokens), "lr": rate, "grad_norm": norm}, nil
}

// whole updates by the texts at, in one piece.
func (t *Trainer) whole(at []int, rate float64) (kl, norm float64, tokens int, err error) {
	data, tokens, err := t.upload(t.targets, at)
	if err != nil {
		return 0, 0, 0, err
	}
	defer gx.Free(data...)
	kl, norm, err = t.step.StepLoss(t.State, rate, gx.Keep(data)...)
	return kl, norm, tokens, err
}

// inPieces does the same in Accumulate parts; the mean is over the tokens of all.
func (t *Trainer) inPieces(at []int, rate float64) (kl, norm float64, tokens int, err error) {
	defer t.pieces.Discard() // what an error has left
	for part := range slices.Chunk(at, t.set.Batch/t.set.Accumulate) {
		data, n, err := t.upload(t.targets, part)
		if err != nil {
			return 0, 0, 0, err
		}
		err = t.pieces.Add(t.State, gx.Keep(data)...)
		gx.Free(data...)
		if err != nil {
			return 0, 0, 0, err
		}
		tokens += n
	}
	norm, kl, _, err = t.pieces.Apply(t.State, rate)
	return kl, norm, tokens, err
}

// divergence is the KL of each token [B, N]. data is tokens, segments [B, S+W];
// ids [B, N, K]; logp [B, N, K+1]; mask [B, N]: of the student's slots the last N
// are compared with the teacher's.
func (t *Trainer) divergence(weights, data []*Node) *Node {
	tokens, segments, ids, logp, mask := data[0], data[1], data[2], data[3], data[4]
	from := tokens.Shape().Dimensions[1] - mask.Shape().Dimensions[1]
	logits := predictions(lm.NewNet(t.student.Shape, weights), tokens, segments, from)
	return rl.CoarseKL(logits, ids, logp, mask)
}

// upload lays out texts of targets, one a row, as divergence takes them, and
// counts their tokens; an index of -1 gives an empty row. All batches of targets
// have one width.
func (t *Trainer) upload(targets *Targets, at []int) (data []*tensors.Tensor, tokens int, err error) {
	k, width := targets.K, targets.wide
	n := width - targets.first()
	rows := make([][]int32, len(at))
	ids, logp, mask := make([]int32, len(at)*n*k), make([]float32, len(at)*n*(k+1)), make([]bool, len(at)*n)
	for b, i := range at {
		if i < 0 {
			continue
		}
		rows[b] = append(append(rows[b], targets.Start...), targets.Texts[i]...)
		from, to := targets.at[i], targets.at[i+1]
		copy(ids[b*n*k:], targets.ids[from*k:to*k])
		copy(logp[b*n*(k+1):], targets.logp[from*(k+1):to*(k+1)])
		for j := range to - from {
			mask[b*n+j] = true
		}
		tokens += to - from
	}
	data = make([]*tensors.Tensor, 5)
	if data[0], data[1], err = lm.LayOut(t.be, rows, len(targets.Start)+width, t.student.Tokenizer.Pad(), false); err != nil {
		return nil, 0, err
	}
	if data[2], err = gx.Flat(t.be, ids, len(at), n, k); err != nil {
		return nil, 0, err
	}
	if data[3], err = gx.Flat(t.be, logp, len(at), n, k+1); err != nil {
		return nil, 0, err
	}
	data[4], err = gx.Flat(t.be, mask, len(at), n)
	return data, tokens, err
}

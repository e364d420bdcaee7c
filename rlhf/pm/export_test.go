package pm

import (
	"math/rand/v2"

	. "github.com/gomlx/gomlx/core/graph"

	"github.com/gomlx/gomlx/core/tensors"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/internal/gx"
	"hhrlhf/rlhf/lm"
)

// PairLoss is the loss of a training step: see pairLoss.
func PairLoss(s lm.Shape, lmCoef float64, eoc int32) func(w, in []*Node) (*Node, []*Node) {
	return (&Programs{shape: s}).pairLoss(stepKind{lmCoef: lmCoef, eoc: eoc})
}

// LayOut makes the rows of pairs.
func (m *Model) LayOut(pairs []Pair, n, width int) ([]*tensors.Tensor, error) {
	return m.layOut(pairs, n, width)
}

// CallRows scores rows of tokens, segments and positions.
func (m *Model) CallRows(rows [3][][]int32) ([]float32, error) {
	var in []any
	for _, r := range rows {
		t, err := gx.Rows(m.programs.be, r, len(r[0]), 0, false)
		if err != nil {
			return nil, err
		}
		in = append(in, t)
	}
	out, err := m.programs.score.Call(append(in, gx.Keep(m.Weights)...)...)
	if err != nil {
		return nil, err
	}
	return gx.Values[float32](out[0])
}

// Batch returns the pairs of a step.
func (t *Trainer) Batch(step int) ([]Pair, error) { return t.order.at(step) }

// NewOrder deals out a source.
func NewOrder(s Source, batch int, encode func(rlhf.Comparison) (Pair, Fate), seed uint64) func(step int) ([]Pair, error) {
	return newOrder(s, batch, encode, seeded(seed)).at
}

func seeded(seed uint64) func(epoch int) *rand.Rand {
	return func(epoch int) *rand.Rand { return rand.New(rand.NewPCG(seed, uint64(epoch))) }
}

// Arrange chooses how pairs stand in rows.
func (m *Model) Arrange(pairs []Pair) (rows []Pair, width int) { return m.arrange(pairs) }

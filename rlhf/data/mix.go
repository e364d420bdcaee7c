package data

import (
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"
)

// A Part is one corpus of a mixture.
type Part struct {
	Name   string
	Weight float64 // share of the rows, relative to the other parts'
	Rows   Rows
}

// A Mix draws rows from several corpora at declared weights.
//
// The shares hold exactly over long runs: after any number of rows, each part
// has given its share of them, give or take one row a part; so a batch has its
// share too, rounded up or down. Which rows of the batch come from which part, and
// how the rounding falls, the seed decides. Each part is asked for its rows 0, 1, 2, …
// in turn, and which one is next follows from the row's number alone.
type Mix struct {
	parts []Part
	split []uint64 // of what the parts before it leave, the share of part p, in 1/2³²
	shift []uint64 // where the rounding of part p begins, in 1/2³²
	batch int
	seed  uint64
}

// NewMix mixes parts in batches of batch rows.
func NewMix(seed uint64, batch int, parts ...Part) (*Mix, error) {
	if batch < 1 || len(parts) == 0 {
		return nil, fmt.Errorf("data: a mixture of %d parts in batches of %d rows, want at least one each", len(parts), batch)
	}
	m := &Mix{parts: parts, batch: batch, seed: seed}
	rest := 0.0
	for _, p := range parts {
		if !(p.Weight > 0) || math.IsInf(p.Weight, 0) || p.Rows == nil {
			return nil, fmt.Errorf("data: part %q of the mixture: Weight = %v, want a positive number, and rows to draw from", p.Name, p.Weight)
		}
		rest += p.Weight
	}
	rng := rand.New(rand.NewPCG(seed, 0))
	for _, p := range parts {
		m.split = append(m.split, uint64(math.Round(min(1, p.Weight/rest)*(1<<32))))
		m.shift = append(m.shift, rng.Uint64()>>32)
		rest -= p.Weight
	}
	m.split[len(parts)-1] = 1 << 32
	return m, nil
}

// At says which part row i comes from and which of the part's rows it is.
func (m *Mix) At(i int) (part, row int) {
	batch := i / m.batch
	// Within its batch the row takes a place that the seed chooses.
	k := uint64(batch*m.batch + Permute(i%m.batch, m.batch, mix64(m.seed+mix64(uint64(batch)))))
	for p := range m.parts {
		before, after := m.taken(p, k), m.taken(p, k+1)
		if after > before {
			return p, int(before)
		}
		k -= before // among the rows that are left to the later parts
	}
	return len(m.parts) - 1, int(k) // not reached: the last part takes all that is left
}

// taken is how many of the first k rows that reach part p it takes: ⌊k·share + shift⌋.
func (m *Mix) taken(p int, k uint64) uint64 {
	hi, lo := bits.Mul64(k, m.split[p])
	lo, carry := bits.Add64(lo, m.shift[p], 0)
	return (hi+carry)<<32 | lo>>32
}

// Row implements Rows.
func (m *Mix) Row(i int) ([][]int32, error) {
	if i < 0 {
		return nil, fmt.Errorf("data: row %d of a mixture", i)
	}
	p, n := m.At(i)
	row, err := m.parts[p].Rows.Row(n)
	if err != nil {
		return nil, fmt.Errorf("data: part %q of the mixture: %w", m.parts[p].Name, err)
	}
	return row, nil
}

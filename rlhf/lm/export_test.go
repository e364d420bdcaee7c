package lm

// The operations whose gradients are given in closed form, for their tests.
var (
	OpNorm     = layerNorm
	OpLinear   = linear
	OpProduct  = product
	OpAttend   = (&Net{}).attend
	ProbeGraph = probeGraph
)

// RowsOf returns which pairs share each row of a scoring pass.
func (e *Evaluator) RowsOf(pairs []Pair) (shared [][]int, err error) {
	rows, err := e.scoreRows(pairs)
	for _, r := range rows {
		shared = append(shared, r.pairs)
	}
	return shared, err
}

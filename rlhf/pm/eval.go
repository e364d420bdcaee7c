package pm

import (
	"hhrlhf/rlhf"
	"hhrlhf/rlhf/eval"
)

// Judged is a held-out comparison with the model's two scores.
type Judged = eval.Judged

// Judge scores both sides of pairs made from cs by [EncodeAll].
func (m *Model) Judge(cs []rlhf.Comparison, pairs []Pair) ([]Judged, error) {
	scores, err := m.ScorePairs(pairs)
	if err != nil {
		return nil, err
	}
	js := make([]Judged, len(pairs))
	for i, p := range pairs {
		js[i] = Judged{Chosen: float64(scores[i][0]), Rejected: float64(scores[i][1]), Comparison: cs[p.At]}
	}
	return js, nil
}

package eval

import (
	"fmt"

	"hhrlhf/rlhf"
)

// Judge scores both sides of comparisons with one call of score, such as the
// method Score of a preference-model run.
func Judge(cs []rlhf.Comparison, score func([]rlhf.Transcript) ([]float64, error)) ([]Judged, error) {
	ts := make([]rlhf.Transcript, 0, 2*len(cs))
	for _, c := range cs {
		ts = append(ts, c.Chosen, c.Rejected)
	}
	scores, err := score(ts)
	if err != nil {
		return nil, fmt.Errorf("eval: scores of %d comparisons: %w", len(cs), err)
	}
	if len(scores) != len(ts) {
		return nil, fmt.Errorf("eval: %d scores for %d responses", len(scores), len(ts))
	}
	js := make([]Judged, len(cs))
	for i, c := range cs {
		js[i] = Judged{scores[2*i], scores[2*i+1], c}
	}
	return js, nil
}

// Prefer is [Accuracy] of bare scores, side by side.
func Prefer(chosen, rejected []float64) (rlhf.Accuracy, error) {
	if len(chosen) != len(rejected) {
		return rlhf.Accuracy{}, fmt.Errorf("eval: %d scores of chosen and %d of rejected responses", len(chosen), len(rejected))
	}
	js := make([]Judged, len(chosen))
	for i := range js {
		js[i] = Judged{Chosen: chosen[i], Rejected: rejected[i]}
	}
	return Accuracy("", js), nil
}

// MutualInformation is how a language model without a head for scores prefers
// (Askell et al. 2021, section 2.2.1):
//
//	I(a, q) = log P(a|q) − log P(a)
//
// how much likelier the question makes the answer, in nats. withPrompt holds log P(a|q),
// without the log-probability of the same answer where no question stands. The difference
// takes off what log P(a|q) alone would reward: short and common answers.
func MutualInformation(withPrompt, without []float64) ([]float64, error) {
	if len(withPrompt) != len(without) {
		return nil, fmt.Errorf("eval: %d log-probabilities with the prompt and %d without", len(withPrompt), len(without))
	}
	out := make([]float64, len(withPrompt))
	for i := range out {
		out[i] = withPrompt[i] - without[i]
	}
	return out, nil
}

package distill

import (
	"fmt"
	"math"

	"hhrlhf/rlhf/eval"
	"hhrlhf/rlhf/internal/gx"
)

// Divergence is the mean KL over tokens in nats, with its 95 % interval.
type Divergence struct {
	KL, Low, High float64
	Tokens        int
	// PerToken is the KL of each token that counts, [text][token]: from the first
	// token of a text on where the model has a Start, else from the second.
	PerToken [][]float64
}

// Evaluate measures the student as it is now on targets of the same teacher that
// it was not trained on. The interval is of the ratio of sums over texts, because
// the tokens of one text are not independent.
func (t *Trainer) Evaluate(held *Targets) (Divergence, error) {
	var d Divergence
	if err := t.check(held); err != nil {
		return d, err
	}
	if len(held.Texts) == 0 {
		return d, fmt.Errorf("distill: no held-out texts to evaluate")
	}
	for start := 0; start < len(held.Texts); start += t.set.Batch {
		at := make([]int, t.set.Batch)
		for i := range at {
			if at[i] = start + i; at[i] >= len(held.Texts) {
				at[i] = -1
			}
		}
		if err := t.evaluate(held, at, &d); err != nil {
			return d, err
		}
	}
	sums, total := make([]float64, len(d.PerToken)), 0.0
	for i, row := range d.PerToken {
		for _, kl := range row {
			sums[i] += kl
		}
		total += sums[i]
		d.Tokens += len(row)
	}
	d.KL = total / float64(d.Tokens)
	variance := 0.0
	for i, row := range d.PerToken { // the ratio estimator's linearised variance
		r := sums[i] - d.KL*float64(len(row))
		variance += r * r
	}
	margin := eval.Z95 * math.Sqrt(variance) / float64(d.Tokens)
	d.Low, d.High = d.KL-margin, d.KL+margin
	return d, nil
}

func (t *Trainer) evaluate(held *Targets, at []int, d *Divergence) error {
	data, _, err := t.upload(held, at)
	if err != nil {
		return err
	}
	defer gx.Free(data...)
	out, err := t.eval.Call(append(gx.Keep(data), gx.Keep(t.State.Params)...)...)
	if err != nil {
		return err
	}
	defer gx.Free(out...)
	rows, err := gx.Matrix[float32](out[0])
	if err != nil {
		return err
	}
	for b, i := range at {
		if i < 0 {
			continue
		}
		row := make([]float64, held.at[i+1]-held.at[i])
		for j := range row {
			row[j] = float64(rows[b][j])
		}
		d.PerToken = append(d.PerToken, row)
	}
	return nil
}

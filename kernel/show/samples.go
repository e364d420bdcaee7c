package show

import (
	"fmt"
	"slices"

	"hhrlhf/rlhf"
)

// Samples shows the first n rows of a rollout with what the phases done so far
// say of them.
func Samples(b *rlhf.Batch, n int) {
	if b == nil || len(b.Responses) == 0 {
		fail(fmt.Errorf("show: Samples: the batch is empty, want one that Rollout returned"))
		return
	}
	show(batchTable(b, n, func(i int) cell { return response(b.Responses[i]) }).output())
}

// batchTable has the first n rows of a batch; written says how to show a response.
func batchTable(b *rlhf.Batch, n int, written func(row int) cell) *table {
	n = max(0, min(n, len(b.Responses)))
	t := &table{caption: fmt.Sprintf("%s, step %d: %d of %d samples", b.Run, b.Step, n, len(b.Responses))}
	head := heads("prompt", "response", "tokens", "ended")
	scored, shaped := len(b.Score) > 0, len(b.KL) > 0
	if scored {
		head = append(head, cell{text: "score"})
	}
	if shaped {
		head = append(head, cell{text: "KL, nats"})
	}
	if len(b.Gold) > 0 {
		head = append(head, heads("helpful", "harmless", "verdict")...)
	}
	t.heads = [][]cell{head}
	scale := 0.0
	for _, s := range b.Score {
		scale = largest(scale, float64(s))
	}
	for i := range n {
		row := []cell{prompt(at(b.Prompts, i)), written(i), {text: "—", right: true}, ended(at(b.EOS, i))}
		if i < len(b.Mask) {
			row[2] = cell{text: fmt.Sprint(b.Length(i)), right: true}
		}
		if scored {
			row = append(row, heat(float64(at(b.Score, i)), scale))
		}
		if shaped {
			kl := cell{text: "—", right: true}
			if i < len(b.KL) && i < len(b.Mask) && len(b.KL[i]) >= len(b.Mask[i]) {
				kl = numeric(b.RowKL(i))
			}
			row = append(row, kl)
		}
		if len(b.Gold) > 0 {
			row = append(row, gold(at(b.Gold, i))...)
		}
		t.rows = append(t.rows, row)
	}
	return t
}

// at returns s[i], or zero where a cell has cut the slice short.
func at[T any](s []T, i int) T {
	var zero T
	if i < len(s) {
		return s[i]
	}
	return zero
}

func largest(a, v float64) float64 {
	if v < 0 {
		v = -v
	}
	if finite(v) {
		return max(a, v)
	}
	return a
}

// heat returns a number on a tint of its share of scale.
func heat(v, scale float64) cell {
	c := numeric(v)
	if scale > 0 || !finite(v) {
		c.style = tinted(v / scale)
	}
	return c
}

func ended(eos bool) cell {
	if eos {
		return cell{text: "yes"}
	}
	return cell{text: "cut off"}
}

func gold(g rlhf.Gold) []cell {
	return []cell{heat(g.Helpful, 1), heat(g.Harmless, 1), {text: g.Why}}
}

// SampleTable shows samples with their scores, their KL and, where the truth is
// known, what it says.
func SampleTable(samples []rlhf.Sample) {
	show(sampleTable("", samples).output())
}

func sampleTable(caption string, samples []rlhf.Sample) *table {
	hasGold := slices.ContainsFunc(samples, func(s rlhf.Sample) bool { return s.Gold != nil })
	hasScore := slices.ContainsFunc(samples, func(s rlhf.Sample) bool { return s.Score != 0 })
	hasKL := slices.ContainsFunc(samples, func(s rlhf.Sample) bool { return s.KL != 0 })
	t := &table{caption: caption}
	head := heads("prompt", "response", "tokens", "ended")
	if hasScore {
		head = append(head, cell{text: "score"})
	}
	if hasKL {
		head = append(head, cell{text: "KL, nats"})
	}
	if hasGold {
		head = append(head, heads("helpful", "harmless", "verdict")...)
	}
	t.heads = [][]cell{head}
	scale := 0.0
	for _, s := range samples {
		scale = largest(scale, s.Score)
	}
	for _, s := range samples {
		row := []cell{prompt(s.Prompt), response(s.Response), {text: fmt.Sprint(s.Tokens), right: true}, ended(s.EOS)}
		if hasScore {
			row = append(row, heat(s.Score, scale))
		}
		if hasKL {
			row = append(row, numeric(s.KL))
		}
		if hasGold {
			if s.Gold == nil {
				row = append(row, heads("—", "—", "—")...)
			} else {
				row = append(row, gold(*s.Gold)...)
			}
		}
		t.rows = append(t.rows, row)
	}
	if len(samples) == 0 {
		t.rows = [][]cell{heads("no samples yet", "", "", "")}
	}
	return t
}

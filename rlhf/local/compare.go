package local

import (
	"fmt"
	"math"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/synth"
)

// Compare implements rlhf.PPORun.
func (h *ppoRun) Compare(n int) (rlhf.BeforeAfter, error) {
	var ba rlhf.BeforeAfter
	err := h.phase("comparing", func(m *ppoModel, _ *loadedRun) error {
		if n < 1 || n > len(m.held) {
			return fmt.Errorf("local: Compare(%d): there are %d held-out prompts", n, len(m.held))
		}
		before, after, err := m.Trainer.Compare(m.held[:n])
		if err != nil {
			return err
		}
		ba.Step = m.done()
		ba.Before, ba.After = m.label(before), m.label(after)
		ba.Rows = changes(ba.Before, ba.After)
		return nil
	})
	return ba, err
}

func (m *ppoModel) label(ss []rlhf.Sample) []rlhf.Sample {
	for i := range ss {
		ss[i].Gold = m.corpus.judge(ss[i].Prompt, ss[i].Response)
	}
	return ss
}

// changes summarises the two columns.
func changes(before, after []rlhf.Sample) []rlhf.Change {
	quantities := []struct {
		name string
		of   func(rlhf.Sample) float64
	}{
		{"score", func(s rlhf.Sample) float64 { return s.Score }},
		{"kl", func(s rlhf.Sample) float64 { return s.KL }},
		{"length", func(s rlhf.Sample) float64 { return float64(s.Tokens) }},
		{"eos", func(s rlhf.Sample) float64 {
			if s.EOS {
				return 1
			}
			return 0
		}},
		{"helpful", func(s rlhf.Sample) float64 { return s.Gold.Helpful }},
		{"harmless", func(s rlhf.Sample) float64 { return s.Gold.Harmless }},
		{"gold", func(s rlhf.Sample) float64 { return synth.Utility(*s.Gold) }},
		{"honest", func(s rlhf.Sample) float64 { return s.Gold.Honest }},
	}
	if before[0].Gold == nil {
		quantities = quantities[:4]
	}
	var out []rlhf.Change
	for _, q := range quantities {
		c := rlhf.Change{Name: q.name}
		c.Before, c.BeforeSD, c.BeforeSE = summary(before, q.of)
		c.After, c.AfterSD, c.AfterSE = summary(after, q.of)
		out = append(out, c)
	}
	return out
}

// summary returns mean, standard deviation and standard error of the mean.
func summary(ss []rlhf.Sample, of func(rlhf.Sample) float64) (mean, sd, se float64) {
	n := float64(len(ss))
	for _, s := range ss {
		mean += of(s) / n
	}
	for _, s := range ss {
		sd += (of(s) - mean) * (of(s) - mean) / math.Max(n-1, 1)
	}
	sd = math.Sqrt(sd)
	return mean, sd, sd / math.Sqrt(n)
}

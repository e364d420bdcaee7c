package lm_test

import (
	"testing"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/internal/gx"
	"hhrlhf/rlhf/lm"
)

// BenchmarkStep is one training step of 16 × 128 tokens at the tour's size
// (d 128, 4 layers) with a vocabulary of 2048.
func BenchmarkStep(b *testing.B) {
	be := gx.TestBackend(b)
	cfg := rlhf.LM{Vocab: 2048, Layers: 4, Width: 128, Heads: 4, Context: 128, Batch: 16}.Filled()
	var seqs [][]int32
	for i := range 400 {
		seq := make([]int32, 20+i%20)
		for j := range seq {
			seq[j] = int32(3 + (i*7+j*13)%2000)
		}
		seqs = append(seqs, seq)
	}
	tr, err := lm.NewTrainer(be, cfg, lm.Pack(seqs, cfg.Context, 0), stream)
	if err != nil {
		b.Fatal(err)
	}
	step := func() {
		if _, err := tr.Step(); err != nil {
			b.Fatal(err)
		}
	}
	step() // compiles
	for b.Loop() {
		step()
	}
	b.ReportMetric(float64(cfg.Batch*cfg.Context)*float64(b.N)/b.Elapsed().Seconds(), "tokens/s")
}

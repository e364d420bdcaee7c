package lab_test

import (
	"math/rand/v2"
	"testing"

	"hhrlhf/kernel/engine/enginetest"
	"hhrlhf/kernel/lab"
	"hhrlhf/rlhf"
)

func BenchmarkAttach(b *testing.B) {
	for b.Loop() {
		lab.Attach()
	}
}

func BenchmarkStatus(b *testing.B) {
	_, s, _ := start(b, enginetest.Options{})
	for b.Loop() {
		if _, err := s.Status(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPhase(b *testing.B) {
	_, s, _ := start(b, enginetest.Options{})
	run := ppo(b, s, "p")
	batch := must[*rlhf.Batch](b)(run.Rollout())
	r := rand.New(rand.NewPCG(1, 1))
	for _, m := range []*[][]float32{&batch.LogPSample, &batch.LogP, &batch.LogPRef, &batch.Value, &batch.KL, &batch.Reward, &batch.Advantage, &batch.Return} {
		*m = nil
		for range 128 {
			row := make([]float32, 128)
			for i := range row {
				row[i] = r.Float32()
			}
			*m = append(*m, row)
		}
	}
	for b.Loop() {
		if err := run.Score(batch); err != nil {
			b.Fatal(err)
		}
	}
}

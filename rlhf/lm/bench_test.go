package lm_test

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/internal/gx"
	"hhrlhf/rlhf/lm"
)

// BenchmarkStep is one training step of 16 × 128 tokens in float32: AdamW and
// global-norm clip included. S is the tour's size with a vocabulary of 2048. It
// reports, beside the wall clock, the processor time of a step, which other
// work on the machine disturbs less, the time to the end of the first step and
// the highest resident memory of the process.
func BenchmarkStep(b *testing.B) {
	be := gx.TestBackend(b)
	for _, c := range []struct {
		name string
		cfg  rlhf.LM
	}{
		{"S", rlhf.LM{Vocab: 2048, Layers: 4, Width: 128, Heads: 4}},
		{"M", rlhf.LM{Vocab: 4096, Layers: 6, Width: 256, Heads: 8}},
	} {
		c.cfg.Context, c.cfg.Batch = 128, 16
		b.Run(c.name, func(b *testing.B) {
			cfg := c.cfg.Filled()
			start := time.Now()
			tr, err := lm.NewTrainer(be, cfg, benchRows(cfg), stream)
			if err != nil {
				b.Fatal(err)
			}
			defer tr.State.Free()
			step := func() {
				if _, err := tr.Step(); err != nil {
					b.Fatal(err)
				}
			}
			step() // compiles
			first := time.Since(start)
			step()
			cpu := processorTime()
			for b.Loop() {
				step()
			}
			n := float64(b.N)
			b.ReportMetric((processorTime()-cpu)/n, "cpu-s/op")
			b.ReportMetric(float64(cfg.Batch*cfg.Context)*n/b.Elapsed().Seconds(), "tokens/s")
			b.ReportMetric(first.Seconds(), "first-s")
			b.ReportMetric(peakMemory(), "peak-MB")
		})
	}
}

// benchRows fills rows with sequences of 20 to 39 tokens.
func benchRows(cfg rlhf.LM) lm.Rows {
	var seqs [][]int32
	for i := range 400 {
		seq := make([]int32, 20+i%20)
		for j := range seq {
			seq[j] = int32(3 + (i*7+j*13)%(cfg.Vocab-48))
		}
		seqs = append(seqs, seq)
	}
	return lm.Pack(seqs, cfg.Context, 0)
}

// processorTime is what this process has used so far, user and system, in seconds.
func processorTime() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}

// peakMemory is the process's highest resident memory in MB; 0 where the system does not tell.
func peakMemory() float64 {
	status, _ := os.ReadFile("/proc/self/status")
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	kb, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	n, _ := strconv.ParseFloat(kb, 64)
	return n / 1000
}

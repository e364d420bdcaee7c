package pm_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/internal/gx"
	"hhrlhf/rlhf/lm"
	"hhrlhf/rlhf/pm"
	"hhrlhf/rlhf/tokenizer"
)

// benchShapes are the sizes at which implementations are compared: S is the tour's
// with a vocabulary of 2048.
var benchShapes = []struct {
	name  string
	shape lm.Shape
}{
	{"S", lm.Shape{Vocab: 2048, Layers: 4, Width: 128, Heads: 4, Context: 128}},
	{"M", lm.Shape{Vocab: 4096, Layers: 6, Width: 256, Heads: 8, Context: 128}},
}

// BenchmarkStep is one training step on 16 pairs of sequences of 128 tokens in
// float32, AdamW and global-norm clip included: with no prompt, with one of 32 tokens
// and with one of 96. Tokens per second count both sequences in full, the shared prompt
// twice. Beside the wall clock it reports the processor time of a step, which other
// work on the machine disturbs less, the time to the end of the first step and the
// highest resident memory of the process.
func BenchmarkStep(b *testing.B) {
	be := gx.TestBackend(b)
	const pairs, length = 16, 128
	for _, c := range benchShapes {
		programs := pm.NewPrograms(be, c.shape, pm.End)
		for _, prompt := range []int{0, 32, 96} {
			b.Run(fmt.Sprintf("%s/prompt=%d", c.name, prompt), func(b *testing.B) {
				start := time.Now()
				cfg := rlhf.PM{LM: "x", Batch: pairs, Context: length, Planned: 1000}.Filled()
				tr, err := pm.NewTrainer(cfg, benchModel(b, programs, c.shape), benchPairs(256, prompt, length), stream)
				if err != nil {
					b.Fatal(err)
				}
				defer tr.State.Free()
				measure(b, start, 2*pairs*length, func() error {
					_, err := tr.Step()
					return err
				})
			})
		}
	}
}

// BenchmarkScore scores 32 sequences of 96 tokens.
func BenchmarkScore(b *testing.B) {
	be := gx.TestBackend(b)
	const rows, prompt, length = 32, 32, 96
	for _, c := range benchShapes {
		b.Run(c.name, func(b *testing.B) {
			start := time.Now()
			m := benchModel(b, pm.NewPrograms(be, c.shape, pm.End), c.shape)
			defer gx.Free(m.Weights...)
			ts := make([]rlhf.Transcript, rows)
			for i, p := range benchPairs(rows, prompt, length) {
				ts[i] = p.Chosen
			}
			measure(b, start, rows*length, func() error {
				_, err := m.Score(ts)
				return err
			})
		})
	}
}

// measure runs f, which handles tokens tokens: once to compile, once to warm up, then
// as often as the benchmark wants.
func measure(b *testing.B, start time.Time, tokens int, f func() error) {
	run := func() {
		if err := f(); err != nil {
			b.Fatal(err)
		}
	}
	run()
	first := time.Since(start)
	run()
	cpu := processorTime()
	for b.Loop() {
		run()
	}
	n := float64(b.N)
	b.ReportMetric((processorTime()-cpu)/n, "cpu-s/op")
	b.ReportMetric(float64(tokens)*n/b.Elapsed().Seconds(), "tokens/s")
	b.ReportMetric(first.Seconds(), "first-s")
	b.ReportMetric(peakMemory(), "peak-MB")
}

func benchModel(b *testing.B, programs *pm.Programs, s lm.Shape) *pm.Model {
	weights, err := lm.Init(gx.TestBackend(b), pm.ScalarWeights(s, pm.End), stream("init", 1))
	if err != nil {
		b.Fatal(err)
	}
	m, err := pm.New(programs, s.Context, tokenizer.Bytes(), weights)
	if err != nil {
		b.Fatal(err)
	}
	return m
}

// benchPairs are n comparisons whose sequences have length tokens each in bytes, the two
// at the end of a sequence included, and the first prompt of them in common.
func benchPairs(n, prompt, length int) pm.InMemory {
	rng := stream("benchmark", 0)
	text := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte('a' + rng.IntN(26))
		}
		return string(b)
	}
	cs := make(pm.InMemory, n)
	for i := range cs {
		shared := text(prompt)
		side := func() rlhf.Transcript {
			return rlhf.Transcript{Prompt: shared, Response: text(length - prompt - 2)}
		}
		cs[i] = rlhf.Comparison{Chosen: side(), Rejected: side()}
	}
	return cs
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

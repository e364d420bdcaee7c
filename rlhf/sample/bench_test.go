package sample_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"hhrlhf/rlhf/internal/gx"
	"hhrlhf/rlhf/internal/rltest"
	"hhrlhf/rlhf/lm"
	"hhrlhf/rlhf/pretrained"
	"hhrlhf/rlhf/sample"
)

// BenchmarkSample draws 64 tokens to each of 32 prompts of 32 tokens: one PPO
// rollout at the sizes S (d 128, 4 layers) and M (d 256, 6 layers).
func BenchmarkSample(b *testing.B) {
	for _, c := range []struct {
		name  string
		shape lm.Shape
	}{
		{"S", lm.Shape{Vocab: 2048, Width: 128, Layers: 4, Heads: 4, Context: 128}},
		{"M", lm.Shape{Vocab: 4096, Width: 256, Layers: 6, Heads: 8, Context: 128}},
	} {
		b.Run(c.name, func(b *testing.B) { benchmark(b, c.shape, 32, 32, 64) })
	}
}

func benchmark(b *testing.B, shape lm.Shape, rows, prompt, response int) {
	be := gx.TestBackend(b)
	rng := rand.New(rand.NewPCG(1, 2))
	w, err := lm.Init(be, shape.Weights(), rng)
	if err != nil {
		b.Fatal(err)
	}
	defer gx.Free(w...)
	ps := make([][]int32, rows)
	for i := range ps {
		for range prompt {
			ps[i] = append(ps[i], int32(rng.IntN(shape.Vocab)))
		}
	}
	// Ids that cannot be drawn, for every row to be written to its end.
	s, err := sample.New(be, shape, sample.Options{Prompt: prompt, Response: response, Temperature: 1, EOS: int32(shape.Vocab), Pad: int32(shape.Vocab + 1)})
	if err != nil {
		b.Fatal(err)
	}
	draw := func(seed uint64) {
		if _, err := s.Sample(w, ps, sample.Seeds(seed, rows)); err != nil {
			b.Fatal(err)
		}
	}
	draw(0)
	compiled := time.Duration(0)
	for _, p := range s.Programs() {
		compiled += p.CompileTime()
	}
	draw(1)
	seed, least := uint64(2), time.Hour
	for b.Loop() {
		start := cpuTime()
		draw(seed)
		least = min(least, cpuTime()-start)
		seed++
	}
	b.ReportMetric(float64(rows*response)*float64(b.N)/b.Elapsed().Seconds(), "tokens/s")
	b.ReportMetric(least.Seconds(), "least-cpu-s/op") // what a busy machine disturbs least
	b.ReportMetric(compiled.Seconds(), "compile-s")
	b.ReportMetric(peakRSS(), "peak-MB")
}

// BenchmarkSmolLM2 reads a prompt of 256 tokens with SmolLM2-135M, and writes to 1
// and to 16 prompts of 32 tokens. A step of the loop reads all weights once, 4 bytes
// each, and multiplies every row by them.
func BenchmarkSmolLM2(b *testing.B) {
	be := gx.TestBackend(b)
	m, err := pretrained.Open(rltest.Model(b, "smollm2"))
	if err != nil {
		b.Fatal(err)
	}
	w, err := m.Weights(be)
	if err != nil {
		b.Fatal(err)
	}
	defer gx.Free(w...)
	p := sample.NewPool(be, m.Shape)
	opt := sample.Options{Temperature: 1, EOS: int32(m.Shape.Vocab), Pad: m.Tokenizer.Pad()}
	run := func(b *testing.B, rows, prompt, response int) time.Duration {
		opt.Prompt, opt.Response = prompt, response
		s, err := p.Sampler(opt)
		if err != nil {
			b.Fatal(err)
		}
		ps := slices.Repeat([][]int32{slices.Repeat([]int32{504}, prompt)}, rows)
		start := time.Now()
		if _, err := s.Sample(w, ps, sample.Seeds(1, rows)); err != nil {
			b.Fatal(err)
		}
		return time.Since(start)
	}
	b.Run("read256", func(b *testing.B) {
		run(b, 1, 256, 1)
		for b.Loop() {
			run(b, 1, 256, 1)
		}
		b.ReportMetric(256*float64(b.N)/b.Elapsed().Seconds(), "tokens/s")
	})
	for _, rows := range []int{1, 16} {
		b.Run(fmt.Sprintf("write%d", rows), func(b *testing.B) {
			const steps = 16
			run(b, rows, 32, 4) // compiles, and measures a step
			least := time.Hour
			for b.Loop() {
				reading, cpu := run(b, rows, 32, 1), cpuTime()
				whole := run(b, rows, 32, 1+steps)
				least = min(least, whole-reading)
				b.ReportMetric((cpuTime() - cpu).Seconds(), "cpu-s")
			}
			b.ReportMetric(float64(steps*rows)/least.Seconds(), "tokens/s")
			b.ReportMetric(float64(steps*4*m.Shape.Params())/least.Seconds()/1e9, "weights-GB/s")
			b.ReportMetric(float64(int64(steps*rows*2)*m.Shape.Params())/least.Seconds()/1e9, "GFLOP/s")
			b.ReportMetric(peakRSS(), "peak-MB")
		})
	}
}

// cpuTime is what this process has used of all cores.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// peakRSS is the most memory that this process has held, in MB.
func peakRSS() float64 {
	status, _ := os.ReadFile("/proc/self/status")
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return 0
	}
	kb, _ := strconv.ParseFloat(fields[0], 64)
	return kb / 1024
}

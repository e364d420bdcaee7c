package lm_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/internal/gx"
	"hhrlhf/rlhf/lm"
)

func stream(name string, step int) *rand.Rand {
	return rand.New(rand.NewPCG(uint64(len(name)), uint64(step)))
}

// A pulse: a small decoder learns sequences that count upwards.
func TestPulse(t *testing.T) {
	be := gx.TestBackend(t)
	cfg := rlhf.LM{Vocab: 300, Layers: 2, Width: 32, Heads: 2, Context: 32, Batch: 8, Planned: 60, LearningRate: 1e-2, Warmup: 5}.Filled()
	rng := rand.New(rand.NewPCG(1, 1))
	var seqs [][]int32
	for range 300 {
		start, n := rng.IntN(200), 6+rng.IntN(12)
		seq := make([]int32, n)
		for i := range seq {
			seq[i] = int32(3 + start + i)
		}
		seqs = append(seqs, seq)
	}
	rows := lm.Pack(seqs, cfg.Context, 0)
	tr, err := lm.NewTrainer(be, cfg, rows, stream)
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	var first, last float64
	for i := range cfg.Planned {
		m, err := tr.Step()
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first = m["lm/loss"]
			fmt.Println("first step", time.Since(start))
		}
		last = m["lm/loss"]
	}
	if math.Abs(first-math.Log(300)) > 0.2 {
		t.Errorf("first loss %.3f, want about ln 300 = %.3f", first, math.Log(300))
	}
	if last > 0.6*first {
		t.Errorf("loss %.3f -> %.3f", first, last)
	}
	fmt.Println(first, last, time.Since(start))
}

func TestSpeed(t *testing.T) {
	be := gx.TestBackend(t)
	cfg := rlhf.LM{Vocab: 768, Layers: 4, Width: 128, Heads: 4, Context: 128, Batch: 16, Planned: 100, LearningRate: 1e-2, Warmup: 5}.Filled()
	var seqs [][]int32
	for i := range 400 {
		seq := make([]int32, 20+i%20)
		for j := range seq {
			seq[j] = int32(3 + (i*7+j*13)%700)
		}
		seqs = append(seqs, seq)
	}
	tr, err := lm.NewTrainer(be, cfg, lm.Pack(seqs, cfg.Context, 0), stream)
	if err != nil {
		t.Fatal(err)
	}
	for range 12 {
		s := time.Now()
		if _, err := tr.Step(); err != nil {
			t.Fatal(err)
		}
		fmt.Print(time.Since(s).Milliseconds(), " ")
	}
	fmt.Println()
}

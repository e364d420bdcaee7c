package run_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"hhrlhf/rlhf/run"
)

// The golden sequences must never change: runs on disk rely on them.
func TestSeedGolden(t *testing.T) {
	for _, c := range []struct {
		seed run.Seed
		name string
		step int
		want [3]uint64 // two draws of the stream, then Uint64
	}{
		{0, "", 0, [3]uint64{15688599449927730305, 14040521391475887254, 4285792889226423663}},
		{1, "ppo/rollout", 0, [3]uint64{13859738129972621104, 14218200240052010701, 5673757653698034758}},
		{1, "ppo/rollout", 1, [3]uint64{3638802710164855679, 16271100436934635934, 10146798026953365496}},
		{1<<64 - 1, "data", -1, [3]uint64{18383502951521037070, 9298124957376155315, 13890672171956747884}},
	} {
		s := c.seed.Stream(c.name, c.step)
		got := [3]uint64{s.Uint64(), s.Uint64(), c.seed.Uint64(c.name, c.step)}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("seed %d, %q, step %d (-golden +got):\n%s", c.seed, c.name, c.step, diff)
		}
	}
}

func TestSeedStreamsDiffer(t *testing.T) {
	type key struct {
		seed run.Seed
		name string
		step int
	}
	seen := make(map[uint64]key)
	for seed := range run.Seed(20) {
		for _, name := range []string{"", "a", "b", "a\x00", "data", "init"} {
			for step := range 50 {
				k := key{seed, name, step}
				for _, v := range []uint64{seed.Stream(name, step).Uint64(), seed.Uint64(name, step)} {
					if old, ok := seen[v]; ok {
						t.Fatalf("%v and %v draw the same number", old, k)
					}
					seen[v] = k
				}
			}
		}
	}
}

// A stream's draws do not depend on what other streams have drawn.
func TestSeedStreamsIndependent(t *testing.T) {
	want := run.Seed(3).Stream("b", 1).Uint64()
	a, b := run.Seed(3).Stream("a", 1), run.Seed(3).Stream("b", 1)
	for range 10 {
		a.Uint64()
	}
	if got := b.Uint64(); got != want {
		t.Errorf("stream b draws %d after stream a was used, want %d", got, want)
	}
}

// 20,000 streams' first draws, one each, are uniform: their mean is within five
// standard errors, 1/√(12n), of 1/2. Seeding a PCG with the step itself fails this.
func TestSeedFirstDraws(t *testing.T) {
	const n = 20000
	sum := 0.0
	for step := range n {
		sum += run.Seed(1).Stream("x", step).Float64()
	}
	const tolerance = 5 / (3.4641 * 141.42) // 5/√(12 n)
	if mean := sum / n; mean < 0.5-tolerance || mean > 0.5+tolerance {
		t.Errorf("mean of first draws = %.4f, want 0.5 ± %.4f", mean, tolerance)
	}
}

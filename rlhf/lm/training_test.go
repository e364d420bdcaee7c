package lm_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/tensors"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/data"
	"hhrlhf/rlhf/internal/fit"
	"hhrlhf/rlhf/internal/gx"
	"hhrlhf/rlhf/lm"
	"hhrlhf/rlhf/memory"
)

// The decoder of these tests learns sequences of very unequal length, so that the
// micro-batches of a batch differ in how many tokens they predict.
var (
	small    = lm.Shape{Vocab: 300, Width: 16, Layers: 1, Heads: 2, Context: 32}
	smallRun = rlhf.LM{Batch: 16, Planned: 50, LearningRate: 1e-2, Warmup: 2, WeightDecay: 0.1, ClipNorm: 0.5}
)

func counting(n, shortest, longest int) [][]int32 {
	rng := rand.New(rand.NewPCG(5, 6))
	seqs := make([][]int32, n)
	for i := range seqs {
		start, length := rng.IntN(200), shortest+rng.IntN(longest-shortest)
		for j := range length {
			seqs[i] = append(seqs[i], int32(3+start+j))
		}
	}
	return seqs
}

// raggedRows has one sequence a row.
func raggedRows(n int) lm.Rows {
	var r lm.Rows
	for _, seq := range counting(n, 2, 32) {
		one := lm.Pack([][]int32{seq}, small.Context, 0)
		r.Width = one.Width
		r.Tokens = append(r.Tokens, one.Tokens...)
		r.Segments = append(r.Segments, one.Segments...)
		r.Positions = append(r.Positions, one.Positions...)
	}
	return r
}

func ragged() lm.Source {
	return lm.Shuffled(raggedRows(64), func(round int) *rand.Rand { return stream("order", round) })
}

func trainer(t *testing.T, be compute.Backend, s lm.Shape, tr lm.Training, source lm.Source) *lm.Trainer {
	t.Helper()
	weights, err := lm.Init(be, s.Weights(), stream("init", 0))
	if err != nil {
		t.Fatal(err)
	}
	out, err := lm.NewTrainerFrom(be, s, weights, smallRun, tr, source)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { out.State.Free() })
	return out
}

func steps(t *testing.T, tr *lm.Trainer, n int) (ms []map[string]float64) {
	t.Helper()
	for range n {
		m, err := tr.Step()
		if err != nil {
			t.Fatal(err)
		}
		ms = append(ms, m)
	}
	return ms
}

// apart is the largest relative difference of losses and norms over steps.
func apart(a, b []map[string]float64) (worst float64) {
	for i := range a {
		for _, k := range []string{"lm/loss", "grad_norm"} {
			worst = max(worst, math.Abs(a[i][k]/b[i][k]-1))
		}
	}
	return worst
}

// The ways of computing a step agree: in one piece, in micro-batches, with
// checkpointed blocks, and, as far as its precision goes, in bfloat16.
func TestTrainingWays(t *testing.T) {
	be := gx.TestBackend(t)
	plain := steps(t, trainer(t, be, small, lm.Training{}, ragged()), 3)

	pieces := trainer(t, be, small, lm.Training{Accumulate: 4}, ragged())
	if d := apart(steps(t, pieces, 1), plain[:1]); d > 1e-6 {
		t.Errorf("4 × 4 rows and 1 × 16 rows are %g apart", d)
	}
	// Adam makes steps of one size of gradients that are all rounding, so later
	// steps agree less.
	if d := apart(steps(t, pieces, 2), plain[1:]); d > 1e-4 {
		t.Errorf("4 × 4 rows and 1 × 16 rows are %g apart after three steps", d)
	}
	if d := apart(plain[1:], plain[:2]); d < 1e-3 {
		t.Errorf("two different steps are %g apart: the bound sees nothing", d)
	}
	// Known mistake: the mean of the micro-batches' means.
	rows, err := ragged().Batch(0, 16)
	if err != nil {
		t.Fatal(err)
	}
	fresh := trainer(t, be, small, lm.Training{}, ragged())
	means := 0.0
	for i := range 4 {
		loss, _, _, err := fresh.Evaluate(rows.Pick([]int{4 * i, 4*i + 1, 4*i + 2, 4*i + 3}))
		if err != nil {
			t.Fatal(err)
		}
		means += loss / 4
	}
	if d := math.Abs(means/plain[0]["lm/loss"] - 1); d < 2e-6 {
		t.Errorf("the mean of means is %g from the mean: the test cannot tell them apart", d)
	}

	if d := apart(steps(t, trainer(t, be, small, lm.Training{Checkpointing: true}, ragged()), 3), plain); d > 1e-5 {
		t.Errorf("checkpointing changes loss or gradient by %g", d)
	}

	half := steps(t, trainer(t, be, small, lm.Training{Precision: "bf16"}, ragged()), 3)
	if d := apart(half, plain); d > 3e-2 || d < 1e-6 {
		t.Errorf("bfloat16 is %g apart from float32, want some difference and at most 0.03", d)
	}
}

// A backend without bfloat16.
type noHalf struct{ compute.Backend }

func (b noHalf) Capabilities() compute.Capabilities {
	c := b.Backend.Capabilities().Clone()
	delete(c.DTypes, dtypes.BFloat16)
	return c
}

func TestTrainingRefusals(t *testing.T) {
	be := gx.TestBackend(t)
	weights := func(s lm.Shape) []*tensors.Tensor {
		w, err := lm.Init(be, s.Weights(), stream("init", 0))
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	wide := small
	wide.Width = 32
	for _, c := range []struct {
		be      compute.Backend
		tr      lm.Training
		weights []*tensors.Tensor
		want    string
	}{
		{noHalf{be}, lm.Training{Precision: "bf16"}, weights(small), "lacks"},
		{be, lm.Training{Precision: "f8"}, weights(small), `"f8"`},
		{be, lm.Training{Accumulate: 5}, weights(small), "a divisor of Batch = 16"},
		{be, lm.Training{Decay: "stepwise"}, weights(small), `"stepwise"`},
		{be, lm.Training{}, weights(wide), "weight token_embedding"},
		{be, lm.Training{}, weights(small)[1:], "weights, want"},
	} {
		if _, err := lm.NewTrainerFrom(c.be, small, c.weights, smallRun, c.tr, ragged()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want an error with %q", err, c.want)
		}
	}
}

// streamed trains on a file, mixed with sequences in memory.
func streamed(t *testing.T) lm.Source {
	t.Helper()
	path := filepath.Join(t.TempDir(), "counts.txt")
	var b strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&b, "%d and %d are %d.\n\n", i, i+1, 2*i+1)
	}
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	text, err := data.OpenText(path, data.TextOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { text.Close() })
	disk, err := data.NewStream(text, small.Context, 1, func(d data.Document) []int32 {
		ids := make([]int32, len(d.Response))
		for i := range ids {
			ids[i] = int32(d.Response[i])
		}
		return append(ids, 299)
	})
	if err != nil {
		t.Fatal(err)
	}
	memory, err := data.NewShuffle(counting(100, 4, 30), small.Context, 2)
	if err != nil {
		t.Fatal(err)
	}
	mix, err := data.NewMix(3, smallRun.Batch, data.Part{Name: "disk", Weight: 3, Rows: disk}, data.Part{Name: "memory", Weight: 1, Rows: memory})
	if err != nil {
		t.Fatal(err)
	}
	return lm.Sequences(small.Context, 0, mix)
}

// Six steps are the same, bit for bit, as three, a restart from weights, moments
// and the number of steps, and three more; from a stream, in micro-batches. And
// memory does not grow with the steps.
func TestResumeAndMemory(t *testing.T) {
	be := gx.TestBackend(t)
	tr := lm.Training{Accumulate: 2, Decay: lm.Linear}
	whole := trainer(t, be, small, tr, streamed(t))
	steps(t, whole, 3)
	saved := clone(t, whole.State)
	steps(t, whole, 3)

	again := trainer(t, be, small, tr, streamed(t))
	again.State.Free()
	*again.State = *saved
	steps(t, again, 2)
	if reflect.DeepEqual(bits(t, again.State), bits(t, whole.State)) {
		t.Error("weights after 5 and 6 steps are equal: the comparison sees nothing")
	}
	steps(t, again, 1)
	if !reflect.DeepEqual(bits(t, again.State), bits(t, whole.State)) {
		t.Error("a resumed run differs from a straight one")
	}

	steps(t, whole, 50)
	before := resident(t)
	steps(t, whole, 250)
	if grown := resident(t) - before; grown > 16<<20 {
		t.Errorf("250 steps took %d MiB of memory", grown>>20)
	}
	ballast := make([]byte, 64<<20)
	for i := range ballast {
		ballast[i] = 1
	}
	if grown := resident(t) - before; grown < 16<<20 {
		t.Error("64 MiB do not show: the measurement sees nothing")
	}
	runtime.KeepAlive(ballast)
}

func clone(t *testing.T, s *fit.State) *fit.State {
	t.Helper()
	out := &fit.State{Updates: s.Updates}
	for to, from := range map[*[]*tensors.Tensor][]*tensors.Tensor{&out.Params: s.Params, &out.M: s.M, &out.V: s.V} {
		var err error
		if *to, err = gx.Clone(from); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func bits(t *testing.T, s *fit.State) [][]float32 {
	t.Helper()
	var out [][]float32
	for _, x := range slices.Concat(s.Params, s.M, s.V) {
		v, err := gx.Values[float32](x)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, v)
	}
	return out
}

// resident is the memory of this process in bytes.
func resident(t *testing.T) int64 {
	t.Helper()
	runtime.GC()
	bytes, known := memory.Held(os.Getpid())
	if !known {
		t.Skip("this system does not tell a process's memory")
	}
	return bytes
}

func TestDecay(t *testing.T) {
	for _, c := range []struct {
		decay lm.Decay
		step  int
		want  float64
	}{
		{lm.Linear, 0, 0.1}, {lm.Linear, 10, 1}, {lm.Linear, 60, 0.5}, {lm.Linear, 200, 0},
		{lm.Constant, 4, 0.5}, {lm.Constant, 500, 1}, {"", 110, 0.1}, {lm.Cosine, 60, 0.55},
	} {
		if got := c.decay.Rate(c.step, 1, 10, 110); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%q at step %d: %v, want %v", c.decay, c.step, got, c.want)
		}
	}
}

// A shuffled source has the batches of Order, however it is asked.
func TestShuffled(t *testing.T) {
	rows := raggedRows(10)
	rng := func(round int) *rand.Rand { return stream("order", round) }
	source := lm.Shuffled(rows, rng)
	for _, step := range []int{0, 1, 2, 7, 3} {
		got, err := source.Batch(4*step, 4)
		if err != nil {
			t.Fatal(err)
		}
		if want := rows.Pick(lm.Order(step, 4, 10, rng)); !reflect.DeepEqual(got, want) {
			t.Errorf("step %d differs", step)
		}
	}
}

type fixed [][]int32

func (f fixed) Row(int) ([][]int32, error) { return f, nil }

// Rows made of sequences are laid out as packed ones.
func TestSequences(t *testing.T) {
	seqs := [][]int32{{5, 6, 7}, {8}, {9, 10}}
	got, err := lm.Sequences(8, 0, fixed(seqs)).Batch(3, 1)
	if err != nil {
		t.Fatal(err)
	}
	if want := lm.Pack(seqs, 8, 0); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	if _, err := lm.Sequences(5, 0, fixed(seqs)).Batch(3, 1); err == nil || !strings.Contains(err.Error(), "row 3") {
		t.Errorf("too long a row: %v", err)
	}
}

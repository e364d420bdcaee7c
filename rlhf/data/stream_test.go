package data_test

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

	"hhrlhf/rlhf/data"
)

// bytesOf encodes a document as its bytes and an end token.
func bytesOf(d data.Document) []int32 {
	var ids []int32
	for _, b := range []byte(d.Prompt + d.Response) {
		ids = append(ids, int32(b))
	}
	if !d.Cut {
		ids = append(ids, 256)
	}
	return ids
}

func TestPermute(t *testing.T) {
	for n := 1; n < 300; n++ {
		seen := make([]bool, n)
		for i := range n {
			at := data.Permute(i, n, uint64(n))
			if seen[at] {
				t.Fatalf("n = %d: %d comes twice", n, at)
			}
			seen[at] = true
		}
	}
	// Over keys, every item stands everywhere equally often: χ² with 9 degrees of
	// freedom stays below 27.9 with probability 0.999.
	const n, keys = 10, 10000
	for i := range n {
		var counts [n]float64
		for key := range uint64(keys) {
			counts[data.Permute(i, n, key)]++
		}
		chi := 0.0
		for _, c := range counts {
			chi += (c - keys/n) * (c - keys/n) / (keys / n)
		}
		if chi > 27.9 {
			t.Errorf("item %d: χ² = %.1f", i, chi)
		}
	}
}

// poem has one document a line, so that a row tells which lines it holds.
func poem(t *testing.T, lines int) string {
	var b strings.Builder
	for i := range lines {
		fmt.Fprintf(&b, "verse %d of the poem\n\n", i)
	}
	return writeText(t, "poem.txt", b.String())
}

func stream(t *testing.T, path string, seed uint64) *data.Stream {
	t.Helper()
	s, err := data.NewStream(openText(t, path, data.TextOptions{Window: 500}), 64, seed, bytesOf)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func rowAt(t *testing.T, r data.Rows, i int) [][]int32 {
	t.Helper()
	row, err := r.Row(i)
	if err != nil {
		t.Fatal(err)
	}
	return row
}

// A row depends on the seed and its number alone: any order of asking gives the
// same, so a resumed run goes on with the same rows.
func TestStreamRandomAccess(t *testing.T) {
	path := poem(t, 300)
	s := stream(t, path, 1)
	const n = 400
	var straight [n][][]int32
	for i := range n {
		straight[i] = rowAt(t, s, i)
		total := 0
		for _, seq := range straight[i] {
			total += len(seq)
		}
		if total == 0 || total > 64 {
			t.Fatalf("row %d has %d tokens", i, total)
		}
	}
	again := stream(t, path, 1)
	for _, i := range rand.New(rand.NewPCG(1, 1)).Perm(n) {
		if !reflect.DeepEqual(rowAt(t, again, i), straight[i]) {
			t.Fatalf("row %d differs when asked for out of order", i)
		}
	}
	other, same := stream(t, path, 2), 0
	for i := range n {
		if reflect.DeepEqual(rowAt(t, other, i), straight[i]) {
			same++
		}
	}
	if same > n/10 {
		t.Errorf("%d of %d rows are the same under another seed", same, n)
	}
}

// Everything comes, and about equally often.
func TestStreamCovers(t *testing.T) {
	const verses = 300
	s := stream(t, poem(t, verses), 1)
	counts := map[string]int{}
	rows := 0
	for ; rows < 3000; rows++ {
		for _, seq := range rowAt(t, s, rows) {
			counts[fmt.Sprint(seq)]++
		}
	}
	if len(counts) < verses {
		t.Errorf("%d of %d documents came", len(counts), verses)
	}
	lo, hi, total := math.MaxInt, 0, 0
	for _, c := range counts {
		lo, hi, total = min(lo, c), max(hi, c), total+c
	}
	if mean := total / len(counts); 2*lo < mean || hi > 2*mean {
		t.Errorf("documents came %d to %d times, %d on average", lo, hi, mean)
	}
}

func TestShuffle(t *testing.T) {
	var seqs [][]int32
	for i := range 50 {
		seqs = append(seqs, slices.Repeat([]int32{int32(i)}, 5))
	}
	s, err := data.NewShuffle(seqs, 12, 7)
	if err != nil {
		t.Fatal(err)
	}
	var rounds [2][]int32
	for i := range 50 { // two sequences a row: two rounds
		for _, seq := range rowAt(t, s, i) {
			rounds[i/25] = append(rounds[i/25], seq[0])
		}
	}
	if slices.Equal(rounds[0], rounds[1]) {
		t.Error("both rounds have one order")
	}
	for r := range rounds {
		slices.Sort(rounds[r])
		if n := len(slices.Compact(rounds[r])); n != 50 {
			t.Errorf("round %d has %d of 50 sequences", r, n)
		}
	}
}

// part gives its number and the row's.
type part int32

func (p part) Row(i int) ([][]int32, error) { return [][]int32{{int32(p), int32(i)}}, nil }

// worst is the largest distance of a part's count from its share, over all
// numbers of batches.
func worst(m *data.Mix, batch, batches int, weights []float64) float64 {
	counts, worst := make([]float64, len(weights)), 0.0
	for i := range batch * batches {
		p, _ := m.At(i)
		counts[p]++
		if (i+1)%batch == 0 {
			for p, w := range weights {
				worst = max(worst, math.Abs(counts[p]-w*float64(i+1)))
			}
		}
	}
	return worst
}

func TestMix(t *testing.T) {
	const batch, batches = 16, 500
	weights := []float64{0.5, 0.3, 0.15, 0.05}
	var parts []data.Part
	for p, w := range weights {
		parts = append(parts, data.Part{Name: fmt.Sprint(p), Weight: 40 * w, Rows: part(p)})
	}
	m, err := data.NewMix(9, batch, parts...)
	if err != nil {
		t.Fatal(err)
	}
	if w := worst(m, batch, batches, weights); w > 3 {
		t.Errorf("a part is %.1f rows away from its share", w)
	}
	if w := worst(m, batch, batches, []float64{0.49, 0.31, 0.15, 0.05}); w < 20 {
		t.Errorf("shares that are wrong by a hundredth are %.1f rows away: the test cannot see them", w)
	}
	// Each part's rows come once each, in no fixed places of the batch.
	next := make([][]int, len(weights))
	first := map[int]bool{}
	for i := range batch * batches {
		row := rowAt(t, m, i)[0]
		next[row[0]] = append(next[row[0]], int(row[1]))
		if i%batch == 0 {
			first[int(row[0])] = true
		}
	}
	for p := range next {
		slices.Sort(next[p])
		for i, n := range next[p] {
			if i != n {
				t.Fatalf("part %d: row %d comes as number %d", p, n, i)
			}
		}
	}
	if len(first) != len(weights) {
		t.Errorf("the first place of a batch is always one of %v", first)
	}
	if _, err := data.NewMix(1, 8, data.Part{Name: "web", Weight: -1, Rows: part(0)}); err == nil || !strings.Contains(err.Error(), `"web"`) {
		t.Errorf("a negative weight: %v", err)
	}
}

// A text of 10 GB streams in the memory of a few windows. The file is sparse:
// holes read as zero bytes, with a line here and there.
func TestStreamMemory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "big.txt")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	const size = 10 << 30
	for at := int64(0); at < size; at += size / 100 {
		if _, err := f.WriteAt([]byte("a line of text\n"), at); err != nil {
			t.Skip("this file system has no sparse files: ", err)
		}
	}
	if err := f.Truncate(size); err != nil {
		t.Skip("this file system has no sparse files: ", err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	text := openText(t, path, data.TextOptions{HeldOut: 0.01})
	if text.Bytes() != size || text.Windows() < 39000 {
		t.Fatalf("%d bytes in %d windows", text.Bytes(), text.Windows())
	}
	s, err := data.NewStream(text, 1024, 1, func(d data.Document) []int32 { return make([]int32, len(d.Response)/4+1) })
	if err != nil {
		t.Fatal(err)
	}
	var stats runtime.MemStats
	peak := uint64(0)
	for i := range 64 {
		if _, err := s.Row(i * 977); err != nil { // far apart: a window a row
			t.Fatal(err)
		}
		runtime.ReadMemStats(&stats)
		peak = max(peak, stats.HeapInuse)
	}
	if limit := uint64(64 << 20); peak > limit {
		t.Errorf("the heap grew to %d MiB, want at most %d", peak>>20, limit>>20)
	}
}

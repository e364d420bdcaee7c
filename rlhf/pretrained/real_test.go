package pretrained_test

import (
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hhrlhf/rlhf/internal/gx"
	"hhrlhf/rlhf/internal/rltest"
	"hhrlhf/rlhf/pretrained"
)

// SmolLM2-135M-Instruct Q4_1: the five likeliest tokens after a prompt, as an
// independent implementation in float32 gives them from the dequantised weights.
func TestSmolLM2(t *testing.T) {
	path := rltest.Model(t, "smollm2")
	be := gx.TestBackend(t)
	start, cpu := time.Now(), processorTime(t)
	m, err := pretrained.Open(path)
	check(t, err)
	opened := time.Since(start)
	weights, err := m.Weights(be)
	check(t, err)
	defer gx.Free(weights...)
	t.Logf("opened in %v, loaded in %v, %v of processor time; peak RSS so far %d MB; the weights take %d MB",
		opened, time.Since(start), processorTime(t)-cpu, peakRSS(t)>>20, m.Bytes()>>20)
	if used := processorTime(t) - cpu; used > 10*time.Second { // not elapsed: other programs may be running
		t.Errorf("loading took %v of processor time, want less than 10 s", used)
	}
	if most := int64(1200) << 20; peakRSS(t) > most {
		t.Errorf("peak RSS is %d MB, want at most %d", peakRSS(t)>>20, most>>20)
	}
	if got := m.Shape.Params() - int64(m.Shape.Spare*m.Shape.Width); got != 134_515_008 {
		t.Errorf("%d parameters, want 134515008", got)
	}
	prompt := "The capital of France is"
	ids := m.Tokenizer.Encode(prompt)
	if diff := cmp.Diff([]int32{504, 3575, 282, 4649, 314}, ids); diff != "" {
		t.Fatalf("ids of %q (-want +got):\n%s", prompt, diff)
	}
	rows := forward(t, m.Shape)(weights, ids)
	last := rows[len(rows)-1]
	order := make([]int32, len(last))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortStableFunc(order, func(a, b int32) int {
		switch {
		case last[a] > last[b]:
			return -1
		case last[a] < last[b]:
			return 1
		}
		return 0
	})
	const within = .05
	for i, want := range []struct {
		token string
		logit float64
	}{{" Paris", 17.37}, {" the", 14.89}, {" London", 13.25}, {" Le", 13.01}, {" New", 12.95}} {
		token, logit := m.Tokenizer.Decode(order[i:i+1]), float64(last[order[i]])
		if token != want.token || math.Abs(logit-want.logit) > within {
			t.Errorf("place %d: %q with logit %.3f, want %q with %.2f", i+1, token, logit, want.token, want.logit)
		}
	}
	t.Logf("logits %.3f %.3f %.3f %.3f %.3f", last[order[0]], last[order[1]], last[order[2]], last[order[3]], last[order[4]])
}

func processorTime(t *testing.T) time.Duration {
	t.Helper()
	u := usage(t)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// peakRSS is the most memory that the process has had, in bytes.
func peakRSS(t *testing.T) int64 { return usage(t).Maxrss << 10 }

func usage(t *testing.T) (u syscall.Rusage) {
	t.Helper()
	check(t, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return u
}

// stories260K: greedy text equals what llama2.c prints, word for word.
func TestStories260K(t *testing.T) {
	folder := os.Getenv("HHRLHF_DATA")
	if folder == "" {
		t.Skip("HHRLHF_DATA is not set; set it to the folder of the data")
	}
	sample, err := os.ReadFile(filepath.Join(folder, "model", "stories260K.md"))
	check(t, err)
	found := regexp.MustCompile(`(?s)-t 0\.0\n(.*?)\n` + "```").FindSubmatch(sample)
	if found == nil {
		t.Fatal("stories260K.md shows no greedy sample")
	}
	want := string(found[1])

	m, err := pretrained.Open(filepath.Join(folder, "model", "stories260K.bin"))
	check(t, err)
	weights, err := m.Weights(gx.TestBackend(t))
	check(t, err)
	defer gx.Free(weights...)
	logits := forward(t, m.Shape)
	const bos, length = 1, 257
	row := make([]int32, length) // one shape, one program: what lies ahead is not seen
	row[0] = bos
	for i := range length - 1 {
		next := logits(weights, row)[i]
		row[i+1] = int32(slices.Index(next, slices.Max(next)))
	}
	got := strings.TrimSpace(m.Tokenizer.Decode(row))
	if diff := cmp.Diff(strings.Fields(want), strings.Fields(got)); diff != "" {
		t.Errorf("greedy text (-llama2.c +ours):\n%s", diff)
	}
	// As a folder of its own it is the same model with the same tokenizer.
	again, err := pretrained.Open(reread(t, gx.TestBackend(t), m.Shape, weights, m.Tokenizer, 1<<40))
	check(t, err)
	if again.Tokenizer == nil || again.Tokenizer.Hash() != m.Tokenizer.Hash() {
		t.Error("the exported tokenizer is another")
	}
}

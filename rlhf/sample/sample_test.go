package sample_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"hhrlhf/rlhf/internal/gx"
	"hhrlhf/rlhf/lm"
	"hhrlhf/rlhf/sample"
)

var shape = lm.Shape{Vocab: 96, Width: 32, Layers: 2, Heads: 2, Context: 48}

const eos, pad = 1, 0

// model draws weights large enough that the distribution is far from uniform.
func model(t testing.TB, be compute.Backend) []*tensors.Tensor {
	t.Helper()
	ws := shape.Weights()
	for i := range ws {
		ws[i].Std *= 8
	}
	w, err := lm.Init(be, ws, rand.New(rand.NewPCG(1, 2)))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func prompts(n, most int) [][]int32 {
	rng := rand.New(rand.NewPCG(3, 4))
	ps := make([][]int32, n)
	for i := range ps {
		for range 1 + rng.IntN(most) {
			ps[i] = append(ps[i], int32(2+rng.IntN(shape.Vocab-2)))
		}
	}
	return ps
}

func sampler(t testing.TB, be compute.Backend, o sample.Options) *sample.Sampler {
	t.Helper()
	s, err := sample.New(be, shape, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// score computes log π of the sampled tokens in one full forward pass.
func score(t testing.TB, be compute.Backend, w []*tensors.Tensor, ps [][]int32, raw *sample.Raw, width int, temperature float64) [][]float32 {
	t.Helper()
	full, seg := make([][]int32, len(ps)), make([][]int32, len(ps))
	r := len(raw.Tokens[0])
	for i, p := range ps {
		full[i] = slices.Concat(make([]int32, width-len(p)), p, raw.Tokens[i])
		seg[i] = make([]int32, width+r)
		for j := range len(p) + raw.Length[i] {
			seg[i][width-len(p)+j] = 1
		}
	}
	tok, _ := gx.Rows(be, full, width+r, pad, false)
	segs, _ := gx.Rows(be, seg, width+r, 0, false)
	prog := gx.NewProgram(be, "score", func(in []*Node) []*Node {
		logp, _ := lm.NewNet(shape, in[2:]).NextLogProbs(in[0], in[1], r, temperature)
		return []*Node{logp}
	})
	out, err := prog.Call(append([]any{tok, segs}, gx.Keep(w)...)...)
	if err != nil {
		t.Fatal(err)
	}
	m, err := gx.Matrix[float32](out[0])
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// gap is the largest difference between sampled and scored log-probabilities.
func gap(raw *sample.Raw, scored [][]float32) float64 {
	worst := 0.0
	for b := range raw.Tokens {
		for r := range raw.Length[b] {
			worst = max(worst, math.Abs(float64(raw.LogP[b][r]-scored[b][r])))
		}
	}
	return worst
}

// bound is what float32 leaves between the cached and the full forward pass.
const bound = 5e-5

func TestSampledLogProbsAreTheScoringPass(t *testing.T) {
	be := gx.TestBackend(t)
	w, ps := model(t, be), prompts(16, 12)
	for _, temperature := range []float64{1, 0.6} {
		raw, err := sampler(t, be, sample.Options{Prompt: 12, Response: 20, Temperature: temperature, EOS: eos, Pad: pad}).Sample(w, ps, 7)
		if err != nil {
			t.Fatal(err)
		}
		if g := gap(raw, score(t, be, w, ps, raw, 12, temperature)); g > bound {
			t.Errorf("T=%v: sampler and scoring pass differ by %.2g nats, want <= %g", temperature, g, bound)
		}
		// Known mistake: the temperature left out of the scoring pass.
		if temperature != 1 {
			if g := gap(raw, score(t, be, w, ps, raw, 12, 1)); g < 100*bound {
				t.Errorf("leaving the temperature out changes log-probabilities by %.2g only: the test cannot see it", g)
			}
		}
		// More padding must change nothing.
		if g := gap(raw, score(t, be, w, ps, raw, 19, temperature)); g > bound {
			t.Errorf("T=%v: seven more pad slots move log-probabilities by %.2g", temperature, g)
		}
	}
}

func TestEndOfText(t *testing.T) {
	be := gx.TestBackend(t)
	w, ps := model(t, be), prompts(64, 12)
	raw, err := sampler(t, be, sample.Options{Prompt: 12, Response: 24, Temperature: 1, EOS: eos, Pad: pad}).Sample(w, ps, 11)
	if err != nil {
		t.Fatal(err)
	}
	ended := 0
	for b, row := range raw.Tokens {
		at := slices.Index(row, eos)
		want := len(row)
		if at >= 0 {
			ended, want = ended+1, at+1
		}
		if raw.Length[b] != want {
			t.Errorf("row %d: length %d, want %d", b, raw.Length[b], want)
		}
		for r := want; r < len(row); r++ {
			if row[r] != pad || raw.LogP[b][r] != 0 {
				t.Errorf("row %d slot %d after the end: token %d, logp %v", b, r, row[r], raw.LogP[b][r])
			}
		}
	}
	if ended == 0 || ended == len(ps) {
		t.Errorf("%d of %d rows ended: the test needs both kinds", ended, len(ps))
	}
}

func TestSameSeedSameSamples(t *testing.T) {
	be := gx.TestBackend(t)
	w, ps := model(t, be), prompts(8, 12)
	s := sampler(t, be, sample.Options{Prompt: 12, Response: 16, Temperature: 1, EOS: eos, Pad: pad})
	draw := func(seed uint64) *sample.Raw {
		raw, err := s.Sample(w, ps, seed)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	a, b, c := draw(5), draw(5), draw(6)
	same := func(x, y *sample.Raw) bool {
		return slices.EqualFunc(x.Tokens, y.Tokens, slices.Equal[[]int32]) && slices.EqualFunc(x.LogP, y.LogP, slices.Equal[[]float32])
	}
	if !same(a, b) {
		t.Error("one seed, two different samples")
	}
	if same(a, c) {
		t.Error("two seeds, one sample")
	}
}

// The first token's frequencies over many draws must be the softmax's.
func TestFrequencies(t *testing.T) {
	be := gx.TestBackend(t)
	w := model(t, be)
	p := prompts(1, 12)[0]
	ps := slices.Repeat([][]int32{p}, 256)
	s := sampler(t, be, sample.Options{Prompt: 12, Response: 1, Temperature: 0.7, EOS: eos, Pad: pad})
	counts, logp := make([]float64, shape.Vocab), make([]float64, shape.Vocab)
	n := 0.0
	for seed := range uint64(40) {
		raw, err := s.Sample(w, ps, seed)
		if err != nil {
			t.Fatal(err)
		}
		for b := range raw.Tokens {
			counts[raw.Tokens[b][0]]++
			logp[raw.Tokens[b][0]] = float64(raw.LogP[b][0])
			n++
		}
	}
	chi2, cells := 0.0, 0.0
	for v, c := range counts {
		if e := n * math.Exp(logp[v]); c > 0 && e >= 5 {
			chi2 += (c - e) * (c - e) / e
			cells++
		}
	}
	// Mean `cells`, variance 2·cells: six standard deviations for a fixed seed.
	if limit := cells + 6*math.Sqrt(2*cells); chi2 > limit || cells < 10 {
		t.Errorf("χ² = %.1f over %v cells, want <= %.1f", chi2, cells, limit)
	}
}

func TestBadOptions(t *testing.T) {
	be := gx.TestBackend(t)
	for _, c := range []struct {
		opt  sample.Options
		want string
	}{
		{sample.Options{Prompt: 4, Response: 4, Temperature: 1, EOS: 3, Pad: 3}, "must differ"},
		{sample.Options{Prompt: 0, Response: 4, Temperature: 1, EOS: 1}, "Prompt = 0"},
		{sample.Options{Prompt: 40, Response: 40, Temperature: 1, EOS: 1}, "context of 48"},
		{sample.Options{Prompt: 4, Response: 4, Temperature: -1, EOS: 1}, "Temperature = -1"},
	} {
		if _, err := sample.New(be, shape, c.opt); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: error %v, want one with %q", c.opt, err, c.want)
		}
	}
	s := sampler(t, be, sample.Options{Prompt: 4, Response: 4, Temperature: 1, EOS: eos, Pad: pad})
	if _, err := s.Sample(model(t, be), prompts(3, 30), 1); err == nil || !strings.Contains(err.Error(), "want 1 to 4") {
		t.Errorf("long prompt: %v", err)
	}
}

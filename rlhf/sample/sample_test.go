package sample_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gomlx/compute"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"hhrlhf/rlhf/internal/gx"
	"hhrlhf/rlhf/internal/rltest"
	"hhrlhf/rlhf/lm"
	"hhrlhf/rlhf/sample"
)

const eos, pad = 1, 0

// The models of the tests: GPT-2's architecture, and Llama's with two ids that are
// inputs only.
var (
	gpt   = lm.Shape{Vocab: 96, Width: 32, Layers: 2, Heads: 2, Context: 64}
	llama = lm.Shape{Vocab: 98, Width: 32, Layers: 2, Heads: 4, KVHeads: 2, FF: 40, Norm: "rms", Rotary: 1,
		Activation: "silu", Gated: true, Bias: "none", Untied: true, Spare: 2, Context: 64}
)

// model draws weights large enough that the distribution is far from uniform.
func model(t testing.TB, be compute.Backend, shape lm.Shape) []*tensors.Tensor {
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

// pools keeps the compiled samplers of the tests.
var pools = struct {
	sync.Mutex
	of map[lm.Shape]*sample.Pool
}{of: map[lm.Shape]*sample.Pool{}}

func pool(be compute.Backend, shape lm.Shape) *sample.Pool {
	pools.Lock()
	defer pools.Unlock()
	if pools.of[shape] == nil {
		pools.of[shape] = sample.NewPool(be, shape)
	}
	return pools.of[shape]
}

const responses, widest = 20, 12

func sampler(t testing.TB, be compute.Backend, shape lm.Shape, temperature float64) *sample.Sampler {
	t.Helper()
	s, err := pool(be, shape).Sampler(sample.Options{Prompt: widest, Response: responses, Temperature: temperature, EOS: eos, Pad: pad})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func prompts(n, most int) [][]int32 {
	rng := rand.New(rand.NewPCG(3, 4))
	ps := make([][]int32, n)
	for i := range ps {
		for range 1 + rng.IntN(most) {
			ps[i] = append(ps[i], int32(2+rng.IntN(gpt.Vocab-2)))
		}
	}
	return ps
}

func draw(t testing.TB, s *sample.Sampler, w []*tensors.Tensor, ps [][]int32, seeds []uint64) *sample.Raw {
	t.Helper()
	raw, err := s.Sample(w, ps, seeds)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func same(x, y *sample.Raw) bool {
	return slices.EqualFunc(x.Tokens, y.Tokens, slices.Equal[[]int32]) && slices.EqualFunc(x.LogP, y.LogP, slices.Equal[[]float32]) &&
		slices.Equal(x.Length, y.Length)
}

// score computes log π of the sampled tokens in one full forward pass over prompts
// padded to width, and the largest log-probability at each place.
func score(t testing.TB, be compute.Backend, shape lm.Shape, w []*tensors.Tensor, ps [][]int32, raw *sample.Raw, width int, temperature float64) (logp, most [][]float32) {
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
		logp, logits, _ := lm.NewNet(shape, in[2:]).NextLogProbs(in[0], in[1], r, temperature)
		return []*Node{logp, ReduceMax(LogSoftmax(DivScalar(logits, temperature), -1), -1)}
	})
	out, err := prog.Call(append([]any{tok, segs}, gx.Keep(w)...)...)
	if err != nil {
		t.Fatal(err)
	}
	if logp, err = gx.Matrix[float32](out[0]); err != nil {
		t.Fatal(err)
	}
	if most, err = gx.Matrix[float32](out[1]); err != nil {
		t.Fatal(err)
	}
	return logp, most
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
	for name, c := range map[string]struct {
		shape        lm.Shape
		temperatures []float64
	}{"gpt": {gpt, []float64{1, 0.6, 1.5}}, "llama": {llama, []float64{0.8}}} {
		w, ps := model(t, be, c.shape), prompts(sample.Rows, widest)
		for _, temperature := range c.temperatures {
			raw := draw(t, sampler(t, be, c.shape, temperature), w, ps, sample.Seeds(7, len(ps)))
			// Another number of pad slots than the sampler's, which must change nothing.
			scored, _ := score(t, be, c.shape, w, ps, raw, widest+3, temperature)
			if g := gap(raw, scored); g > bound {
				t.Errorf("%s, T=%v: sampler and scoring pass differ by %.2g nats, want <= %g", name, temperature, g, bound)
			}
			// Known mistake: the temperature left out of the scoring pass.
			if temperature == 0.6 {
				scored, _ := score(t, be, c.shape, w, ps, raw, widest+3, 1)
				if g := gap(raw, scored); g < 100*bound {
					t.Errorf("leaving the temperature out changes log-probabilities by %.2g only: the test cannot see it", g)
				}
			}
		}
	}
}

// Greedy sampling takes the most probable token at every place, as the full
// forward pass over what was sampled says, and reports its log-probability at T = 1.
func TestGreedyIsTheArgmaxOfFullForwards(t *testing.T) {
	be := gx.TestBackend(t)
	w, ps := model(t, be, llama), prompts(sample.Rows, widest)
	raw := draw(t, sampler(t, be, llama, 0), w, ps, make([]uint64, len(ps)))
	scored, most := score(t, be, llama, w, ps, raw, widest, 1)
	if g := gap(raw, scored); g > bound {
		t.Errorf("log-probabilities differ by %.2g nats", g)
	}
	if g := gap(raw, most); g > bound {
		t.Errorf("a token was chosen that is %.2g nats below the most probable", g)
	}
	// A draw does not always take the most probable token: the test can tell.
	drawn := draw(t, sampler(t, be, llama, 0.8), w, ps, sample.Seeds(1, len(ps)))
	if _, most := score(t, be, llama, w, ps, drawn, widest, 0.8); gap(drawn, most) < 1 {
		t.Error("a draw at T = 0.8 looks greedy too")
	}
}

func TestEndOfText(t *testing.T) {
	be := gx.TestBackend(t)
	w, ps := model(t, be, gpt), prompts(sample.Rows, widest)
	s := sampler(t, be, gpt, 1)
	ended, rows := 0, 0
	for seed := range uint64(4) {
		raw := draw(t, s, w, ps, sample.Seeds(seed, len(ps)))
		for b, row := range raw.Tokens {
			at := slices.Index(row, eos)
			want := responses
			if at >= 0 {
				ended, want = ended+1, at+1
			}
			rows++
			if raw.Length[b] != want || len(row) != responses {
				t.Errorf("row %d: length %d of %d, want %d of %d", b, raw.Length[b], len(row), want, responses)
			}
			for r := want; r < len(row); r++ {
				if row[r] != pad || raw.LogP[b][r] != 0 {
					t.Errorf("row %d slot %d after the end: token %d, logp %v", b, r, row[r], raw.LogP[b][r])
				}
			}
		}
	}
	if ended == 0 || ended == rows {
		t.Errorf("%d of %d rows ended: the test needs both kinds", ended, rows)
	}
}

// A row's response depends on its seed, its prompt and the weights alone.
func TestSeedsAreByRow(t *testing.T) {
	be := gx.TestBackend(t)
	w, ps := model(t, be, gpt), prompts(sample.Rows, widest)
	s, seeds := sampler(t, be, gpt, 1), sample.Seeds(5, len(prompts(sample.Rows, widest)))
	a := draw(t, s, w, ps, seeds)
	if b := draw(t, s, w, ps, seeds); !same(a, b) {
		t.Error("the same seeds, two different samples")
	}
	if b := draw(t, s, w, ps, sample.Seeds(6, len(ps))); same(a, b) {
		t.Error("other seeds, the same sample")
	}
	// Rows in reverse, every other one replaced by something else.
	n := len(ps)
	mixed, noise := make([][]int32, n), make([]uint64, n)
	for i := range n {
		mixed[i], noise[i] = ps[n-1-i], seeds[n-1-i]
		if i%2 == 1 {
			mixed[i], noise[i] = []int32{int32(i + 2)}, uint64(i)
		}
	}
	b := draw(t, s, w, mixed, noise)
	for i := 0; i < n; i += 2 {
		// The products of XLA round some rows of a matrix otherwise than others, so the
		// log-probabilities are the same up to that only.
		j := n - 1 - i
		if !slices.Equal(b.Tokens[i], a.Tokens[j]) {
			t.Errorf("prompt %d gives another response in row %d, among others", j, i)
		}
		rltest.Close(t, "log-probabilities in another row", b.LogP[i], a.LogP[j], 1e-5)
	}
	if other := sample.Seeds(5, 3); !slices.Equal(other, seeds[:3]) {
		t.Errorf("Seeds(5, 3) = %v, not the first of Seeds(5, %d)", other, n)
	}
}

func TestStreamingGivesTheSameTokens(t *testing.T) {
	be := gx.TestBackend(t)
	w, ps := model(t, be, gpt), prompts(sample.Rows, widest)
	s, seeds := sampler(t, be, gpt, 1), sample.Seeds(9, sample.Rows)
	whole := draw(t, s, w, ps, seeds)
	got := make([][]int32, len(ps))
	for column, err := range s.Stream(w, ps, seeds) {
		if err != nil {
			t.Fatal(err)
		}
		for i, tok := range column {
			got[i] = append(got[i], tok)
		}
	}
	longest := slices.Max(whole.Length)
	for i := range ps {
		if !slices.Equal(got[i], whole.Tokens[i][:longest]) {
			t.Errorf("row %d: streamed %v, sampled %v", i, got[i], whole.Tokens[i][:longest])
		}
	}
	for range s.Stream(w, ps, seeds) {
		break // what the device holds is freed, and the sampler goes on
	}
	if !same(whole, draw(t, s, w, ps, seeds)) {
		t.Error("a stream that was left changes the next sample")
	}
}

// Whatever stands at padded slots must not reach the responses.
func TestPaddingIsInvisible(t *testing.T) {
	be := gx.TestBackend(t)
	w, ps := model(t, be, llama), prompts(sample.Rows, widest) // untied: the pad row is an input only
	s, seeds := sampler(t, be, llama, 0.8), sample.Seeds(2, sample.Rows)
	clean := draw(t, s, w, ps, seeds)
	if err := tensors.MutableFlatData(w[0], func(flat []float32) {
		for i := range llama.Width {
			flat[pad*llama.Width+i] = 1e3 * float32(i%3-1)
		}
	}); err != nil {
		t.Fatal(err)
	}
	poisoned := draw(t, s, w, ps, seeds)
	compared := 0
	for i, row := range clean.Tokens {
		n := clean.Length[i]
		if at := slices.Index(row, pad); at >= 0 && at < n {
			n = at + 1 // drawn like any other token, and read from then on
		}
		compared += n
		if !slices.Equal(poisoned.Tokens[i][:n], row[:n]) || !slices.Equal(poisoned.LogP[i][:n], clean.LogP[i][:n]) {
			t.Errorf("row %d: poison at padded slots changes the response", i)
		}
	}
	if compared < 3*len(ps) {
		t.Errorf("%d tokens compared: the test sees too little", compared)
	}
	// The same poison at slots that count must be seen.
	for i := range ps {
		ps[i] = append([]int32{pad}, ps[i][1:]...)
	}
	if same(clean, draw(t, s, w, ps, seeds)) {
		t.Error("poison at visible slots changes nothing: the test cannot see it")
	}
}

// The first token's frequencies over many draws must be the softmax's, and ids that
// are inputs only must not come up.
func TestFrequencies(t *testing.T) {
	be := gx.TestBackend(t)
	w := model(t, be, llama)
	p := prompts(1, widest)[0]
	ps := slices.Repeat([][]int32{p}, 256)
	s, err := sample.New(be, llama, sample.Options{Prompt: widest, Response: 1, Temperature: 1.2, EOS: eos, Pad: pad})
	if err != nil {
		t.Fatal(err)
	}
	counts, logp := make([]float64, llama.Vocab), make([]float64, llama.Vocab)
	n := 0.0
	for seed := range uint64(40) {
		raw := draw(t, s, w, ps, sample.Seeds(seed, len(ps)))
		for b := range raw.Tokens {
			counts[raw.Tokens[b][0]]++
			logp[raw.Tokens[b][0]] = float64(raw.LogP[b][0])
			n++
		}
	}
	for v := llama.Vocab - llama.Spare; v < llama.Vocab; v++ {
		if counts[v] > 0 {
			t.Errorf("token %d, which is an input only, was drawn %v times", v, counts[v])
		}
	}
	statistic := func(temperature float64) (chi2, cells float64) {
		total := 0.0
		for v, c := range counts {
			if c > 0 {
				total += math.Exp(logp[v] * temperature)
			}
		}
		for v, c := range counts {
			if e := n * math.Exp(logp[v]*temperature) / total; c > 0 && e >= 5 {
				chi2 += (c - e) * (c - e) / e
				cells++
			}
		}
		return chi2, cells
	}
	// Mean `cells`, variance 2·cells: six standard deviations for fixed seeds.
	limit := func(cells float64) float64 { return cells + 6*math.Sqrt(2*cells) }
	if chi2, cells := statistic(1); chi2 > limit(cells) || cells < 10 {
		t.Errorf("χ² = %.1f over %v cells, want <= %.1f", chi2, cells, limit(cells))
	}
	// A distribution that is sharper by a fifth must not pass.
	if chi2, cells := statistic(1.2); chi2 < limit(cells) {
		t.Errorf("χ² = %.1f over %v cells against the wrong temperature: the test cannot tell", chi2, cells)
	}
}

// Top-k and top-p cut what is drawn and leave the log-probabilities whole.
func TestTruncatedDraws(t *testing.T) {
	be := gx.TestBackend(t)
	w, ps := model(t, be, gpt), prompts(sample.Rows, widest)
	opt := sample.Options{Prompt: widest, Response: responses, Temperature: 1, TopK: 3, TopP: 0.9, EOS: eos, Pad: pad}
	raw, err := pool(be, gpt).Sample(w, ps, sample.Seeds(3, len(ps)), opt)
	if err != nil {
		t.Fatal(err)
	}
	scored, _ := score(t, be, gpt, w, ps, raw, widest, 1)
	if g := gap(raw, scored); g > bound {
		t.Errorf("log-probabilities of truncated draws differ from the scoring pass by %.2g", g)
	}
	// The third most probable of 96 tokens has at most a third of the probability,
	// and of ten of them one would fall below a fortieth if nothing were cut.
	free := draw(t, sampler(t, be, gpt, 1), w, ps, sample.Seeds(3, len(ps)))
	rare := func(raw *sample.Raw) (n int) {
		for b := range raw.Tokens {
			for r := range raw.Length[b] {
				if raw.LogP[b][r] < float32(math.Log(1./96)) {
					n++
				}
			}
		}
		return n
	}
	if cut, all := rare(raw), rare(free); cut > 0 || all == 0 {
		t.Errorf("%d tokens rarer than 1/96 with top-3, %d without; want none and some", cut, all)
	}
}

// Lengths and numbers share compiled programs; nothing is compiled twice.
func TestPool(t *testing.T) {
	be := gx.TestBackend(t)
	w, p := model(t, be, gpt), sample.NewPool(be, gpt)
	for i, c := range []struct {
		n, prompt, response int
		temperature         float64
	}{{1, 3, 5, 1}, {1, 30, 7, .5}, {1, 17, 32, 2}} {
		ps := slices.Repeat([][]int32{slices.Repeat([]int32{7}, c.prompt)}, c.n)
		raw, err := p.Sample(w, ps, sample.Seeds(1, c.n), sample.Options{Response: c.response, Temperature: c.temperature, EOS: eos, Pad: pad})
		if err != nil {
			t.Fatal(err)
		}
		if len(raw.Tokens) != c.n || len(raw.Tokens[0]) != c.response || len(raw.LogP[0]) != c.response {
			t.Errorf("case %d: %d rows of %d tokens, want %d of %d", i, len(raw.Tokens), len(raw.Tokens[0]), c.n, c.response)
		}
	}
	if n := len(p.Programs()); n != 3 {
		t.Errorf("%d programs, want the three of one sampler", n)
	}
	// 17 rows are two calls of 16; each row is what it is in any batch.
	seeds := sample.Seeds(8, sample.Rows+1)
	ps := prompts(sample.Rows+1, widest)
	opt := sample.Options{Prompt: widest, Response: responses, Temperature: 1, EOS: eos, Pad: pad}
	all, err := pool(be, gpt).Sample(w, ps, seeds, opt)
	if err != nil {
		t.Fatal(err)
	}
	last, err := pool(be, gpt).Sample(w, ps[sample.Rows-1:], seeds[sample.Rows-1:], opt)
	if err != nil {
		t.Fatal(err)
	}
	if len(all.Tokens) != sample.Rows+1 || !slices.Equal(all.Tokens[sample.Rows], last.Tokens[1]) {
		t.Error("the seventeenth prompt gives another response among two")
	}
	var streamed []int32
	for tok, err := range pool(be, gpt).Stream(w, ps[0], seeds[0], opt) {
		if err != nil {
			t.Fatal(err)
		}
		streamed = append(streamed, tok)
	}
	if want := all.Tokens[0][:all.Length[0]]; !slices.Equal(streamed, want) {
		t.Errorf("streamed %v, want %v", streamed, want)
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
		{sample.Options{Prompt: 40, Response: 40, Temperature: 1, EOS: 1}, "context of 64"},
		{sample.Options{Prompt: 4, Response: 4, Temperature: -1, EOS: 1}, "Temperature = -1"},
		{sample.Options{Prompt: 4, Response: 4, Temperature: math.NaN(), EOS: 1}, "Temperature = NaN"},
		{sample.Options{Prompt: 4, Response: 4, Temperature: 1, EOS: 1, TopK: -2}, "TopK = -2"},
		{sample.Options{Prompt: 4, Response: 4, Temperature: 1, EOS: 1, TopP: 1.5}, "TopP = 1.5"},
		{sample.Options{Prompt: 4, Response: 4, EOS: 1, TopK: 5}, "greedy"},
	} {
		if _, err := sample.NewTruncated(be, gpt, c.opt); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: error %v, want one with %q", c.opt, err, c.want)
		}
	}
	// What RL must not use.
	for _, o := range []sample.Options{{Temperature: 1, TopK: 5}, {Temperature: 1, TopP: .9}, {}} {
		o.Prompt, o.Response, o.EOS = 4, 4, 1
		if _, err := sample.NewTruncated(be, gpt, o); err != nil {
			t.Errorf("%+v: %v", o, err)
		}
		if _, err := sample.New(be, gpt, o); err == nil || !strings.Contains(err.Error(), "in RL") {
			t.Errorf("New took %+v (error %v): its log-probabilities are not those of the draw", o, err)
		}
	}
	s := sampler(t, be, gpt, 1)
	w := model(t, be, gpt)
	for want, call := range map[string]func() error{
		fmt.Sprintf("want 1 to %d", 32): func() error { _, err := s.Sample(w, prompts(3, 60), sample.Seeds(1, 3)); return err },
		"2 seeds for 3 prompts":         func() error { _, err := s.Sample(w, prompts(3, 3), sample.Seeds(1, 2)); return err },
		"token 1 has id 96":             func() error { _, err := s.Sample(w, [][]int32{{2, 96}}, sample.Seeds(1, 1)); return err },
		"no prompts":                    func() error { _, err := s.Sample(w, nil, nil); return err },
		"0 seeds for 1": func() error {
			var err error
			for _, err = range s.Stream(w, prompts(1, 3), nil) {
			}
			return err
		},
	} {
		if err := call(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

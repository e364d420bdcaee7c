package pm_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/eval"
	"hhrlhf/rlhf/internal/gx"
	"hhrlhf/rlhf/internal/rltest"
	"hhrlhf/rlhf/lm"
	"hhrlhf/rlhf/pm"
	"hhrlhf/rlhf/tokenizer"
)

// small is a decoder with everything in it, small enough to differentiate by hand.
var small = lm.Shape{Vocab: 11, Width: 8, Layers: 2, Heads: 2, Context: 12}

// rows are two pairs of small's tokens: prompt, chosen and rejected behind each other,
// the second with padding.
func smallRows() [3][][]int32 {
	return [3][][]int32{
		{{3, 4, 5, 6, 7, 2, 8, 9, 2}, {4, 9, 3, 2, 5, 5, 2, 0, 0}},
		{{1, 1, 1, 2, 2, 2, 3, 3, 3}, {1, 1, 2, 2, 3, 3, 3, 0, 0}},
		{{0, 1, 2, 3, 4, 5, 3, 4, 5}, {0, 1, 2, 3, 2, 3, 4, 0, 0}},
	}
}

// The gradient of the whole loss, language term and loss weights included, in every
// tensor along a random direction, against central differences in float64.
func TestGradient(t *testing.T) {
	const bound = 1e-6 // relative; the issue asks for 1e-4
	ws := small.ScalarWeights()
	rng := rltest.Rand(1)
	weights, directions := make([][]float64, len(ws)), make([][]float64, len(ws))
	dims := make([][]int, len(ws))
	for i, w := range ws {
		n := 1
		for _, d := range w.Dims {
			n *= d
		}
		for range n {
			weights[i] = append(weights[i], 0.4*rng.NormFloat64())
			directions[i] = append(directions[i], rng.NormFloat64())
		}
		dims[i] = w.Dims
	}
	loss := pm.PairLoss(small, 0.7, 2)
	rows := smallRows()
	// loss and gradient at weights, labels as they are or turned over.
	at := func(flip bool) func(w [][]float64) [][]float64 {
		var in []any
		for _, r := range rows {
			in = append(in, r)
		}
		f := rltest.Compile(t, dtypes.Float64, func(x []*Node) []*Node {
			data := x[:6]
			for i := range 3 {
				data[i] = ConvertDType(data[i], dtypes.Int32)
			}
			if flip { // the chosen branch becomes the rejected one
				s := data[1]
				data[1] = Where(LessThan(s, MulScalar(OnesLike(s), 2)), s, Sub(MulScalar(OnesLike(s), 5), s))
			}
			w := make([]*Node, len(ws))
			for i := range w {
				w[i] = Reshape(x[6+i], dims[i]...)
			}
			l, _ := loss(w, data)
			return append([]*Node{l}, Gradient(l, w...)...)
		})
		return func(w [][]float64) [][]float64 {
			args := append(slices.Clone(in), []float64{0.5, 1.5}, 0.5, 1.0/6)
			for _, v := range w {
				args = append(args, v)
			}
			return f(args...)
		}
	}
	value := at(false)
	got, flipped := value(weights), at(true)(weights)
	for i, w := range ws {
		const h = 1e-5
		shifted := func(by float64) float64 {
			moved := slices.Clone(weights)
			moved[i] = slices.Clone(weights[i])
			for k := range moved[i] {
				moved[i][k] += by * directions[i][k]
			}
			return value(moved)[0][0]
		}
		want := (shifted(h) - shifted(-h)) / (2 * h)
		dot := func(g []float64) (s float64) {
			for k := range g {
				s += g[k] * directions[i][k]
			}
			return s
		}
		if d := dot(got[1+i]); math.Abs(d-want) > bound*math.Max(1, math.Abs(want)) {
			t.Errorf("%s: gradient %v, differences %v", w.Name, d, want)
		}
		if w.Name == "head" {
			// Known mistake: a harmless label turned over a second time.
			rltest.NotClose(t, "labels flipped", dot(flipped[1+i]), want, 100*bound)
		}
	}
}

// A row of a pair scores as its two sequences do alone, on either side of padding
// and with any amount of it, whatever the padding's tokens are.
func TestPairRowIsTwoSequences(t *testing.T) {
	for _, readout := range []string{pm.End, pm.EndAndMean} {
		t.Run(readout, func(t *testing.T) { testPairRow(t, readout) })
	}
}

func testPairRow(t *testing.T, readout string) {
	const bound = 2e-5 // float32's, between two widths of one program
	be := gx.TestBackend(t)
	m := modelReading(t, be, 1, readout)
	tok := m.Tok
	prompt := tok.Encode("\n\nHuman: hi\n\nAssistant:")
	chosen, rejected := append(tok.Encode(" hey"), tok.EOS()), append(tok.Encode(" go!"), tok.EOS())
	alone, err := m.ScoreTokens([][]int32{prompt, prompt}, [][]int32{chosen, rejected})
	if err != nil {
		t.Fatal(err)
	}
	if d := math.Abs(float64(alone[0] - alone[1])); d < 100*bound {
		t.Fatalf("the responses score within %g: the test cannot tell them apart", d)
	}
	p := pm.Pair{Prompt: prompt, Chosen: append(chosen, tok.EOC()), Rejected: append(rejected, tok.EOC())}
	row := func(width, left int, pad int32) [3][][]int32 {
		var r [3][][]int32
		for i := range r {
			r[i] = [][]int32{make([]int32, width)}
		}
		for i := range width {
			r[0][0][i] = pad
		}
		at := left
		for s, part := range [][]int32{p.Prompt, p.Chosen, p.Rejected} {
			for j, id := range part {
				r[0][0][at], r[1][0][at] = id, int32(s+1)
				if r[2][0][at] = int32(j); s > 0 {
					r[2][0][at] += int32(len(prompt))
				}
				at++
			}
		}
		return r
	}
	check := func(name string, rows [3][][]int32, same bool) {
		t.Helper()
		got, err := m.CallRows(rows)
		if err != nil {
			t.Fatal(err)
		}
		d := math.Max(math.Abs(float64(got[0]-alone[0])), math.Abs(float64(got[1]-alone[1])))
		if same && d > bound || !same && d < 100*bound {
			t.Errorf("%s: the scores are %g from those of the sequences alone, same is %v", name, d, same)
		}
	}
	check("padded at the end", row(64, 0, tok.Pad()), true)
	check("other padding", row(64, 0, 77), true)
	check("more of it", row(96, 0, tok.Pad()), true)
	check("padded at the start", row(64, 20, 77), true)
	// Known mistakes.
	seen := row(64, 0, tok.Pad())
	for i, s := range seen[1][0] {
		if s == 2 {
			seen[1][0][i] = 1 // the rejected response sees the chosen one
		}
	}
	got, err := m.CallRows(seen)
	if err != nil {
		t.Fatal(err)
	}
	if d := math.Abs(float64(got[1] - alone[1])); d < 100*bound {
		t.Errorf("a branch that sees its neighbour scores within %g", d)
	}
	counted := row(64, 0, tok.Pad())
	for i := range counted[2][0] {
		counted[2][0][i] = int32(i) // positions run on from the chosen response
	}
	check("positions run on", counted, false)
	shifted := row(64, 20, tok.Pad())
	for i := range shifted[2][0] {
		shifted[2][0][i] = int32(i) // positions count the padding
	}
	check("positions count the padding", shifted, false)
}

// trained takes steps with a configuration on comparisons and returns the metrics of
// each, and the weights.
func trained(t testing.TB, m *pm.Model, cfg rlhf.PM, cs []rlhf.Comparison, steps int) ([]map[string]float64, [][]float32) {
	t.Helper()
	tr, err := pm.NewTrainer(cfg, m, pm.InMemory(cs), stream)
	if err != nil {
		t.Fatal(err)
	}
	var out []map[string]float64
	for range steps {
		v, err := tr.Step()
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, v)
	}
	var ws [][]float32
	for _, w := range m.Weights {
		v, err := gx.Values[float32](w)
		if err != nil {
			t.Fatal(err)
		}
		ws = append(ws, v)
	}
	return out, ws
}

// Four micro-batches update as the batch in one piece does, the language loss
// included, though their pairs have unequal lengths. The language loss is the language
// model's on prompt and chosen response.
func TestAccumulateAndLanguageLoss(t *testing.T) {
	be := gx.TestBackend(t)
	cs := comparisons(64)
	cfg := config()
	cfg.LMCoef, cfg.LearningRate = 1, 1e-4
	whole := model(t, be, 0.5)
	a, wa := trained(t, whole, cfg, cs, 3)
	cfg.Accumulate = 4
	b, wb := trained(t, model(t, be, 0.5), cfg, cs, 3)
	for i := range a {
		for name, v := range a[i] {
			if math.Abs(b[i][name]-v) > 2e-6*math.Max(1, math.Abs(v)) {
				t.Errorf("step %d: %s is %v in pieces, %v in one", i, name, b[i][name], v)
			}
		}
	}
	for i := range wa {
		for k := range wa[i] {
			if d := math.Abs(float64(wa[i][k] - wb[i][k])); d > 2e-5 {
				t.Fatalf("weight %d[%d]: %v in one piece, %v in four", i, k, wa[i][k], wb[i][k])
			}
		}
	}
	if moved := math.Abs(a[0]["pm/lm_loss"] - a[2]["pm/lm_loss"]); moved < 1e-3 {
		t.Errorf("the language loss moved by %g in three steps: the comparison says nothing", moved)
	}

	cfg.LearningRate = 3e-3
	fresh := model(t, be, 0.5)
	tr, err := pm.NewTrainer(cfg, fresh, pm.InMemory(cs), stream)
	if err != nil {
		t.Fatal(err)
	}
	for range 20 { // until tokens are not equally unlikely
		if _, err := tr.Step(); err != nil {
			t.Fatal(err)
		}
	}
	batch, err := tr.Batch(20)
	if err != nil {
		t.Fatal(err)
	}
	lossOn := func(sequence func(p pm.Pair) []int32) float64 {
		var seqs [][]int32
		for _, p := range batch {
			seqs = append(seqs, sequence(p))
		}
		e, err := lm.NewEvaluator(be, shape).Evaluate(fresh.Weights[:len(fresh.Weights)-2], lm.Pack(seqs, shape.Context, fresh.Tok.Pad()))
		if err != nil {
			t.Fatal(err)
		}
		return e.Loss
	}
	right := lossOn(func(p pm.Pair) []int32 { return slices.Concat(p.Prompt, p.Chosen[:len(p.Chosen)-1]) })
	wrong := lossOn(func(p pm.Pair) []int32 { return slices.Concat(p.Prompt, p.Chosen) })
	v, err := tr.Step()
	if err != nil {
		t.Fatal(err)
	}
	rltest.Close(t, "language loss", v["pm/lm_loss"], right, 1e-5)
	// Known mistake: the end-of-context token is a word to learn.
	rltest.NotClose(t, "with the end of context", v["pm/lm_loss"], wrong, 1e-3)
}

// Loss weights multiply the gradient of their tranche, the constant schedule holds,
// and centring moves scores without moving their differences.
func TestWeightsScheduleAndCentre(t *testing.T) {
	be := gx.TestBackend(t)
	cs := comparisons(64)
	norm := func(a, b, coef float64) float64 {
		cfg := config()
		cfg.PMCoef = coef
		cfg.Weights = []rlhf.Share{{Data: "a", Weight: a}, {Data: "b", Weight: b}}
		v, _ := trained(t, model(t, be, 0.5), cfg, cs, 1)
		return v[0]["grad_norm"]
	}
	one := norm(1, 1, 1)
	rltest.Close(t, "both weights 3", norm(3, 3, 1), 3*one, 1e-5)
	rltest.Close(t, "PMCoef 3", norm(1, 1, 3), 3*one, 1e-5)
	rltest.NotClose(t, "one weight 3", norm(3, 1, 1), 3*one, 1e-2)

	cfg := config()
	cfg.Planned, cfg.Schedule = 4, "constant"
	plain := model(t, be, 0.5)
	v, _ := trained(t, plain, cfg, cs, 4)
	if v[3]["lr"] != cfg.LearningRate {
		t.Errorf("constant rate is %v at the last step, want %v", v[3]["lr"], cfg.LearningRate)
	}
	cfg.Centre = true
	centred := model(t, be, 0.5)
	trained(t, centred, cfg, cs, 4)
	pairs, _, _ := pm.EncodeAll(plain.Tok, cs, plain.Context)
	mean := func(m *pm.Model) (mean float64, gaps []float64) {
		scores, err := m.ScorePairs(pairs)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range scores {
			mean += float64(s[0]+s[1]) / float64(2*len(scores))
			gaps = append(gaps, float64(s[0]-s[1]))
		}
		return mean, gaps
	}
	before, wantGaps := mean(plain)
	after, gaps := mean(centred)
	if math.Abs(before) < 1e-2 {
		t.Errorf("mean score %v without centring: the test says nothing", before)
	}
	if math.Abs(after) > 1e-5 {
		t.Errorf("mean score %v after centring", after)
	}
	rltest.Close(t, "differences", gaps, wantGaps, 1e-5)
}

// A frozen trunk is read once, whatever happens to the file meanwhile, stays as it is,
// and its head learns; the model with the head folded scores as the training did.
func TestFrozen(t *testing.T) {
	be := gx.TestBackend(t)
	cs := comparisons(320)
	all, held := pm.InMemory(cs), cs[256:]
	m := modelReading(t, be, 0, pm.EndAndMean)
	before, err := gx.Values[float32](m.Weights[0])
	if err != nil {
		t.Fatal(err)
	}
	path := t.TempDir() + "/features"
	x, err := m.OpenFeatures(path, all)
	if err != nil {
		t.Fatal(err)
	}
	if err := x.Read(100); err != nil {
		t.Fatal(err)
	}
	training := make([]int, 256)
	for i := range training {
		training[i] = i
	}
	if _, err := x.Part(training); err == nil {
		t.Error("a head on activations that are not all there")
	}
	cfg := config()
	cfg.LearningRate, cfg.WeightDecay = 0.03, 0.01
	cfg.Planned = 10 * pm.StepsPerEpoch(len(training), cfg.Batch)
	x.Close()
	if err := os.Truncate(path, 16*int64(shape.Width)*70+5); err != nil { // in the middle of a pair
		t.Fatal(err)
	}
	if x, err = m.OpenFeatures(path, all); err != nil || x.Done() != 70 {
		t.Fatalf("%d pairs in the file that was cut off, want 70 (%v)", x.Done(), err)
	}
	defer x.Close()
	for x.Done() < x.Len() {
		if err := x.Read(77); err != nil {
			t.Fatal(err)
		}
	}
	part, err := x.Part(training)
	if err != nil {
		t.Fatal(err)
	}
	tr, err := pm.NewHeadTrainer(cfg, m, part, stream)
	if err != nil {
		t.Fatal(err)
	}
	for range cfg.Planned {
		if _, err := tr.Step(); err != nil {
			t.Fatal(err)
		}
	}
	batch, err := tr.Batch(cfg.Planned)
	if err != nil {
		t.Fatal(err)
	}
	tokens := make([]pm.Pair, len(batch))
	for i, p := range batch {
		tokens[i], _ = pm.Encode(m.Tok, cs[p.At], m.Context)
	}
	scores, err := m.ScorePairs(tokens)
	if err != nil {
		t.Fatal(err)
	}
	want := 0.0
	for _, s := range scores {
		want += math.Log1p(math.Exp(float64(s[1]-s[0]))) / float64(len(scores))
	}
	v, err := tr.Step()
	if err != nil {
		t.Fatal(err)
	}
	rltest.Close(t, "loss on activations and of the model", v["pm/loss"], want, 2e-5)
	pairs, _, _ := pm.EncodeAll(m.Tok, held, m.Context)
	js, err := m.Judge(held, pairs)
	if err != nil {
		t.Fatal(err)
	}
	for i, j := range js {
		scores, err := x.Scores(len(training) + i)
		if err != nil {
			t.Fatal(err)
		}
		rltest.Close(t, "scores from the file", scores[:], []float64{j.Chosen, j.Rejected}, 1e-4)
	}
	e, err := eval.PM(js)
	if err != nil {
		t.Fatal(err)
	}
	if e.All.Value < 0.8 {
		t.Errorf("accuracy %.3f on held-out pairs with a random trunk, want >= 0.8", e.All.Value)
	}
	after, err := gx.Values[float32](m.Weights[0])
	if err != nil || !slices.Equal(before, after) {
		t.Errorf("the trunk was changed (%v)", err)
	}
}

// Every epoch visits every pair once, in batches of similar length, and a step's batch
// does not depend on which was asked for before.
func TestOrder(t *testing.T) {
	cs := make([]rlhf.Comparison, 1003)
	for i := range cs {
		cs[i].Tranche = fmt.Sprint(i)
	}
	encode := func(c rlhf.Comparison) (pm.Pair, pm.Fate) {
		var i int
		fmt.Sscan(c.Tranche, &i)
		return pm.Pair{Prompt: make([]int32, i*37%100), Tranche: c.Tranche}, pm.Whole
	}
	const batch = 8
	at := pm.NewOrder(pm.InMemory(cs), batch, encode, 5)
	per := pm.StepsPerEpoch(len(cs), batch)
	first := make([][]string, 2*per)
	spread, whole := 0, 0
	for epoch := range 2 {
		seen := map[string]bool{}
		for k := range per {
			pairs, err := at(epoch*per + k)
			if err != nil {
				t.Fatal(err)
			}
			low, high := 1000, 0
			for _, p := range pairs {
				if seen[p.Tranche] {
					t.Fatalf("epoch %d: pair %s twice", epoch, p.Tranche)
				}
				seen[p.Tranche] = true
				first[epoch*per+k] = append(first[epoch*per+k], p.Tranche)
				low, high = min(low, len(p.Prompt)), max(high, len(p.Prompt))
			}
			spread, whole = spread+high-low, whole+100
		}
		if len(seen) != per*batch {
			t.Errorf("epoch %d: %d pairs, want %d", epoch, len(seen), per*batch)
		}
	}
	if spread > whole/4 {
		t.Errorf("lengths within a batch spread over %d of %d: batches are not of similar length", spread, whole)
	}
	if slices.Equal(first[0], first[per]) {
		t.Error("two epochs begin alike")
	}
	again := pm.NewOrder(pm.InMemory(cs), batch, encode, 5)
	for _, k := range rand.New(rand.NewPCG(1, 1)).Perm(2 * per)[:40] {
		pairs, err := again(k)
		if err != nil {
			t.Fatal(err)
		}
		for i, p := range pairs {
			if p.Tranche != first[k][i] {
				t.Fatalf("step %d depends on what was asked before", k)
			}
		}
	}
}

// A trunk may be cut, and a vocabulary that lacked the end-of-context token begins it as
// a copy of the end token.
func TestWeights(t *testing.T) {
	be := gx.TestBackend(t)
	tok := tokenizer.Bytes()
	s := lm.Shape{Vocab: tok.VocabSize(), Width: 8, Layers: 3, Heads: 2, Context: 16, Spare: tok.VocabSize() - int(tok.EOC())}
	trunk, err := lm.Init(be, s.Weights(), stream("trunk", 0))
	if err != nil {
		t.Fatal(err)
	}
	cut, weights, err := pm.Weights(be, s, 2, pm.End, tok, trunk)
	if err != nil {
		t.Fatal(err)
	}
	if cut.Layers != 2 || len(weights) != len(cut.ScalarWeights()) {
		t.Errorf("%d layers, %d weights", cut.Layers, len(weights))
	}
	embedding, err := gx.Values[float32](weights[0])
	if err != nil {
		t.Fatal(err)
	}
	row := func(id int32) []float32 { return embedding[int(id)*8 : int(id+1)*8] }
	if !slices.Equal(row(tok.EOC()), row(tok.EOS())) {
		t.Error("the end of context does not begin as the end token")
	}
	if m, err := pm.New(pm.NewPrograms(be, cut, pm.End), 16, tok, weights); err != nil {
		t.Error(err)
	} else if _, err := m.ScoreTokens([][]int32{{5, 6}}, [][]int32{{7}}); err != nil {
		t.Error(err)
	}
	if _, _, err := pm.Weights(be, s, 4, pm.End, tok, trunk); err == nil {
		t.Error("four layers of three")
	}
}

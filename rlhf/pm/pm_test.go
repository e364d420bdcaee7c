package pm_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/eval"
	"hhrlhf/rlhf/internal/gx"
	"hhrlhf/rlhf/lm"
	"hhrlhf/rlhf/pm"
	"hhrlhf/rlhf/tokenizer"
)

func stream(name string, step int) *rand.Rand {
	return rand.New(rand.NewPCG(uint64(len(name)), uint64(step)))
}

var shape = lm.Shape{Vocab: tokenizer.Bytes().VocabSize(), Width: 32, Layers: 2, Heads: 2, Context: 96}

// shared are the programs of the tests, by readout: each is compiled once.
var shared = map[string]*pm.Programs{}

func programs(be compute.Backend, readout string) *pm.Programs {
	if shared[readout] == nil {
		shared[readout] = pm.NewPrograms(be, shape, readout)
	}
	return shared[readout]
}

// model has a head drawn at random, so that scores are not all zero.
func model(t testing.TB, be compute.Backend, headStd float64) *pm.Model {
	return modelReading(t, be, headStd, pm.End)
}

func modelReading(t testing.TB, be compute.Backend, headStd float64, readout string) *pm.Model {
	t.Helper()
	ws := pm.ScalarWeights(shape, readout)
	ws[len(ws)-2].Std = headStd
	weights, err := lm.Init(be, ws, stream("init", 1))
	if err != nil {
		t.Fatal(err)
	}
	m, err := pm.New(programs(be, readout), shape.Context, tokenizer.Bytes(), weights)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// comparisons prefer the response that says yes.
func comparisons(n int) []rlhf.Comparison {
	rng := stream("comparisons", 0)
	cs := make([]rlhf.Comparison, n)
	for i := range cs {
		p := rlhf.Human + fmt.Sprintf(" is %d even?", rng.IntN(90)) + rlhf.Assistant
		say := func(word string) rlhf.Transcript {
			return rlhf.Transcript{Prompt: p, Response: " " + strings.Repeat(word+" ", 1+rng.IntN(3)) + "ok"}
		}
		cs[i] = rlhf.Comparison{Chosen: say("yes"), Rejected: say("no"), Tranche: []string{"a", "b"}[i%2]}
	}
	return cs
}

func config() rlhf.PM {
	c := rlhf.PM{LM: "x", Batch: 16, Planned: 40, LearningRate: 3e-3, Warmup: 2}.Filled()
	return c
}

func trainer(t testing.TB, m *pm.Model, cs []rlhf.Comparison) *pm.Trainer {
	t.Helper()
	tr, err := pm.NewTrainer(config(), m, pm.InMemory(cs), stream)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// The first loss is ln 2 exactly, and a few steps order the pairs.
func TestLearnsFromLn2(t *testing.T) {
	be := gx.TestBackend(t)
	m := model(t, be, 0)
	cs := comparisons(256)
	tr := trainer(t, m, cs)
	first, err := tr.Step()
	if err != nil {
		t.Fatal(err)
	}
	if math.Abs(first["pm/loss"]-math.Ln2) > 1e-6 || first["pm/accuracy"] != 0.5 {
		t.Errorf("first step: loss %v, accuracy %v, want ln 2 and 0.5", first["pm/loss"], first["pm/accuracy"])
	}
	for range config().Planned - 1 {
		if _, err := tr.Step(); err != nil {
			t.Fatal(err)
		}
	}
	held := comparisons(400)[256:]
	pairs, _, _ := pm.EncodeAll(m.Tok, held, m.Context)
	js, err := m.Judge(held, pairs)
	if err != nil {
		t.Fatal(err)
	}
	e, err := eval.PM(js)
	if err != nil {
		t.Fatal(err)
	}
	if e.All.Value < 0.95 {
		t.Errorf("accuracy %.3f after %d steps, want >= 0.95", e.All.Value, config().Planned)
	}
	// Known mistake: the label flipped once more. The same model must then be as wrong as it was right.
	for i := range js {
		js[i].Chosen, js[i].Rejected = js[i].Rejected, js[i].Chosen
	}
	if flipped, _ := eval.PM(js); math.Abs(flipped.All.Value+e.All.Value-1) > 1e-9 {
		t.Errorf("accuracies %v and, labels flipped, %v do not add up to 1", e.All.Value, flipped.All.Value)
	}
	if names := []string{e.Tranches[0].Name, e.Tranches[1].Name}; !slices.Equal(names, []string{"a", "b"}) {
		t.Errorf("tranches %v", names)
	}
}

// A score depends on the sequence alone, not on its neighbours. The bound is float32's
// between two widths of one program.
func TestScoreIgnoresNeighbours(t *testing.T) {
	const bound = 2e-5
	be := gx.TestBackend(t)
	m := model(t, be, 1)
	tok := m.Tok
	prompt, response := tok.Encode("\n\nHuman: hi\n\nAssistant:"), append(tok.Encode(" hello"), tok.EOS())
	long := slices.Repeat(tok.Encode("a"), 60)
	alone, err := m.ScoreTokens([][]int32{prompt}, [][]int32{response})
	if err != nil {
		t.Fatal(err)
	}
	among, err := m.ScoreTokens([][]int32{long, prompt, long}, [][]int32{response, response, response})
	if err != nil {
		t.Fatal(err)
	}
	if d := math.Abs(float64(alone[0] - among[1])); d > bound {
		t.Errorf("score moves by %g among neighbours", d)
	}
	if d := math.Abs(float64(among[0] - among[1])); d < 100*bound {
		t.Errorf("two prompts score within %g: the test cannot tell them apart", d)
	}
	// Known mistakes, each of which must change the score visibly.
	for name, wrong := range map[string][]int32{
		"end token forgotten":           response[:len(response)-1],
		"end-of-context appended twice": append(slices.Clone(response), tok.EOC()),
		"last token off by one":         response[:len(response)-2],
	} {
		s, err := m.ScoreTokens([][]int32{prompt}, [][]int32{wrong})
		if err != nil {
			t.Fatal(err)
		}
		if d := math.Abs(float64(alone[0] - s[0])); d < 100*bound {
			t.Errorf("%s: the score moves by %g only; the test cannot see the mistake", name, d)
		}
	}
}

// Score of text and score of tokens are one function.
func TestScoreTextIsScoreTokens(t *testing.T) {
	be := gx.TestBackend(t)
	m := model(t, be, 1)
	ts := []rlhf.Transcript{{Prompt: "\n\nHuman: a\n\nAssistant: b\n\nHuman: c\n\nAssistant:", Response: " d"}}
	text, err := m.Score(ts)
	if err != nil {
		t.Fatal(err)
	}
	prompt, response := tokenizer.EncodeTranscript(m.Tok, ts[0])
	tokens, err := m.ScoreTokens([][]int32{prompt}, [][]int32{response})
	if err != nil {
		t.Fatal(err)
	}
	if text[0] != tokens[0] {
		t.Errorf("text %v, tokens %v", text[0], tokens[0])
	}
}

func TestEncodeKeepsPairsAlike(t *testing.T) {
	old := rlhf.Human + " " + strings.Repeat("x", 60) + rlhf.Assistant + " y"
	last := rlhf.Human + " z" + rlhf.Assistant
	cs := []rlhf.Comparison{
		{Chosen: rlhf.Transcript{Prompt: old + last, Response: " short"}, Rejected: rlhf.Transcript{Prompt: old + last, Response: " a longer one"}},
		{Chosen: rlhf.Transcript{Prompt: last, Response: strings.Repeat("w", 99)}, Rejected: rlhf.Transcript{Prompt: last, Response: " b"}},
	}
	tok := tokenizer.Bytes()
	pairs, left, cut := pm.EncodeAll(tok, cs, 96)
	if len(pairs) != 1 || len(left) != 1 || cut != 1 {
		t.Fatalf("%d pairs, %d cut, left out %+v", len(pairs), cut, left)
	}
	want := tokenizer.EncodePrompt(tok, last)
	if got := pairs[0].Prompt; !slices.Equal(got, want) {
		t.Errorf("prompt is %q, want the last turn alone", tok.Decode(got))
	}
	for _, side := range [][]int32{pairs[0].Chosen, pairs[0].Rejected} {
		if side[len(side)-1] != tok.EOC() {
			t.Error("no end-of-context token")
		}
	}
}

func TestMeasure(t *testing.T) {
	js := []pm.Judged{{Chosen: 1, Rejected: 0}, {Chosen: 0, Rejected: 2}, {Chosen: 1, Rejected: 1}, {Chosen: 3, Rejected: 0}}
	e, err := eval.PM(js)
	if err != nil {
		t.Fatal(err)
	}
	if want := 2.5 / 4; e.All.Value != want {
		t.Errorf("accuracy %v, want %v: a tie counts half", e.All.Value, want)
	}
	// By hand: (ln(1+e⁻¹) + ln(1+e²) + ln 2 + ln(1+e⁻³)) / 4.
	want := (math.Log1p(math.Exp(-1)) + math.Log1p(math.Exp(2)) + math.Ln2 + math.Log1p(math.Exp(-3))) / 4
	if math.Abs(e.Loss-want) > 1e-12 {
		t.Errorf("loss %v, want %v", e.Loss, want)
	}
	if _, err := eval.PM(nil); err == nil || !strings.Contains(err.Error(), "HeldOut") {
		t.Errorf("no comparisons: %v", err)
	}
}

func TestErrors(t *testing.T) {
	be := gx.TestBackend(t)
	m := model(t, be, 0)
	if _, err := pm.NewTrainer(config(), m, pm.InMemory(comparisons(5)), stream); err == nil || !strings.Contains(err.Error(), "fewer than Batch = 16") {
		t.Errorf("few pairs: %v", err)
	}
	if _, err := pm.New(programs(be, pm.End), 200, m.Tok, m.Weights); err == nil || !strings.Contains(err.Error(), "Context = 200") {
		t.Errorf("wide context: %v", err)
	}
	long := rlhf.Transcript{Prompt: rlhf.Human + " a" + rlhf.Assistant, Response: strings.Repeat("b", 200)}
	if _, err := m.Score([]rlhf.Transcript{long}); err == nil || !strings.Contains(err.Error(), "more than 96 tokens") {
		t.Errorf("long response: %v", err)
	}
}
